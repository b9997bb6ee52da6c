"""Range results: files that range tasks write, and that a merge joins into one video.

1. A long film has a folder below ``.parts/<quoted id>`` of its store (of the cache folder, for a
   store by URL), named by recipe, source and ranges, so that no part is taken for another.
2. A part is one Arrow file, named by its range and its own digest: per frame its number, the hashes
   of its luma and of its planes, its `PictureStats`, and the picture as it would be
   stored. It gets its name when it is whole, and is believed only if its digest is right: it is not
   flushed to the disk, since losing one costs no more than decoding its range again.
3. Pictures are made of every frame; which of them repeat others is known in the merge alone, which
   copies the bytes of the others and decodes nothing.
4. Where a range does not decode cleanly, a note in the folder says that the film has to be decoded
   in one go: what an anomaly touches may lie across a cut.
5. The folder is removed when the video is published. What nobody has come back for is removed
   after a week (`gc`).
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fewframes.arrays import F32, I64
from fewframes.atomic import write_atomic
from fewframes.errors import CorruptStoreError
from fewframes.features.picture_stats import PictureStats
from fewframes.features.scan import ScannedFrame
from fewframes.media.source import Source
from fewframes.store.digests import digest_own
from fewframes.store.layout import PARTS, folder_name
from fewframes.store.recipes import Recipe, canonical_json
from fewframes.store.untrusted import check_not_linked, read_regular, remove_tree

ONE_GO = "one-go"
"""Name of the note that a film has to be decoded in one go; it holds the reason."""
COLUMNS = ("number", "luma_xxh64", "picture_xxh64", "shape", "grids", "tells", "picture")
"""What a part holds of each frame; parts with other columns are not looked at."""
BATCH_BYTES = 8 << 20
"""Frames are written and read so many bytes at a time."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one film under one recipe."""

    folder: Path
    ranges: tuple[I64, ...]
    """The frame numbers of each range."""

    @classmethod
    def of(
        cls, home: Path, video_id: str, recipe: Recipe, source: Source, ranges: list[I64]
    ) -> "Parts":
        """Says where the parts of a film are, ``home`` being the folder for unfinished work.

        Raises CorruptStoreError where one of their folders is a link.
        """
        import xxhash

        facts = {
            "columns": COLUMNS,
            "recipe": recipe.to_dict(),
            "source": [source.size_bytes, source.mtime_ns, source.edges_xxh3],
            "cuts": [len(numbers) for numbers in ranges],
        }
        name = xxhash.xxh3_128_hexdigest(canonical_json(facts))
        folder = home / PARTS / folder_name(video_id) / name
        for path in (folder.parents[1], folder.parent, folder):
            check_not_linked(path)
        return cls(folder, tuple(ranges))

    @property
    def unsplittable_reason(self) -> str:
        """Why the film has to be decoded in one go; empty where it need not."""
        try:
            return read_regular(self.folder / ONE_GO).decode(errors="replace")
        except OSError:
            return ""

    def refuse(self, reason: str) -> None:
        """Notes that the film has to be decoded in one go, and removes its finished parts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in self.folder.glob("*.arrow"):
            file.unlink(missing_ok=True)
        write_atomic(self.folder / ONE_GO, reason.encode())

    def find(self, at: int) -> Path | None:
        """Gives the part of a range, if it is there and whole; removes what is damaged."""
        for file in self.folder.glob(f"{at:04d}-*.arrow"):
            with suppress(OSError):
                if file.stem.partition("-")[2] == digest_own(file):
                    return file
            with suppress(IsADirectoryError):
                file.unlink(missing_ok=True)
        return None

    def find_all(self) -> list[Path] | None:
        """Gives the parts of all ranges in order, or None where one is missing."""
        if len(self.ranges) < 2:
            return None
        found = [self.find(at) for at in range(len(self.ranges))]
        return None if None in found else [file for file in found if file]

    def count(self) -> int:
        """How many ranges seem to be done, without a look into their parts."""
        return len({file.name[:4] for file in self.folder.glob("*.arrow")})

    def remove(self) -> None:
        """Removes all that is there of the film."""
        remove_tree(self.folder)
        for empty in (self.folder.parent, self.folder.parent.parent):
            with suppress(OSError):  # others are at work there
                empty.rmdir()


class PartWriter:
    """Writes one part; leaving the ``with`` without `publish` leaves nothing."""

    def __init__(self, parts: Parts, at: int) -> None:
        self._parts, self._at = parts, at
        self._file = parts.folder / f"{uuid.uuid4().hex}.partial"
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0
        self._out: Any = None
        self.numbers: list[int] = []
        """The frames so far."""

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._file.unlink(missing_ok=True)

    def append(self, frame: ScannedFrame, picture: bytes) -> None:
        """Adds a frame and its encoded picture."""
        grids = np.ascontiguousarray(frame.swept.grids, "<f4")
        scalars = np.ascontiguousarray(frame.swept.scalars, "<f8")
        hashes, shape = (frame.luma_xxh64, frame.picture_xxh64), list(grids.shape)
        self._rows.append(
            (frame.number, *hashes, shape, grids.tobytes(), scalars.tobytes(), picture)
        )
        self.numbers.append(frame.number)
        self._bytes += len(picture) + grids.nbytes
        if self._bytes >= BATCH_BYTES:
            self._flush()

    def publish(self) -> None:
        """Gives the part its name.

        Where the folder is gone, another run has published the film, and needs no part.
        """
        self._flush()
        self._close()
        with suppress(FileNotFoundError):
            name = f"{self._at:04d}-{digest_own(self._file)}.arrow"
            self._file.replace(self._parts.folder / name)

    def _flush(self) -> None:
        import pyarrow as pa

        schema = _schema()
        if self._out is None:
            self._parts.folder.mkdir(parents=True, exist_ok=True)
            self._out = pa.ipc.new_stream(pa.OSFile(os.fsencode(self._file), "wb"), schema)
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in schema)
        arrays = [
            pa.array(list(values), field.type)
            for values, field in zip(columns, schema, strict=True)
        ]
        self._out.write_batch(pa.record_batch(arrays, schema=schema))
        self._rows, self._bytes = [], 0

    def _close(self) -> None:
        if self._out is not None:
            self._out.close()
            self._out = None


def _schema() -> Any:  # noqa: ANN401 (pyarrow has no types of its own)
    import pyarrow as pa

    hashed, shape = pa.uint64(), pa.list_(pa.int32(), 3)
    kinds = (pa.int64(), hashed, hashed, shape, pa.binary(), pa.binary(24), pa.binary())
    return pa.schema(zip(COLUMNS, kinds, strict=True))


def read_part(file: Path, numbers: I64) -> Iterator[ScannedFrame]:
    """Gives the frames of a part, in order, with their pictures as they were encoded.

    Raises:
        CorruptStoreError: They are not the frames of the range.
    """
    import pyarrow as pa

    at = 0
    with pa.OSFile(os.fsencode(file), "rb") as opened, pa.ipc.open_stream(opened) as batches:
        for batch in batches:
            there = batch["number"].to_pylist()
            if there != numbers[at : at + len(there)].tolist():
                raise CorruptStoreError(f"part {file.name} holds frames of another range")
            at += len(there)
            yield from _frames_of(batch)
    if at != len(numbers):
        raise CorruptStoreError(f"part {file.name} has {at} frames, not {len(numbers)}")


def _frames_of(batch: Any) -> Iterator[ScannedFrame]:  # noqa: ANN401 (a pyarrow.RecordBatch)
    plain = [name for name in COLUMNS if name != "shape"]
    columns = [batch[name].to_numpy(zero_copy_only=False) for name in plain]
    shapes = batch["shape"].flatten().to_numpy().reshape(-1, 3).tolist()
    for shape, number, luma, whole, grids, scalars, picture in zip(shapes, *columns, strict=True):
        levels: F32 = np.frombuffer(grids, "<f4").reshape(shape)
        swept = PictureStats(levels, np.frombuffer(scalars, "<f8"))
        yield ScannedFrame(int(number), int(luma), swept, picture, int(whole))
