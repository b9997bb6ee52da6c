"""shared_spans: which stretches of films show the same pictures, however they were cut or coded?

1. `hash_votes` gives stretches and offsets in time at which two films may be alike.
2. Each is compared row by row: a span is where rows match but for short gaps, and are more alike
   than both films are elsewhere. A camera that stands still is alike at any offset.
3. Where several spans match one stretch of a film, the one that is most alike is told.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fewframes.arrays import I64
from fewframes.features.hash_votes import (
    NEAR_BITS,
    SOON_SECONDS,
    U64,
    Candidate,
    FilmHashes,
    HashRows,
    Ignored,
    candidates_of,
    rows_of,
    votes_of,
)

MOST_MISSED = 4
"""Rows in succession that may differ within a span."""
LEAST_SHARE = 0.6
"""Share of the rows of a span that match."""
MEAN_BITS = 5.0
"""In so many bits the rows of a span differ at most, on average."""
APART, APART_IN_ONE = 0.6, 0.25
"""How much of the difference from the rest of both films that may be; for two places of one film,
where the camera is the same, less."""
SAMPLED_ROWS = 256
"""Rows of a span, and of the rest, that are compared for that."""


class SharedSpan(NamedTuple):
    """A stretch that two films, or two places of one, have in common."""

    a: int
    """Number of the film."""
    start_a: float
    end_a: float
    b: int
    start_b: float
    end_b: float
    share: float
    """Of the rows that were compared, how many match; 0 to 1."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_b - self.start_b


def shared_spans(
    films: Sequence[FilmHashes], *, min_seconds: float = 5.0
) -> tuple[list[SharedSpan], Ignored]:
    """Finds what films share for ``min_seconds`` or more; gives spans by film and time.

    What repeats within one film is found where ``min_seconds`` lie between. Speed must be the same;
    where it differs by a few per cent, pieces are found. Rows of a fast pan that were taken at
    other moments may differ too much. Also gives how many rows say nothing.

    Raises:
        ValueError: ``min_seconds`` is not above 0.

    >>> hashes = np.random.default_rng(0).integers(0, 2**63, 60).astype(np.uint64)
    >>> whole = FilmHashes(np.arange(60) / 2, hashes, np.zeros(60, bool))
    >>> part = FilmHashes(np.arange(20) / 2, hashes[20:40], np.zeros(20, bool))
    >>> shared_spans([whole, part])[0]
    [SharedSpan(a=0, start_a=10.0, end_a=20.0, b=1, start_b=0.0, end_b=10.0, share=1.0)]
    """
    if not min_seconds > 0:
        raise ValueError(f"min_seconds={min_seconds} is no length; pass more than 0 seconds")
    rows, ignored = rows_of(films)
    found: list[SharedSpan] = []
    for places in candidates_of(rows, *votes_of(rows), min_seconds):
        found += _best([span for one in places for span in _compared(rows, one, min_seconds)])
    return sorted(found), ignored


_Scored = tuple[float, SharedSpan]
"""A span, and how much alike it is: a row counts 1, less what its bits differ."""


def _compared(rows: HashRows, place: Candidate, min_seconds: float) -> Iterator[_Scored]:
    """Gives the spans of two films about a place where they may be alike."""
    of_a, of_b = _aligned(rows, place)
    period = float(max(rows.periods[place.a], rows.periods[place.b]))
    bits = np.bitwise_count(rows.hashes[of_a] ^ rows.hashes[of_b])
    (same,) = np.nonzero(bits <= NEAR_BITS)
    ends = np.flatnonzero(np.diff(same) > MOST_MISSED + 1) + 1
    for first, end in pairwise([0, *ends, len(same)]):
        if first == end:
            continue
        within = slice(same[first], same[end - 1] + 1)
        share = (end - first) / (within.stop - within.start)
        span = _span(rows, of_a[within], of_b[within], share)
        shown = min(span.seconds, (end - first) * period / LEAST_SHARE)
        if shown < min_seconds - 0.01 or share < LEAST_SHARE:
            continue
        is_apart = place.a != place.b or span.start_b - span.end_a >= min_seconds
        if is_apart and _is_distinct(rows, of_a[within], of_b[within]):
            yield float((1 - bits[within] / (NEAR_BITS + 1)).sum()), span


