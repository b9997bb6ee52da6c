"""Executor: runs the films of one indexing run, from the first estimate to the last result.

1. Films that the store has learnt to leave alone are listed and passed over (`quarantine`).
2. Every other film is looked at, on the workers: is it there already, what will it take, how is it
   cut? Those that may be copies are compared (`duplicates`). Then it is known whether the disk has
   the space, and how much work there is.
3. The workers are given tasks in the order of the `Schedule`; what they tell is added up
   (`ProgressTracker`).
"""

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from fewframes.indexing.discovery import FilmPath
from fewframes.indexing.disk_space import check_space
from fewframes.indexing.duplicates import (
    Comparison,
    Copies,
    compare_film,
    duplicate,
    suspects_among,
    with_note,
)
from fewframes.indexing.fetching import size_of
from fewframes.indexing.isolation import Worker, WorkerHandle, limit_for
from fewframes.indexing.options import FilmTask, IndexOptions
from fewframes.indexing.pool import ProgressEvent, run_tasks
from fewframes.indexing.progress import ProgressTracker
from fewframes.indexing.quarantine import Quarantine
from fewframes.indexing.results import Progress
from fewframes.indexing.retry import RetryPolicy
from fewframes.indexing.scheduler import FATAL_ERRORS, MOST_PART_BYTES, Schedule, failed
from fewframes.indexing.tasks import LOADED, FilmEstimate, estimate_film, execute, needed_bytes
from fewframes.plugins import plugin
from fewframes.store.backend import StoreBackend
from fewframes.store.results import Outcome, Status

R = TypeVar("R")
UNBOUNDED = 1 << 62


@dataclass(slots=True)
class FilmEstimates:
    """What the looks at the films of a run have brought."""

    looks: dict[str, FilmEstimate] = field(default_factory=dict)
    """Of the films that are to be indexed, by id."""
    outcomes: list[Outcome] = field(default_factory=list)
    """Of films that need no decoding, or cannot be read."""
    again: list[str] = field(default_factory=list)
    """Films at which a worker crashed or hung."""
    copies: Copies = field(default_factory=Copies)
    """Films that have the content of others."""
    waiting: dict[str, FilmEstimate] = field(default_factory=dict)
    """Of copies that are indexed only if the film before them fails."""

    def put_aside_copies(self) -> None:
        """Takes copies out of what is to be indexed: of stored videos for good, others wait."""
        for name, original in self.copies.originals.items():
            look = self.looks.pop(name)
            if name in self.copies.stored:
                self.outcomes.append(duplicate(name, original))
            else:
                self.waiting[name] = look


