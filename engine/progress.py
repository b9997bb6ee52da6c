"""What an indexing run says while it works: a bar on a terminal, a line a film elsewhere."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fewframes.corpus import IndexReport, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


class Reporter:
    """A progress callback for `index` that talks to stderr."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.started = time.monotonic()
        self.film_seconds = 0.0
        self.bar: Bar | None = None
        self.task: TaskID | None = None

    def __enter__(self) -> "Reporter":
        if not self.quiet and sys.stderr.isatty():
            self.bar = _bar()
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar:
            self.bar.stop()
        if kind is KeyboardInterrupt:
            self._say("interrupted; run the same command again to go on")

    def __call__(self, now: Progress) -> None:
        """Shows how far the run is."""
        if self.bar:
            self._draw(now)
        if now.outcome:
            self.film_seconds += now.outcome.film_seconds
            if now.outcome.status != "done":
                self._say(self._line(now))

    def finish(self, report: IndexReport) -> None:
        """Lists what went wrong, and sums up."""
        for outcome in report.with_status("damaged", "failed"):
            self._say(f"{outcome.status}: {outcome.video_id}: {outcome.reason}", always=True)
        self._say(repr(report))

    def _line(self, now: Progress) -> str:
        outcome = now.outcome
        assert outcome is not None
        elapsed = time.monotonic() - self.started
        left = elapsed / now.films_done * (now.films_total - now.films_done)
        return (
            f"[{now.films_done}/{now.films_total}] {outcome.video_id}: {outcome.status}, "
            f"{outcome.rows} frames, {outcome.stored} stored, "
            f"{self.film_seconds / max(elapsed, 1e-9):.0f} s of film a second, "
            f"{time.strftime('%H:%M:%S', time.gmtime(left))} left"
        )

    def _draw(self, now: Progress) -> None:
        assert self.bar is not None
        if self.task is None:
            self.task = self.bar.add_task("", total=None)
        part = now.frames_done / now.frames_total if now.frames_total and not now.outcome else 0.0
        self.bar.update(
            self.task,
            total=now.films_total,
            completed=now.films_done + part,
            description=f"{now.films_done}/{now.films_total} {now.video_id[-40:]}",
        )

    def _say(self, line: str, *, always: bool = False) -> None:
        if self.quiet and not always:
            return
        if self.bar:
            self.bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 (the one place that talks)


def _bar() -> Any:  # noqa: ANN401 (rich is loaded only where there is a terminal)
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
