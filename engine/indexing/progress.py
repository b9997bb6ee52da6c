"""Progress: estimates how much of a run is done and how long the rest takes.

What is left is predicted from the effort of its films, not from their number: a film of eight hours
is no film of eight seconds. The rate is that of this run so far.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fewframes.indexing.options import FilmTask
from fewframes.indexing.results import Progress
from fewframes.indexing.tasks import FilmEstimate
from fewframes.store.results import Outcome, Status

SURE_SHARE = 0.002
"""Of the effort, done before anything is said of the time that is left."""


@dataclass(slots=True)
class ProgressTracker:
    """Adds up what the tasks of a run tell.

    >>> from pathlib import Path
    >>> from fewframes.store.recipes import Recipe
    >>> tracker = ProgressTracker(films_total=1)
    >>> task = FilmTask(Path("a.mp4"), Path("s"), "a", Recipe())
    >>> tracker.told(task, 4.0, 5, 10).share_done
    0.0
    """

    films_total: int
    began: float = field(default_factory=time.monotonic)
    effort: float = 0.0
    """CPU seconds predicted for the run."""
    effort_done: float = 0.0
    frames: dict[str, int] = field(default_factory=dict)
    """Frames of each film that is to be indexed."""
    films_done: int = 0
    film_seconds: float = 0.0
    stored_bytes: int = 0
    failed: int = 0
    looked: float = 0.0
    """When all films had been looked at."""
    _now: dict[tuple[str, int | None], tuple[float, int]] = field(default_factory=dict)
    """Effort and frames done of the tasks in hand."""
    _rows: dict[str, int] = field(default_factory=dict)
    """Frames done of each film by the tasks that have ended."""

    def look(self, looks: Mapping[str, FilmEstimate]) -> None:
        """Is told what the films will take."""
        self.effort = sum(look.effort.cpu_seconds for look in looks.values())
        self.frames = {name: look.effort.rows for name, look in looks.items()}
        self.looked = time.monotonic()

    def told(self, task: FilmTask, share: float, done: int, total: int) -> Progress:
        """Is told how far a task is; ``share`` is the effort predicted for all of it."""
        name = task.video_id
        self._now[name, task.part] = (share * done / total if total else 0.0, done)
        if task.part is None:
            return self.progress(name, done, total)
        mine = [rows for (other, _), (_, rows) in self._now.items() if other == name]
        return self.progress(name, self._rows.get(name, 0) + sum(mine), self.frames.get(name, 0))

    def ended(self, task: FilmTask, share: float) -> None:
        """Is told that a task has ended, well or not."""
        self.effort_done += share
        _, rows = self._now.pop((task.video_id, task.part), (0.0, 0))
        if task.part is not None:
            self._rows[task.video_id] = self._rows.get(task.video_id, 0) + rows

    def film(self, outcome: Outcome) -> Progress:
        """Is told the outcome of a film."""
        self.films_done += 1
        self.film_seconds += outcome.film_seconds
        self.stored_bytes += outcome.stored_bytes
        self.failed += outcome.status == Status.FAILED
        self._rows.pop(outcome.video_id, None)
        now = self.progress(outcome.video_id, outcome.rows, outcome.rows)
        return replace(now, outcome=outcome)

    def progress(self, video_id: str, done: int, total: int) -> Progress:
        """Says how far the run is."""
        now = time.monotonic()
        effort = self.effort_done + sum(share for share, _ in self._now.values())
        share = min(1.0, effort / self.effort) if self.effort else 0.0
        is_sure = self.looked and share >= SURE_SHARE
        return Progress(
            video_id,
            done,
            total,
            self.films_done,
            self.films_total,
            share_done=share,
            seconds=now - self.began,
            remaining_seconds=(now - self.looked) * (1 - share) / share if is_sure else None,
            film_seconds=self.film_seconds,
            stored_bytes=self.stored_bytes,
            failed=self.failed,
        )
