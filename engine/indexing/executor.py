"""Running: the films of one indexing run, from the first look to the last outcome.

1. Films that the store has learnt to leave alone are listed and passed over (`quarantine`).
2. Every other film is looked at, on the workers: is it there already, what will it take, how is it
   cut? Then it is known whether the disk has the space, and how much work there is.
3. The workers are given tasks in the order of the `Schedule`; what they tell is added up
(`ProgressTracker`).
"""

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fewframes.decode.backend_choice import DecoderRequest
from fewframes.indexing.discovery import FilmPath
from fewframes.indexing.disk_space import check_space
from fewframes.indexing.estimate import FilmEstimate, estimate_film, needed_bytes
from fewframes.indexing.fetching import size_of
from fewframes.indexing.isolation import LIMIT_SECONDS, MEMORY_BYTES, Worker
from fewframes.indexing.pool import ProgressEvent, WorkerHandle, run_tasks
from fewframes.indexing.progress import ProgressTracker
from fewframes.indexing.quarantine import Quarantine
from fewframes.indexing.ranges import RANGE_SECONDS
from fewframes.indexing.results import Progress
from fewframes.indexing.retry import RetryPolicy
from fewframes.indexing.scheduler import FATAL_ERRORS, MOST_PART_BYTES, Schedule, reason_of
from fewframes.indexing.tasks import FilmTask, execute
from fewframes.plugins import plugin
from fewframes.store.object_store import ObjectStore
from fewframes.store.recipes import Recipe
from fewframes.store.results import Outcome

R = TypeVar("R")

SLOWEST_BYTES_A_SECOND = 20e6
"""How fast a film can at least be read; while it is hashed or demuxed there is no other sign."""
UNBOUNDED = 1 << 62
WORKERS_OF_GPU = 2
"""One keeps all video engines of a GPU at work; another fills the gaps between films. Each has a
context and memory of its own there."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the tasks of a run may take."""

    seconds: float = LIMIT_SECONDS
    """Without a sign, and 50 s more for each GB of the film."""
    memory_bytes: int = MEMORY_BYTES
    workers: int | None = None
    """Processes; None: one a core, or `WORKERS_OF_GPU` where a GPU is to decode."""
    has_to_fit: bool = True
    """Whether the disk must have the space that is predicted."""
    range_seconds: float = RANGE_SECONDS
    """Least CPU time of a range of a long film."""


@dataclass(slots=True)
class FilmEstimates:
    """What the looks at the films of a run have brought."""

    looks: dict[str, FilmEstimate] = field(default_factory=dict)
    """Of the films that are to be indexed, by id."""
    outcomes: list[Outcome] = field(default_factory=list)
    """Of films that need no decoding, or cannot be read."""
    again: list[str] = field(default_factory=list)
    """Films at which a worker crashed or hung."""


