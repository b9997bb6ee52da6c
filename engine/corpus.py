"""index: many films into one store; one bad film never stops the others.

A run that was interrupted goes on with the films that were not done: each film is published by one
step, and a published one is not decoded again.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewframes.errors import FewframesError, UnreadableMediaError
from fewframes.layout import create_store
from fewframes.pipeline import Outcome, index_film
from fewframes.recipes import DEDUP, Recipe
from fewframes.sizes import Size, parse_size

logger = logging.getLogger(__name__)

SUFFIXES = frozenset(
    f".{name}"
    for names in (
        "mp4 m4v mov mkv webm avi ts m2ts mts mpg mpeg vob flv wmv asf 3gp 3g2",
        "ogv ogg mxf h264 264 h265 hevc y4m ivf dv mjpeg",
    )
    for name in names.split()
)
"""What a folder is searched for; a file that is named is taken whatever it is called."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an indexing run is; given to the progress callback."""

    video_id: str
    frames_done: int
    frames_total: int
    films_done: int
    films_total: int
    outcome: Outcome | None = None
    """Set once, when the film is finished."""


@dataclass(frozen=True, slots=True, repr=False)
class IndexReport:
    """What became of every film of a run."""

    outcomes: tuple[Outcome, ...]
    seconds: float
    """How long the run took."""

    def __repr__(self) -> str:
        counts = {status: len(self.with_status(status)) for status in STATUSES}
        words = ", ".join(f"{n} {status}" for status, n in counts.items() if n) or "no films"
        return f"IndexReport({words}, {self.seconds:.1f} s)"

    def with_status(self, *statuses: str) -> list[Outcome]:
        """The outcomes that have one of these statuses."""
        return [outcome for outcome in self.outcomes if outcome.status in statuses]

    @property
    def exit_status(self) -> int:
        """0 all done, 1 nothing could be indexed, 3 some films are damaged or failed."""
        if not self.with_status("ok", "done", "damaged"):
            return 1
        return 3 if self.with_status("damaged", "failed") else 0


STATUSES = ("ok", "done", "damaged", "failed")


def index(
    paths: str | Path | Sequence[str | Path],
    store: str | Path,
    *,
    fps: float | None = 2.0,
    size: Size = 448,
    quality: int = 90,
    dedup: float = DEDUP,
    ids: Mapping[Any, str] | None = None,
    strict: bool = False,
    stream: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> IndexReport:
    """Indexes films, or all films below folders, into a store folder.

    ``fps`` is how many frames a second are scanned (None: every frame), ``size`` the longer side of
    the stored pictures or an exact height and width (None: as they are), ``quality`` that of their
    JPEGs, ``dedup`` the largest local difference, as a share of the full range (0 to 1), for which
    a frame repeats one of the last kept ones and shares its picture (0: store all). A video's
    id is its path below the given folder without the suffix, or what ``ids`` says for a path.
    ``strict`` refuses films that do not decode completely. Films that are in the store already,
    unchanged and under the same recipe, are left alone.

    A film that cannot be read is an outcome, never an exception; a missing path is
    `UnreadableMediaError`, before anything is done.

    >>> import fewframes as ff
    >>> ff.index("film.mp4", "corpus.zarr", size=160)
    IndexReport(1 done, 0.0 s)
    """
    many = [paths] if isinstance(paths, str | Path) else list(paths)
    films = find_films([Path(path) for path in many], ids)
    words = _size_words(size)
    recipe = Recipe(fps=fps, size=words, quality=quality, dedup=dedup, stream=stream)
    create_store(Path(store))
    started = time.monotonic()
    outcomes: list[Outcome] = []
    for video_id, path in films.items():
        tell = _teller(progress, video_id, len(outcomes), len(films))
        outcome = _outcome(path, Path(store), video_id, recipe, is_strict=strict, tell=tell)
        outcomes.append(outcome)
        if progress:
            rows = outcome.rows
            progress(Progress(video_id, rows, rows, len(outcomes), len(films), outcome))
    return IndexReport(tuple(outcomes), time.monotonic() - started)


def _outcome(
    path: Path,
    store: Path,
    video_id: str,
    recipe: Recipe,
    *,
    is_strict: bool,
    tell: Callable[[int, int], None] | None,
) -> Outcome:
    """Indexes one film; whatever happens to it is its outcome."""
    try:
        return index_film(
            path, store, video_id=video_id, recipe=recipe, is_strict=is_strict, progress=tell
        )
    except (FewframesError, OSError, ValueError) as error:
        return Outcome(video_id, "failed", str(error))
    except Exception as error:
        logger.exception("indexing %s failed", video_id)
        return Outcome(video_id, "failed", f"{type(error).__name__}: {error}")


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


def _size_words(size: Size) -> str:
    parsed = parse_size(size)
    if parsed is None:
        return "native"
    return str(parsed) if isinstance(parsed, int) else f"{parsed[0]}x{parsed[1]}"


def _teller(
    progress: Callable[[Progress], None] | None, video_id: str, done: int, total: int
) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda frames, of: progress(Progress(video_id, frames, of, done, total))
