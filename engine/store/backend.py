"""Backend: the files of a store by key, wherever they lie.

A store on disk is a `FolderStore` (`folder.py`), one at a URL an `ObjectStoreBackend`
(`object_backend.py`). Everything else knows only these protocols. A key is the names of folders and
of a file below the store, joined by "/".
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePath
from typing import Any, Protocol

from fewframes.arrays import U8
from fewframes.store.staging import Staging
from fewframes.store.untrusted import MOST_RECORD_BYTES


class OpenFile(Protocol):
    """A file of which parts are read."""

    def pread(self, length: int, start: int) -> bytes:
        """Gives ``length`` bytes from ``start``, fewer where the file ends."""
        ...

    def preadv(self, out: U8, tail: bytearray, start: int) -> int:
        """Reads into ``out`` and then into ``tail``; gives how many bytes there were."""
        ...


class GroupFiles(Protocol):
    """The files of a group by their path below it; a missing one is FileNotFoundError."""

    @property
    def path(self) -> PurePath:
        """Where they are, for messages."""
        ...

    @property
    def concurrency(self) -> int:
        """Concurrent reads; 0 for CPU-bound storage."""
        ...

    def __truediv__(self, path: str) -> "GroupFiles":
        """The files below."""
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

    def fetch(self, path: str, to: Path) -> bool:
        """Makes ``to`` of a file: by a hard link where that can be, which it says, or as a copy."""
        ...

    def tail(self, path: str, count: int) -> tuple[bytes, int]:
        """The last ``count`` bytes of a file, fewer where it has fewer, and its size."""
        ...

    def open(self, path: str, spans: Iterable[tuple[int, int]]) -> AbstractContextManager[OpenFile]:
        """Opens a file of which these spans (start, length) will be read, in this order."""
        ...


class StoreBackend(Protocol):
    """The files of a store by their keys; it can be sent to other processes.

    What is put or created appears whole, is durable, and is seen by every reader at once. Every
    call raises `UnreachableStoreError` where an object store does not answer or refuses, and
    `CorruptStoreError` where a folder of the store is a link.
    """

    @property
    def name(self) -> str:
        """What messages call the store: the name of its folder, or its URL."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether its files lie on another machine, and its workspace on this one."""
        ...

    @property
    def workspace(self) -> Path:
        """The folder on this machine below which unfinished work lies."""
        ...

    def files(self, prefix: str) -> GroupFiles:
        """The files of a group, which lie below a prefix."""
        ...

    def read(self, key: str, *, most_bytes: int = MOST_RECORD_BYTES) -> bytes:
        """Reads a file; FileNotFoundError for a missing one, OSError for one larger than that."""
        ...

    def buffer(self, key: str, *, most_bytes: int) -> Any:  # noqa: ANN401 (a pyarrow.Buffer)
        """The bytes of a file, mapped where that is possible; raises as `read` does."""
        ...

    def names(self, prefix: str) -> list[str]:
        """Lists the next parts of the keys below a prefix, sorted."""
        ...

    def named(self, prefix: str, name: str) -> Iterator[str]:
        """Lists the keys two folders below a prefix whose last part is ``name``, in any order.

        On a disk also a link in place of the first folder: nobody knows where it leads.
        """
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Makes a file where there is none, in one step; False where there is one."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Makes a file in place of what was there, in one step."""
        ...

    def rename(self, key: str, to: str) -> None:
        """Gives a file another key without reading it; FileNotFoundError for a missing one."""
        ...

    def adopt(
        self,
        folder: Path,
        prefix: str,
        paths: Sequence[str],
        report_progress: Callable[[], None],
    ) -> None:
        """Takes files of a folder of the workspace over, below a prefix that nobody else uses."""
        ...

    def copier(self, source: GroupFiles) -> Callable[[str, str], None] | None:
        """Gives what copies a path of another store to a key without this machine, if it can."""
        ...

    def delete(self, *keys: str) -> None:
        """Deletes files; those that are not there are passed over."""
        ...

    def delete_below(self, prefix: str) -> None:
        """Deletes all that is below a prefix, and a link in its place; never what that leads to."""
        ...

    def begin(self, staging: Staging) -> None:
        """Makes an attempt known to all who use the store, until it ends or is known dead."""
        ...

    def end(self, attempt: str) -> None:
        """Takes back what made an attempt known, and removes what it has left in the workspace."""
        ...

    def dead_attempts(self) -> Iterator[str]:
        """Names the attempts whose processes are known to be dead."""
        ...

    def is_over(self, attempt: str) -> bool:
        """Whether an attempt has ended, or was taken back after its process had died."""
        ...

    def check_unlinked(self, names: Iterable[str]) -> None:
        """Refuses with a CorruptStoreError a store of which one of these is a link."""
        ...

    def check_writable(self) -> None:
        """Refuses with an OSError a store that cannot be written."""
        ...
