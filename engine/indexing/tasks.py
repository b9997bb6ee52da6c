"""FilmTask: one piece of an indexing run, with the same result in any process.

1. A task is a film under a recipe, or one range of a long one (see `ranges`), and all that doing it
   takes: it can be pickled, and sent to a worker process or to another machine.
2. `execute` does it, in the process that calls it. Doing a task again costs next to nothing where
   it was done before, and does no harm where two processes do it at once.
3. Its ``id`` depends on the video, the recipe and the range alone: the same in every run.
"""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewframes.decode.backend_choice import DecoderRequest
from fewframes.indexing.discovery import FilmPath
from fewframes.indexing.ranges import RANGE_SECONDS
from fewframes.indexing.results import RangeResult
from fewframes.media.source import Source
from fewframes.store.backend import StoreBackend
from fewframes.store.recipes import Recipe, canonical_json
from fewframes.store.results import Outcome


@dataclass(frozen=True, slots=True)
class FilmTask:
    """A film to be indexed into a store under a recipe.

    >>> from fewframes.store.resolve import resolve_store
    >>> task = FilmTask(Path("film.mp4"), resolve_store("corpus.zarr"), "film", Recipe(size="160"))
    >>> elsewhere = resolve_store("other")
    >>> task.id == FilmTask(Path("elsewhere.mp4"), elsewhere, "film", Recipe(size="160")).id
    True
    """

    path: FilmPath
    """Where the film is, or its URL."""
    store: StoreBackend
    video_id: str
    recipe: Recipe
    is_strict: bool = False
    """Whether a film that does not decode completely is refused."""
    request: DecoderRequest = DecoderRequest()  # noqa: RUF009 (frozen)
    """Who is to decode; no part of the id, since it does not decide what is stored."""
    part: int | None = None
    """Which range of the film, from 0: it gives a `RangeResult`. None for the film itself, which is
    merged where all parts of its ranges are there, and decoded in one go where they are not."""
    replaces: bool = False
    """Whether the film takes the place of a group that is there and broken."""
    range_seconds: float = RANGE_SECONDS
    """Least CPU time of a range, as predicted; a film of less than two is not cut. Nor is one by
    URL, which each range would fetch anew."""

    @property
    def id(self) -> str:
        """Names the task, 16 hexadecimal digits."""
        import xxhash

        facts = {"video": self.video_id, "recipe": self.recipe.to_dict(), "part": self.part}
        return xxhash.xxh3_64_hexdigest(canonical_json(facts))


def execute(
    task: FilmTask, *, progress: Callable[[int, int], None] | None = None
) -> Outcome | RangeResult:
    """Does a task in this process; what that takes is loaded only here.

    ``progress`` is told frames done and frames in all, and is a sign of life. Raises as
    `fewframes.indexing.pipeline.index_film` does. A hostile film may crash or hang the process:
    call it through `fewframes.indexing.isolation`, or on a cluster's own worker.
    """
    from fewframes.features.scan import warm_up
    from fewframes.indexing.fetching import on_disk, source_of
    from fewframes.indexing.pipeline import index_film, index_range

    there = None if isinstance(task.path, Path) else standing(task, source_of(task.path))
    if there is not None:  # a film by URL that needs no fetching
        return there
    options: dict[str, Any] = {
        "video_id": task.video_id,
        "recipe": task.recipe,
        "progress": progress,
        "request": task.request,
        "range_seconds": task.range_seconds if isinstance(task.path, Path) else math.inf,
    }
    report_progress = progress or (lambda _done, _all: None)
    with _alive(lambda: report_progress(0, 0)):
        warm_up()
    with on_disk(task.path, lambda: report_progress(0, 0)) as path:
        if task.part is None:
            options |= {"is_strict": task.is_strict, "replaces": task.replaces}
            return index_film(path, task.store, **options)
        return index_range(path, task.store, at=task.part, **options)


def standing(task: FilmTask, source: Source, *, is_dry: bool = False) -> Outcome | None:
    """Gives the outcome of a film that the store has already; see `what_stands`."""
    from fewframes.store.standing import what_stands

    how = {"is_strict": task.is_strict, "is_dry": is_dry}
    return what_stands(task.store, task.video_id, task.recipe, source, **how)


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


def shard_of(video_id: str, count: int) -> int:
    """Says which of ``count`` shards a video belongs to, from 0, whatever other videos there are.

    >>> [shard_of(name, 2) for name in ("a", "b", "c", "d")]
    [1, 1, 1, 0]
    """
    import xxhash

    return xxhash.xxh3_64_intdigest(video_id.encode("utf-8", "surrogateescape")) % count
