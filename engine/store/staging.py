"""Staging: unfinished work on a store, which is removed unless it is published.

1. An attempt is a folder of its own below ``.attempts``, with a locked file beside it that names
   the machine.
2. It is published by one rename of the folder, after everything in it is on the disk.
3. The lock ends with the process. So what is without a lock, or has one that can be had on the
   machine that took it, is what a killed process left: `sweep` removes it. What another machine
   left is removed after a day without a change, since not every shared disk passes locks on.
4. What else lies in the folder, as file systems and desktops put it there, is left alone: only
   names that an attempt can have are swept.
"""

import errno
import fcntl
import os
import platform
import re
import time
import uuid
from contextlib import suppress
from pathlib import Path

from fewframes.atomic import flush
from fewframes.store.untrusted import check_not_linked, files_below, open_regular, remove_tree

ATTEMPTS = ".attempts"
"""The folder of unfinished work; in it, a folder and a lock an attempt."""
OLD_SECONDS = 24 * 3600.0
"""Leftovers of another machine are kept this long after their last change."""
_NAME = re.compile("[0-9a-f]{32}")
_THERE = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
"""What a rename says where something is in its place: a folder with files, or a file or link."""


class Staging:
    """A locked folder for unfinished work; leaving the ``with`` removes it."""

    def __init__(self, store: Path) -> None:
        self._home = store / ATTEMPTS
        self._lock = -1
        self.folder = self._home / uuid.uuid4().hex

    def __enter__(self) -> "Staging":
        """Takes the lock and makes the folder."""
        self._home.mkdir(exist_ok=True)
        while not self._has_lock():
            self.folder = self._home / uuid.uuid4().hex
        try:
            os.write(self._lock, platform.node().encode())
            self.folder.mkdir()
        except OSError:  # a full disk
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Removes what is left of the attempt and gives the lock back."""
        _remove_all(self._home, self.folder.name)
        os.close(self._lock)

    def publish(self, final: Path) -> bool:
        """Moves the folder to its final place in one step; False where something is there.

        Everything is on the disk before it is seen, and its name after. Raises CorruptStoreError
        where that place is reached by a link.
        """
        flush_tree(self.folder)
        while True:
            final.parent.mkdir(parents=True, exist_ok=True)
            check_not_linked(final.parent)
            try:
                self.folder.rename(final)
                break
            except OSError as error:
                if error.errno in _THERE:
                    return False
                if error.errno != errno.ENOENT or not self.folder.is_dir():
                    raise  # else the video's folder was removed just now
        for folder in (final.parent, final.parent.parent):
            flush(folder)
        return True

    def _has_lock(self) -> bool:
        """Whether the lock is ours, and still the one that others see."""
        file = _lock_file(self.folder)
        self._lock = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        if _try_lock(self._lock, fcntl.LOCK_EX) and file.exists():
            return True
        os.close(self._lock)
        return False


def sweep(store: Path) -> None:
    """Removes what killed processes have left; work in progress is left alone."""
    home = store / ATTEMPTS
    found = {path.name.split(".")[0] for path in home.glob("*")}
    for name in filter(_NAME.fullmatch, found):
        try:
            lock = open_regular(_lock_file(home / name), os.O_RDWR)
        except FileNotFoundError:
            _remove_all(home, name)
            continue
        except OSError:  # no attempt has such a lock
            continue
        if _is_free(lock, home / name, fcntl.LOCK_EX):
            _remove_all(home, name)
        os.close(lock)


def is_over(store: Path, name: str) -> bool:
    """Whether an attempt has ended, or its process is known dead."""
    folder = store / ATTEMPTS / name
    try:
        lock = open_regular(_lock_file(folder), os.O_RDWR)
    except PermissionError:
        raise
    except OSError:  # there is none, or something that no attempt has
        return True
    try:
        return _is_free(lock, folder, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def flush_tree(folder: Path) -> None:
    """Writes files, then the folders that name them, to the disk; hidden ones are not ours."""
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            if not name.startswith("."):
                flush(Path(parent, name))
        flush(Path(parent))


def _is_free(lock: int, folder: Path, kind: int) -> bool:
    """Whether a lock can be had, and that means that its owner is gone."""
    if not _try_lock(lock, kind):
        return False
    owner = os.pread(lock, 256, 0).decode(errors="replace")
    return owner in ("", platform.node()) or _idle_seconds(folder) > OLD_SECONDS


def _idle_seconds(folder: Path) -> float:
    """Time since anything of an attempt changed."""
    newest = 0.0
    for path in (_lock_file(folder), folder, *files_below(folder)):
        try:
            newest = max(newest, path.lstat().st_mtime)
        except OSError:  # it is being removed, or no path reaches as deep
            continue
    return time.time() - newest


def _remove_all(home: Path, name: str) -> None:
    """Removes the folder of an attempt and the files beside it, the lock last."""
    remove_tree(home / name)
    for path in home.glob(f"{name}.*"):
        if path.suffix != ".lock":
            with suppress(FileNotFoundError, IsADirectoryError):
                path.unlink()
    _lock_file(home / name).unlink(missing_ok=True)


def _lock_file(folder: Path) -> Path:
    return folder.with_suffix(".lock")


def _try_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
