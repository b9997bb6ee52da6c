"""Film file: is there a regular file, which can be read from any place and more than once?

FFmpeg would wait at a pipe for ever, and what was read from it is gone. So this is asked before a
film is opened, by its name alone.
"""

import stat
from pathlib import Path

from fewframes.errors import UnreadableMediaError

KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_film_file(path: Path) -> None:
    """Refuses what is no regular file, or a link to one, without opening it.

    Raises:
        UnreadableMediaError: It is missing, a folder, a pipe, a socket or a device.

    >>> check_film_file(Path("film.mp4"))
    >>> check_film_file(Path("-"))
    Traceback (most recent call last):
    fewframes.errors.UnreadableMediaError: '-' does not exist, and standard input is not read: ...
    """
    if path.is_file():
        return
    if path.is_dir():
        raise UnreadableMediaError(f"{str(path)!r} is a folder; pass a video file")
    cure = "a film is read more than once and needs a regular file; save it as one"
    if str(path) == "-":
        raise UnreadableMediaError(f"'-' does not exist, and standard input is not read: {cure}")
    if not path.exists():
        raise UnreadableMediaError(f"{str(path)!r} does not exist; check the path")
    kind = KINDS.get(stat.S_IFMT(path.stat().st_mode), "no regular file")
    raise UnreadableMediaError(f"{str(path)!r} is {kind}: {cure}")
