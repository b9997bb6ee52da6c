"""index: many films into one store; one bad film never stops the others.

A run that was interrupted goes on with the films that were not done: each film is published by one
step, and a published one is not decoded again. What killed runs have left is removed.
"""

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from fewframes.choosing import Asked
from fewframes.crew import Crewman, Told, run_tasks
from fewframes.errors import FewframesError
from fewframes.fetching import size_of
from fewframes.finding import Film
from fewframes.inputs import find_inputs
from fewframes.isolation import LIMIT_SECONDS, MEMORY_BYTES, Worker
from fewframes.objects import Objects, store_at
from fewframes.outcomes import Outcome
from fewframes.patience import Patience
from fewframes.pictures import CodecName
from fewframes.recipes import DEDUP, Recipe
from fewframes.sizes import Size, parse_size
from fewframes.space import check_space as has_space
from fewframes.space import look_at_film
from fewframes.tasks import FilmTask, perform
from fewframes.uploading import prepare

R = TypeVar("R")

SLOWEST_BYTES_A_SECOND = 20e6
"""How fast a film can at least be read; while it is hashed or demuxed there is no other sign."""
UNBOUNDED = 1 << 62


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
    store: str | Path | Objects,
    *,
    fps: float | None = 2.0,
    size: Size = 448,
    codec: CodecName = "jpeg",
    quality: int | None = None,
    dedup: float = DEDUP,
    ids: Mapping[Any, str] | None = None,
    strict: bool = False,
    stream: int | None = None,
    workers: int | None = None,
    limit_seconds: float = LIMIT_SECONDS,
    memory_bytes: int = MEMORY_BYTES,
    check_space: bool = True,
    progress: Callable[[Progress], None] | None = None,
    backend: str | None = None,
    device: str = "cpu",
    ray: str | None = None,
) -> IndexReport:
    """Indexes films into a store: a folder, or a URL as text.

    ``paths`` are films and folders. As text they may also be patterns, URLs of films, URLs of
    prefixes (with a ``/`` at the end), and lists: ``@films.txt``, ``@films.csv`` or
    ``@films.parquet``; see `fewframes.inputs`. A film by URL is fetched into the cache folder for
    as long as it is worked on.

    ``fps`` is how many frames a second are scanned (None: every frame), ``size`` the longer side of
    the stored pictures or an exact height and width (None: as they are). ``codec`` stores them as
    JPEGs of a ``quality`` (default 90), or without loss: as zstd, or raw. ``dedup`` is the largest
    local difference, as a share of the full range (0 to 1), for which a frame repeats one of the
    last kept ones and shares its picture (0: store all). A video's
    id is its path below the given folder without the suffix, or what ``ids`` says for a path.
    ``strict`` refuses films that do not decode completely. Films that are in the store already,
    unchanged and under the same recipe, are left alone.

    Each film is decoded in a worker process, of which there are ``workers`` (default: one a core).
    A worker that gives no sign for ``limit_seconds``, and 50 s more for each GB of the film, is
    stopped; it may use ``memory_bytes``, which does not bound a worker that may use a GPU, since
    drivers reserve more than they use. Either fails that film alone. With ``ray``, the address of a
    Ray cluster, the workers are on its nodes, one a core, which see films and store under the same
    paths or URLs. While an object store does not answer, the films wait for it, up to ten minutes.

    ``backend`` and ``device`` say who decodes, as for `read`; each video's facts tell who did. They
    are no part of the recipe: a film that is in the store is not decoded again by another.

    Before anything is decoded, what the films may take is predicted from their packets, and
    `NoSpaceError` raised where the disk has less; ``check_space=False`` leaves that out. For a URL,
    films are written below the cache folder before they are put, and that is the disk.

    A film that cannot be read is an outcome, never an exception; a missing path is
    `UnreadableMediaError`, before anything is done.

    >>> import fewframes as ff
    >>> ff.index("film.mp4", "corpus.zarr", size=160)
    IndexReport(1 done, ... s)
    """
    many = [paths] if isinstance(paths, str | Path) else list(paths)
    films = find_inputs(many, ids)
    words = _size_words(size)
    recipe = Recipe(fps, words, codec, quality, dedup, stream)
    home, asked = store_at(store), Asked(backend, device)
    has_to_fit = check_space and (ray is None or isinstance(home, Path))
    scratch = prepare(home)
    if ray is not None:
        films, home = _absolute(films), home.absolute() if isinstance(home, Path) else home
    run = _Run(home, scratch, recipe, strict, limit_seconds, has_to_fit, asked, ray)
    started = time.monotonic()
    outcomes: dict[str, Outcome] = {}
    for event in run.events(films, workers, memory_bytes):
        if event.outcome:
            outcomes[event.video_id] = event.outcome
        if progress:
            progress(replace(event, films_done=len(outcomes), films_total=len(films)))
    return IndexReport(tuple(outcomes[name] for name in films), time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _Run:
    """What every film of a run has in common."""

    store: Path | Objects
    scratch: Path
    """Where groups are written first: the store, if it is on disk."""
    recipe: Recipe
    is_strict: bool
    limit_seconds: float
    has_to_fit: bool
    asked: Asked
    ray: str | None
    patience: Patience = field(default_factory=Patience)

    def events(
        self, films: Mapping[str, Film], count: int | None, memory: int
    ) -> Iterator[Progress]:
        """Indexes films on worker processes; gives how far each is, and its outcome."""
        with ExitStack() as stack:
            bound = memory if self.asked.device == "cpu" else UNBOUNDED
            workers = self._crew(stack, _worker_count(count, len(films)), count, bound)
            left = list(films.items())
            if self.has_to_fit:
                left = yield from self._look(left, workers)
            events = run_tasks(left, self.index, workers=workers)
            for event in stack.enter_context(closing(events)):
                name, _ = event.task
                if isinstance(event, Told):
                    yield Progress(name, *event.values)
                else:
                    outcome = event.result or Outcome(name, "failed", _reason(event.error))
                    yield Progress(name, outcome.rows, outcome.rows, outcome=outcome)

    def _crew(
        self, stack: ExitStack, here: int, there: int | None, memory: int
    ) -> Sequence[Crewman]:
        """So many workers on this machine, or those of the cluster."""
        if self.ray is None:
            return [stack.enter_context(Worker(memory_bytes=memory)) for _ in range(here)]
        from fewframes.bindings.ray_run import ray_workers

        return stack.enter_context(ray_workers(self.ray, count=there, memory_bytes=memory))

    def _look(
        self, films: list[tuple[str, Film]], workers: Sequence[Crewman]
    ) -> Generator[Progress, None, list[tuple[str, Film]]]:
        """Checks that the disk has space; gives outcomes of films that need no decoding at all."""
        needed, left = [], set()
        with closing(run_tasks(films, self.look, workers=workers)) as events:
            for event in events:
                name, _ = event.task
                if isinstance(event, Told):
                    continue
                if event.error is not None:
                    outcome = Outcome(name, "failed", _reason(event.error))
                    yield Progress(name, 0, 0, outcome=outcome)
                elif event.result is None:
                    yield Progress(name, 0, 0, outcome=Outcome(name, "done"))
                else:
                    needed.append(event.result)
                    left.add(event.task)
        if not isinstance(self.store, Path):  # films leave the disk as they are put
            needed = sorted(needed)[-len(workers) :]
        has_space(self.scratch, sum(needed))
        return [film for film in films if film in left]

    def look(
        self, worker: Crewman, film: tuple[str, Film], _tell: Callable[[int, int], None]
    ) -> int | None:
        """Has a worker predict what one film takes."""
        video_id, path = film
        facts: dict[str, Any] = {"video_id": video_id, "recipe": self.recipe}
        return self._patient(
            worker,
            lambda: worker.call(
                look_at_film, path, self.store, limit_seconds=self._limit(path), **facts
            ),
        )

    def index(
        self, worker: Crewman, film: tuple[str, Film], tell: Callable[[int, int], None]
    ) -> Outcome:
        """Has a worker index one film."""
        video_id, path = film
        task = FilmTask(path, self.store, video_id, self.recipe, self.is_strict, self.asked)
        return self._patient(
            worker,
            lambda: worker.call(perform, task, limit_seconds=self._limit(path), progress=tell),
        )

    def _patient(self, worker: Crewman, call: Callable[[], R]) -> R:
        """Makes a call again while an object store is away."""
        return self.patience.call(call, is_over=lambda: worker.is_stopped)

    def _limit(self, film: Film) -> float:
        return self.limit_seconds + size_of(film) / SLOWEST_BYTES_A_SECOND


def _absolute(films: Mapping[str, Film]) -> dict[str, Film]:
    """Films as other machines see them, which work in other folders."""
    return {
        name: film.absolute() if isinstance(film, Path) else film for name, film in films.items()
    }


def _reason(error: BaseException | None) -> str:
    """Says why a film failed: an expected error in its own words, another with its kind."""
    if isinstance(error, FewframesError | OSError | ValueError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _worker_count(workers: int | None, films: int) -> int:
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers} indexes nothing; pass workers >= 1")
    return max(1, min(workers or os.cpu_count() or 1, films))


def _size_words(size: Size) -> str:
    parsed = parse_size(size)
    if parsed is None:
        return "native"
    return str(parsed) if isinstance(parsed, int) else f"{parsed[0]}x{parsed[1]}"
