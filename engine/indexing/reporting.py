"""Reports the progress of an indexing run: a bar on a terminal, lines elsewhere, or JSON."""

import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from fewframes.indexing.forecast import clock
from fewframes.indexing.results import IndexReport, Progress
from fewframes.naming import one_line, plain, quoted
from fewframes.store.results import Outcome, Status

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

log = logging.getLogger("fewframes")
STILL_SECONDS = 60.0
"""A run that has nothing to say of a film says so often how far it is."""
JSON_SECONDS = 5.0
"""So often a line of JSON says how far a run is."""
GO_ON = "interrupted; run the same command again to go on"


class _Reporter(logging.Handler):
    """A progress callback for `index` that also says what the package warns of meanwhile."""

    def __init__(
        self, *, quiet: bool = False, as_typed: Callable[[str], str] = lambda words: words
    ) -> None:
        """Takes whether only errors are said, and what puts a reason into a shell's words."""
        super().__init__(logging.WARNING)
        self.quiet, self.said, self.as_typed = quiet, 0.0, as_typed

    def __enter__(self) -> Self:
        log.addHandler(self)
        return self

    def __exit__(self, _kind: object, _error: BaseException | None, _trace: object) -> None:
        log.removeHandler(self)


class Reporter(_Reporter):
    """A progress callback for `index` that talks to stderr."""

    def __init__(
        self, *, quiet: bool = False, as_typed: Callable[[str], str] = lambda words: words
    ) -> None:
        super().__init__(quiet=quiet, as_typed=as_typed)
        self.bar: Bar | None = None
        self.task: TaskID | None = None
        self.said = time.monotonic()

    def __enter__(self) -> Self:
        if not self.quiet and sys.stderr.isatty():
            bar = self.bar = _bar()
            bar.start()
        return super().__enter__()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        super().__exit__(kind, error, trace)
        if self.bar:
            self.bar.stop()
        if isinstance(error, KeyboardInterrupt):
            self._say(GO_ON)

    def emit(self, record: logging.LogRecord) -> None:
        """Says a warning."""
        self._say(f"note: {record.getMessage()}")

    def __call__(self, now: Progress) -> None:
        """Shows how far the run is."""
        if self.bar:
            self._draw(self.bar, now)
        if now.outcome:
            if now.outcome.status != Status.DONE:
                self._say(_line(now, now.outcome))
        elif not self.bar and time.monotonic() - self.said > STILL_SECONDS:
            self._say(f"[{now.films_done}/{now.films_total}] {_so_far(now)}")

    def finish(self, report: IndexReport) -> None:
        """Lists what went wrong and what to know, and sums up."""
        for outcome in report.outcomes:
            if outcome.notes:
                self._say(f"note: {quoted(outcome.video_id)}: {outcome.notes}")
        for outcome in report.with_status(Status.DUPLICATE, Status.DAMAGED, Status.FAILED):
            words = f"{quoted(outcome.video_id)}: {self.as_typed(outcome.reason)}"
            is_bad = outcome.status != Status.DUPLICATE
            self._say(f"{outcome.status}: {words}", always=is_bad)
        self._say(repr(report))

    def _draw(self, bar: "Bar", now: Progress) -> None:
        if self.task is None:
            self.task = bar.add_task("", total=1.0)
        words = f"{now.films_done}/{now.films_total} {_so_far(now)} {one_line(now.video_id[-40:])}"
        bar.update(self.task, completed=now.share_done, description=words)

    def _say(self, line: str, *, always: bool = False) -> None:
        self.said = time.monotonic()
        if self.quiet and not always:
            return
        if self.bar:
            self.bar.console.print(one_line(plain(line)), highlight=False, markup=False)
        else:
            _to_stderr(line)


class JsonReporter(_Reporter):
    """A progress callback for `index` that writes one JSON object a line to stderr.

    ``event`` is "note" (with ``words``), "film" (its outcome), "progress" (every `JSON_SECONDS` at
    most), "end" or "interrupted"; the names are those of `Outcome` and `Progress`.
    """

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        super().__exit__(kind, error, trace)
        if isinstance(error, KeyboardInterrupt):
            self._say("interrupted", {"reason": GO_ON})
        elif kind is not None:
            self._say("failed", {"reason": str(error)})

    def emit(self, record: logging.LogRecord) -> None:
        """Says a warning."""
        self._say("note", {"words": record.getMessage()})

    def __call__(self, now: Progress) -> None:
        """Writes a film's outcome, and now and then how far the run is."""
        if now.outcome:
            facts = asdict(now.outcome) | {"reason": self.as_typed(now.outcome.reason)}
            self._say("film", facts, is_bad=now.outcome.status == Status.FAILED)
        if now.outcome or time.monotonic() - self.said >= JSON_SECONDS:
            self.said = time.monotonic()
            facts = asdict(now)
            del facts["outcome"]
            self._say("progress", facts)

    def finish(self, report: IndexReport) -> None:
        """Sums up."""
        self._say(
            "end", {**report.counts, "seconds": report.seconds, "exit_status": report.exit_status}
        )

    def _say(self, event: str, facts: dict[str, Any], *, is_bad: bool = False) -> None:
        if not self.quiet or is_bad or event in ("end", "failed"):
            _to_stderr(json.dumps({"event": event, **facts}))


def _line(now: Progress, outcome: Outcome) -> str:
    was = " before" if outcome.was_stored else ""
    counts = f", {outcome.rows} frames, {outcome.stored} stored{was}" if outcome.rows else ""
    return (
        f"[{now.films_done}/{now.films_total}] {quoted(outcome.video_id)}: {outcome.status}"
        f"{counts}; {_so_far(now)}"
    )


def _so_far(now: Progress) -> str:
    """What a run has done, and what is left.

    >>> _so_far(Progress("a", 0, 0, share_done=0.25, seconds=9.0, film_seconds=900.0))
    '0.25 h of film, 100 x real time, 0.0 MB, 25 %'
    """
    rate = now.film_seconds / now.seconds if now.seconds else 0.0
    failed = f", {now.failed} failed" if now.failed else ""
    left = "" if now.remaining_seconds is None else f", {clock(now.remaining_seconds)} left"
    return (
        f"{now.film_seconds / 3600:.2f} h of film, {rate:.0f} x real time, "
        f"{now.stored_bytes / 1e6:.1f} MB, {now.share_done:.0%}{failed}{left}"
    ).replace("%", " %")


def _to_stderr(line: str) -> None:
    print(one_line(plain(line)), file=sys.stderr, flush=True)  # noqa: T201 (the one place that talks)


def _bar() -> Any:  # noqa: ANN401 (rich is loaded only where there is a terminal)
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), console=Console(stderr=True)
    )
