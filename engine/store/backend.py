"""Backend: where the files of a group lie, and how they are read.

A group on disk is a `Folder`. One in an object store is an `ObjectPlace` (`object_store.py`).
Readers know neither: they ask either for whole files, for the end of a file, or for parts of an
open one.
Nothing is read through a link: a store that is given to you leads nowhere else (`untrusted.py`).
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePath
from typing import BinaryIO, Protocol

from fewframes.arrays import U8
from fewframes.store.untrusted import (
    MOST_RECORD_BYTES,
    check_not_linked,
    is_link,
    open_known,
    open_regular,
    read_regular,
)

BLOCK_BYTES = 1 << 20


class OpenFile(Protocol):
    """A file of which parts are read."""

    def pread(self, length: int, start: int) -> bytes:
        """Gives ``length`` bytes from ``start``, fewer where the file ends."""
        ...

    def preadv(self, out: U8, tail: bytearray, start: int) -> int:
        """Reads into ``out`` and then into ``tail``; gives how many bytes there were."""
        ...


class GroupBackend(Protocol):
    """The files of a group by their path below it; a missing one is FileNotFoundError."""

    @property
    def path(self) -> PurePath:
        """Says where it is, for messages; its name is that of the group."""
        ...

    @property
    def concurrency(self) -> int:
        """Concurrent reads; 0 for CPU-bound storage."""
        ...

    def __truediv__(self, path: str) -> "GroupBackend":
        """The place below."""
        ...

    def read(self, path: str, *, most_bytes: int = MOST_RECORD_BYTES) -> bytes:
        """Reads a whole file; OSError for a larger one than that."""
        ...

    def size(self, path: str) -> int:
        """Bytes of a file."""
        ...

    def digest(self, path: str) -> str:
        """The xxh3-128 of a file, in bounded memory."""
        ...

    def tail(self, path: str, count: int) -> tuple[bytes, int]:
        """The last ``count`` bytes of a file, fewer where it has fewer, and its size."""
        ...

    def open(self, path: str, spans: Iterable[tuple[int, int]]) -> AbstractContextManager[OpenFile]:
        """Opens a file of which these spans (start, length) will be read, in this order."""
        ...


class _Handle:
    """An open file on disk."""

    __slots__ = ("_handle",)

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def pread(self, length: int, start: int) -> bytes:
        return os.pread(self._handle, length, start)

    def preadv(self, out: U8, tail: bytearray, start: int) -> int:
        return os.preadv(self._handle, [out.data.cast("B"), tail], start)


class Folder:
    """The files below a folder on disk.

    What is below a link is a CorruptStoreError. It is looked for once a shard: `open` is for files
    whose `tail` or `size` was asked for before.
    """

    __slots__ = ("path",)
    concurrency = 0

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Folder({self.path.name!r})"

    def __truediv__(self, path: str) -> "Folder":
        return Folder(self._unlinked(path))

    def read(self, path: str, *, most_bytes: int = MOST_RECORD_BYTES) -> bytes:
        """Reads a whole file; OSError for a larger one than that."""
        return read_regular(self._unlinked(path), most_bytes=most_bytes)

    def size(self, path: str) -> int:
        """Bytes of a file; FileNotFoundError for what is none."""
        found = self._unlinked(path).lstat()
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(f"{path} is missing")
        return found.st_size

    def digest(self, path: str) -> str:
        """The xxh3-128 of a file."""
        return digest_own(self._unlinked(path))

    def tail(self, path: str, count: int) -> tuple[bytes, int]:
        """The last bytes of a file, and its size."""
        handle = open_regular(self._unlinked(path))
        try:
            size = os.fstat(handle).st_size
            return os.pread(handle, count, max(0, size - count)), size
        finally:
            os.close(handle)

    @contextmanager
    def open(self, path: str, spans: Iterable[tuple[int, int]]) -> Iterator[OpenFile]:
        """Opens a file; nothing is read ahead."""
        handle = open_known(f"{self.path}/{path}")
        try:
            yield _Handle(handle)
        finally:
            os.close(handle)

    def _unlinked(self, path: str) -> Path:
        """The file or folder below, if neither it nor what is between is a link."""
        at = str(self.path)
        for part in path.split("/"):
            at = f"{at}/{part}"
            if is_link(at):
                check_not_linked(Path(at))
        return Path(at)


def digest_file(path: Path) -> str:
    """Gives the xxh3-128 of a whole file as hexadecimal digits."""
    with path.open("rb") as file:
        return _digest_of(file)


def digest_own(path: Path) -> str:
    """Gives the xxh3-128 of a file of a store; OSError for a link and for what is no file."""
    with os.fdopen(open_regular(path), "rb") as file:
        return _digest_of(file)


def _digest_of(file: BinaryIO) -> str:
    import xxhash

    digest = xxhash.xxh3_128()
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()
