"""Tasks: what a worker does with a film of a run: a look, then the work.

1. `estimate_film` looks: it predicts what a film will take, and how it is cut, from packets alone.
2. `execute` does a task in the process that calls it, with the same result in any. Doing it again
   costs next to nothing where it was done before, and no harm comes of two processes that do it.
"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from fewframes.indexing.cost_model import PredictedCost
from fewframes.indexing.disk_space import FILM_BYTES, GRID_BYTES, predict_bytes
from fewframes.indexing.options import FilmTask
from fewframes.indexing.results import RangeResult
from fewframes.store.results import Outcome

LOADED = "fewframes.indexing.pipeline fewframes.files.probing fewframes.features.scan:warm_up"
"""What a worker that does tasks needs, as `fork_server.start_process` takes it."""
UNKNOWN_SECONDS_A_MEGABYTE = 0.3
"""CPU time that is guessed for a film by URL whose timeline is not remembered."""


Content: TypeAlias = tuple[int, str]
"""Bytes of a film and the digest of its edges: films that differ in one are not the same."""


@dataclass(frozen=True, slots=True)
class FilmEstimate:
    """What indexing a film will take, predicted from its packets."""

    video_id: str
    film_seconds: float
    """How long the film is; 0 where that is not known."""
    effort: PredictedCost
    most_bytes: int
    """What it may take in the store: half as much again as natural film does (`space`)."""
    ranges: int = 1
    """Into how many ranges it is cut."""
    content: Content | None = None
    """By which copies of it are looked for."""

    @property
    def part_bytes(self) -> int:
        """What its parts may take beside the store until it is published."""
        rows = self.effort.rows * GRID_BYTES
        return self.most_bytes + rows if self.ranges > 1 else 0


def estimate_film(task: FilmTask, *, is_dry: bool = False) -> FilmEstimate | Outcome:
    """Looks at a film, or gives the outcome of one that needs no decoding (`what_stands`).

    Runs in a worker, from packets alone; the timeline is remembered for the run that follows. A
    film by URL is not fetched for it: of one whose timeline is not remembered, the effort is
    guessed by its size. Raises `UnreadableMediaError` for what is not a video.
    """
    from fewframes.files.probing import identify, probe
    from fewframes.indexing.fetching import source_of
    from fewframes.indexing.pipeline import Scan, standing
    from fewframes.media import timeline_cache

    film, recipe = task.path, task.recipe
    source = identify(film) if isinstance(film, Path) else source_of(film)
    content = (source.size_bytes, source.edges_xxh3)
    there = standing(task, source, is_dry=is_dry)
    if there is not None:
        return there
    if isinstance(film, Path):
        timeline = probe(film, stream=recipe.stream)
    else:
        known = timeline_cache.load(source, recipe.stream)
        if known is None:
            return _guessed(task, source.size_bytes, content)
        timeline, task = known, replace(task, range_seconds=math.inf)
    scan = Scan.of(timeline, task)
    height, width = scan.picture_size
    most = predict_bytes(recipe, rows=len(scan.numbers), height=height, width=width)
    parts = scan.parts(task.files.workspace)
    count = 1 if parts.unsplittable_reason else len(scan.ranges)
    seconds = timeline.duration_seconds
    return FilmEstimate(task.video_id, seconds, scan.effort, most, count, content)


def _guessed(task: FilmTask, size_bytes: int, content: Content) -> FilmEstimate:
    """What a film by URL takes of which nothing is known but its size."""
    effort = PredictedCost(cpu_seconds=size_bytes / 1e6 * UNKNOWN_SECONDS_A_MEGABYTE)
    return FilmEstimate(task.video_id, 0.0, effort, FILM_BYTES, content=content)


def needed_bytes(looks: Iterable[FilmEstimate], *, at_once: int | None, parts_bytes: int) -> int:
    """Bytes that a run may take on a disk.

    ``at_once`` is how many films lie there together (None: all of them), ``parts_bytes`` how much
    the parts of films that are not published may take.

    >>> sizes = {"a": 5, "b": 9}
    >>> films = [FilmEstimate(one, 60.0, PredictedCost(), sizes[one]) for one in sizes]
    >>> [needed_bytes(films, at_once=count, parts_bytes=100) for count in (None, 1)]
    [14, 9]
    """
    films = list(looks)
    sizes = sorted(look.most_bytes for look in films)
    cut = [look.part_bytes for look in films]
    held = max(max(cut, default=0), min(sum(cut), parts_bytes))
    return sum(sizes[-at_once:] if at_once else sizes) + held


def execute(
    task: FilmTask, *, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Outcome | RangeResult:
    """Does a task in this process; what that takes is loaded only here.

    ``progress`` is told frames done and frames in all, and is a sign of life. Raises as
    `fewframes.indexing.pipeline.index_film` does. A hostile film may crash or hang the process:
    call it through `fewframes.indexing.isolation`, or on a cluster's own worker.
    """
    from fewframes.features.scan import warm_up
    from fewframes.indexing.fetching import on_disk, source_of
    from fewframes.indexing.pipeline import index_film, index_range, standing

    if not isinstance(task.path, Path):
        there = standing(task, source_of(task.path))
        if there is not None:  # so it needs no fetching
            return there
        task = replace(task, range_seconds=math.inf)
    with _alive(lambda: progress(0, 0)):
        warm_up()
    with on_disk(task.path, lambda: progress(0, 0)) as path:
        here = replace(task, path=path)
        if task.part is None:
            return index_film(here, progress)
        return index_range(here, task.part, progress)


@contextmanager
def _alive(report_progress: Callable[[], None]) -> Iterator[None]:
    """Gives a sign of life each second, around work of our own that is known to end."""
    is_over = threading.Event()

    def beat() -> None:
        while not is_over.wait(1.0):
            report_progress()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
