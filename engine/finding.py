"""Finding: which films are meant by files and folders, and what are they called?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fewframes.errors import UnreadableMediaError

SUFFIXES = frozenset(
    f".{name}"
    for names in (
        "mp4 m4v mov mkv webm avi ts m2ts mts mpg mpeg vob flv wmv asf 3gp 3g2",
        "ogv ogg mxf h264 264 h265 hevc y4m ivf dv mjpeg",
    )
    for name in names.split()
)
"""What a folder is searched for; a file that is named is taken whatever it is called."""


def find_films(paths: Sequence[Path], ids: Mapping[Any, str] | None = None) -> dict[str, Path]:
    """Lists films by id: the path below the given folder without its suffix.

    Films whose ids would clash keep their suffixes, and get ``~2``, ``~3`` … if that is not enough.
    """
    named = {Path(path): video_id for path, video_id in (ids or {}).items()}
    found: list[tuple[Path, Path]] = []
    for path in paths:
        if not path.exists():
            raise UnreadableMediaError(f"{str(path)!r} does not exist; check the path")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        root = path if path.is_dir() else path.parent
        if path.is_dir():
            inside = [film for film in inside if _looks_like_film(film, root)]
        found += [(film, film.relative_to(root)) for film in inside]
    plain = [relative.with_suffix("").as_posix() for _, relative in found]
    films: dict[str, Path] = {}
    for (film, relative), short in zip(found, plain, strict=True):
        if film in films.values():
            continue
        wanted = short if plain.count(short) == 1 else relative.as_posix()
        films[_unused(named.get(film, wanted), films)] = film
    return films


def _looks_like_film(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.suffix.lower() in SUFFIXES and path.is_file() and not hidden


def _unused(wanted: str, taken: Mapping[str, Path]) -> str:
    candidate, count = wanted, 1
    while candidate in taken:
        count += 1
        candidate = f"{wanted}~{count}"
    return candidate
