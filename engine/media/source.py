"""Source: is it a file that can be read, which one was it, and is it still that one?

FFmpeg would wait at a pipe for ever, and what was read from it is gone. So whether there is a
regular file is asked before a film is opened, by its name alone.
"""

import stat
from dataclasses import dataclass
from pathlib import Path

from fewframes.errors import StaleIndexError, UnreadableMediaError

KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


FILM_SUFFIXES = frozenset(
    f".{name}"
    for names in (
        "mp4 m4v mov mkv webm avi ts m2ts mts mpg mpeg vob flv wmv asf 3gp 3g2",
        "ogv ogg mxf h264 264 h265 hevc y4m ivf dv mjpeg dav f4v mod trp gif ts2",
    )
    for name in names.split()
)
"""How films are called."""


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


@dataclass(frozen=True, slots=True)
class Source:
    """Which file a timeline was read from; a change of any field makes it stale."""

    path: Path
    """Where the file is now (never stored)."""
    size_bytes: int
    mtime_ns: int
    edges_xxh3: str
    """xxh3-128 of the first and the last MiB."""

    @property
    def name(self) -> str:
        """The file's name without its folder, as messages show it."""
        return self.path.name

    def check_unchanged(self) -> None:
        """Raises StaleIndexError where the file at the path is no longer the one that was read."""
        try:
            now = self.path.stat()
        except OSError as error:
            raise UnreadableMediaError(f"{str(self.path)!r} is not there any more") from error
        if (now.st_size, now.st_mtime_ns) != (self.size_bytes, self.mtime_ns):
            raise StaleIndexError(
                f"{self.name!r} is another file than its timeline was read from; probe it again"
            )
