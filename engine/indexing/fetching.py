"""Fetching: downloads a film by URL to a file for as long as it is worked on.

FFmpeg seeks in a film, several times at once, each run opens it anew, and its whole digest is
recorded; over a network each of these would be requests of their own. So:

1. What identifies the film (size, time of change, edges) is asked for first, in three small
   requests: one that is in the store already is not fetched.
2. It is fetched once, in one request, into a folder of its own below the cache folder, if the disk
   has the space. Its size, and where the server gives one its ETag, must be those of step 1; a
   server that sends more than it has announced is not read on.
3. The folder goes when the work is done; what a killed process leaves goes at the next fetch. A
   worker has one film at a time, which bounds what is there.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewframes.errors import NoSpaceError, StaleIndexError, UnreadableMediaError
from fewframes.indexing.discovery import FilmPath
from fewframes.media.source import Source
from fewframes.media.timeline_cache import cache_home
from fewframes.naming import path_of, shown
from fewframes.plugins import plugin
from fewframes.store.layout import LONGEST_NAME
from fewframes.store.staging import Staging, sweep

if TYPE_CHECKING:
    from fewframes.indexing.web import WebFacts
    from fewframes.store.object_client import ObjectFacts

WEB = ("http", "https")
"""What is fetched by plain requests; an object of a store is asked for by the store's protocol."""


@contextmanager
def on_disk(film: FilmPath, report_progress: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Gives the file of a film; that of a URL is there inside the ``with`` only.

    ``report_progress`` is called for every block that has come.

    Raises:
        UnreadableMediaError: There is no such film.
        UnreachableStoreError: The object store does not answer, or refuses.
        NoSpaceError: The disk cannot hold it.
        StaleIndexError: It was changed while it was fetched.

    >>> with on_disk(Path("film.mp4")) as file:
    ...     file.name
    'film.mp4'
    """
    if isinstance(film, Path):
        yield film
        return
    home = cache_home() / "films"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(home)
    with Staging(home) as staging:
        yield _fetched(film, staging.folder, report_progress)


def size_of(film: FilmPath) -> int:
    """Bytes of a film, on disk or by URL; raises as `on_disk` does.

    >>> size_of(Path("film.mp4")) == Path("film.mp4").stat().st_size
    True
    """
    return film.stat().st_size if isinstance(film, Path) else _look(film)[2].size


def stamp_of(film: FilmPath) -> list[int]:
    """Bytes and time of change, in ns, of a film on disk or by URL; raises as `on_disk` does."""
    if isinstance(film, str):
        facts = _look(film)[2]
        return [facts.size, facts.changed_ns]
    stat = film.stat()
    return [stat.st_size, stat.st_mtime_ns]


def source_of(url: str) -> Source:
    """Says which film is behind a URL, as `identify` does of a file, without fetching it.

    Its time of change is that of the object, which `on_disk` gives the file, too.
    """
    import xxhash

    from fewframes.files.probing import EDGE_BYTES

    place, key, facts = _look(url)
    spans = [(0, min(EDGE_BYTES, facts.size))]
    if facts.size > EDGE_BYTES:
        start = max(EDGE_BYTES, facts.size - EDGE_BYTES)
        spans.append((start, facts.size - start))
    edges = place.ranges(key, spans) if facts.size else []
    digest = xxhash.xxh3_128_hexdigest(b"".join(edges))
    return Source(Path(path_of(url)), facts.size, facts.changed_ns, digest)


def _fetched(url: str, folder: Path, report_progress: Callable[[], None]) -> Path:
    place, key, facts = _look(url)
    free = shutil.disk_usage(folder).free
    if facts.size > free:
        raise NoSpaceError(
            f"{shown(url)!r} has {facts.size / 1e6:.0f} MB, but {free / 1e6:.0f} MB are free in "
            "the cache folder; free some, or name another folder by FEWFRAMES_CACHE"
        )
    target, left = folder / _name_of(path_of(url)), facts.size
    with target.open("wb") as file:
        for block in place.blocks(key, facts):
            left -= len(block)
            if left < 0:
                raise StaleIndexError(
                    f"{shown(url)!r} gave more than the {facts.size} bytes announced; index it "
                    "again, and do not trust that server"
                )
            file.write(block)
            report_progress()
    if left:
        raise StaleIndexError(
            f"{shown(url)!r} gave {facts.size - left} of {facts.size} bytes; index it again"
        )
    os.utime(target, ns=(facts.changed_ns, facts.changed_ns))
    return target


def _look(url: str) -> "tuple[Any, str, ObjectFacts | WebFacts]":
    """Gives where a film is, its key there, and what the server says of it."""
    scheme, _, rest = url.partition("://")
    host, _, key = rest.partition("/")
    path = path_of(url).partition("://")[2].partition("/")[2]
    if not path or path.endswith("/"):
        raise UnreadableMediaError(f"{shown(url)!r} is no film; the path of one ends in its name")
    try:
        if scheme in WEB:
            from fewframes.indexing.web import WebServer

            server = WebServer(f"{scheme}://{host}")
            return server, key, server.facts(key)
        bucket = plugin("object_store")(f"{scheme}://{host}")
        return bucket, key, bucket.facts(key)
    except FileNotFoundError as error:
        raise UnreadableMediaError(
            f"{shown(url)!r} does not exist; check the URL, and end a prefix with '/'"
        ) from error


def _name_of(path: str) -> str:
    """The film's own name, or its end where that is longer than a file system takes."""
    name = path.rsplit("/", 1)[-1]
    return name.encode()[-LONGEST_NAME:].decode(errors="ignore")
