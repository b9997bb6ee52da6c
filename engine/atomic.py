"""write_atomic: how does a file appear whole or not at all, whoever reads or is killed meanwhile?

1. It is written under a draft's name that nobody had, so a link that lies there is not followed.
2. One rename gives it its name; a reader sees what was there before, or all of it.
3. An error removes the draft. What a killed process leaves is a hidden file, or lies where the
   caller's own sweep finds it.

Files that are written piece by piece over a whole run (shards, results of a range, a film that is
fetched) lie in a folder of unfinished work instead, which `fewframes.store.staging` publishes.
"""

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any


def write_atomic(
    file: Path,
    data: bytes | memoryview | Callable[[IO[bytes]], Any],
    *,
    draft: Path | None = None,
    is_durable: bool = False,
    mode: int = 0o666,
) -> None:
    """Writes a file in one step, in place of what was there.

    Args:
        file: Where it appears.
        data: Its bytes, or a function that writes them to an open file.
        draft: Its name until then, on the same file system; None takes a new one beside it.
        is_durable: Whether its bytes are on the disk before it has its name, and its name after.
        mode: Its permissions, less the umask.

    Raises:
        FileExistsError: The draft's name is taken.
        OSError: There is no such folder, or no space; the file is as it was.

    >>> write_atomic(Path("notes.txt"), b"whole")
    >>> Path("notes.txt").read_bytes()
    b'whole'
    """
    draft = draft or file.with_name(f".{uuid.uuid4().hex}.partial")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as out:
            data(out) if callable(data) else out.write(data)
            if is_durable:
                out.flush()
                os.fsync(out.fileno())
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if is_durable:
        flush(file.parent)


def flush(path: Path) -> None:
    """Waits until one file, or the names in one folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
