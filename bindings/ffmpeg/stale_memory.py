"""PyAV: does a picture of VP8 show memory that its packet never wrote?

FFmpeg's VP8 decoder says nothing where a damaged packet ends before its picture does: the last
macroblocks keep what was in that memory before, which depends on who used it.

1. `StaleMemoryCheck` remembers the last macroblock of each picture by the memory that it lay in.
2. A picture is suspect if it shows there what that memory showed before (zeros, where it is fresh),
   and not what the picture before it showed.
3. Then the run is decoded again up to there (`second_look`).
"""

from av.video.frame import VideoFrame

SILENT = frozenset({"vp8"})
"""Codecs whose decoder leaves a picture unfinished without a word."""
UNFINISHED_WORDS = "a packet ends before its picture does"
SIDES = (16, 8, 8)
"""Of a macroblock, in the three planes."""
CORNER_ROWS = 4


class StaleMemoryCheck:
    """What the last macroblock of each picture showed, by the memory of the picture."""

    def __init__(self) -> None:
        self._shown: dict[int, bytes] = {}
        self._last = b""

    def is_suspect(self, picture: VideoFrame) -> bool:
        """Whether a picture may end in memory that was not written for it."""
        corner, memory = _corner(picture), picture.planes[0].buffer_ptr
        before = self._shown.get(memory, bytes(len(corner)))
        is_suspect = corner == before and corner != self._last
        self._shown[memory] = self._last = corner
        return is_suspect


def _corner(picture: VideoFrame) -> bytes:
    """The bytes of the last rows of the last macroblock, in every plane."""
    parts = []
    for plane, side in zip(picture.planes, SIDES, strict=False):
        samples, step = memoryview(plane), plane.line_size
        left = (plane.width - 1) // side * side
        rows = range(max(0, plane.height - CORNER_ROWS), plane.height)
        parts += [samples[row * step + left : row * step + plane.width] for row in rows]
    return b"".join(parts)
