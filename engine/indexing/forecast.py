"""forecast: estimates the work of an indexing run from timelines alone; nothing is written.

Timelines are cached, as in the run itself, so the run does not read them again.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from fewframes.indexing.cost_model import PredictedCost
from fewframes.indexing.duplicates import duplicate
from fewframes.indexing.executor import FilmEstimates, IndexRun
from fewframes.indexing.filters import films_of
from fewframes.indexing.options import IndexKeywords, IndexOptions
from fewframes.indexing.tasks import FilmEstimate
from fewframes.keywords import changed, keywords_of
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.results import Outcome, Status


@dataclass(frozen=True, slots=True, repr=False)
class Forecast:
    """The estimated work of a run.

    >>> film = FilmEstimate("a", 3600.0, PredictedCost(90000, 7200, 80.0), 10**8, ranges=6)
    >>> Forecast((film,), workers=2)
    Forecast(1 film, 1.00 h: 90000 pictures to decode, 80 CPU seconds, 0:00:40 on 2 workers, ...
    """

    looks: tuple[FilmEstimate, ...]
    """Of the films to be indexed."""
    others: tuple[Outcome, ...] = field(default=())
    """Films that are in the store already, are duplicates, or cannot be indexed."""
    workers: int = 1

    def __repr__(self) -> str:
        many, effort = len(self.looks), self.effort
        return (
            f"Forecast({many} film{'s' * (many != 1)}, {self.film_seconds / 3600:.2f} h: "
            f"{effort.pictures} pictures to decode, {effort.cpu_seconds:.0f} CPU seconds, "
            f"{clock(self.wall_seconds)} on {self.workers} workers, "
            f"likely at most {self.most_bytes / 1e6:.1f} MB)"
        )

    @property
    def effort(self) -> PredictedCost:
        """Of all films together."""
        return sum((look.effort for look in self.looks), PredictedCost())

    @property
    def film_seconds(self) -> float:
        """Length of all films."""
        return sum(look.film_seconds for look in self.looks)

    @property
    def most_bytes(self) -> int:
        """What they may take in the store."""
        return sum(look.most_bytes for look in self.looks)

    @property
    def wall_seconds(self) -> float:
        """Time on so many workers: an even share, but no less than the longest task."""
        tasks = (look.effort.cpu_seconds / look.ranges for look in self.looks)
        return max(self.effort.cpu_seconds / self.workers, *tasks, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Gives it as plain values for JSON: every film, then the total."""
        effort = self.effort
        return {
            "films": [facts_of(look) for look in self.looks],
            "others": [
                {"video": one.video_id, "status": one.status, "reason": one.reason}
                for one in self.others
            ],
            "total": {
                "films": len(self.looks),
                "film_hours": round(self.film_seconds / 3600, 4),
                "rows": effort.rows,
                "pictures": effort.pictures,
                "cpu_seconds": round(effort.cpu_seconds, 1),
                "most_bytes": self.most_bytes,
                "workers": self.workers,
                "wall_seconds": round(self.wall_seconds, 1),
            },
        }


def facts_of(look: FilmEstimate) -> dict[str, Any]:
    """What is predicted of one film, as plain values."""
    return {
        "video": look.video_id,
        "film_seconds": round(look.film_seconds, 3),
        "rows": look.effort.rows,
        "pictures": look.effort.pictures,
        "cpu_seconds": round(look.effort.cpu_seconds, 2),
        "most_bytes": look.most_bytes,
        "ranges": look.ranges,
    }


def clock(seconds: float) -> str:
    """Writes a time as hours, minutes and seconds, of which there may be many.

    >>> clock(59.6), clock(360_000)
    ('0:01:00', '100:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


@keywords_of(IndexOptions)
def forecast(
    paths: str | Path | Sequence[str | Path],
    store: AnyStore,
    options: IndexOptions | None = None,
    **changes: Unpack[IndexKeywords],
) -> Forecast:
    """Estimates decode work, CPU time and disk use of a run of `index`; the store may be missing.

    Takes the arguments of `index` that name the films (``paths``, ``ids``, ``since``, ``only``,
    ``shard``) and those of its recipe (``fps``, ``size``, and as ``**recipe`` ``codec``,
    ``quality``, ``dedup``, ``stream``). Its ``workers``, ``limit_seconds``, ``memory_bytes`` and
    ``range_seconds`` are fields of ``limits``. It takes no other: a forecast is of this machine's
    CPU cores, by FFmpeg, and estimates a film that failed before like any other.

    Raises:
        UnreadableMediaError: A path is missing.
        ValueError: ``since``, ``shard`` or a value of the recipe is not valid.

    Raises:
        ValueError: The run would not be one of this machine's CPU cores alone.

    >>> forecast("film.mp4", "new.zarr")
    Forecast(1 film, 0.00 h: ... pictures to decode, ...
    """
    options = changed(IndexOptions(), options, changes)
    if not options.is_on_cpu_here:
        raise ValueError(
            "forecast predicts runs on this machine's CPU cores alone, not with "
            f"ray={options.ray!r}, backend={options.backend!r}, device={options.device!r}; "
            "leave these out"
        )
    films = films_of(paths, options)
    run = IndexRun.of(resolve_store(store), options, is_dry=True)
    looked = FilmEstimates()
    with ExitStack() as stack:
        workers = run.pool(stack)
        for look in (run.look, run.compare):
            for _ in look(films, workers[: len(films)], looked):
                pass
    words = "a worker crashed or hung on it"
    crashed = [Outcome(name, Status.FAILED, words) for name in looked.again]
    copies = looked.copies.originals.items()
    waiting = [duplicate(name, original) for name, original in copies if name in looked.waiting]
    others = (*looked.outcomes, *waiting, *crashed)
    return Forecast(tuple(looked.looks.values()), others, len(workers))
