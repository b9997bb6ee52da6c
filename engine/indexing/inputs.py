"""Inputs: which films does a user mean by words, and what are they called?

- a path: the film, or all films below the folder;
- a pattern (``videos/*.mp4``, ``videos/**/left.mp4``): the films that match;
- a URL (``s3://bucket/films/a.mp4``): that film; one that ends in ``/``: all films below it;
- ``@FILE``: a list, ``@films.txt`` with one of the above a line, or ``@films.csv``,
  ``@films.parquet`` with a column ``path`` and optionally a column ``id``.

The id of a film is its path below the folder given, with its suffix; of one that matches a pattern,
below the folders before the first ``*``. A path in a list counts from the list's own folder, and
its id is the path as it is written there; of an absolute path the name alone, and of a URL the path
below the bucket. No id depends on what else is listed, nor on the order (`discovery.name_films`).
Errors name the line.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fewframes.errors import FewframesError, UnreadableMediaError
from fewframes.indexing import discovery
from fewframes.indexing.discovery import SEARCHED, FilmPath, Found
from fewframes.naming import path_of, shown
from fewframes.plugins import plugin
from fewframes.store.resolve import is_url

MAGIC = "*?["
"""What makes a word a pattern, where nothing is called so; likewise an ``@`` makes it a list."""


def find_inputs(
    words: Sequence[str | Path], ids: Mapping[Any, str] | None = None
) -> dict[str, FilmPath]:
    """Lists films by id, in the order given; a `Path` is a path and nothing else.

    Raises:
        UnreadableMediaError: A path does not exist, or a pattern matches no film.
        ValueError: A list cannot be read, or two films lead to one id.
        UnreachableStoreError: The object store of a URL does not answer.

    >>> find_inputs(["videos/*.mp4"])
    {'case_07.mp4': PosixPath('videos/case_07.mp4')}
    """
    return discovery.name_films((film for word in words for film in _meant(word)), ids)


def _meant(word: str | Path) -> Iterator[Found]:
    if isinstance(word, str) and word.startswith("@") and not Path(word).exists():
        yield from _listed(Path(word[1:]))
    else:
        yield from _named(word)


def _named(word: str | Path) -> list[Found]:
    """The films of one word that is no list."""
    if word == "" or not isinstance(word, str | Path):
        raise ValueError(f"{word!r} names no films; pass a path, a pattern, a URL or a list")
    if isinstance(word, Path):
        return discovery.found_at(word)
    if is_url(word):
        is_prefix = path_of(word).endswith("/")
        return _below(word) if is_prefix else [Found(word, _key_of(word, 1))]
    if any(sign in word for sign in MAGIC) and not Path(word).exists():
        return _matching(word)
    return discovery.found_at(Path(word))


def _matching(pattern: str) -> list[Found]:
    """The films that match a pattern; ids are paths below the folders before its first sign.

    Where the pattern ends in a suffix of its own, whoever wrote it has said what a film is.
    """
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if any(sign in part for sign in MAGIC))
    root = Path(*parts[:fixed])
    paths = sorted(path for path in _globbed(root, parts[fixed:]) if path.is_file())
    found = [Found(path, PurePosixPath(path.relative_to(root))) for path in paths]
    found = [entry for entry in found if not discovery.is_hidden(entry.relative)]
    suffix = PurePosixPath(parts[-1]).suffix
    if suffix and not any(sign in suffix for sign in MAGIC):
        films = found
    else:
        films = [entry for entry in found if discovery.looks_like_film(entry.relative)]
    if not films:
        cure = "end the pattern in a suffix to take what it matches"
        words = f": {SEARCHED}; {cure}" if found else "; check the pattern"
        raise UnreadableMediaError(f"no film matches {pattern!r}{words}")
    return films


def _globbed(root: Path, parts: Sequence[str]) -> set[Path]:
    """The paths below a folder that match; ``**`` goes into linked folders, as a search does."""
    if "**" not in parts:
        return set(root.glob(str(Path(*parts)))) if parts else {root}
    at = parts.index("**")
    starts = [path for path in _globbed(root, parts[:at]) if path.is_dir()]
    folders = [folder for start in starts for folder in discovery.folders_below(start)]
    return {path for folder in folders for path in _globbed(folder, parts[at + 1 :])}


def _below(url: str) -> list[Found]:
    """The films below a prefix, sorted by key."""
    keys = sorted(entry.key for entry in plugin("object_store")(url.rstrip("/")).listed(""))
    films = [key for key in keys if discovery.looks_like_film(PurePosixPath(key))]
    if not films:
        raise UnreadableMediaError(f"no film is below {shown(url)!r}: {SEARCHED}; check the URL")
    return [Found(url + key, PurePosixPath(key)) for key in films]


def _key_of(url: str, parts: int = 0) -> PurePosixPath:
    """The last so many parts of a URL's path, all of it for 0; what is behind a "?" is none."""
    path = path_of(url).split("://", 1)[1].partition("/")[2]
    return PurePosixPath(*PurePosixPath(path or shown(url)).parts[-parts:])


