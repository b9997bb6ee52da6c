"""Running: the films of one indexing run, from the first look to the last outcome.

1. Films that the store has learnt to leave alone are listed and passed over (`quarantine`).
2. Every other film is looked at, on the workers: is it there already, what will it take, how is it
   cut? Then it is known whether the disk has the space, and how much work there is.
3. The workers are given tasks in the order of the `Schedule`; what they tell is added up (`Tally`).
"""

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fewframes.decode.backend_choice import Asked
from fewframes.indexing.discovery import Film
from fewframes.indexing.disk_space import check_space
from fewframes.indexing.estimate import Look, look_at_film, needed_bytes
from fewframes.indexing.fetching import size_of
from fewframes.indexing.isolation import LIMIT_SECONDS, MEMORY_BYTES, Worker
from fewframes.indexing.pool import Crewman, Told, run_tasks
from fewframes.indexing.progress import Tally
from fewframes.indexing.quarantine import Quarantine
from fewframes.indexing.ranges import RANGE_SECONDS
from fewframes.indexing.results import Outcome, Progress
from fewframes.indexing.retry import Patience
from fewframes.indexing.scheduler import MOST_PART_BYTES, POISON, Schedule, reason_of
from fewframes.indexing.tasks import FilmTask, perform
from fewframes.store.object_store import Objects
from fewframes.store.recipes import Recipe

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
class Looked:
    """What the looks at the films of a run have brought."""

    looks: dict[str, Look] = field(default_factory=dict)
    """Of the films that are to be indexed, by id."""
    outcomes: list[Outcome] = field(default_factory=list)
    """Of films that need no decoding, or cannot be read."""
    again: list[str] = field(default_factory=list)
    """Films at which a worker crashed or hung."""


