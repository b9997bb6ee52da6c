"""PyAV: does a picture of VP8 show memory that its packet never wrote?

FFmpeg's VP8 decoder says nothing where a damaged packet ends before its picture does: the last
macroblocks keep what was in that memory before, which depends on who used it.

1. `Corners` remembers the last macroblock of each picture by the memory that it lay in.
2. A picture is suspect if it shows there what that memory showed before (zeros, where it is fresh),
   and not what the picture before it showed.
3. Then the run is decoded again up to there, with pictures held back, so that other memory is
   used. A picture that comes out differently was not all written.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xxhash
from av.video.frame import VideoFrame

from fewframes.arrays import I64
from fewframes.bindings.ffmpeg.log import complaints
from fewframes.bindings.ffmpeg.planes import rows_of

if TYPE_CHECKING:
    from fewframes.bindings.ffmpeg.cursor import Cursor

SILENT = frozenset({"vp8"})
"""Codecs whose decoder leaves a picture unfinished without a word."""
UNFINISHED_WORDS = "a packet ends before its picture does"
HELD_PICTURES = 5
"""How many pictures the second decode holds back."""
SIDES = (16, 8, 8)
"""Of a macroblock, in the three planes."""
CORNER_ROWS = 4


class Corners:
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


class Unfinished:
    """Finds the pictures of one run that were not all written."""

    def __init__(self, cursor: "Cursor", feed: I64) -> None:
        self._corners, self._again = cursor.corners, _second_look(cursor, feed)

    def has(self, pictures: Sequence[VideoFrame]) -> bool:
        """Whether one of these pictures is one; to be asked of every picture, in order."""
        suspects = [picture for picture in pictures if self._corners.is_suspect(picture)]
        if not suspects:
            return False
        said, wanted, lumas = list(complaints()), suspects[-1].pts, {}
        for pts, luma in self._again:
            lumas[pts] = luma
            if pts == wanted:
                break
        complaints()[:] = said
        return any(lumas.get(picture.pts) != _luma(picture) for picture in suspects)


def _second_look(cursor: "Cursor", feed: I64) -> Iterator[tuple[int | None, int]]:
    """The luma of each picture of a run, decoded with pictures held back."""
    again, held = type(cursor)(cursor.timeline), deque[VideoFrame](maxlen=HELD_PICTURES)
    try:
        for _, pictures, _ in again.decoded(feed):
            held.extend(pictures or ())
            yield from ((picture.pts, _luma(picture)) for picture in pictures or ())
    finally:
        again.close()


def _corner(picture: VideoFrame) -> bytes:
    """The bytes of the last rows of the last macroblock, in every plane."""
    parts = []
    for plane, side in zip(picture.planes, SIDES, strict=False):
        samples, step = memoryview(plane), plane.line_size
        left = (plane.width - 1) // side * side
        rows = range(max(0, plane.height - CORNER_ROWS), plane.height)
        parts += [samples[row * step + left : row * step + plane.width] for row in rows]
    return b"".join(parts)


def _luma(picture: VideoFrame) -> int:
    """A digest of what is seen of the luma."""
    plane = picture.planes[0]
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(rows_of(plane)[:, : plane.width]).data)
