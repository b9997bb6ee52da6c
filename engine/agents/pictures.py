"""Pictures of a session: those of the store, and of the film at full size, each decoded once."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np

from fewframes.arrays import I64, U8
from fewframes.decode.batch import FrameBatch
from fewframes.errors import StaleIndexError
from fewframes.files.probing import probe
from fewframes.files.reading import read
from fewframes.models.resolutions import shrink_to
from fewframes.store.video import Video

CACHE_BYTES = 256 << 20
"""How many bytes of pictures are remembered; the least recently used go first."""
FILM_BYTES = 256 << 20
"""Bytes of full pictures that are remembered, the least recently used go first; one at least."""


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
            frames = self.video.read(rows=[row_of[slot] for slot in missing]).frames
            self._pictures |= zip(missing, frames, strict=True)
            self.decoded += len(missing)
        pixels = np.stack([self._pictures[slot] for slot in slots])
        for slot in row_of:
            self._pictures.move_to_end(slot)
        while len(self._pictures) * pixels[0].nbytes > self.most_bytes:
            self._pictures.popitem(last=False)
        return pixels


class SourceFilm:
    """Reads parts of frames of the file that a video was made of.

    Raises:
        StaleIndexError: The file is another one.
        UnreadableMediaError: There is no such file, or it is no video.
    """

    def __init__(self, path: Path, video: Video, most_bytes: int = FILM_BYTES) -> None:
        known = video.facts["source"]
        self.timeline = probe(path, stream=video.facts["stream"]["index"])
        source = self.timeline.source
        if (source.size_bytes, source.edges_xxh3) != (known["size_bytes"], known["edges_xxh3"]):
            raise StaleIndexError(
                f"{source.name!r} is not the file that video {video.id!r} was made of; pass that"
            )
        self.most_bytes = most_bytes
        self._pictures: OrderedDict[int, FrameBatch] = OrderedDict()
        self.decoded = 0
        """Frames that were decoded."""

    def crop(
        self, seconds: float, box: tuple[float, float, float, float], size: int | None
    ) -> FrameBatch:
        """Gives a part of the frame on screen at a time, ``[1, h, w, 3] u8``.

        ``box`` is left, top, right and bottom as shares of the picture; ``size`` its longest side,
        never enlarged. Raises ValueError for a box that is not inside, or holds nothing.
        """
        left, top, right, bottom = box
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(
                f"box={box} is no part of a picture; pass left, top, right, bottom from 0 to 1"
            )
        whole = self._picture(int(self.timeline.frame_at(seconds)[0]))
        height, width = whole.frames.shape[1:3]
        rows = slice(int(top * height), max(int(top * height) + 1, round(bottom * height)))
        columns = slice(int(left * width), max(int(left * width) + 1, round(right * width)))
        part = shrink_to(np.ascontiguousarray(whole.frames[0, rows, columns]), size)
        report = {**whole.report, "source": "film", "box": list(box)}
        return replace(whole, planes=(part[None],), report=report)

    def _picture(self, number: int) -> FrameBatch:
        if number not in self._pictures:
            self._pictures[number] = read(self.timeline, frames=[number])
            self.decoded += 1
        self._pictures.move_to_end(number)
        picture = self._pictures[number]
        while len(self._pictures) > max(1, self.most_bytes // picture.frames.nbytes):
            self._pictures.popitem(last=False)
        return picture
