"""Policies that look at the pictures: which frames show what no chosen frame shows yet?

`kcenter` asks nothing else. `adaptive`, the default, spends a share of the budget on coverage:

1. `typical_rows` takes the most typical frame of each of m equal spans of time;
2. `_novel` adds the frames least like anything chosen, times 1 + relevance;
3. `_far_in_time` spends what is left, where every other frame is a copy of a chosen one.
"""

import math

import numpy as np

from fewframes.arrays import F32, F64, I64
from fewframes.candidates import ROUNDING_SECONDS, Candidates, Picks, signatures_of

SAME_PICTURE = 1e-6
"""Signatures (unit length) closer than this describe one picture: it is the noise of f32."""
NOTHING = np.empty(0, np.int64)
"""No rows."""


def kcenter(candidates: Candidates, *, budget: int) -> Picks:
    """Takes, again and again, the candidate least like everything taken so far.

    Greedy k-centre, at most twice the best radius: T. Gonzalez, "Clustering to minimize the
    maximum intercluster distance", 1985; on video frames, VKF (ICML 2026 workshop). The score is
    the distance to the nearest earlier pick when picked; for the first, the frame farthest from
    the mean, it is that distance. O(budget · n · d).

    >>> signatures = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    >>> frames = Candidates(seconds=np.arange(4.0), is_keyframe=np.eye(4, dtype=bool)[0],
    ...                     signatures=signatures)
    >>> sorted(kcenter(frames, budget=2).rows.tolist())
    [0, 3]
    """
    rows, gaps = _farthest_first(signatures_of(candidates), count=budget, chosen=NOTHING)
    return Picks(rows, gaps, ("novelty",) * budget)


def adaptive(candidates: Candidates, *, budget: int) -> Picks:
    """Guarantees coverage of time with one share of the budget, spends the rest on novelty.

    1. The time from the first candidate to the last is cut into m = ⌈coverage · budget⌉ equal
       bins. Every bin that has candidates gives its most typical one, so every candidate is at
       most one bin width from a chosen frame, and neighbouring picks are at most two bin widths
       apart where no bin is empty. Reason "coverage", score 0.
    2. What is left goes to novelty: farthest-first in signature space from all chosen so far,
       each distance times 1 + relevance (scaled to 0…1). Reason "novelty", the score is that
       product. ``coverage=0`` without relevance is greedy k-centre.
    3. Where only copies of chosen pictures are left, the frame farthest in time from the chosen
       ones is taken. Reason "coverage", score 0.

    O(budget · n · d).

    >>> signatures = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    >>> frames = Candidates(seconds=np.arange(4.0), is_keyframe=np.eye(4, dtype=bool)[0],
    ...                     signatures=signatures)
    >>> adaptive(frames, budget=2).reasons
    ('coverage', 'novelty')
    """
    signatures = signatures_of(candidates)
    typical = typical_rows(
        signatures, seconds=candidates.seconds, bins=floor_bins(candidates.coverage, budget=budget)
    )
    weights = unit_scores(candidates.relevance, n=len(candidates))
    novel, gaps = _novel(signatures, count=budget - len(typical), chosen=typical, weights=weights)
    chosen = np.concatenate([typical, novel])
    spread = _far_in_time(candidates.seconds, count=budget - len(chosen), chosen=chosen)
    scores = np.zeros(budget, np.float32)
    scores[len(typical) : len(chosen)] = gaps
    reasons = ["coverage"] * len(typical) + ["novelty"] * len(novel) + ["coverage"] * len(spread)
    return Picks(np.concatenate([chosen, spread]), scores, tuple(reasons))


def floor_bins(coverage: float, *, budget: int) -> int:
    """Counts the frames that guarantee coverage: ⌈coverage · budget⌉, 0.1 · 30 being 3.

    >>> floor_bins(0.1, budget=30), floor_bins(0.0, budget=30), floor_bins(0.01, budget=1)
    (3, 0, 1)
    """
    return max(math.ceil(coverage * budget - 1e-9), int(coverage > 0))


