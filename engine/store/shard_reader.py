"""ShardReader: pictures of one video from its place, by slot.

1. The index of a shard is read once, checked and kept.
2. Wanted pictures that lie near each other are read together; no file stays open.
3. Every picture is checked against its crc32c and decoded, raw ones read, straight into the batch.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePath
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from fewframes.arrays import I64, U8
from fewframes.errors import CorruptStoreError, UnreachableStoreError
from fewframes.store import shard_format as form
from fewframes.store.backend import GroupFiles, OpenFile
from fewframes.store.codecs import CODECS, PictureCodec
from fewframes.store.folder import Folder
from fewframes.store.layout import ATTEMPT
from fewframes.store.shard_format import CHECKSUM_BYTES as CHECK
from fewframes.store.untrusted import load_json

WASTE = 1 / 8
"""Unwanted bytes that may be read for one wanted byte, to read neighbours together. A call of the
system costs less than reading one more picture, so only small gaps in long runs are worth it."""
RUN_BYTES = 1 << 20
"""Neighbours are read together up to this size: it bounds memory and lets threads share."""
CORES = os.cpu_count() or 1  # asked once: the system takes 0.1 ms to answer
FRAMES_PER_THREAD = 8  # fewer are decoded before a thread has started


class _Run(NamedTuple):
    """Neighbours in one shard, to be read together."""

    slots: list[int]
    offsets: list[int]
    """Where each picture begins in the shard, rising."""
    sizes: list[int]
    """Bytes of each picture with its checksum."""


class _Task(NamedTuple):
    """What one thread does at a time: runs of one shard, for which the file is opened once."""

    shard: int
    runs: list[_Run]


_ReadRun: TypeAlias = Callable[[OpenFile, _Run], None]
"""Reads a run of an open file."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ShardReader:
    """Reads pictures by slot; threads may share it, other processes can be sent it.

    Raises:
        CorruptStoreError: Here or when reading: a file is missing, or is not what was written.
    """

    folder: Path | GroupFiles
    """Where the array is: a folder, or a place elsewhere."""
    shape: tuple[int, int, int, int] = field(init=False)
    """Slots, height, width and 3."""
    codec: PictureCodec = field(init=False)
    """How the pictures are stored."""
    _indexes: dict[int, I64] = field(init=False, default_factory=dict)
    _place: GroupFiles = field(init=False)

    def __post_init__(self) -> None:
        """Reads the array's ``zarr.json``; anything but what `ShardWriter` writes is refused."""
        place = Folder(self.folder) if isinstance(self.folder, Path) else self.folder
        object.__setattr__(self, "_place", place)
        with self._using("zarr.json", OSError, ValueError):
            shape, codec = form.read_metadata(load_json(place.read("zarr.json")))
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "codec", codec)

    def __reduce__(self) -> tuple[type["ShardReader"], tuple[Path | GroupFiles]]:
        return ShardReader, (self.folder,)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"ShardReader({list(self.shape)} u8, {self.codec.name})"

    def read(
        self,
        slots: npt.ArrayLike,
        *,
        size: tuple[int, int] | None = None,
        out: U8 | None = None,
        workers: int | None = None,
    ) -> U8:
        """Decodes pictures, ``[k] -> [k, h, w, 3] u8``, in the order asked for.

        A slot that is asked for twice is decoded once. ``size`` is another height and width, see
        `pictures` for how it is made; ``out`` an array to decode into. ``workers`` is the number
        of threads (default: one a core, and 8 pictures each at least).

        Raises:
            IndexError: A slot is not in the array.
            ValueError: ``out`` is not ``[k, h, w, 3] u8``, contiguous and writeable.
            CorruptStoreError: A picture is missing or damaged; says which.
        """
        requested = self._checked(slots)
        pixels = self._target(out, len(requested), size or self.shape[1:3])
        unique, first, inverse = np.unique(requested, return_index=True, return_inverse=True)
        place = dict(zip(unique.tolist(), (pixels[at] for at in first.tolist()), strict=True))
        if CODECS[self.codec.name].is_plain and pixels.shape[1:] == self.shape[1:]:
            self._each(unique, self._reading_into(place), 0, workers)
        else:
            self._each(unique, self._reading_for(self._decoding_into(place)), RUN_BYTES, workers)
        source = first[inverse]
        for at in np.flatnonzero(source != np.arange(len(requested))).tolist():
            pixels[at] = pixels[source[at]]
        return pixels

    def encoded(self, slots: npt.ArrayLike) -> list[bytes]:
        """Gives pictures as they are stored, checked but not decoded, in the order asked for."""
        requested = self._checked(slots)
        found: dict[int, bytes] = {}

        def keep(slot: int, data: U8) -> None:
            found[slot] = data.tobytes()

        self._each(np.unique(requested), self._reading_for(keep), RUN_BYTES, 1)
        return [found[slot] for slot in requested.tolist()]

    def _each(self, slots: I64, read: _ReadRun, most_bytes: int, workers: int | None) -> None:
        """Calls ``read`` for each run of the rising slots, on threads."""
        concurrency = self._place.concurrency
        threads = min(
            workers or concurrency or len(slots) // FRAMES_PER_THREAD, concurrency or CORES
        )
        if concurrency and threads > 1:
            self._fetch_indexes(slots, threads)
        tasks = list(self._tasks(slots, most_bytes, FRAMES_PER_THREAD if threads > 1 else None))
        if min(threads, len(tasks)) <= 1:
            for task in tasks:
                self._run(task, read)
            return
        with ThreadPoolExecutor(min(threads, len(tasks))) as pool:
            for _ in pool.map(lambda task: self._run(task, read), tasks):
                pass

    def _run(self, task: _Task, read: _ReadRun) -> None:
        path, spans = form.shard_path(task.shard), map(_span, task.runs)
        with self._using(path, OSError), self._place.open(path, spans) as file:
            for run in task.runs:
                read(file, run)

    def _fetch_indexes(self, slots: I64, threads: int) -> None:
        """Reads the indexes of all shards at once where each is a wait."""
        shards = np.unique(slots // form.SHARD_FRAMES).tolist()
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(self.index_of, shards):
                pass

    def _tasks(self, slots: I64, most_bytes: int, most_runs: int | None) -> Iterator[_Task]:
        """Cuts rising slots into runs, each within one shard, and these into tasks."""
        shards, places = np.divmod(slots, form.SHARD_FRAMES)
        edges = [0, *(np.flatnonzero(np.diff(shards)) + 1).tolist(), len(slots)]
        for low, high in pairwise(edges if len(slots) else ()):
            shard, mine = int(shards[low]), slots[low:high]
            offsets, sizes = self.index_of(shard)[places[low:high]].T
            if (offsets < 0).any():
                raise self._corrupt(int(mine[offsets < 0][0]), "is missing")
            order = np.argsort(offsets, kind="stable")
            columns = [column[order].tolist() for column in (mine, offsets, sizes)]
            runs = [
                _Run(*(column[at] for column in columns))
                for at in _cut(columns[1], columns[2], most_bytes)
            ]
            step = most_runs or len(runs)
            yield from (_Task(shard, runs[at : at + step]) for at in range(0, len(runs), step))

    def _reading_for(self, use: Callable[[int, U8], None]) -> _ReadRun:
        """Gives a function that reads a run and gives ``use`` the bytes of each picture."""

        def read(file: OpenFile, run: _Run) -> None:
            start = run.offsets[0]
            ends = [offset + size - start for offset, size in zip(*run[1:], strict=True)]
            data = np.frombuffer(file.pread(max(ends), start), np.uint8)
            for slot, size, end in zip(run.slots, run.sizes, ends, strict=True):
                picture, tail = data[end - size : end - CHECK], data[end - CHECK : end]
                if len(data) < end or form.checksum(picture.data) != tail.tobytes():
                    raise self._corrupt(slot, "is damaged (wrong checksum)")
                use(slot, picture)

        return read

    def _reading_into(self, place: dict[int, U8]) -> _ReadRun:
        """Gives a function that reads raw pictures, a run each, to their places."""
        from fastcrc.crc32 import iscsi as crc32c

        def read(file: OpenFile, run: _Run) -> None:
            (slot,), (offset,), (size,) = run
            out, tail = place[slot], bytearray(CHECK)
            if size != out.nbytes + CHECK:
                raise self._corrupt(slot, f"has {size - CHECK} bytes, not {out.nbytes}")
            count = file.preadv(out, tail, offset)
            if count != size or crc32c(out.data) != int.from_bytes(tail, "little"):
                raise self._corrupt(slot, "is damaged (wrong checksum)")

        return read

    def _decoding_into(self, place: dict[int, U8]) -> Callable[[int, U8], None]:
        size = self.shape[1:3]

        def decode(slot: int, data: U8) -> None:
            try:
                self.codec.decode(data, size, place[slot])
            except ValueError as error:
                raise self._corrupt(slot, f"cannot be decoded ({error})") from error

        return decode

    def index_of(self, shard: int) -> I64:
        """Offset and bytes of each picture of a shard, ``[256, 2] i64``; -1 where there is none."""
        if shard not in self._indexes:
            path = form.shard_path(shard)
            most = form.most_picture_bytes(*self.shape[1:3])
            with self._using(path, OSError, ValueError):
                data, size = self._place.tail(path, form.INDEX_BYTES)
                self._indexes[shard] = form.decode_index(data, shard_bytes=size, most_bytes=most)
        return self._indexes[shard]

    def _checked(self, slots: npt.ArrayLike) -> I64:
        requested = np.atleast_1d(np.asarray(slots))
        if requested.size and not np.issubdtype(requested.dtype, np.integer):
            raise TypeError(f"slots must be whole numbers, got {requested.dtype}")
        outside = requested[(requested < 0) | (requested >= len(self))]
        if outside.size:
            raise IndexError(f"slot {outside[0]} is asked for, but there are {len(self)} from 0")
        return requested.astype(np.int64)

    def _target(self, out: U8 | None, count: int, size: tuple[int, int]) -> U8:
        shape = (count, *size, 3)
        if out is None:
            return np.empty(shape, np.uint8)
        if out.shape == shape and out.dtype == np.uint8:
            if out.flags.c_contiguous and out.flags.writeable:
                return out
            raise ValueError("out must be contiguous and writeable; pass a whole array")
        raise ValueError(
            f"out must be a NumPy array {list(shape)} u8, got {list(out.shape)} {out.dtype}; "
            "of a torch tensor, pass tensor.numpy()"
        )

    @contextmanager
    def _using(self, path: str, *kinds: type[Exception]) -> Iterator[None]:
        """Says of a file that it cannot be used, where there are such errors, and why."""
        try:
            yield
        except (CorruptStoreError, UnreachableStoreError):
            raise
        except kinds as error:
            reason = error.strerror or error if isinstance(error, OSError) else error
            file = _shown(self._place.path / path)
            raise CorruptStoreError(f"{file} cannot be used: {reason}") from error

    def _corrupt(self, slot: int, what: str) -> CorruptStoreError:
        file = self._place.path / form.shard_path(slot // form.SHARD_FRAMES)
        return CorruptStoreError(f"{_shown(file)}: the picture in slot {slot} {what}")


def _cut(offsets: list[int], sizes: list[int], most_bytes: int) -> Iterator[slice]:
    """Cuts pictures in order of offset where too much would be read in vain, or at once."""
    first, requested = 0, sizes[0]
    for at in range(1, len(offsets)):
        span = offsets[at] + sizes[at] - offsets[first]
        requested += sizes[at]
        if span > most_bytes or span > requested * (1 + WASTE):
            yield slice(first, at)
            first, requested = at, sizes[at]
    yield slice(first, len(offsets))


def _span(run: _Run) -> tuple[int, int]:
    """Where a run begins in its shard, and its bytes."""
    start = run.offsets[0]
    ends = (offset + size for offset, size in zip(run.offsets, run.sizes, strict=True))
    return start, max(ends) - start


def _shown(file: PurePath) -> str:
    """The file with the folders that say which video it is of, never the whole path."""
    parts = [part for part in file.parts if not ATTEMPT.fullmatch(part)]
    return "/".join(parts[max(1, [*parts, "frames"].index("frames") - 2) :])