@dataclass(frozen=True, slots=True)
class IndexRun:
    """What every film of a run has in common."""

    store: StoreBackend
    options: IndexOptions
    is_dry: bool = False
    """Whether films are looked at and no more, and nothing is written."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    @classmethod
    def of(cls, store: StoreBackend, options: IndexOptions, *, is_dry: bool = False) -> "IndexRun":
        """Makes the run of some options; on a cluster, paths are those that other machines see.

        Parts of long films lie below the store; where the machines of a cluster do not share that,
        films are not cut, and the disk on which they work is not this one.
        """
        if options.ray is not None and store.is_remote:
            options = replace(options, check_space=False, range_seconds=math.inf)
        return cls(store, options, is_dry)

    def events(self, films: Mapping[str, FilmPath]) -> Iterator[Progress]:
        """Indexes films on worker processes; gives how far each is, and its outcome."""
        tracker, quarantine = ProgressTracker(len(films)), self._quarantine()
        avoided = {} if self.options.retry_failed else quarantine.reasons(films)
        for name, reason in avoided.items():
            words = f"{reason}; retry_failed=True tries it again"
            yield tracker.film(Outcome(name, Status.FAILED, words))
        left = {name: film for name, film in films.items() if name not in avoided}
        with ExitStack() as stack:
            workers = self.pool(stack)
            looked = FilmEstimates()
            for look in (self.look, self.compare):
                for name in look(left, workers[: len(left)], looked):
                    yield tracker.progress(name, 0, 0)
            for outcome in looked.outcomes:
                quarantine.note(outcome, left[outcome.video_id], is_avoided=False)
                yield tracker.film(outcome)
            tracker.look(looked.looks)
            self._check_space(looked, len(workers))
            schedule = self._schedule(left, looked)
            for event in self._index(schedule, tracker, workers, looked):
                if event.outcome:
                    name = event.video_id
                    is_avoided = name in schedule.poisoned
                    quarantine.note(event.outcome, left[name], is_avoided=is_avoided)
                yield event

    def _quarantine(self) -> Quarantine:
        limits = (self.options.limit_seconds, self.options.memory_bytes)
        return Quarantine(self.store, self.options.recipe, limits)

    def _schedule(self, films: Mapping[str, FilmPath], looked: FilmEstimates) -> Schedule:
        looks = looked.looks.items()
        return Schedule(
            [(self.task(name, films[name]), look) for name, look in looks],
            [self.task(name, films[name]) for name in looked.again],
            [(self.task(name, films[name]), look) for name, look in looked.waiting.items()],
        )

    def task(self, name: str, film: FilmPath) -> FilmTask:
        """The task of a whole film."""
        options = self.options
        how = (options.recipe, options.strict, options.request)
        return FilmTask(
            film,
            self.store,
            name,
            *how,
            replaces_content=options.replace,
            range_seconds=options.range_seconds,
        )

    def pool(self, stack: ExitStack) -> Sequence[WorkerHandle]:
        """So many workers on this machine, or those of the cluster."""
        options = self.options
        memory = options.memory_bytes if options.device == "cpu" else UNBOUNDED
        if options.ray is None:
            pool = [
                stack.enter_context(Worker(memory_bytes=memory, load=LOADED))
                for _ in range(options.processes)
            ]
            for worker in pool:  # idle by then; to take its libraries down takes each 0.2 s
                stack.callback(worker.stop)
            return pool
        workers = plugin("ray.workers")(options.ray, count=options.workers, memory_bytes=memory)
        return stack.enter_context(workers)

    def look(
        self, films: Mapping[str, FilmPath], workers: Sequence[WorkerHandle], looked: FilmEstimates
    ) -> Generator[str, None, None]:
        """Looks at all films, and gives the id of each one looked at."""
        looks: dict[str, FilmEstimate] = {}

        def ask(worker: WorkerHandle, task: FilmTask, _tell: object) -> FilmEstimate | Outcome:
            return self._call(estimate_film, worker, task, is_dry=self.is_dry)

        for name, result in self._ask(ask, films, workers, looked):
            if isinstance(result, Outcome):
                looked.outcomes.append(result)
            elif result is not None:
                looks[name] = result
            yield name
        looked.looks = {name: looks[name] for name in films if name in looks}

    def compare(
        self, films: Mapping[str, FilmPath], workers: Sequence[WorkerHandle], looked: FilmEstimates
    ) -> Generator[str, None, None]:
        """Finds the copies among films that were looked at; gives the id of each one compared."""
        looks, found = looked.looks, dict[str, Comparison]()
        suspects = suspects_among(self.store, looks, is_replacing=self.options.replace)

        def ask(
            worker: WorkerHandle, task: FilmTask, tell: Callable[[int, int], None]
        ) -> Comparison:
            suspect = suspects[task.video_id]
            return self._call(compare_film, worker, task, tell, suspect=suspect)

        compared = {name: films[name] for name in suspects}
        for name, result in self._ask(ask, compared, workers, looked):
            if result is None:
                looks.pop(name)
            else:
                found[name] = result
            yield name
        looked.copies = Copies.of({name: found[name] for name in suspects if name in found})
        if self.options.duplicates == "skip":
            looked.put_aside_copies()

    def _ask(
        self,
        ask: Callable[[WorkerHandle, FilmTask, Callable[[int, int], None]], R],
        films: Mapping[str, FilmPath],
        workers: Sequence[WorkerHandle],
        looked: FilmEstimates,
    ) -> Generator[tuple[str, R | None], None, None]:
        """Asks workers about films; gives each answer, and None where an error is noted instead."""
        tasks = list(map(self.task, films, films.values()))
        with closing(run_tasks(tasks, ask, workers=workers)) as events:
            for event in events:
                if isinstance(event, ProgressEvent):
                    continue
                name = event.task.video_id
                if isinstance(event.error, FATAL_ERRORS):
                    looked.again.append(name)
                elif event.error is not None:
                    looked.outcomes.append(failed(name, event.error))
                yield name, event.result

    def _check_space(self, looked: FilmEstimates, workers: int) -> None:
        """Refuses a run that may not fit; films leave the disk as they are put in objects."""
        if self.options.check_space:
            at_once = workers if self.store.is_remote else None
            looks = looked.looks.values()
            needed = needed_bytes(looks, at_once=at_once, parts_bytes=MOST_PART_BYTES)
            check_space(self.store.workspace, needed)

    def _index(
        self,
        schedule: Schedule,
        tracker: ProgressTracker,
        workers: Sequence[WorkerHandle],
        looked: FilmEstimates,
    ) -> Generator[Progress, None, None]:
        """Gives workers the tasks, and tells what comes of them."""
        workers = workers[: schedule.most_tasks]
        with closing(run_tasks(schedule, partial(self._call, execute), workers=workers)) as events:
            for event in events:
                share = schedule.share_of(event.task)
                if isinstance(event, ProgressEvent):
                    yield tracker.told(event.task, share, *event.values)
                    continue
                tracker.ended(event.task, share)
                outcome = schedule.end(event.task, event.result, event.error)
                for one in self._with_copies(outcome, schedule, looked) if outcome else ():
                    yield tracker.film(one)

    def _with_copies(
        self, outcome: Outcome, schedule: Schedule, looked: FilmEstimates
    ) -> Iterator[Outcome]:
        """The outcome of a film, and those of its copies; if it failed, the next one is indexed."""
        name, copies = outcome.video_id, looked.copies
        if self.options.duplicates == "keep":
            yield with_note(outcome, copies.originals.get(name))
            return
        yield outcome
        later, following = copies.take(name, is_stored=outcome.status != Status.FAILED)
        yield from (duplicate(one, name) for one in later)
        if following:
            schedule.release(following)

    def _call(
        self,
        function: Callable[..., R],
        worker: WorkerHandle,
        task: FilmTask,
        progress: Callable[[int, int], None] | None = None,
        **how: Any,  # noqa: ANN401 (the function's own)
    ) -> R:
        """Has a worker do something with a film, again while an object store is away."""

        def call() -> R:
            limit = limit_for(size_of(task.path), self.options.limit_seconds)
            return worker.call(function, task, limit_seconds=limit, progress=progress, **how)

        return self.retry.call(call, is_over=lambda: worker.is_stopped)
