"""Staging: unfinished work on a store, which is removed unless it is published.

1. An attempt is a folder of its own below ``.attempts``, with a locked file beside it that names
   the machine.
2. What it has made is moved from there into the store, or put into an object store (`publish`).
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
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fewframes.atomic import flush
from fewframes.store.untrusted import files_below, open_regular, remove_tree

ATTEMPTS = ".attempts"
"""The folder of unfinished work; in it, a folder and a lock an attempt."""
OLD_SECONDS = 24 * 3600.0
"""Leftovers of another machine are kept this long after their last change."""
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""How file systems refuse a hard link."""
_NAME = re.compile("[0-9a-f]{32}")


class Staging:
    """A locked folder for unfinished work; leaving the ``with`` removes it."""

    def __init__(self, store: Path) -> None:
        self._home = store / ATTEMPTS
        self._lock = -1
        self.is_announced = False
        """Whether a note says what it changes: then a sweep finds what an error leaves of it."""
        self.folder = self._home / uuid.uuid4().hex

    def __enter__(self) -> "Staging":
        """Takes the lock and makes the folder."""
        self._home.mkdir(parents=True, exist_ok=True)
        while not self._has_lock():
            self.folder = self._home / uuid.uuid4().hex
        try:
            os.write(self._lock, platform.node().encode())
            self.folder.mkdir()
        except OSError:  # a full disk
            self.__exit__()
            raise
        return self

    def __exit__(self, error: type[BaseException] | None = None, *_: object) -> None:
        """Removes what is left of the attempt and gives the lock back.

        One that was announced and ends by an error, as by Ctrl-C, is left as a killed one is.
        """
        if error is None or not self.is_announced:
            _remove_all(self._home, self.name)
        os.close(self._lock)

    @property
    def name(self) -> str:
        """Names the attempt: 32 hexadecimal digits that no other has."""
        return self.folder.name

    def _has_lock(self) -> bool:
        """Whether the lock is ours, and still the one that others see."""
        file = _lock_file(self.folder)
        self._lock = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        if _try_lock(self._lock) and file.exists():
            return True
        os.close(self._lock)
        return False


def sweep(home: Path) -> None:
    """Removes what killed processes have left below a folder; work in progress is left alone."""
    for name in dead_attempts(home):
        remove_attempt(home, name)


def dead_attempts(store: Path) -> Iterator[str]:
    """Names the attempts whose process is known dead; each is held until the next is asked for."""
    home = store / ATTEMPTS
    found = {path.name.split(".")[0] for path in home.glob("*")}
    for name in filter(_NAME.fullmatch, found):
        try:
            lock = open_regular(_lock_file(home / name), os.O_RDWR)
        except FileNotFoundError:
            yield name
            continue
        except OSError:  # no attempt has such a lock
            continue
        try:
            if _is_free(lock, home / name):
                yield name
        finally:
            os.close(lock)


def remove_attempt(store: Path, name: str) -> None:
    """Removes the folder of an attempt and the files beside it, the lock last."""
    _remove_all(store / ATTEMPTS, name)


def is_over(store: Path, name: str) -> bool:
    """Whether an attempt has ended, or what a killed process has left of it was removed."""
    return not os.path.lexists(_lock_file(store / ATTEMPTS / name))


def link(draft: Path, file: Path) -> None:
    """Gives a finished draft a name that nothing has; FileExistsError where something has it.

    Some file systems know no links (exFAT, shares of other systems). There a lock, beside the
    folder of the attempt, keeps others from the same step.
    """
    try:
        os.link(draft, file)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(draft.parents[1] / "create.lock", flags, 0o666), "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.lexists(file):
                raise FileExistsError(errno.EEXIST, "it is there", str(file)) from error
            draft.rename(file)


def link_or_copy(file: Path, to: Path) -> bool:
    """Gives a file of a store a name elsewhere, too; where no link can be, it copies, and says so.

    A link is safe, since nothing writes a file of a store in place.
    """
    try:
        os.link(file, to, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EXDEV, *_NO_LINKS):
            raise
    else:
        return True
    with os.fdopen(open_regular(file), "rb") as whole, to.open("xb") as out:
        shutil.copyfileobj(whole, out, 1 << 20)
    return False


def flush_tree(folder: Path) -> None:
    """Writes files, then the folders that name them, to the disk; hidden ones are not ours."""
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            if not name.startswith("."):
                flush(Path(parent, name))
        flush(Path(parent))


def _is_free(lock: int, folder: Path) -> bool:
    """Whether a lock can be had, and that means that its owner is gone."""
    if not _try_lock(lock):
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


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
