"""Untrusted: anybody may have made what a store holds; how is it read without harm?

1. No folder or file of a store is a link, so that nothing outside it is read, written or removed.
   The store's folder itself may be one: its user has chosen it.
2. A whole file is read up to a bound, and only if it is a regular file: a pipe never ends.
3. JSON is read up to a depth, and without NaN and infinities.
"""

import errno
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from fewframes.errors import CorruptStoreError

MOST_RECORD_BYTES = 16 << 20
"""A commit record, mark, note or failure: 150,000 shards, 38 million pictures."""
DEEPEST = 100
"""Brackets of JSON that may be open at once; what writes it again goes as deep."""
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def is_link(path: str | Path) -> bool:
    """Whether a path itself is a symbolic link."""
    return os.path.islink(path)  # noqa: PTH114 (a text spares a Path)


def check_not_linked(path: Path) -> None:
    """Refuses a link where a store has a folder or file of its own.

    Raises:
        CorruptStoreError: The path is a symbolic link.
    """
    if is_link(path):
        raise CorruptStoreError(
            f"{path.parent.name}/{path.name} is a link, and what belongs to a store is none: it "
            "may lead anywhere; put there what it leads to, or remove it"
        )


def unlinked(folder: Path, key: str) -> Path:
    """A file or folder below one, if neither it nor what is between is a link.

    Raises:
        CorruptStoreError: One is.
    """
    at = str(folder)
    for part in key.split("/"):
        at = f"{at}/{part}"
        if is_link(at):
            check_not_linked(Path(at))
    return Path(at)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Opens a regular file and gives its handle.

    Raises:
        OSError: There is none, or it is a link, a folder, a pipe or a device.
    """
    handle = os.open(path, flags | _FLAGS)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "it is not a regular file", path.name)


def open_known(path: str) -> int:
    """Opens for reading what `open_regular` has opened before: a link is refused, no more."""
    return os.open(path, os.O_RDONLY | _FLAGS)


def remove_tree(path: Path) -> None:
    """Removes a folder with all that is in it, or whatever lies in its place, as far as it can.

    `shutil.rmtree` opens its first folder to see what it is: at a pipe, that never ends.
    """
    with suppress(OSError):
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return
        try:
            shutil.rmtree(path, ignore_errors=True)
        except RecursionError:
            _remove_deep(path)


def _remove_deep(folder: Path) -> None:
    """Removes folders that are nested deeper than calls may be: what lies in one is moved up."""
    number = 0
    while names := os.listdir(folder):  # noqa: PTH208 (a Path for each is not needed)
        for name in names:
            path = folder / name
            if path.is_symlink() or not path.is_dir():
                path.unlink()
                continue
            for below in os.listdir(path):  # noqa: PTH208
                number += 1
                (path / below).rename(folder / f"{'.' * 3}{number}")
            path.rmdir()
    folder.rmdir()


def files_below(folder: Path) -> Iterator[Path]:
    """All that lies below a folder, however deep, and is still there; links are not followed."""
    left = [folder]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                yield Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    left.append(Path(entry.path))


def read_regular(path: Path, *, most_bytes: int = MOST_RECORD_BYTES) -> bytes:
    """Reads a whole regular file.

    Raises:
        OSError: As `open_regular`, or it is larger than ``most_bytes``.
    """
    handle = open_regular(path)
    try:
        size = os.fstat(handle).st_size
        if size > most_bytes:
            raise OSError(errno.EFBIG, f"it has {size} bytes, more than {most_bytes}", path.name)
        data = os.read(handle, size)
        while len(data) < size and (more := os.read(handle, size - len(data))):
            data += more
        return data
    finally:
        os.close(handle)


def load_json(data: bytes) -> Any:  # noqa: ANN401 (JSON)
    """Reads JSON in UTF-8; ValueError for all else, also for NaN and where it is nested too deeply.

    >>> load_json(b'{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> load_json(b"[" * 100_000)
    Traceback (most recent call last):
    ValueError: it is nested too deeply
    """
    if _is_deep(data):
        raise ValueError("it is nested too deeply")
    return _DECODER.decode(data.decode())


def _is_deep(data: bytes) -> bool:
    """Whether more than `DEEPEST` brackets are open at once; pairs are taken out from within."""
    left = data.translate(_ONE_KIND, _NO_BRACKETS)
    for _ in range(DEEPEST):
        fewer = left.replace(b"[]", b"")
        if len(fewer) == len(left):  # what is left stands in texts, or is no JSON
            return left.count(b"[") > DEEPEST
        left = fewer
    return left != b""


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
