"""Seen: caches the stored pictures of one video, so that none is decoded twice."""

from collections import OrderedDict

import numpy as np

from fewframes.arrays import I64, U8
from fewframes.store.video import Video

CACHE_BYTES = 256 << 20
"""How many bytes of pictures are remembered; the least recently used go first."""


class SeenPictures:
    """Reads rows of a video, and decodes a picture only where it is not remembered.

    >>> import fewframes as ff
    >>> seen = SeenPictures(ff.open("corpus.zarr")["film"])
    >>> seen.of_rows(np.array([0, 3, 0])).shape, seen.of_rows(np.array([3])).shape, seen.decoded
    ((3, 120, 160, 3), (1, 120, 160, 3), 2)
    """

    def __init__(self, video: Video, most_bytes: int = CACHE_BYTES) -> None:
        self.video, self.most_bytes = video, most_bytes
        self.decoded = 0
        """Pictures that were decoded."""
        self._pictures: OrderedDict[int, U8] = OrderedDict()

    def of_rows(self, rows: I64) -> U8:
        """Gives the pictures of rows, ``[k] i64 -> [k, h, w, 3] u8``, k at least 1."""
        slots = self.video.slots[rows].tolist()
        row_of = dict(zip(reversed(slots), reversed(rows.tolist()), strict=True))
        missing = [slot for slot in row_of if slot not in self._pictures]
        if missing:
            read = self.video.read(rows=[row_of[slot] for slot in missing]).frames
            self._pictures |= zip(missing, read, strict=True)
            self.decoded += len(missing)
        pixels = np.stack([self._pictures[slot] for slot in slots])
        for slot in row_of:
            self._pictures.move_to_end(slot)
        while len(self._pictures) * pixels[0].nbytes > self.most_bytes:
            self._pictures.popitem(last=False)
        return pixels
