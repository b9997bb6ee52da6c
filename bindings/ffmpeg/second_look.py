"""PyAV: a second decode of a run, on other memory, finds the pictures that were not all written.

`stale_memory` suspects a picture; it was not all written if it comes out differently with pictures
held back, so that other memory is used.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
import xxhash
from av.video.frame import VideoFrame

from fewframes.arrays import I64
from fewframes.bindings.ffmpeg.cursor import Cursor
from fewframes.bindings.ffmpeg.log import drain_log
from fewframes.bindings.ffmpeg.planes import rows_of

HELD_PICTURES = 5
"""How many pictures the second decode holds back."""


class Unfinished:
    """Finds the pictures of one run that were not all written."""

    def __init__(self, cursor: Cursor, feed: I64) -> None:
        self._corners, self._again = cursor.corners, _second_look(cursor, feed)

    def has(self, pictures: Sequence[VideoFrame]) -> bool:
        """Whether one of these pictures is one; to be asked of every picture, in order."""
        suspects = [picture for picture in pictures if self._corners.is_suspect(picture)]
        if not suspects:
            return False
        said, requested, lumas = list(drain_log()), suspects[-1].pts, {}
        for pts, luma in self._again:
            lumas[pts] = luma
            if pts == requested:
                break
        drain_log()[:] = said
        return any(lumas.get(picture.pts) != _luma(picture) for picture in suspects)


def _second_look(cursor: Cursor, feed: I64) -> Iterator[tuple[int | None, int]]:
    """The luma of each picture of a run, decoded with pictures held back."""
    again, held = Cursor(cursor.timeline), deque[VideoFrame](maxlen=HELD_PICTURES)
    try:
        for _, pictures, _ in again.decoded(feed):
            held.extend(pictures or ())
            yield from ((picture.pts, _luma(picture)) for picture in pictures or ())
    finally:
        again.close()


def _luma(picture: VideoFrame) -> int:
    """A digest of what is seen of the luma."""
    plane = picture.planes[0]
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(rows_of(plane)[:, : plane.width]).data)