def default_workers(asked: Asked) -> int:
    """How many processes work where the caller does not say.

    >>> default_workers(Asked(device="cuda"))
    2
    """
    return WORKERS_OF_GPU if asked.device == "cuda" else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Run:
    """What every film of a run has in common."""

    store: Path | Objects
    scratch: Path
    """Where groups are written first: the store, if it is on disk."""
    recipe: Recipe
    is_strict: bool
    asked: Asked
    limits: Limits
    ray: str | None = None
    """The address of a Ray cluster; None works here."""
    is_dry: bool = False
    """Whether films are looked at and no more, and nothing is written."""
    patience: Patience = field(default_factory=Patience)

    def events(self, films: Mapping[str, Film], *, retry_failed: bool) -> Iterator[Progress]:
        """Indexes films on worker processes; gives how far each is, and its outcome."""
        tally, quarantine = Tally(len(films)), self._quarantine()
        avoided = {} if retry_failed else quarantine.reasons(films)
        for name, reason in avoided.items():
            words = f"{reason}; pass --retry-failed (retry_failed=True) to try it again"
            yield tally.film(Outcome(name, "failed", words))
        left = {name: film for name, film in films.items() if name not in avoided}
        quarantine.remove(left)
        with ExitStack() as stack:
            workers = self.crew(stack)
            looked = Looked()
            for name in self.look(left, workers[: len(left)], looked):
                yield tally.progress(name, 0, 0)
            yield from map(tally.film, looked.outcomes)
            tally.look(looked.looks)
            self._check_space(looked, len(workers))
            schedule = self._schedule(left, looked)
            for event in self._index(schedule, tally, workers[: schedule.most_tasks]):
                name = event.video_id
                if event.outcome and name in schedule.poisoned:
                    quarantine.add(name, films[name], schedule.poisoned[name])
                yield event

    def _quarantine(self) -> Quarantine:
        limits = self.limits
        bounds = (limits.seconds, limits.memory_bytes)
        return Quarantine(self.store, self.recipe, bounds)

    def _schedule(self, films: Mapping[str, Film], looked: Looked) -> Schedule:
        looks = looked.looks.items()
        return Schedule(
            [(self.task(name, films[name]), look) for name, look in looks],
            [self.task(name, films[name]) for name in looked.again],
        )

    def task(self, name: str, film: Film) -> FilmTask:
        """The task of a whole film."""
        return FilmTask(
            film,
            self.store,
            name,
            self.recipe,
            self.is_strict,
            self.asked,
            range_seconds=self.limits.range_seconds,
        )

    def crew(self, stack: ExitStack) -> Sequence[Crewman]:
        """So many workers on this machine, or those of the cluster."""
        memory = self.limits.memory_bytes if self.asked.device == "cpu" else UNBOUNDED
        if self.ray is None:
            count = self.limits.workers or default_workers(self.asked)
            crew = [stack.enter_context(Worker(memory_bytes=memory)) for _ in range(count)]
            for worker in crew:  # idle by then; to take its libraries down takes each 0.2 s
                stack.callback(worker.stop)
            return crew
        from fewframes.bindings.ray_workers import ray_workers

        workers = ray_workers(self.ray, count=self.limits.workers, memory_bytes=memory)
        return stack.enter_context(workers)

    def look(
        self, films: Mapping[str, Film], workers: Sequence[Crewman], looked: Looked
    ) -> Generator[str, None, None]:
        """Looks at all films, and gives the id of each one looked at."""
        looks: dict[str, Look] = {}
        with closing(run_tasks(films.items(), self._look, workers=workers)) as events:
            for event in events:
                if isinstance(event, Told):
                    continue
                name, _ = event.task
                if isinstance(event.error, POISON):
                    looked.again.append(name)
                elif event.error is not None:
                    looked.outcomes.append(Outcome(name, "failed", reason_of(event.error)))
                elif isinstance(event.result, Outcome):
                    looked.outcomes.append(event.result)
                elif event.result is not None:
                    looks[name] = event.result
                yield name
        looked.looks = {name: looks[name] for name in films if name in looks}

    def _check_space(self, looked: Looked, workers: int) -> None:
        """Refuses a run that may not fit; films leave the disk as they are put in objects."""
        if self.limits.has_to_fit:
            at_once = None if isinstance(self.store, Path) else workers
            looks = looked.looks.values()
            needed = needed_bytes(looks, at_once=at_once, parts_bytes=MOST_PART_BYTES)
            check_space(self.scratch, needed)

    def _index(
        self, schedule: Schedule, tally: Tally, workers: Sequence[Crewman]
    ) -> Generator[Progress, None, None]:
        """Gives workers the tasks, and tells what comes of them."""
        with closing(run_tasks(schedule, self._perform, workers=workers)) as events:
            for event in events:
                share = schedule.share_of(event.task)
                if isinstance(event, Told):
                    yield tally.told(event.task, share, *event.values)
                    continue
                tally.ended(event.task, share)
                outcome = schedule.end(event.task, event.result, event.error)
                if outcome:
                    yield tally.film(outcome)

    def _look(
        self, worker: Crewman, film: tuple[str, Film], _tell: Callable[[int, int], None]
    ) -> Look | Outcome:
        """Has a worker look at one film."""
        video_id, path = film
        facts: dict[str, Any] = {
            "video_id": video_id,
            "recipe": self.recipe,
            "asked": self.asked,
            "range_seconds": self.limits.range_seconds,
            "is_strict": self.is_strict,
            "is_dry": self.is_dry,
        }
        return self._patient(
            worker,
            lambda: worker.call(
                look_at_film, path, self.store, limit_seconds=self._limit(path), **facts
            ),
        )

    def _perform(
        self, worker: Crewman, task: FilmTask, tell: Callable[[int, int], None]
    ) -> Outcome:
        """Has a worker do one task."""
        return self._patient(
            worker,
            lambda: worker.call(perform, task, limit_seconds=self._limit(task.path), progress=tell),
        )

    def _patient(self, worker: Crewman, call: Callable[[], R]) -> R:
        """Makes a call again while an object store is away."""
        return self.patience.call(call, is_over=lambda: worker.is_stopped)

    def _limit(self, film: Film) -> float:
        return self.limits.seconds + size_of(film) / SLOWEST_BYTES_A_SECOND
