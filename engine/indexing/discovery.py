"""Discovery: lists the films in files and folders, and gives each an id."""

import logging
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, NamedTuple

from fewframes.errors import UnreadableMediaError
from fewframes.media.source import FILM_SUFFIXES, KINDS, check_film_file
from fewframes.naming import shown
from fewframes.store.resolve import is_url

log = logging.getLogger("fewframes")
UNREADABLE, DEAD_LINK = "folder that may not be read", "link that leads nowhere"
PLURALS = {UNREADABLE: "folders that may not be read", DEAD_LINK: "links that lead nowhere"}

SEARCHED = f"a search takes names in {' '.join(sorted(FILM_SUFFIXES))}"
"""What an error says where a search brings nothing; a file that is named is taken anyhow."""

FilmPath = Path | str
"""A film on disk, or the URL of one as text."""


class Found(NamedTuple):
    """A film, before it has an id."""

    film: FilmPath
    relative: PurePosixPath
    """Its path below what was given; the id is made of it."""
    line: str = ""
    """The line of the list that names it."""
    given_id: str = ""
    """The id that the list gives it."""


def find_films(paths: Sequence[Path], ids: Mapping[Any, str] | None = None) -> dict[str, Path]:
    """Lists films on disk by id: the path below the given folder; raises as `name_films` does."""
    found = [film for path in paths for film in found_at(path)]
    films = name_films(found, ids).items()
    return {video_id: film for video_id, film in films if isinstance(film, Path)}


def found_at(path: Path) -> list[Found]:
    """Lists the film that a path is, or those below a folder, sorted by path.

    Folders that links lead to are searched, too.

    Raises:
        UnreadableMediaError: There is nothing, or something that is no regular file.
    """
    if not path.is_dir():
        check_film_file(path)
        return [Found(path, PurePosixPath(path.name))]
    passed: list[tuple[str, str]] = []
    folders = folders_below(path, passed)
    films = sorted(film for folder in folders for film in _films_in(folder, passed))
    _say_passed_over(path, passed)
    if not films:
        raise UnreadableMediaError(
            f"{str(path)!r} holds no film: {SEARCHED}; "
            "name a file itself to take it whatever it is called"
        )
    return [Found(film, PurePosixPath(film.relative_to(path))) for film in films]


def folders_below(root: Path, passed: list[tuple[str, str]] | None = None) -> list[Path]:
    """Lists a folder and all below it that are not hidden, each real folder once.

    What lies there comes first, then what links lead to, in order of paths: so a link changes no
    path that is there without it, and one that leads back ends. A folder that may not be read is
    noted in ``passed``.
    """
    passed = [] if passed is None else passed
    found, real, links = [], [root], list[Path]()
    seen = set[tuple[int, int]]()
    while real or links:
        folder = real.pop() if real else heappop(links)
        facts = folder.stat()
        if (facts.st_dev, facts.st_ino) in seen:
            continue
        seen.add((facts.st_dev, facts.st_ino))
        found.append(folder)
        for entry in _entries(folder, passed):
            if os.path.isdir(entry.path):  # noqa: PTH112 (False for a link that leads nowhere)
                below = folder / entry.name
                heappush(links, below) if entry.is_symlink() else real.append(below)
    return found


def _films_in(folder: Path, passed: list[tuple[str, str]]) -> Iterator[Path]:
    """The films that lie in a folder itself; what is called like one and is none is noted."""
    for entry in _entries(folder, passed):
        if not looks_like_film(PurePath(entry.name)) or os.path.isdir(entry.path):  # noqa: PTH112
            continue
        if os.path.isfile(entry.path):  # noqa: PTH113 (False for a link that leads nowhere)
            yield folder / entry.name
        else:
            passed.append((_kind_of(Path(entry.path)), entry.path))


def _kind_of(path: Path) -> str:
    """What is called like a film and is no file."""
    try:
        return KINDS.get(stat.S_IFMT(path.stat().st_mode), "no regular file").split(" ", 1)[1]
    except OSError:
        return DEAD_LINK


