"""index: many films into one store; one bad film never stops the others.

A run that was interrupted goes on with the films that were not done: each film is published by one
step, and a published one is not decoded again; of a long film, nor are the ranges that were done.
What killed runs have left is removed. `running` says how it works.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewframes.decode.backend_choice import DecoderRequest
from fewframes.indexing.discovery import FilmPath
from fewframes.indexing.disk_space import make_ready
from fewframes.indexing.executor import IndexRun, Limits
from fewframes.indexing.filters import narrowed
from fewframes.indexing.inputs import find_inputs
from fewframes.indexing.isolation import LIMIT_SECONDS, MEMORY_BYTES
from fewframes.indexing.ranges import RANGE_SECONDS
from fewframes.indexing.results import IndexReport, Progress
from fewframes.media.sizes import Size, parse_size
from fewframes.store.codecs import CodecName
from fewframes.store.object_store import ObjectStore, resolve_store
from fewframes.store.object_writer import staging_dir
from fewframes.store.recipes import DEDUP, Recipe

if TYPE_CHECKING:
    from fewframes.store.results import Outcome


def index(  # noqa: PLR0913 (the public call)
    paths: str | Path | Sequence[str | Path],
    store: str | Path | ObjectStore,
    *,
    fps: float | None = 2.0,
    size: Size = 448,
    codec: CodecName = "jpeg",
    quality: int | None = None,
    dedup: float = DEDUP,
    ids: Mapping[Any, str] | None = None,
    strict: bool = False,
    stream: int | None = None,
    workers: int | None = None,
    limit_seconds: float = LIMIT_SECONDS,
    memory_bytes: int = MEMORY_BYTES,
    check_space: bool = True,
    progress: Callable[[Progress], None] | None = None,
    backend: str | None = None,
    device: str = "cpu",
    ray: str | None = None,
    retry_failed: bool = False,
    since: datetime | str | None = None,
    only: str | Sequence[str] = (),
    shard: str | None = None,
    range_seconds: float = RANGE_SECONDS,
) -> IndexReport:
    """Indexes films into a store: a folder, or a URL as text.

    ``paths`` are films and folders. As text they may also be patterns, URLs of films, URLs of
    prefixes (with a ``/`` at the end), and lists: ``@films.txt``, ``@films.csv`` or
    ``@films.parquet``; see `fewframes.indexing.inputs`. A film by URL is fetched into the cache
    folder for as long as it is worked on.

    ``fps`` is how many frames a second are scanned (None: every frame), ``size`` the longer side of
    the stored pictures or an exact height and width (None: as they are). ``codec`` stores them as
    JPEGs of a ``quality`` (default 90), or without loss: as zstd, or raw. ``dedup`` is the largest
    local difference, as a share of the full range (0 to 1), for which a frame repeats one of the
    last kept ones and shares its picture (0: store all). A video's
    id is its path below the given folder without the suffix, or what ``ids`` says for a path.
    ``strict`` refuses films that do not decode completely. Films that are in the store already,
    unchanged and under the same recipe, are left alone.

    Of these films, ``since``, ``only`` and ``shard`` leave only those that were changed then or
    later, whose ids match a pattern, and that belong to one part of several (`narrowed`).

    Each film is decoded in a worker process, of which there are ``workers`` (default: one a core,
    and 2 where ``device="cuda"``).
    A worker that gives no sign for ``limit_seconds``, and 50 s more for each GB of the film, is
    stopped; it may use ``memory_bytes``, which does not bound a worker that may use a GPU, since
    drivers reserve more than they use. A film for which that happens is tried once more when all
    others are done, alone; then it fails, and the store remembers it: until its file changes, later
    runs list it and pass it over, unless they are to ``retry_failed``. A long film is decoded in
    ranges of at least ``range_seconds`` of predicted CPU time, by several workers at once; what is
    stored is the same. With ``ray``, the address of a
    Ray cluster, the workers are on its nodes, one a core, which see films and store under the same
    paths or URLs. While an object store does not answer, the films wait for it, up to ten minutes.

    ``backend`` and ``device`` say who decodes, as for `read`; each video's facts tell who did. They
    are no part of the recipe: a film that is in the store is not decoded again by another.

    Before anything is decoded, what the films may take is predicted from their packets, and
    `NoSpaceError` raised where the disk has less; ``check_space=False`` leaves that out. For a URL,
    films are written below the cache folder before they are put, and that is the disk.

    A film that cannot be read is an outcome, never an exception; a missing path is
    `UnreadableMediaError`, and a store that cannot be written `UnwritableStoreError`, before
    anything is done. Of a film that is in the store already, what was found then is said again: as
    "damaged" it counts in every run, and ``strict`` refuses it. Of several recipes of one film,
    the one that was asked for last is current.

    >>> import fewframes as ff
    >>> ff.index("film.mp4", "corpus.zarr", size=160)
    IndexReport(1 done, ... s)
    """
    many = [paths] if isinstance(paths, str | Path) else list(paths)
    films = narrowed(find_inputs(many, ids), since=since, only=only, shard=shard)
    recipe = Recipe(fps, size_words(size), codec, quality, dedup, stream)
    home = resolve_store(store)
    make_ready(home)
    limits = Limits(limit_seconds, memory_bytes, _workers(workers), check_space, range_seconds)
    run = run_of(home, recipe, DecoderRequest(backend, device), limits, strict=strict, ray=ray)
    if ray is not None:
        films = _absolute(films)
    started = time.monotonic()
    outcomes: dict[str, Outcome] = {}
    for event in run.events(films, retry_failed=retry_failed):
        if event.outcome:
            outcomes[event.video_id] = event.outcome
        if progress:
            progress(event)
    return IndexReport(tuple(outcomes[name] for name in films), time.monotonic() - started)


def run_of(
    store: Path | ObjectStore,
    recipe: Recipe,
    request: DecoderRequest,
    limits: Limits,
    *,
    strict: bool,
    ray: str | None,
) -> IndexRun:
    """Makes the run of a recipe; on a cluster, paths are those that other machines see.

    Parts of long films lie below the store; where the machines of a cluster do not share that,
    films are not cut, and the disk on which they work is not this one.
    """
    if ray is not None and isinstance(store, Path):
        store = store.absolute()
    elif ray is not None:
        limits = replace(limits, has_to_fit=False, range_seconds=math.inf)
    return IndexRun(store, staging_dir(store), recipe, strict, request, limits, ray)


def _absolute(films: Mapping[str, FilmPath]) -> dict[str, FilmPath]:
    """Films as other machines see them, which work in other folders."""
    return {
        name: film.absolute() if isinstance(film, Path) else film for name, film in films.items()
    }


def _workers(count: int | None) -> int | None:
    if count is not None and count < 1:
        raise ValueError(f"workers={count} indexes nothing; pass workers >= 1")
    return count


def size_words(size: Size) -> str:
    """Writes a size as a recipe has it.

    >>> size_words(None), size_words(448), size_words((252, 448))
    ('native', '448', '252x448')
    """
    parsed = parse_size(size)
    if parsed is None:
        return "native"
    return str(parsed) if isinstance(parsed, int) else f"{parsed[0]}x{parsed[1]}"
