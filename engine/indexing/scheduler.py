"""Scheduler: picks the next task of an indexing run.

1. A long film gives a task for each of its ranges, then one for the merge, which goes before all
   others. Long films come first: the short ones fill up the cores at the end.
2. Parts of films that are not merged take space, so no further film is begun in ranges while they
   may take more than `MOST_PART_BYTES`; films that are decoded in one go are, in the meantime.
3. Where a range does not decode cleanly, the film's other ranges are dropped, and it is decoded in
   one go.
4. A task that crashes, gives no sign or takes too much memory may have been in bad company: when
   all others are done, it is tried once more, alone. Then its film is poison, and fails.

It knows no process and no clock: `next` gives tasks, `end` is told what became of them.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from fewframes.errors import CrashedError, FewframesError, MemoryLimitError, TimedOutError
from fewframes.indexing.cost_model import PredictedCost
from fewframes.indexing.options import FilmTask
from fewframes.indexing.results import RangeResult
from fewframes.indexing.tasks import FilmEstimate
from fewframes.store.results import Outcome, Status

MOST_PART_BYTES = 8 << 30
FATAL_ERRORS = (CrashedError, MemoryLimitError, TimedOutError)
NOTHING_KNOWN = FilmEstimate("", 0.0, PredictedCost(), 0)
"""Of a film at which a worker crashed."""


@dataclass(slots=True)
class _Film:
    """One film of a run."""

    task: FilmTask
    look: FilmEstimate
    left: list[int] = field(default_factory=list)
    """Ranges not begun, the next one last."""
    running: int = 0
    """Its tasks that are being done."""
    pictures: int = 0
    """Decoded for its ranges so far."""
    is_over: bool = False
    """Whether it has an outcome."""


class Schedule(Iterator[FilmTask]):
    """The tasks of a run, as they become possible."""

    def __init__(
        self,
        films: Iterable[tuple[FilmTask, FilmEstimate]],
        again: Iterable[FilmTask] = (),
        waiting: Iterable[tuple[FilmTask, FilmEstimate]] = (),
    ) -> None:
        """Takes films with what a look said of them; those of ``again`` have failed once.

        Those that are ``waiting`` are done only if they are released.
        """
        self._films = {task.video_id: _Film(task, look) for task, look in films}
        self._cut, self._whole = deque[_Film](), deque[_Film]()
        for film in self._films.values():
            self._line_up(film)
        self._films |= {task.video_id: _Film(task, look) for task, look in waiting}
        self._again = deque(again)
        self._films |= {task.video_id: _Film(task, NOTHING_KNOWN) for task in self._again}
        self._tried = {_key(task) for task in self._again}
        self._open: list[_Film] = []
        self._ready: deque[FilmTask] = deque()
        self._running = 0
        self._is_alone = False
        self.poisoned: dict[str, str] = {}
        """Films that were tried twice, by id, and why they failed."""

    def __next__(self) -> FilmTask:
        """Gives the next task, if there is one now."""
        task = None if self._is_alone else self._next()
        if task is None:
            raise StopIteration
        self._running += 1
        self._films[task.video_id].running += 1
        return task

    def end(
        self, task: FilmTask, result: Outcome | RangeResult | None, error: BaseException | None
    ) -> Outcome | None:
        """Is told what became of a task; gives the outcome of its film once it has one."""
        film, outcome = self._films[task.video_id], None
        self._running -= 1
        film.running -= 1
        self._is_alone = False
        if not film.is_over:
            outcome = self._failed(film, task, error) if error else self._went_well(film, result)
        if film.is_over and film in self._open:
            self._open.remove(film)
        return outcome

    def release(self, video_id: str) -> None:
        """Has a film done that was waiting."""
        self._line_up(self._films[video_id])

    @property
    def most_tasks(self) -> int:
        """How many tasks may be done at once: more workers have nothing to do."""
        return max(1, sum(film.look.ranges for film in self._films.values()))

    def share_of(self, task: FilmTask) -> float:
        """CPU seconds predicted for a task; nothing for a merge, which is short."""
        look = self._films[task.video_id].look
        is_merge = look.ranges > 1 and task.part is None
        return 0.0 if is_merge else look.effort.cpu_seconds / look.ranges

    def _line_up(self, film: _Film) -> None:
        (self._cut if film.look.ranges > 1 else self._whole).append(film)

    def _next(self) -> FilmTask | None:
        if self._ready:
            return self._ready.popleft()
        for film in self._open:
            if film.left:
                return replace(film.task, part=film.left.pop())
        if self._cut and self._has_room(self._cut[0]):
            return self._begin(self._cut.popleft())
        if self._whole:
            return self._whole.popleft().task
        if self._again and not self._running:
            self._is_alone = True
            return self._again.popleft()
        return None

    def _has_room(self, film: _Film) -> bool:
        taken = sum(other.look.part_bytes for other in [*self._open, film])
        return not self._open or taken <= MOST_PART_BYTES

    def _begin(self, film: _Film) -> FilmTask:
        film.left = list(range(film.look.ranges))[::-1]
        self._open.append(film)
        return replace(film.task, part=film.left.pop())

    def _went_well(self, film: _Film, result: Outcome | RangeResult | None) -> Outcome | None:
        if not isinstance(result, RangeResult):
            film.is_over = True
            return result and replace(result, pictures=result.pictures + film.pictures)
        film.pictures += result.pictures
        if result.unsplittable_reason:
            film.left, film.look = [], replace(film.look, ranges=1)
        waits = any(task.video_id == film.task.video_id for task in self._again)
        if not film.left and not film.running and not waits:
            self._ready.append(film.task)
        return None

    def _failed(self, film: _Film, task: FilmTask, error: BaseException) -> Outcome | None:
        is_poison = isinstance(error, FATAL_ERRORS)
        if is_poison and _key(task) not in self._tried:
            self._tried.add(_key(task))
            self._again.append(task)
            return None
        film.is_over, film.left = True, []
        if is_poison:
            self.poisoned[film.task.video_id] = reason_of(error)
        return failed(film.task.video_id, error)


def failed(video_id: str, error: BaseException) -> Outcome:
    """The outcome of a film that an error has ended."""
    return Outcome(video_id, Status.FAILED, reason_of(error))


def reason_of(error: BaseException) -> str:
    """Says why a film failed: an expected error in its own words, another with its kind.

    >>> reason_of(ValueError("fps=0 scans nothing")), reason_of(KeyError("x"))
    ('fps=0 scans nothing', "KeyError: 'x'")
    """
    if isinstance(error, FewframesError | OSError | ValueError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _key(task: FilmTask) -> tuple[str, int | None]:
    return task.video_id, task.part