def _listed(file: Path) -> Iterator[Found]:
    """The films of a list, each with its line."""
    rows = _ROWS.get(file.suffix.lower(), _text_rows)
    try:
        for line, word, given_id in rows(file):
            yield from _of_line(file, f"{file.name} line {line}", word, given_id)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UnreadableMediaError(f"list {str(file)!r} does not exist; check the path") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"list {file.name!r} is not text in UTF-8; save it so") from error


def _of_line(file: Path, line: str, word: str, given_id: str) -> Iterator[Found]:
    """The films of one line of a list."""
    if word.startswith("@"):
        raise ValueError(f"{line}: {word!r} is a list in a list; name films, folders or URLs")
    is_relative = not is_url(word) and not Path(word).is_absolute()
    try:
        found = _named(str(file.parent / word) if is_relative else word)
    except FewframesError as error:
        raise type(error)(f"{line}: {error}") from error
    is_film = len(found) == 1 and found[0].relative.name == PurePosixPath(path_of(word)).name
    if given_id and not is_film:
        raise ValueError(
            f"{line}: {shown(word)!r} is not one film and cannot have the id {given_id!r}"
        )
    for entry in found:
        relative = _as_written(word, is_relative=is_relative) if is_film else entry.relative
        yield Found(entry.film, relative, line, given_id)


def _as_written(word: str, *, is_relative: bool) -> PurePosixPath:
    """What the id of a film that a line names is made of."""
    if is_url(word):
        return _key_of(word)
    path = PurePosixPath(word)
    return path if is_relative and ".." not in path.parts else PurePosixPath(path.name)


Rows = Iterator[tuple[int, str, str]]
"""Number of the line, word, id (or nothing) of each line of a list."""


def _text_rows(file: Path) -> Rows:
    """One word a line; empty lines, and those that begin with #, are passed over."""
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            word = line.strip()
            if word and not word.startswith("#"):
                yield number, word, ""


def _csv_rows(file: Path) -> Rows:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        _check_columns(file, rows.fieldnames or ())
        for row in rows:
            yield rows.line_num, *_checked(file, rows.line_num, row)


def _parquet_rows(file: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with file.open("rb") as opened:
            parquet = pq.ParquetFile(opened)
            names = parquet.schema_arrow.names
            _check_columns(file, names)
            table = parquet.read([name for name in ("path", "id") if name in names])
    except pa.ArrowInvalid as error:
        raise ValueError(f"list {file.name!r} is no Parquet file: {error}") from error
    for number, row in enumerate(table.to_pylist(), 1):
        yield number, *_checked(file, number, row)


_ROWS = {".csv": _csv_rows, ".parquet": _parquet_rows}


def _check_columns(file: Path, names: Sequence[str]) -> None:
    if "path" not in names:
        has = f"it has {', '.join(names)}" if names else "it is empty"
        raise ValueError(f"list {file.name!r} has no column 'path' ({has}); name one so")


def _checked(file: Path, number: int, row: Mapping[str, Any]) -> tuple[str, str]:
    """The path and the id of a row."""
    word, given_id = (str(row.get(name) or "").strip() for name in ("path", "id"))
    if not word:
        raise ValueError(f"{file.name} line {number}: there is no path; fill it in")
    return word, given_id
