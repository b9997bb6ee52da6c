"""Shards: the pictures of one video on disk, written and read by slot.

Writing appends to one file at a time and keeps nothing but its index in memory. Reading:

1. The index of a shard is read once, checked and kept.
2. Wanted pictures that lie near each other are read together; no file stays open.
3. Every picture is checked against its crc32c and decoded straight into the batch.
"""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from fewframes import shard_format as form
from fewframes.arrays import I64, U8, U64
from fewframes.errors import CorruptStoreError

GAP_BYTES = 64 << 10
"""Unwanted bytes between two wanted pictures that are cheaper to read than to skip."""
RUN_BYTES = 1 << 20
"""Neighbours are read together up to this size: it bounds memory and lets threads share."""
FRAMES_PER_THREAD = 8
"""Fewer pictures than this are decoded before a thread has started."""


class ShardWriter:
    """Appends pictures to an array in a new folder; nothing can be read before `close`."""

    def __init__(self, folder: Path, height: int, width: int, quality: int) -> None:
        import xxhash

        self.folder, self.size, self.quality = folder, (height, width), quality
        self.slots = 0
        self.digests: dict[str, tuple[int, str]] = {}
        """Bytes and xxh3-128 of each finished shard, by its path below the folder."""
        self._index: U64 = form.empty_index()
        self._file: BinaryIO | None = None
        self._digest = xxhash.xxh3_128()
        self._written = 0
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, jpeg: bytes) -> int:
        """Writes one JPEG file of the array's size; gives its slot.

        Raises:
            ValueError: It is no JPEG, or one of another size.
        """
        self._check(jpeg)
        if self._file is None:
            path = self.folder / form.shard_path(self.slots // form.SHARD_FRAMES)
            path.parent.mkdir(parents=True)
            self._file = path.open("xb", buffering=1 << 18)
        size = len(jpeg) + form.CHECKSUM_BYTES
        self._index[self.slots % form.SHARD_FRAMES] = (self._written, size)
        self._write(self._file, jpeg)
        self._write(self._file, form.checksum(jpeg))
        self.slots += 1
        if self.slots % form.SHARD_FRAMES == 0:
            self._close_shard(self._file)
        return self.slots - 1

    def close(self) -> None:
        """Finishes the last shard and writes the array's ``zarr.json``."""
        if self._file is not None:
            self._close_shard(self._file)
        size = {"height": self.size[0], "width": self.size[1]}
        facts = form.array_metadata(slots=self.slots, **size, quality=self.quality)
        (self.folder / "zarr.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")

    def abandon(self) -> None:
        """Closes the open file, if there is one, without an index."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _check(self, jpeg: bytes) -> None:
        from simplejpeg import decode_jpeg_header

        try:
            height, width, colours, _ = decode_jpeg_header(jpeg)
        except ValueError as error:
            raise ValueError(f"slot {self.slots} must be a JPEG file: {error}") from error
        if (height, width) != self.size or colours != "YCbCr":
            raise ValueError(
                f"slot {self.slots} is a {colours} JPEG of {height}x{width}, but the array holds "
                f"YCbCr of {self.size[0]}x{self.size[1]}; all pictures of a video are alike"
            )

    def _write(self, file: BinaryIO, data: bytes) -> None:
        file.write(data)
        self._digest.update(data)
        self._written += len(data)

    def _close_shard(self, file: BinaryIO) -> None:
        self._write(file, form.encode_index(self._index))
        file.close()
        path = form.shard_path((self.slots - 1) // form.SHARD_FRAMES)
        self.digests[path] = (self._written, self._digest.hexdigest())
        self._digest.reset()
        self._index = form.empty_index()
        self._file, self._written = None, 0


class _Run(NamedTuple):
    """Neighbours in one shard, to be read together."""

    shard: int
    slots: I64
    offsets: I64
    """Where each picture begins in the shard, ``[m] i64``, rising."""
    sizes: I64
    """Bytes of each picture with its checksum, ``[m] i64``."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ShardReader:
    """Reads pictures by slot; threads may share it, other processes can be sent it.

    Raises:
        CorruptStoreError: Here or when reading: a file is missing, or is not what was written.
    """

    folder: Path
    shape: tuple[int, int, int, int] = field(init=False)
    """Slots, height, width and 3."""
    _indexes: dict[int, I64] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Reads the array's ``zarr.json``; anything but what `ShardWriter` writes is refused."""
        file = self.folder / "zarr.json"
        try:
            shape = form.shape_of(json.loads(file.read_bytes()))
        except (OSError, ValueError) as error:
            raise _unusable(file, error) from error
        object.__setattr__(self, "shape", shape)

    def __reduce__(self) -> tuple[type["ShardReader"], tuple[Path]]:
        return ShardReader, (self.folder,)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"ShardReader({list(self.shape)} u8)"

    def read(self, slots: npt.ArrayLike, out: U8 | None = None, workers: int | None = None) -> U8:
        """Decodes pictures, ``[k] -> [k, h, w, 3] u8``, in the order asked for.

        A slot that is asked for twice is decoded once. ``out`` is an array to decode into.
        ``workers`` is the number of threads (default: one a core, and 8 pictures each at least).

        Raises:
            IndexError: A slot is not in the array.
            ValueError: ``out`` is not ``[k, h, w, 3] u8`` and contiguous.
            CorruptStoreError: A picture is missing or damaged; says which.
        """
        wanted = self._checked(slots)
        pixels = self._target(out, len(wanted))
        unique, first, inverse = np.unique(wanted, return_index=True, return_inverse=True)
        place = dict(zip(unique.tolist(), first.tolist(), strict=True))

        def decode(slot: int, jpeg: U8) -> None:
            self._decode(slot, jpeg, pixels[place[slot]])

        self._each(unique, decode, workers=workers)
        source = first[inverse]
        for at in np.flatnonzero(source != np.arange(len(wanted))).tolist():
            pixels[at] = pixels[source[at]]
        return pixels

    def jpegs(self, slots: npt.ArrayLike) -> list[bytes]:
        """Gives the stored JPEG files, checked but not decoded, in the order asked for."""
        wanted = self._checked(slots)
        found: dict[int, bytes] = {}

        def keep(slot: int, jpeg: U8) -> None:
            found[slot] = jpeg.tobytes()

        self._each(np.unique(wanted), keep, workers=1)
        return [found[slot] for slot in wanted.tolist()]

    def _each(self, slots: I64, use: Callable[[int, U8], None], *, workers: int | None) -> None:
        """Calls ``use(slot, JPEG bytes)`` for each of the rising slots, on threads."""
        runs = list(self._runs(slots))
        threads = min(workers or len(slots) // FRAMES_PER_THREAD, os.cpu_count() or 1, len(runs))
        if threads <= 1:
            for run in runs:
                self._read_run(run, use)
            return
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda run: self._read_run(run, use), runs):
                pass

    def _runs(self, slots: I64) -> Iterator[_Run]:
        """Cuts rising slots into runs, each within one shard, with short gaps and length."""
        shards = slots // form.SHARD_FRAMES
        for shard in np.unique(shards).tolist():
            mine = slots[shards == shard]
            offsets, sizes = self._index_of(shard)[mine % form.SHARD_FRAMES].T
            if (offsets < 0).any():
                raise self._corrupt(int(mine[offsets < 0][0]), "is missing")
            order = np.argsort(offsets, kind="stable")
            mine, offsets, sizes = mine[order], offsets[order], sizes[order]
            for at in _cut(offsets, sizes):
                yield _Run(shard, mine[at], offsets[at], sizes[at])

    def _read_run(self, run: _Run, use: Callable[[int, U8], None]) -> None:
        file, start = self.folder / form.shard_path(run.shard), int(run.offsets[0])
        begins, ends = run.offsets - start, run.offsets - start + run.sizes
        try:
            data = np.frombuffer(_read(file, start, int(ends.max())), np.uint8)
        except OSError as error:
            raise _unusable(file, error) from error
        for slot, begin, end in zip(*(x.tolist() for x in (run.slots, begins, ends)), strict=True):
            middle = end - form.CHECKSUM_BYTES
            if len(data) < end or form.checksum(data[begin:middle]) != data[middle:end].tobytes():
                raise self._corrupt(slot, "is damaged (wrong checksum)")
            use(slot, data[begin:middle])

    def _decode(self, slot: int, jpeg: U8, out: U8) -> None:
        from simplejpeg import decode_jpeg

        try:
            size = decode_jpeg(jpeg, colorspace="RGB", buffer=out).shape
        except ValueError as error:
            raise self._corrupt(slot, f"cannot be decoded ({error})") from error
        if size != out.shape:
            raise self._corrupt(slot, f"has shape {list(size)}, not {list(out.shape)}")

    def _index_of(self, shard: int) -> I64:
        if shard not in self._indexes:
            file = self.folder / form.shard_path(shard)
            try:
                size = file.stat().st_size
                data = _read(file, max(0, size - form.INDEX_BYTES), form.INDEX_BYTES)
                self._indexes[shard] = form.decode_index(data, shard_bytes=size)
            except (OSError, ValueError) as error:
                raise _unusable(file, error) from error
        return self._indexes[shard]

    def _checked(self, slots: npt.ArrayLike) -> I64:
        wanted = np.atleast_1d(np.asarray(slots))
        if wanted.size and not np.issubdtype(wanted.dtype, np.integer):
            raise TypeError(f"slots must be whole numbers, got {wanted.dtype}")
        outside = wanted[(wanted < 0) | (wanted >= len(self))]
        if outside.size:
            raise IndexError(f"slot {outside[0]} is asked for, but there are {len(self)} from 0")
        return wanted.astype(np.int64)

    def _target(self, out: U8 | None, count: int) -> U8:
        shape = (count, *self.shape[1:])
        if out is None:
            return np.empty(shape, np.uint8)
        if out.shape != shape or out.dtype != np.uint8 or not out.flags.c_contiguous:
            raise ValueError(
                f"out must be {list(shape)} u8 and contiguous, got {list(out.shape)} {out.dtype}"
            )
        return out

    def _corrupt(self, slot: int, what: str) -> CorruptStoreError:
        file = self.folder / form.shard_path(slot // form.SHARD_FRAMES)
        return CorruptStoreError(f"{_shown(file)}: the picture in slot {slot} {what}")


def _cut(offsets: I64, sizes: I64) -> Iterator[slice]:
    """Cuts pictures in order of offset where a gap is too wide or a run gets too long."""
    begins, ends = offsets.tolist(), (offsets + sizes).tolist()
    first = 0
    for at in range(1, len(begins)):
        if begins[at] - ends[at - 1] > GAP_BYTES or ends[at] - begins[first] > RUN_BYTES:
            yield slice(first, at)
            first = at
    yield slice(first, len(begins))


def _read(file: Path, start: int, length: int) -> bytes:
    """Bytes of a file, fewer where it ends."""
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(handle, length, start)
    finally:
        os.close(handle)


def _unusable(file: Path, error: Exception) -> CorruptStoreError:
    reason = error.strerror if isinstance(error, OSError) else error
    return CorruptStoreError(f"{_shown(file)} cannot be used: {reason}")


def _shown(file: Path) -> str:
    """The file with the folders that say which video it is of, never the whole path."""
    at = file.parts.index("frames") if "frames" in file.parts else len(file.parts) - 1
    return "/".join(file.parts[max(1, at - 2) :])
