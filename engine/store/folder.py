"""FolderStore: the files of a store in a folder on a disk.

Nothing is read or written through a link: a store that is given to you leads nowhere else
(`untrusted.py`). Its own folder may be one: its user has chosen it.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from fewframes.arrays import U8
from fewframes.atomic import flush, write_atomic
from fewframes.store import staging
from fewframes.store.backend import GroupFiles, OpenFile
from fewframes.store.digests import digest_own
from fewframes.store.staging import Staging, flush_tree
from fewframes.store.untrusted import (
    MOST_RECORD_BYTES,
    check_not_linked,
    is_link,
    open_known,
    open_regular,
    read_regular,
    remove_tree,
    unlinked,
)


class _Handle:
    """An open file on disk."""

    __slots__ = ("_handle",)

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def pread(self, length: int, start: int) -> bytes:
        return os.pread(self._handle, length, start)

    def preadv(self, out: U8, tail: bytearray, start: int) -> int:
        return os.preadv(self._handle, [out.data.cast("B"), tail], start)


@dataclass(frozen=True, slots=True)
class Folder:
    """The files below a folder on disk, as `GroupFiles`.

    What is below a link is a CorruptStoreError. It is looked for once a shard: `open` is for files
    whose `tail` or `size` was asked for before.
    """

    path: Path

    @property
    def concurrency(self) -> int:
        """Decoding, not waiting, is what takes time."""
        return 0

    def __truediv__(self, path: str) -> "Folder":
        return Folder(unlinked(self.path, path))

    def read(self, path: str, *, most_bytes: int = MOST_RECORD_BYTES) -> bytes:
        """Reads a whole file; OSError for a larger one than that."""
        return read_regular(unlinked(self.path, path), most_bytes=most_bytes)

    def size(self, path: str) -> int:
        """Bytes of a file; FileNotFoundError for what is none."""
        try:
            found = unlinked(self.path, path).lstat()
        except NotADirectoryError as error:
            raise FileNotFoundError(str(error)) from error
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(f"{path} is missing")
        return found.st_size

    def digest(self, path: str) -> str:
        """The xxh3-128 of a file."""
        return digest_own(unlinked(self.path, path))

    def fetch(self, path: str, to: Path) -> bool:
        """Links a file, or copies it to another file system; nothing writes a file in place."""
        return staging.link_or_copy(unlinked(self.path, path), to)

    def tail(self, path: str, count: int) -> tuple[bytes, int]:
        """The last bytes of a file, and its size."""
        handle = open_regular(unlinked(self.path, path))
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


@dataclass(frozen=True, slots=True)
class FolderStore:
    """The files of a store below a folder; see `StoreBackend`."""

    path: Path

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name

    @property
    def is_remote(self) -> bool:
        """Files are made where they stay."""
        return False

    @property
    def workspace(self) -> Path:
        """The store itself: what is published is moved, not copied."""
        return self.path

    def files(self, prefix: str) -> Folder:
        """The files of a group."""
        return Folder(unlinked(self.path, prefix))

    def read(self, key: str, *, most_bytes: int = MOST_RECORD_BYTES) -> bytes:
        """Reads a whole regular file."""
        try:
            return read_regular(unlinked(self.path, key), most_bytes=most_bytes)
        except NotADirectoryError as error:
            raise FileNotFoundError(str(error)) from error

    def buffer(self, key: str, *, most_bytes: int) -> Any:  # noqa: ANN401 (a pyarrow.Buffer)
        """Maps a file."""
        import pyarrow as pa

        file = unlinked(self.path, key)
        found = file.lstat()
        if not stat.S_ISREG(found.st_mode) or not 0 < found.st_size <= most_bytes:
            raise OSError(f"{file.name} is no file of up to {most_bytes} bytes")
        with pa.memory_map(os.fsencode(file)) as mapped:
            return mapped.read_buffer()

    def names(self, prefix: str) -> list[str]:
        """Lists the files and folders in a folder, and the links; none where it is missing."""
        return sorted(entry.name for entry in _entries(unlinked(self.path, prefix)))

    def named(self, prefix: str, name: str) -> Iterator[str]:
        """Lists the keys two folders below that have this name, and links in place of folders."""
        for outer in self.names(prefix):
            if is_link(f"{self.path}/{prefix}/{outer}"):
                yield f"{prefix}/{outer}"
                continue
            for inner in self.names(f"{prefix}/{outer}"):
                below = f"{self.path}/{prefix}/{outer}/{inner}"
                if is_link(below) or os.path.lexists(f"{below}/{name}"):
                    yield f"{prefix}/{outer}/{inner}/{name}"

    def create(self, key: str, data: bytes) -> bool:
        """Links a finished draft to a name that nothing has."""
        file = unlinked(self.path, key)
        if os.path.lexists(file):
            return False
        with Staging(self.path) as work:
            draft = work.folder / "draft"
            with draft.open("xb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            try:
                _in_folder(file, lambda: staging.link(draft, file))
            except FileExistsError:
                return False
        flush(file.parent)
        return True

    def put(self, key: str, data: bytes) -> None:
        """Writes a draft and gives it its name."""
        file = unlinked(self.path, key)
        if file.is_dir():
            remove_tree(file)
        with Staging(self.path) as work:
            draft = work.folder / "draft"
            _in_folder(file, lambda: write_atomic(file, data, draft=draft, is_durable=True))

    def rename(self, key: str, to: str) -> None:
        """Gives a file another name."""
        file, new = unlinked(self.path, key), unlinked(self.path, to)
        _in_folder(new, lambda: file.rename(new))
        self._prune(file.parent)

    def adopt(
        self,
        folder: Path,
        prefix: str,
        paths: Sequence[str],
        report_progress: Callable[[], None],
    ) -> None:
        """Moves a folder to its place in one step, after all of it is on the disk."""
        flush_tree(folder)
        place = unlinked(self.path, prefix)
        _in_folder(place, lambda: folder.rename(place))
        for home in takewhile(lambda folder: folder != self.path.parent, place.parents):
            flush(home)  # each may be new, and then only the one above names it

    def copier(self, source: GroupFiles) -> None:
        """Files come through this machine, as links where that can be."""

    def delete(self, *keys: str) -> None:
        """Unlinks files, for good before anything else goes, and folders that are empty then."""
        files = [self._entry(key) for key in keys]
        for file in files:
            remove_tree(file)
        for folder in {file.parent for file in files}:
            if folder.is_dir():
                flush(folder)
            self._prune(folder)

    def delete_below(self, prefix: str) -> None:
        """Moves a folder out of sight, and deletes it there; a link is only unlinked."""
        place = self._entry(prefix)
        with Staging(self.path) as work, suppress(FileNotFoundError, NotADirectoryError):
            place.rename(work.folder / "deleted")
            flush(place.parent)
        self._prune(place.parent)

    def begin(self, staging: Staging) -> None:
        """The lock of an attempt, beside its folder, is all that it takes."""

    def end(self, attempt: str) -> None:
        """Removes what an attempt has left."""
        staging.remove_attempt(self.path, attempt)

    def dead_attempts(self) -> Iterator[str]:
        """Names those whose lock can be had."""
        return staging.dead_attempts(self.path)

    def is_over(self, attempt: str) -> bool:
        """Whether the lock of an attempt is gone."""
        return staging.is_over(self.path, attempt)

    def check_unlinked(self, names: Iterable[str]) -> None:
        """Looks at each name right below the folder."""
        for name in names:
            if is_link(f"{self.path}/{name}"):
                check_not_linked(self.path / name)

    def check_writable(self) -> None:
        """Asks of each folder that a run writes in whether it may."""
        for name in ("videos", "catalogue"):
            folder = self.path / name
            if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(f"{name} is read-only")

    def _entry(self, key: str) -> Path:
        """What is called so, be it a link; nothing above it is one."""
        above, _, name = key.rpartition("/")
        return unlinked(self.path, above) / name

    def _prune(self, folder: Path) -> None:
        """Removes folders that are empty, up to those that every store has."""
        with suppress(OSError):
            while folder.parent not in (self.path, folder):
                folder.rmdir()
                folder = folder.parent


def _in_folder(file: Path, make: Callable[[], object]) -> None:
    """Makes a file; its folder first, also where another process has just removed that."""
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        check_not_linked(file.parent)
        try:
            make()
        except FileNotFoundError:
            if file.parent.is_dir():
                raise
        else:
            return


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