def default_workers(request: DecoderRequest) -> int:
    """How many processes work where the caller does not say.

    >>> default_workers(DecoderRequest(device="cuda"))
    2
    """
    return WORKERS_OF_GPU if request.device == "cuda" else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class IndexRun:
    """What every film of a run has in common."""

    store: Path | ObjectStore
    scratch: Path
    """Where groups are written first: the store, if it is on disk."""
    recipe: Recipe
    is_strict: bool
    request: DecoderRequest
    limits: Limits
    ray: str | None = None
    """The address of a Ray cluster; None works here."""
    is_dry: bool = False
    """Whether films are looked at and no more, and nothing is written."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    def events(self, films: Mapping[str, FilmPath], *, retry_failed: bool) -> Iterator[Progress]:
        """Indexes films on worker processes; gives how far each is, and its outcome."""
        tracker, quarantine = ProgressTracker(len(films)), self._quarantine()
        avoided = {} if retry_failed else quarantine.reasons(films)
        for name, reason in avoided.items():
            words = f"{reason}; pass --retry-failed (retry_failed=True) to try it again"
            yield tracker.film(Outcome(name, "failed", words))
        left = {name: film for name, film in films.items() if name not in avoided}
        quarantine.remove(left)
        with ExitStack() as stack:
            workers = self.pool(stack)
            looked = FilmEstimates()
            for name in self.look(left, workers[: len(left)], looked):
                yield tracker.progress(name, 0, 0)
            yield from map(tracker.film, looked.outcomes)
            tracker.look(looked.looks)
            self._check_space(looked, len(workers))
            schedule = self._schedule(left, looked)
            for event in self._index(schedule, tracker, workers[: schedule.most_tasks]):
                name = event.video_id
                if event.outcome and name in schedule.poisoned:
                    quarantine.add(name, films[name], schedule.poisoned[name])
                yield event

    def _quarantine(self) -> Quarantine:
        limits = self.limits
        bounds = (limits.seconds, limits.memory_bytes)
        return Quarantine(self.store, self.recipe, bounds)

    def _schedule(self, films: Mapping[str, FilmPath], looked: FilmEstimates) -> Schedule:
        looks = looked.looks.items()
        return Schedule(
            [(self.task(name, films[name]), look) for name, look in looks],
            [self.task(name, films[name]) for name in looked.again],
        )

    def task(self, name: str, film: FilmPath) -> FilmTask:
        """The task of a whole film."""
        return FilmTask(
            film,
            self.store,
            name,
            self.recipe,
            self.is_strict,
            self.request,
            range_seconds=self.limits.range_seconds,
        )

    def pool(self, stack: ExitStack) -> Sequence[WorkerHandle]:
        """So many workers on this machine, or those of the cluster."""
        memory = self.limits.memory_bytes if self.request.device == "cpu" else UNBOUNDED
        if self.ray is None:
            count = self.limits.workers or default_workers(self.request)
            pool = [stack.enter_context(Worker(memory_bytes=memory)) for _ in range(count)]
            for worker in pool:  # idle by then; to take its libraries down takes each 0.2 s
                stack.callback(worker.stop)
            return pool
        workers = plugin("ray.workers")(self.ray, count=self.limits.workers, memory_bytes=memory)
        return stack.enter_context(workers)

    def look(
        self, films: Mapping[str, FilmPath], workers: Sequence[WorkerHandle], looked: FilmEstimates
    ) -> Generator[str, None, None]:
        """Looks at all films, and gives the id of each one looked at."""
        looks: dict[str, FilmEstimate] = {}
        with closing(run_tasks(films.items(), self._look, workers=workers)) as events:
            for event in events:
                if isinstance(event, ProgressEvent):
                    continue
                name, _ = event.task
                if isinstance(event.error, FATAL_ERRORS):
                    looked.again.append(name)
                elif event.error is not None:
                    looked.outcomes.append(Outcome(name, "failed", reason_of(event.error)))
                elif isinstance(event.result, Outcome):
                    looked.outcomes.append(event.result)
                elif event.result is not None:
                    looks[name] = event.result
                yield name
        looked.looks = {name: looks[name] for name in films if name in looks}

    def _check_space(self, looked: FilmEstimates, workers: int) -> None:
        """Refuses a run that may not fit; films leave the disk as they are put in objects."""
        if self.limits.has_to_fit:
            at_once = None if isinstance(self.store, Path) else workers
            looks = looked.looks.values()
            needed = needed_bytes(looks, at_once=at_once, parts_bytes=MOST_PART_BYTES)
            check_space(self.scratch, needed)

    def _index(
        self, schedule: Schedule, tracker: ProgressTracker, workers: Sequence[WorkerHandle]
    ) -> Generator[Progress, None, None]:
        """Gives workers the tasks, and tells what comes of them."""
        with closing(run_tasks(schedule, self._execute, workers=workers)) as events:
            for event in events:
                share = schedule.share_of(event.task)
                if isinstance(event, ProgressEvent):
                    yield tracker.told(event.task, share, *event.values)
                    continue
                tracker.ended(event.task, share)
                outcome = schedule.end(event.task, event.result, event.error)
                if outcome:
                    yield tracker.film(outcome)

    def _look(
        self, worker: WorkerHandle, film: tuple[str, FilmPath], _tell: Callable[[int, int], None]
    ) -> FilmEstimate | Outcome:
        """Has a worker look at one film."""
        video_id, path = film
        facts: dict[str, Any] = {
            "video_id": video_id,
            "recipe": self.recipe,
            "request": self.request,
            "range_seconds": self.limits.range_seconds,
            "is_strict": self.is_strict,
            "is_dry": self.is_dry,
        }
        return self._retrying(
            worker,
            lambda: worker.call(
                estimate_film, path, self.store, limit_seconds=self._limit(path), **facts
            ),
        )

    def _execute(
        self, worker: WorkerHandle, task: FilmTask, report_progress: Callable[[int, int], None]
    ) -> Outcome:
        """Has a worker do one task."""
        return self._retrying(
            worker,
            lambda: worker.call(
                execute, task, limit_seconds=self._limit(task.path), progress=report_progress
            ),
        )

    def _retrying(self, worker: WorkerHandle, call: Callable[[], R]) -> R:
        """Makes a call again while an object store is away."""
        return self.retry.call(call, is_over=lambda: worker.is_stopped)

    def _limit(self, film: FilmPath) -> float:
        return self.limits.seconds + size_of(film) / SLOWEST_BYTES_A_SECOND
