"""Hash votes: at which offsets in time may films show the same pictures?

1. Hashes that are equal in two of four parts of 16 bits are candidates, one table for each two
   parts: multi-index hashing, after Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with
   Multi-Index Hashing", CVPR 2012. So all that differ in up to 2 bits are found, and many more.
2. Rows of one film with one key that follow each other are a run; where two runs meet, their first
   and their last rows vote for an offset. So a picture that stands for an hour has two votes.
3. What is common says nothing: flat pictures, a picture of very many rows, a key of very many runs.

Nothing here loops over rows in Python: sorting takes the time, `O(n log n)` for n rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F64, I64, Mask

U64: TypeAlias = npt.NDArray[np.uint64]
NEAR_BITS = 8
"""Hashes of one picture differ in so many bits at most. Copies of other size, quality and rate
differ in 0 to 5 (median, real footage), strangers in 32 on average."""
MOST_RUNS = 32
"""A key with more runs is common."""
MOST_ROWS = 256
"""A hash of more rows is common: 2 minutes at 2 rows a second, in all films together."""
RUN_SECONDS = 2.0
"""Rows of a run follow each other so soon."""
BIN_SECONDS = 1.0
"""Votes for offsets that differ by less go together."""
SOON_SECONDS = 60.0
"""Votes that follow each other later are of different stretches."""
LEAST_VOTES = 2
"""Of a stretch."""
MOST_OFFSETS = 32
"""Stretches of two films that are compared: those with most votes."""


class FilmHashes(NamedTuple):
    """The rows of one film, in order of time."""

    seconds: F64
    """``[n] f64``."""
    hashes: U64
    """Their `dhash64`, ``[n] u64``."""
    is_flat: Mask
    """Rows whose picture has nothing that a hash could describe, ``[n] bool``."""


class Ignored(NamedTuple):
    """Rows that no span can be told by."""

    flat: int
    """Black, or of one colour."""
    common: int
    """Of a picture that very many rows show."""


@dataclass(frozen=True, slots=True)
class HashRows:
    """The rows of all films one after the other, ``[n]`` each."""

    seconds: F64
    hashes: U64
    film: I64
    ends: I64
    """Where each film ends, ``[films + 1]`` with a 0 before."""
    is_telling: Mask
    """Whether a match says anything."""
    periods: F64
    """Seconds from row to row of each film, ``[films]``."""

    def of(self, film: int) -> slice:
        """The rows of one film."""
        return slice(int(self.ends[film]), int(self.ends[film + 1]))


def rows_of(films: Sequence[FilmHashes]) -> tuple[HashRows, Ignored]:
    """All rows, and how many of them say nothing."""
    lengths = [len(film.seconds) for film in films]
    ends = np.cumsum([0, *lengths])
    hashes = np.concatenate([np.empty(0, np.uint64), *(film.hashes for film in films)])
    is_flat = np.concatenate([np.empty(0, bool), *(film.is_flat for film in films)])
    _, at, often = np.unique(hashes, return_inverse=True, return_counts=True)
    is_common = (often[at] > MOST_ROWS) & ~is_flat
    periods = [np.median(np.diff(film.seconds)) if len(film.seconds) > 1 else 1.0 for film in films]
    rows = HashRows(
        np.concatenate([np.empty(0), *(film.seconds for film in films)]),
        hashes,
        np.repeat(np.arange(len(films)), lengths),
        ends,
        ~(is_flat | is_common),
        np.asarray(periods, np.float64),
    )
    return rows, Ignored(int(is_flat.sum()), int(is_common.sum()))


def votes_of(rows: HashRows) -> tuple[I64, I64]:
    """Rows that have near hashes, in pairs: the first ones of two runs, and the last ones."""
    parts = [(rows.hashes >> np.uint64(16 * part)) & np.uint64(0xFFFF) for part in range(4)]
    telling, count = np.flatnonzero(rows.is_telling), max(1, len(rows.hashes))
    pairs = [np.empty(0, np.int64)]
    for one, other in combinations(parts, 2):
        keys = ((one << np.uint64(16)) | other)[telling].astype(np.uint32)
        order = np.argsort(keys, kind="stable")
        for a, b in _run_pairs(rows, telling[order], keys[order]):
            is_near = np.bitwise_count(rows.hashes[a] ^ rows.hashes[b]) <= NEAR_BITS
            pairs.append(a[is_near] * count + b[is_near])
    found = np.unique(np.concatenate(pairs))
    return found // count, found % count


def _run_pairs(rows: HashRows, at: I64, keys: npt.NDArray[np.uint32]) -> Iterator[tuple[I64, I64]]:
    """Pairs of runs of one key, as their first rows and as their last; rows are sorted by key."""
    if not len(at):
        return
    is_other_key = keys[1:] != keys[:-1]
    is_apart = np.diff(rows.seconds[at]) > RUN_SECONDS
    begins = is_other_key | is_apart | (np.diff(rows.film[at]) != 0)
    first = np.flatnonzero(np.r_[True, begins])
    last = np.flatnonzero(np.r_[begins, True])
    key = np.cumsum(np.r_[0, is_other_key])[first]
    often = np.bincount(key)[key]
    kept = (often > 1) & (often <= MOST_RUNS)
    first, last, key = at[first[kept]], at[last[kept]], key[kept]
    for lag in range(1, MOST_RUNS):
        (together,) = np.nonzero(key[lag:] == key[:-lag])
        if not len(together):
            return
        yield first[together], first[together + lag]
        yield last[together], last[together + lag]


class Candidate(NamedTuple):
    """Where two films may be alike."""

    a: int
    b: int
    offset: float
    """Seconds by which it is later in a."""
    first: float
    last: float
    """Seconds in b of the first and the last vote."""


def candidates_of(rows: HashRows, a: I64, b: I64, min_seconds: float) -> list[list[Candidate]]:
    """Gives the offsets with most votes, of each two films that have any.

    Only votes that follow another one soon are counted: what is shared for long has many.
    """
    offsets = rows.seconds[a] - rows.seconds[b]
    is_elsewhere = (rows.film[a] != rows.film[b]) | (np.abs(offsets) >= min_seconds)
    a, b, offsets = a[is_elsewhere], b[is_elsewhere], offsets[is_elsewhere]
    pairs, found = rows.film[a] * len(rows.periods) + rows.film[b], []
    for shift in (0.0, 0.5):  # or votes on both sides of a bin's end would not meet
        bins = np.floor(offsets / BIN_SECONDS + shift).astype(np.int64)
        order = np.lexsort((b, bins, pairs))
        is_other = (np.diff(pairs[order]) != 0) | (np.diff(bins[order]) != 0)
        begins = is_other | (np.diff(rows.seconds[b[order]]) > SOON_SECONDS)
        first = np.flatnonzero(np.r_[len(order) > 0, begins])
        votes = np.diff(np.r_[first, len(order)])
        first, last = first[votes >= LEAST_VOTES], (first + votes - 1)[votes >= LEAST_VOTES]
        total = np.cumsum(np.r_[0.0, offsets[order]])
        votes = last - first + 1
        middles = (total[last + 1] - total[first]) / votes
        times = rows.seconds[b[order[np.r_[first, last]]]].reshape(2, -1)
        found.append(np.stack([pairs[order[first]], votes, middles, *times]))
    return _by_films(np.concatenate(found, axis=1), len(rows.periods))


def _by_films(found: F64, films: int) -> list[list[Candidate]]:
    """Sorts candidates by their films and votes; of each two films those with most votes."""
    pairs, _, *facts = found[:, np.lexsort((-found[1], found[0]))]
    first = np.flatnonzero(np.diff(pairs, prepend=-1.0))
    numbers = [divmod(int(pair), films) for pair in pairs[first]]
    each, ends = np.stack(facts, axis=1), np.r_[first[1:], len(pairs)][: len(first)]
    return [
        [Candidate(*two, *one) for one in each[at : min(at + MOST_OFFSETS, end)].tolist()]
        for two, at, end in zip(numbers, first, ends, strict=True)
    ]
