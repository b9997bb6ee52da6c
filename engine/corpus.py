"""index: many films into one store; one bad film never stops the others.

A run that was interrupted goes on with the films that were not done: each film is published by one
step, and a published one is not decoded again.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fewframes.choosing import Asked
from fewframes.crew import Told, run_tasks
from fewframes.errors import FewframesError, UnreadableMediaError
from fewframes.isolation import LIMIT_SECONDS, MEMORY_BYTES, Worker
from fewframes.layout import create_store
from fewframes.outcomes import Outcome
from fewframes.recipes import DEDUP, Recipe
from fewframes.sizes import Size, parse_size

SLOWEST_BYTES_A_SECOND = 20e6
"""How fast a film can at least be read; while it is hashed or demuxed there is no other sign."""
UNBOUNDED = 1 << 62
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
    films_done: int = 0
    films_total: int = 0
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


def index(  # noqa: PLR0913 (the public call)
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
    workers: int | None = None,
    limit_seconds: float = LIMIT_SECONDS,
    memory_bytes: int = MEMORY_BYTES,
    progress: Callable[[Progress], None] | None = None,
    backend: str | None = None,
    device: str = "cpu",
) -> IndexReport:
    """Indexes films, or all films below folders, into a store folder.

    ``fps`` is how many frames a second are scanned (None: every frame), ``size`` the longer side of
    the stored pictures or an exact height and width (None: as they are), ``quality`` that of their
    JPEGs, ``dedup`` the largest local difference, as a share of the full range (0 to 1), for which
    a frame repeats one of the last kept ones and shares its picture (0: store all). A video's
    id is its path below the given folder without the suffix, or what ``ids`` says for a path.
    ``strict`` refuses films that do not decode completely. Films that are in the store already,
    unchanged and under the same recipe, are left alone.

    Each film is decoded in a worker process, of which there are ``workers`` (default: one a core).
    A worker that gives no sign for ``limit_seconds``, and 50 s more for each GB of the film, is
    stopped; it may use ``memory_bytes``, which does not bound a worker that may use a GPU, since
    drivers reserve more than they use. Either fails that film alone.

    ``backend`` and ``device`` say who decodes, as for `read`; each video's facts tell who did. They
    are no part of the recipe: a film that is in the store is not decoded again by another.

    A film that cannot be read is an outcome, never an exception; a missing path is
    `UnreadableMediaError`, before anything is done.

    >>> import fewframes as ff
    >>> ff.index("film.mp4", "corpus.zarr", size=160)
    IndexReport(1 done, ... s)
    """
    many = [paths] if isinstance(paths, str | Path) else list(paths)
    films = find_films([Path(path) for path in many], ids)
    words = _size_words(size)
    recipe = Recipe(fps=fps, size=words, quality=quality, dedup=dedup, stream=stream)
    create_store(Path(store))
    asked = Asked(backend, device)
    run = _Run(Path(store), recipe, is_strict=strict, limit_seconds=limit_seconds, asked=asked)
    started = time.monotonic()
    outcomes: dict[str, Outcome] = {}
    for event in run.events(films, _worker_count(workers, len(films)), memory_bytes):
        if event.outcome:
            outcomes[event.video_id] = event.outcome
        if progress:
            progress(replace(event, films_done=len(outcomes), films_total=len(films)))
    return IndexReport(tuple(outcomes[name] for name in films), time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _Run:
    """What every film of a run has in common."""

    store: Path
    recipe: Recipe
    is_strict: bool
    limit_seconds: float
    asked: Asked

    def events(self, films: Mapping[str, Path], count: int, memory: int) -> Iterator[Progress]:
        """Indexes films on worker processes; gives how far each is, and its outcome."""
        with ExitStack() as stack:
            bound = memory if self.asked.device == "cpu" else UNBOUNDED
            workers = [stack.enter_context(Worker(memory_bytes=bound)) for _ in range(count)]
            events = run_tasks(list(films.items()), self.index, workers=workers)
            for event in stack.enter_context(closing(events)):
                name, _ = event.task
                if isinstance(event, Told):
                    yield Progress(name, *event.values)
                else:
                    outcome = event.result or Outcome(name, "failed", _reason(event.error))
                    yield Progress(name, outcome.rows, outcome.rows, outcome=outcome)

    def index(
        self, worker: Worker, film: tuple[str, Path], tell: Callable[[int, int], None]
    ) -> Outcome:
        """Has a worker index one film."""
        video_id, path = film
        return worker.call(
            index_one,
            path,
            self.store,
            video_id=video_id,
            recipe=self.recipe,
            is_strict=self.is_strict,
            asked=self.asked,
            limit_seconds=self.limit_seconds + path.stat().st_size / SLOWEST_BYTES_A_SECOND,
            progress=tell,
        )


def index_one(
    path: Path,
    store: Path,
    *,
    video_id: str,
    recipe: Recipe,
    is_strict: bool,
    asked: Asked,
    progress: Callable[[int, int], None],
) -> Outcome:
    """Indexes one film in a worker; what that takes is loaded there alone."""
    from fewframes.pipeline import index_film

    return index_film(
        path,
        store,
        video_id=video_id,
        recipe=recipe,
        is_strict=is_strict,
        progress=progress,
        asked=asked,
    )


def _reason(error: BaseException | None) -> str:
    """Says why a film failed: an expected error in its own words, another with its kind."""
    if isinstance(error, FewframesError | OSError | ValueError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _worker_count(workers: int | None, films: int) -> int:
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers} indexes nothing; pass workers >= 1")
    return max(1, min(workers or os.cpu_count() or 1, films))


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
