"""The floor and the fill that greedy policies share: coverage of time before and after a method.

1. `floor_rows` spends a share of the budget: one frame of each of m equal spans of time, so every
   candidate is at most one span from a chosen frame.
2. The policy's own method picks more, given those.
3. `far_in_time` spends what is left where the method has nothing to gain any more.
"""

import math
from typing import Protocol

import numpy as np

from fewframes.arrays import F32, F64, I64
from fewframes.selection.candidates import ROUNDING_SECONDS, Candidates, Picks

NOTHING = np.empty(0, np.int64)
"""No rows."""


class Method(Protocol):
    """The heart of a policy."""

    def __call__(self, *, count: int, chosen: I64) -> tuple[I64, F32]:
        """Picks at most ``count`` rows that are not in ``chosen``, with a score each."""
        ...


def with_coverage(candidates: Candidates, *, budget: int, reason: str, method: Method) -> Picks:
    """Spends ``coverage`` of the budget on the floor, the rest by a method, and fills up.

    >>> from fewframes.selection.candidates import example_candidates
    >>> def nothing(*, count, chosen):
    ...     return NOTHING, np.empty(0, np.float32)
    >>> frames = example_candidates()
    >>> with_coverage(frames, budget=2, reason="?", method=nothing).reasons
    ('coverage', 'coverage')
    """
    floor = floor_rows(candidates, bins=floor_bins(candidates.coverage, budget=budget))
    rows, gains = method(count=budget - len(floor), chosen=floor)
    scores = np.concatenate([np.zeros(len(floor), np.float32), gains])
    reasons = ("coverage",) * len(floor) + (reason,) * len(rows)
    return filled_up(Picks(np.concatenate([floor, rows]), scores, reasons), candidates, budget)


def filled_up(picks: Picks, candidates: Candidates, budget: int) -> Picks:
    """Adds to picks the frames far in time from them, up to the budget; their scores are 0.

    >>> from fewframes.selection.candidates import example_candidates
    >>> one = Picks(np.array([0]), np.ones(1, np.float32), ("novelty",))
    >>> filled_up(one, example_candidates(), 2).rows.tolist()
    [0, 5]
    """
    count = max(0, budget - len(picks.rows))
    spread = far_in_time(candidates.seconds, count=count, chosen=picks.rows)
    return Picks(
        np.concatenate([picks.rows, spread]),
        np.concatenate([picks.scores, np.zeros(len(spread))]).astype(np.float32),
        picks.reasons + ("coverage",) * len(spread),
    )


def floor_bins(coverage: float, *, budget: int) -> int:
    """Counts the frames that guarantee coverage: ⌈coverage · budget⌉, 0.1 · 30 being 3.

    >>> floor_bins(0.1, budget=30), floor_bins(0.0, budget=30), floor_bins(0.01, budget=1)
    (3, 0, 1)
    """
    return max(math.ceil(coverage * budget - 1e-9), int(coverage > 0))


def floor_rows(candidates: Candidates, *, bins: int) -> I64:
    """Takes from each of ``bins`` equal spans of time the row nearest to the span's mean signature.

    Ties, and frames without signatures, go to the row nearest to the middle of the span, then to
    the earliest. Spans without rows give none, so at most ``bins`` rows come back, ``[m] i64``,
    sorted.

    >>> from fewframes.selection.candidates import example_candidates
    >>> floor_rows(example_candidates(), bins=2).tolist()
    [1, 4]
    """
    if not bins:
        return NOTHING
    seconds, signatures = candidates.seconds, candidates.signatures
    since = _since(seconds, bins=bins)
    bin_of = bin_numbers(seconds, bins=bins)
    off_middle = np.abs(since - bin_of - 0.5).round(6)
    first_rows = np.flatnonzero(np.diff(bin_of, prepend=-1))
    rows = []
    for first, end in zip(first_rows, np.append(first_rows[1:], len(seconds)), strict=True):
        untypical = np.zeros(end - first)
        if signatures is not None:
            pictures = signatures[first:end].astype(np.float64)
            untypical = distances(pictures, pictures.mean(axis=0)).round(12)
        rows.append(first + np.lexsort((off_middle[first:end], untypical))[0])
    return np.array(rows, np.int64)


def bin_numbers(seconds: F64, *, bins: int) -> I64:
    """Numbers of the equal span of time that each row is in, ``[n] i64``; all 0 without bins.

    >>> bin_numbers(np.array([0.0, 1.0, 2.0]), bins=2).tolist()
    [0, 1, 1]
    """
    return np.minimum(_since(seconds, bins=bins).astype(np.int64), max(bins - 1, 0))


def _since(seconds: F64, *, bins: int) -> F64:
    """Times since the first row, in widths of a bin."""
    width = float(seconds[-1] - seconds[0]) / max(bins, 1)
    since: F64 = (seconds - seconds[0] + ROUNDING_SECONDS) / max(width, 2 * ROUNDING_SECONDS)
    return since


def far_in_time(seconds: F64, *, count: int, chosen: I64) -> I64:
    """Rows that halve the widest spans of time without a chosen frame: k-centre on the clock.

    >>> far_in_time(np.arange(9.0), count=2, chosen=np.array([4])).tolist()
    [0, 8]
    """
    clock = (seconds - seconds[0]).astype(np.float32)[:, np.newaxis]
    return farthest(clock, count=count, chosen=chosen)[0]


def farthest(
    points: F32, *, count: int, chosen: I64, weights: F64 | None = None, there: F32 | None = None
) -> tuple[I64, F32]:
    """The kernel `farthest_first`, with the distance to the mean where its first gap is infinite.

    ``there`` are the same points where the kernel is to find them.

    >>> farthest(np.array([[0], [1], [5]], np.float32), count=1, chosen=NOTHING)[1].tolist()
    [3.0]
    """
    from fewframes.kernels import farthest_first, on_host  # a light import needs no kernel

    if not count:
        return NOTHING, np.empty(0, np.float32)
    pull = np.ones(len(points)) if weights is None else 1 + weights
    rows, gaps = map(
        on_host, farthest_first(points if there is None else there, count, chosen, pull)
    )
    if not len(chosen):
        mean = points.mean(axis=0, dtype=np.float64)
        gaps[0] = distances(points[rows[:1]], mean)[0] * pull[rows[0]]
    return rows, gaps


def distances(points: F32 | F64, centre: F64) -> F64:
    """Euclidean distances of all rows from one point, ``[n] f64``.

    >>> distances(np.array([[3.0, 4.0]]), np.zeros(2)).tolist()
    [5.0]
    """
    away = points - centre
    squared: F64 = np.einsum("nd,nd->n", away, away)
    return np.sqrt(squared)


def unit_scores(relevance: F64 | None, *, n: int) -> F64:
    """Scales scores to 0…1, ``[n] f64``; NaN and -inf become 0, +inf becomes 1, flat ones 0.

    >>> unit_scores(np.array([3.0, np.nan, 5.0, 4.0]), n=4).tolist()
    [0.0, 0.0, 1.0, 0.5]
    """
    if relevance is None:
        return np.zeros(n)
    is_finite = np.isfinite(relevance)
    halves = np.where(is_finite, relevance, 0.0) / 2  # the range of halves cannot overflow
    low = halves.min(where=is_finite, initial=np.inf)
    high = halves.max(where=is_finite, initial=-np.inf)
    scaled = (halves - low) / (high - low) if high > low else np.zeros(n)
    return np.where(is_finite, scaled, np.where(relevance == np.inf, 1.0, 0.0))