def typical_rows(signatures: F32, *, seconds: F64, bins: int) -> I64:
    """Takes from each of ``bins`` equal spans of time the row nearest to the span's mean signature.

    Ties go to the row nearest to the middle of its span, then to the earliest. Spans without rows
    give none, so at most ``bins`` rows come back, ``[m] i64``, sorted.

    >>> signatures = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    >>> typical_rows(signatures, seconds=np.arange(4.0), bins=2).tolist()
    [1, 2]
    """
    if not bins:
        return NOTHING
    width = float(seconds[-1] - seconds[0]) / bins
    since = (seconds - seconds[0] + ROUNDING_SECONDS) / max(width, 2 * ROUNDING_SECONDS)
    bin_of = np.minimum(since.astype(np.int64), bins - 1)
    off_middle = np.abs(since - bin_of - 0.5).round(6)
    first_rows = np.flatnonzero(np.diff(bin_of, prepend=-1))
    rows = []
    for first, end in zip(first_rows, np.append(first_rows[1:], len(seconds)), strict=True):
        pictures = signatures[first:end].astype(np.float64)
        untypical = _distances(pictures, pictures.mean(axis=0)).round(12)
        rows.append(first + np.lexsort((off_middle[first:end], untypical))[0])
    return np.array(rows, np.int64)


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


def _novel(signatures: F32, *, count: int, chosen: I64, weights: F64) -> tuple[I64, F32]:
    """Farthest-first rows and their gaps, stopped where only copies of chosen pictures are left."""
    if weights.any():
        rows, gaps = _weighted_farthest_first(
            signatures, count=count, chosen=chosen, weights=weights
        )
    else:
        rows, gaps = _farthest_first(signatures, count=count, chosen=chosen)
    is_new = np.logical_and.accumulate(gaps > SAME_PICTURE)
    return rows[is_new], gaps[is_new]


def _far_in_time(seconds: F64, *, count: int, chosen: I64) -> I64:
    """Rows that halve the widest spans of time without a chosen frame: k-centre on the clock."""
    clock = (seconds - seconds[0]).astype(np.float32)[:, np.newaxis]
    return _farthest_first(clock, count=count, chosen=chosen)[0]


def _farthest_first(points: F32, *, count: int, chosen: I64) -> tuple[I64, F32]:
    """The kernel, with the distance to the mean where the first gap would be infinite."""
    from fewframes.kernels import farthest_first  # a light import of the package needs no kernel

    if not count:
        return NOTHING, np.empty(0, np.float32)
    rows, gaps = farthest_first(points, count, chosen)
    if not len(chosen):
        gaps[0] = _distances(points[rows[:1]], points.mean(axis=0, dtype=np.float64))[0]
    return rows, gaps


def _weighted_farthest_first(
    signatures: F32, *, count: int, chosen: I64, weights: F64
) -> tuple[I64, F32]:
    """Farthest-first with each distance times 1 + weight; ties go to the lowest row.

    Chosen rows and their copies have gap 0, so they come last, where the caller stops.
    """
    points, pull = signatures.astype(np.float64), 1 + weights
    gaps = np.full(len(points), np.inf)
    for row in chosen:
        gaps = np.minimum(gaps, _distances(points, points[row]))
    rows, scores = np.empty(count, np.int64), np.empty(count, np.float32)
    for step in range(count):
        is_start = step == 0 and not len(chosen)
        away = _distances(points, points.mean(axis=0)) if is_start else gaps
        row = rows[step] = np.argmax(away * pull)
        scores[step] = away[row] * pull[row]
        gaps = np.minimum(gaps, _distances(points, points[row]))
    return rows, scores


def _distances(points: F32 | F64, centre: F64) -> F64:
    """Euclidean distances of all rows from one point, ``[n] f64``."""
    away = points - centre
    squared: F64 = np.einsum("nd,nd->n", away, away)
    return np.sqrt(squared)
