"""Attempt: unfinished work on one video, which is gone again if it does not succeed.

1. An attempt is a folder of its own below ``.attempts``, with a locked file beside it.
2. It is published by one rename of the folder, after everything in it is on the disk.
3. The lock ends with the process. So a folder whose lock can be had, or that has none, is what a
   killed process left, or is being removed: `sweep` removes it.
"""

import errno
import fcntl
import os
import shutil
import uuid
from pathlib import Path


class Attempt:
    """A locked folder for unfinished work; leaving the ``with`` removes it."""

    def __init__(self, store: Path) -> None:
        self._home = store / ".attempts"
        self._lock = -1
        self.folder = self._home / uuid.uuid4().hex

    def __enter__(self) -> "Attempt":
        """Takes the lock and makes the folder."""
        self._home.mkdir(exist_ok=True)
        while not self._has_lock():
            self.folder = self._home / uuid.uuid4().hex
        self.folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        """Removes what is left of the attempt and gives the lock back."""
        shutil.rmtree(self.folder, ignore_errors=True)
        _lock_file(self.folder).unlink(missing_ok=True)
        os.close(self._lock)

    def publish(self, final: Path) -> bool:
        """Moves the folder to its final place in one step; False where something is there.

        Everything is on the disk before it is seen, and its name after.
        """
        _flush(self.folder)
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.folder.rename(final)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        for folder in (final.parent, final.parent.parent):
            _flush_one(folder)
        return True

    def _has_lock(self) -> bool:
        """Whether the lock is ours, and still the one that others see."""
        file = _lock_file(self.folder)
        self._lock = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        if _try_lock(self._lock) and file.exists():
            return True
        os.close(self._lock)
        return False


def remove(store: Path, group: Path) -> None:
    """Takes a published group away: in one step out of sight, then from the disk."""
    aside = store / ".attempts" / uuid.uuid4().hex
    aside.parent.mkdir(exist_ok=True)
    try:
        group.rename(aside)
    except FileNotFoundError:  # another process was first
        return
    shutil.rmtree(aside, ignore_errors=True)


def sweep(store: Path) -> None:
    """Removes what killed processes have left; work in progress is left alone."""
    home = store / ".attempts"
    folders = [path for path in home.glob("*") if path.is_dir()]
    for folder in folders:
        file = _lock_file(folder)
        try:
            lock = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        if _try_lock(lock):
            shutil.rmtree(folder, ignore_errors=True)
            file.unlink(missing_ok=True)
        os.close(lock)


def _lock_file(folder: Path) -> Path:
    return folder.with_suffix(".lock")


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _flush(folder: Path) -> None:
    """Writes files, then the folders that name them, to the disk."""
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            _flush_one(Path(parent, name))
        _flush_one(Path(parent))


def _flush_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
