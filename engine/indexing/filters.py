"""Filters: finds the films that a run is for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from fewframes.indexing.discovery import FilmPath
from fewframes.indexing.fetching import stamp_of
from fewframes.indexing.inputs import find_inputs
from fewframes.indexing.options import IndexOptions
from fewframes.store.ids import stem_of


def films_of(
    paths: str | Path | Sequence[str | Path], options: IndexOptions
) -> dict[str, FilmPath]:
    """Finds the films of a run, by id; for a cluster as its machines see them."""
    many = [paths] if isinstance(paths, str | Path) else list(paths)
    films = narrowed(find_inputs(many, options.ids), options)
    if options.ray is None:
        return films
    return {
        name: film.absolute() if isinstance(film, Path) else film for name, film in films.items()
    }


def narrowed(films: Mapping[str, FilmPath], options: IndexOptions) -> dict[str, FilmPath]:
    """Gives the films, by id, that were changed, match and belong to a shard.

    ``since`` is a date or time (ISO 8601, local time unless it says otherwise): films changed
    then or later. ``only`` are patterns with ``*``, ``?`` and ``[…]``, one of which must match the
    id, or the id without its suffix. ``shard="2/5"`` is the second of five parts, by a hash of the
    id: a film is always in the same one, so that five machines share a corpus without knowing of
    each other.

    Raises:
        ValueError: The date or the shard is none.

    >>> films = {"day1/a": Path("a.mp4"), "day1/b": Path("b.mp4"), "day2/a": Path("c.mp4")}
    >>> list(narrowed(films, IndexOptions(only="day1/*")))
    ['day1/a', 'day1/b']
    >>> [list(narrowed(films, IndexOptions(shard=shard))) for shard in ("1/2", "2/2")]
    [['day1/b'], ['day1/a', 'day2/a']]
    """
    patterns = [options.only] if isinstance(options.only, str) else options.only
    if patterns:
        films = {
            name: film
            for name, film in films.items()
            if any(fnmatchcase(one, like) for like in patterns for one in (name, stem_of(name)))
        }
    if options.shard is not None:
        place, count = _shard(options.shard)
        films = {name: film for name, film in films.items() if shard_of(name, count) == place}
    if options.since is not None:
        earliest = _time(options.since).timestamp() * 1e9
        films = {name: film for name, film in films.items() if stamp_of(film)[1] >= earliest}
    return dict(films)


def shard_of(video_id: str, count: int) -> int:
    """Says which of ``count`` shards a video belongs to, from 0, whatever other videos there are.

    >>> [shard_of(name, 2) for name in ("a", "b", "c", "d")]
    [1, 1, 1, 0]
    """
    import xxhash

    return xxhash.xxh3_64_intdigest(video_id.encode("utf-8", "surrogateescape")) % count


def _shard(words: str) -> tuple[int, int]:
    """The place of a shard, from 0, and how many there are."""
    try:
        place, count = map(int, words.split("/"))
    except ValueError:
        place, count = 0, 0
    if not 1 <= place <= count:
        raise ValueError(f"shard={words!r} is no shard; pass 'i/n' with i from 1 to n, as in '2/5'")
    return place - 1, count


def _time(words: datetime | str) -> datetime:
    if isinstance(words, datetime):
        return words.astimezone()
    try:
        return datetime.fromisoformat(words).astimezone()
    except ValueError as error:
        raise ValueError(
            f"since={words!r} is no date; pass one as '2026-11-21' or '2026-11-21T08:30'"
        ) from error
