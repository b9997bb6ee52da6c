"""Estimate: predicts the work of each film and its ranges before any is decoded."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fewframes.indexing.cost_model import PredictedCost
from fewframes.indexing.disk_space import FILM_BYTES, GRID_BYTES, predict_bytes
from fewframes.indexing.tasks import FilmTask, standing
from fewframes.store.results import Outcome

UNKNOWN_SECONDS_A_MEGABYTE = 0.3
"""CPU time that is guessed for a film by URL whose timeline is not remembered."""


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

    @property
    def part_bytes(self) -> int:
        """What its parts may take beside the store until it is published."""
        rows = self.effort.rows * GRID_BYTES
        return self.most_bytes + rows if self.ranges > 1 else 0


def estimate_film(task: FilmTask, *, is_dry: bool = False) -> FilmEstimate | Outcome:
    """Looks at a film, or gives the outcome of one that the store has already (`what_stands`).

    Runs in a worker, from packets alone; the timeline is remembered for the run that follows. A
    film by URL is not fetched for it: of one whose timeline is not remembered, the effort is
    guessed by its size. Raises `UnreadableMediaError` for what is not a video.
    """
    from fewframes.files.probing import identify, probe
    from fewframes.indexing.fetching import source_of
    from fewframes.indexing.pipeline import Scan
    from fewframes.media import timeline_cache

    film, recipe, range_seconds = task.path, task.recipe, task.range_seconds
    source = identify(film) if isinstance(film, Path) else source_of(film)
    there = standing(task, source, is_dry=is_dry)
    if there is not None:
        return there
    if isinstance(film, Path):
        timeline = probe(film, stream=recipe.stream)
    else:
        range_seconds, known = math.inf, timeline_cache.load(source, recipe.stream)
        if known is None:
            guess = source.size_bytes / 1e6 * UNKNOWN_SECONDS_A_MEGABYTE
            return FilmEstimate(task.video_id, 0.0, PredictedCost(cpu_seconds=guess), FILM_BYTES)
        timeline = known
    scan = Scan.of(timeline, recipe, task.request, range_seconds)
    height, width = scan.picture_size
    most = predict_bytes(recipe, rows=len(scan.numbers), height=height, width=width)
    parts = scan.parts(task.store.workspace, task.video_id)
    count = 1 if parts.unsplittable_reason else len(scan.ranges)
    return FilmEstimate(task.video_id, timeline.duration_seconds, scan.effort, most, count)


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
