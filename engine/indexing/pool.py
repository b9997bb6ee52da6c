"""Pool: a few worker processes take tasks from one list, each under its limits.

One thread waits on each process; what they report comes back on the calling thread, in the order it
happens. Leaving early, by an exception of the caller or Ctrl-C, stops every process.
"""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from fewframes.indexing.isolation import WorkerHandle

T = TypeVar("T")
R = TypeVar("R")
W = TypeVar("W", bound=WorkerHandle)


@dataclass(frozen=True, slots=True)
class ProgressEvent(Generic[T]):
    """A task reports progress."""

    task: T
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Done(Generic[T, R]):
    """A task has ended: with a result, or with an error."""

    task: T
    result: R | None = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Queues(Generic[T, R]):
    """What the threads share."""

    tasks: "SimpleQueue[T | None]" = field(default_factory=SimpleQueue)
    events: "SimpleQueue[ProgressEvent[T] | Done[T, R]]" = field(default_factory=SimpleQueue)


def run_tasks(
    tasks: Iterable[T], call: Callable[[W, T, Callable[..., None]], R], *, workers: Sequence[W]
) -> Generator[ProgressEvent[T] | Done[T, R], None, None]:
    """Makes ``call(worker, task, tell)`` for every task and gives what happens, as it happens.

    A task is asked for when a worker has nothing to do, and again after each event: an iterator may
    have no next one now, and have one when another has ended. It is over when there is none and
    nothing is being done. ``call`` runs on a thread of its worker and is expected to use
    ``worker.call``. What ``report_progress`` is given comes out as `ProgressEvent`; every task ends
    with one `Done`.

    >>> import math
    >>> from fewframes.indexing.isolation import Worker
    >>> with Worker() as worker:
    ...     events = run_tasks([9, 4], lambda w, n, _: w.call(math.sqrt, n), workers=[worker])
    ...     [event.result for event in events]
    [3.0, 2.0]
    """
    desk: _Queues[T, R] = _Queues()
    threads = [threading.Thread(target=_work, args=(desk, call, worker)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield from _events(desk, iter(tasks), len(workers))
    except BaseException:
        for worker in workers:
            worker.stop()
        raise
    finally:
        for _ in workers:
            desk.tasks.put(None)
        for thread in threads:
            thread.join()


def _events(
    desk: _Queues[T, R], tasks: Iterator[T], workers: int
) -> Generator[ProgressEvent[T] | Done[T, R], None, None]:
    """Hands out as many tasks as there are workers, and gives what happens."""
    running = 0
    while True:
        while running < workers and (task := next(tasks, None)) is not None:
            desk.tasks.put(task)
            running += 1
        if not running:
            return
        event = desk.events.get()
        running -= isinstance(event, Done)
        yield event


def _work(desk: _Queues[T, R], call: Callable[[W, T, Callable[..., None]], R], worker: W) -> None:
    """Takes tasks until there are no more."""
    while (task := desk.tasks.get()) is not None:
        try:
            result = call(
                worker, task, lambda *values, t=task: desk.events.put(ProgressEvent(t, values))
            )
        except Exception as error:
            desk.events.put(Done(task, error=error))
            if worker.is_stopped:
                return
        else:
            desk.events.put(Done(task, result))