def _say_passed_over(root: Path, passed: Sequence[tuple[str, str]]) -> None:
    """Says once a search what it has passed over, how often, and one of each by name."""
    if not passed:
        return
    first = dict(reversed(passed))
    counts = Counter(kind for kind, _ in passed)
    words = ", ".join(
        f"{count} {kind if count == 1 else PLURALS.get(kind, f'{kind}s')} "
        f"({first[kind]!r}{' …' * (count > 1)})"
        for kind, count in sorted(counts.items())
    )
    log.warning("passed over below %r: %s", str(root), words)


def _entries(folder: Path, passed: list[tuple[str, str]]) -> list["os.DirEntry[str]"]:
    """What is in a folder and is not hidden, by name; one that may not be read is noted once."""
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
    except PermissionError:
        found = (UNREADABLE, str(folder))
        passed.extend([] if found in passed else [found])
        return []
    return sorted(shown, key=lambda entry: entry.name)


def name_films(found: Iterable[Found], ids: Mapping[Any, str] | None = None) -> dict[str, FilmPath]:
    """Gives films their ids; one that is named twice is taken once, unless lists give it two ids.

    The id of a film is what ``ids`` or a list says, or its path below what was given. Where a
    folder and one below it are given, it is the path below the upper one. So nothing else that is
    listed decides an id, nor does the order.

    Raises:
        ValueError: Two films lead to one id.
    """
    named = {_key(film): video_id for film, video_id in (ids or {}).items()}
    once: dict[tuple[FilmPath, str], Found] = {}
    for entry in found:
        known = once.setdefault((_key(entry.film), entry.given_id), entry)
        if len(entry.relative.parts) > len(known.relative.parts):
            once[_key(entry.film), entry.given_id] = entry
    first: dict[str, Found] = {}
    for (key, given_id), entry in once.items():
        video_id = named.get(key, given_id or entry.relative.as_posix())
        other = first.setdefault(video_id, entry)
        if not _is_same_file(other.film, entry.film):
            raise ValueError(_clash(video_id, other, entry))
    return {video_id: entry.film for video_id, entry in first.items()}


def _is_same_file(one: FilmPath, other: FilmPath) -> bool:
    """Whether two films are one file, by whatever path; a URL is the same as itself alone."""
    if one == other:
        return True
    try:
        return isinstance(one, Path) and isinstance(other, Path) and one.samefile(other)
    except OSError:  # it went just now
        return False


def _clash(video_id: str, one: Found, other: Found) -> str:
    """Says that two films lead to one id, and what to do."""
    films = (
        f"{shown(str(entry.film))!r}{f' ({entry.line})' if entry.line else ''}"
        for entry in (one, other)
    )
    return (
        f"{' and '.join(films)} are two films with the id {video_id!r}; name the folder above "
        "both, index one alone with an id of its own (ids={film: 'NAME'}), or pass a list with a "
        "column 'id'"
    )


def looks_like_film(relative: PurePath) -> bool:
    """Whether a path below a folder is called like a film, and is not hidden.

    >>> [looks_like_film(PurePath(name)) for name in ("a/b.MP4", "a/b.txt", ".a/b.mp4")]
    [True, False, False]
    """
    return relative.suffix.lower() in FILM_SUFFIXES and not is_hidden(relative)


def is_hidden(relative: PurePath) -> bool:
    """Whether a path below a folder is hidden, or in a folder that is.

    >>> [is_hidden(PurePath(name)) for name in ("a/b.mp4", ".a/b.mp4", "a/.b.mp4")]
    [False, True, True]
    """
    return any(part.startswith(".") for part in relative.parts)


def _key(film: Any) -> FilmPath:  # noqa: ANN401 (what a caller calls a film by)
    return film if isinstance(film, str) and is_url(film) else Path(film).absolute()
