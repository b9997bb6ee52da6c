"""Finding: which films are meant by files and folders, and what are they called?"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, NamedTuple

from fewframes.errors import UnreadableMediaError
from fewframes.storage.objects import is_url

SUFFIXES = frozenset(
    f".{name}"
    for names in (
        "mp4 m4v mov mkv webm avi ts m2ts mts mpg mpeg vob flv wmv asf 3gp 3g2",
        "ogv ogg mxf h264 264 h265 hevc y4m ivf dv mjpeg",
    )
    for name in names.split()
)
"""What a folder is searched for; a file that is named is taken whatever it is called."""

Film = Path | str
"""A film on disk, or the URL of one as text."""


class Found(NamedTuple):
    """A film, before it has an id."""

    film: Film
    relative: PurePosixPath
    """Its path below what was given; the id is made of it."""
    line: str = ""
    """The line of the list that names it."""
    given_id: str = ""
    """The id that the list gives it."""


def find_films(paths: Sequence[Path], ids: Mapping[Any, str] | None = None) -> dict[str, Path]:
    """Lists films on disk by id: the path below the given folder without its suffix.

    Films whose ids would clash keep their suffixes, and get ``~2``, ``~3`` … if that is not enough.
    """
    found = [film for path in paths for film in found_at(path)]
    films = name_films(found, ids).items()
    return {video_id: film for video_id, film in films if isinstance(film, Path)}


def found_at(path: Path) -> list[Found]:
    """Lists the film that a path is, or those below a folder, sorted by path.

    Raises:
        UnreadableMediaError: There is nothing.
    """
    if not path.exists():
        raise UnreadableMediaError(f"{str(path)!r} does not exist; check the path")
    if not path.is_dir():
        return [Found(path, PurePosixPath(path.name))]
    below = [(film, film.relative_to(path)) for film in sorted(path.rglob("*"))]
    return [
        Found(film, PurePosixPath(relative))
        for film, relative in below
        if looks_like_film(relative) and film.is_file()
    ]


def name_films(found: Iterable[Found], ids: Mapping[Any, str] | None = None) -> dict[str, Film]:
    """Gives films their ids; one that is there twice is taken once, unless lists give it two ids.

    Raises:
        ValueError: Two lines of lists name different films and lead to one id.
    """
    named = {_key(film): video_id for film, video_id in (ids or {}).items()}
    once: dict[tuple[Film, str], Found] = {}
    for entry in found:
        once.setdefault((_key(entry.film), entry.given_id), entry)
    plain = [entry.relative.with_suffix("").as_posix() for entry in once.values()]
    count = Counter(plain)
    films: dict[str, Film] = {}
    lines: dict[str, str] = {}
    for entry, short in zip(once.values(), plain, strict=True):
        wanted = short if entry.line or count[short] == 1 else entry.relative.as_posix()
        wanted = named.get(_key(entry.film), entry.given_id or wanted)
        if entry.line:
            _check_line(entry, wanted, lines, films)
        films[_unused(wanted, films)] = entry.film
    return films


def _check_line(
    entry: Found, wanted: str, lines: dict[str, str], films: Mapping[str, Film]
) -> None:
    """Refuses an id that is taken: that of a listed film must not depend on the order."""
    if wanted in films:
        other = lines.get(wanted, "another film")
        raise ValueError(
            f"{entry.line}: {str(entry.film)!r} has the id {wanted!r} of {other}; "
            "give each an id of its own in a column 'id' of a CSV or Parquet file"
        )
    lines[wanted] = entry.line


def looks_like_film(relative: PurePath) -> bool:
    """Whether a path below a folder is called like a film, and is not hidden.

    >>> [looks_like_film(PurePath(name)) for name in ("a/b.MP4", "a/b.txt", ".a/b.mp4")]
    [True, False, False]
    """
    is_hidden = any(part.startswith(".") for part in relative.parts)
    return relative.suffix.lower() in SUFFIXES and not is_hidden


def _key(film: Any) -> Film:  # noqa: ANN401 (what a caller calls a film by)
    return film if isinstance(film, str) and is_url(film) else Path(film)


def _unused(wanted: str, taken: Mapping[str, Film]) -> str:
    candidate, count = wanted, 1
    while candidate in taken:
        count += 1
        candidate = f"{wanted}~{count}"
    return candidate
