"""Source: which file was it, and is it still that one?"""

from dataclasses import dataclass
from pathlib import Path

from fewframes.errors import StaleIndexError, UnreadableMediaError


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
            stat = self.path.stat()
        except OSError as error:
            raise UnreadableMediaError(f"{str(self.path)!r} is not there any more") from error
        if (stat.st_size, stat.st_mtime_ns) != (self.size_bytes, self.mtime_ns):
            raise StaleIndexError(
                f"{self.name!r} is another file than its timeline was read from; probe it again"
            )
