"""Ids: which video does a name mean? An id means itself; one without its suffix is its stem.

An exact id is found by its place and asks for no list. A name that is no id is looked for among the
stems of all ids, and means a video if it is the stem of that one alone. What ends like a film is
never a stem: ``a.mp4`` is not ``a.mp4.mp4``.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import islice, takewhile
from pathlib import PurePosixPath

from fewframes.media.source import FILM_SUFFIXES

MOST_NAMED = 5
"""Ids that an error names."""


def stem_of(video_id: str) -> str:
    """Gives an id without the suffix of its last part.

    >>> stem_of("day 1/case_07.mp4"), stem_of("v1.5/film"), stem_of(".mp4")
    ('day 1/case_07', 'v1.5/film', '.mp4')
    """
    folders, slash, name = video_id.rpartition("/")
    stem = name.rpartition(".")[0]
    return f"{folders}{slash}{stem}" if stem else video_id


def with_stem(ids: Sequence[str], stem: str) -> list[str]:
    """Gives those of sorted ids that have a stem, in the time of a binary search.

    >>> with_stem(["a.mkv", "a.mp4", "a.x.mp4", "a/b.mp4", "b.mp4"], "a")
    ['a.mkv', 'a.mp4']
    """
    start = f"{stem}."
    near = takewhile(
        lambda video_id: video_id.startswith(start), islice(ids, bisect_left(ids, start), None)
    )
    return [video_id for video_id in near if stem_of(video_id) == stem]


def id_meant(name: str, ids: Sequence[str]) -> str | None:
    """Gives the one of sorted ids whose stem a name is, or None.

    Raises:
        KeyError: It is the stem of several.

    >>> id_meant("a", ["a.mkv", "a.mp4"])
    Traceback (most recent call last):
    KeyError: "'a' is the stem of several ids, 'a.mkv', 'a.mp4'; name one of them in full"
    """
    is_stem = PurePosixPath(name).suffix.lower() not in FILM_SUFFIXES
    found = with_stem(ids, name) if is_stem else []
    if len(found) > 1:
        more = ["…"] * (len(found) > MOST_NAMED)
        words = ", ".join([*map(repr, found[:MOST_NAMED]), *more])
        raise KeyError(f"{name!r} is the stem of several ids, {words}; name one of them in full")
    return found[0] if found else None