def _aligned(rows: HashRows, place: Candidate) -> tuple[I64, I64]:
    """Each row of b there that says something, and the row of a that is nearest, if one is."""
    a, b, offset, *about = place
    first, last = int(rows.ends[a]), int(rows.ends[a + 1]) - 1
    times = rows.seconds[rows.ends[b] : rows.ends[b + 1]]
    reach = np.searchsorted(times, [about[0] - SOON_SECONDS, about[1] + SOON_SECONDS])
    of_b = rows.ends[b] + np.arange(*reach)
    there = rows.seconds[of_b] + offset
    behind = first + np.searchsorted(rows.seconds[first : last + 1], there)
    before, behind = np.clip(behind - 1, first, last), np.clip(behind, first, last)
    is_before = there - rows.seconds[before] <= rows.seconds[behind] - there
    of_a = np.where(is_before, before, behind)
    away = np.abs(rows.seconds[of_a] - there)
    is_known = away <= 0.51 * max(rows.periods[a], rows.periods[b])
    is_known &= rows.is_telling[of_a] & rows.is_telling[of_b]
    return of_a[is_known], of_b[is_known]


def _span(rows: HashRows, of_a: I64, of_b: I64, share: float) -> SharedSpan:
    """The span of some aligned rows; the last one lasts until the next would come."""
    a, b = int(rows.film[of_a[0]]), int(rows.film[of_b[0]])
    start_a, start_b = float(rows.seconds[of_a[0]]), float(rows.seconds[of_b[0]])
    end_a = float(rows.seconds[of_a[-1]] + rows.periods[a])
    end_b = float(rows.seconds[of_b[-1]] + rows.periods[b])
    return SharedSpan(a, start_a, end_a, b, start_b, end_b, round(float(share), 4))


def _is_distinct(rows: HashRows, of_a: I64, of_b: I64) -> bool:
    """Whether rows side by side are alike, and more so than with the rest of the two films."""
    bits = float(np.bitwise_count(rows.hashes[of_a] ^ rows.hashes[of_b]).mean())
    is_one_film = rows.film[of_a[0]] == rows.film[of_b[0]]
    elsewhere = [
        float(np.bitwise_count(rows.hashes[_some(one)][:, None] ^ rest[None]).mean())
        for one, other in ((of_a, of_b), (of_b, of_a))
        if len(rest := _rest(rows, other))
    ]
    least = min(elsewhere, default=64.0)
    return bits <= MEAN_BITS and bits <= (APART_IN_ONE if is_one_film else APART) * least


def _rest(rows: HashRows, some: I64) -> U64:
    """Hashes of a film outside of a stretch of it."""
    film, first, last = int(rows.film[some[0]]), int(some[0]), int(some[-1])
    before = np.arange(int(rows.ends[film]), first)
    rest = np.r_[before, np.arange(last + 1, int(rows.ends[film + 1]))]
    return rows.hashes[_some(rest[rows.is_telling[rest]])]


def _some(rows: I64) -> I64:
    """Up to so many rows, evenly."""
    return rows[:: max(1, -(-len(rows) // SAMPLED_ROWS))]


def _best(spans: list[_Scored]) -> list[SharedSpan]:
    """Leaves out what lies for more than half where a span is that is more alike."""
    kept: list[SharedSpan] = []
    for _, span in sorted(spans, key=lambda one: one[0], reverse=True):
        if not any(_is_within(span, other) for other in kept):
            kept.append(span)
    return kept


def _is_within(span: SharedSpan, other: SharedSpan) -> bool:
    in_a = min(span.end_a, other.end_a) - max(span.start_a, other.start_a)
    in_b = min(span.end_b, other.end_b) - max(span.start_b, other.start_b)
    return max(in_a, in_b) > span.seconds / 2
