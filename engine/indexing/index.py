"""index: many films into one store; one bad film never stops the others.

A run that was interrupted goes on with the films that were not done: each film is published by one
step, and a published one is not decoded again; of a long film, nor are the ranges that were done.
What killed runs have left is removed. `executor` says how it works.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Unpack

from fewframes.errors import NothingIndexedError
from fewframes.indexing.disk_space import make_ready
from fewframes.indexing.executor import IndexRun
from fewframes.indexing.filters import films_of
from fewframes.indexing.options import IndexKeywords, IndexOptions
from fewframes.indexing.results import ExitStatus, IndexReport, Progress
from fewframes.keywords import changed, keywords_of
from fewframes.naming import quoted
from fewframes.store.resolve import AnyStore, resolve_store

MOST_REASONS = 3
"""Films of which an error says why they failed."""


@keywords_of(IndexOptions)
def index(
    paths: str | Path | Sequence[str | Path],
    store: AnyStore,
    options: IndexOptions | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
    allow_all_failed: bool = False,
    **changes: Unpack[IndexKeywords],
) -> IndexReport:
    """Indexes films into a store: a folder, or a URL as text.

    ``paths`` are films and folders. As text they may also be patterns, URLs of films, URLs of
    prefixes (with a ``/`` at the end), and lists: ``@films.txt``, ``@films.csv`` or
    ``@films.parquet``; see `fewframes.indexing.inputs`. A film by URL is fetched into the cache
    folder for as long as it is worked on.

    How they are indexed is said by keywords, by an object of `IndexOptions`, which explains each
    field, or by both: a keyword changes the object's field for this call. ``progress`` is called
    with how far the run is.

    The id of a film is its path below what was given, with its suffix, or what ``ids`` says. Where
    the store has another film under that id, this one fails, unless it is to ``replace`` that: then
    nothing is left of the other, whatever its recipes. A film whose content is stored under another
    id is a "duplicate", and is not decoded, unless ``duplicates="keep"``; of several in one run,
    the first in the order given is indexed.

    ``fps``, ``size``, ``codec``, ``quality``, ``dedup`` and ``stream`` are the recipe. Films that
    are in the store already, unchanged and under the same recipe, are left alone, whoever decodes
    (``backend`` and ``device``, as for `read`; each video's facts tell who did). ``since``,
    ``only`` and ``shard`` leave only some of the films.

    Each film is decoded in a worker process. A worker that gives no sign for ``limit_seconds``, and
    50 s more for each GB of the film, is stopped; it may use ``memory_bytes``. A film for which
    that happens is tried once more when all others are done, alone; then it fails, and the store
    remembers it: until its file changes, later runs list it and pass it over, unless they are to
    ``retry_failed``. A long film is decoded in ranges of at least ``range_seconds`` of predicted
    CPU time, by several workers at once; what is stored is the same. With ``ray``, the workers are
    on the nodes of a cluster, one a core, which see films and store under the same paths or URLs.
    Unreachable object stores are retried for up to ten minutes.

    Before anything is decoded, what the films may take is predicted from their packets, and
    `NoSpaceError` raised where the disk has less; ``check_space=False`` leaves that out. For a URL,
    films are written below the cache folder before they are put, and that is the disk.

    A film that cannot be read is an outcome, no exception. Where every film failed,
    `NothingIndexedError` is raised at the end, whose ``report`` is that of the run, unless
    ``allow_all_failed`` is set. A missing path is `UnreadableMediaError`, two films of one id are a
    `ValueError`, and a store that cannot be written `UnwritableStoreError`, before
    anything is done. Of a film that is in the store already, what was found then is said again: as
    "damaged" it counts in every run, and ``strict`` refuses it. Of several recipes of one film,
    the one that was asked for last is current.

    >>> import fewframes as ff
    >>> ff.index("film.mp4", "corpus.zarr", size=160)
    IndexReport(1 done, ... s)
    """
    options = changed(IndexOptions(), options, changes)
    films = films_of(paths, options)
    home = resolve_store(store)
    make_ready(home)
    started = time.monotonic()
    outcomes = {}
    for event in IndexRun.of(home, options).events(films):
        if event.outcome:
            outcomes[event.video_id] = event.outcome
        if progress:
            progress(event)
    seconds = time.monotonic() - started
    report = IndexReport(tuple(outcomes[name] for name in films), seconds)
    if report.exit_status == ExitStatus.FAILED and not allow_all_failed:
        raise _nothing_indexed(report)
    return report


def _nothing_indexed(report: IndexReport) -> NothingIndexedError:
    """The error of a run of which every film failed; names the first ones."""
    count = len(report.outcomes)
    first = report.outcomes[:MOST_REASONS]
    words = "; ".join(f"{quoted(one.video_id)}: {one.reason}" for one in first)
    more = f"; and {count - len(first)} more" if count > len(first) else ""
    error = NothingIndexedError(
        f"none of {count} film{'s' * (count != 1)} was indexed: {words}{more} (allow_all_failed="
        "True gives the report instead of this error)"
    )
    error.report = report
    return error
