"""Policies that follow a score: where is the relevance, and how much of it is where?

They need no pictures, only the caller's score of each frame. Flat scores make them spread evenly.
"""

import math

import numpy as np

from fewframes.arrays import F32, F64, I64
from fewframes.selection.candidates import Candidates, Picks
from fewframes.selection.coverage import unit_scores, with_coverage
from fewframes.selection.temporal import made_unique

SHARPEN = 3.0
"""BOLT's power: scores are raised to it before they are inverted."""
SPLIT_GAP, SPLIT_DEPTH = 0.8, 5
"""AKS' threshold and depth: a segment whose best frames stand out by more is not halved."""


def cdf(candidates: Candidates, *, budget: int) -> Picks:
    """Samples the relevance by inverting its cumulative distribution, each frame once.

    1. Scores, scaled to 0…1, are raised to the power 3.
    2. Every frame is expected p times, in proportion to that but at most once, and p adds up to
       the budget; where too few frames have a score, the others share what is left evenly.
    3. Along the sum of p, the frame at each of u, u + 1, u + 2, … is taken. A step is as long as
       the longest p, so no frame comes twice. u is ½, or drawn from ``seed``.

    The score is the scaled relevance. BOLT (CVPR 2025, arXiv 2503.21483) inverts so, and repeats
    frames where scores peak; the cap and the even steps are systematic sampling (W. Madow, "On
    the theory of systematic sampling, II", 1949). ``coverage`` is spent first, on the middles of
    equal spans of time. O(n log n).

    >>> from fewframes.selection.candidates import example_candidates
    >>> cdf(example_candidates(), budget=2).rows.tolist()
    [2, 3]
    """
    relevance = unit_scores(candidates.relevance, n=len(candidates))
    start = 0.5 if candidates.seed is None else np.random.default_rng(candidates.seed).random()

    def sampled(*, count: int, chosen: I64) -> tuple[I64, F32]:
        rest = np.setdiff1d(np.arange(len(relevance)), chosen)
        if not count:
            return rest[:0], np.empty(0, np.float32)
        reached = np.cumsum(expected_times(relevance[rest] ** SHARPEN, count=count))
        at = np.searchsorted(reached, np.arange(count) + start, side="right")
        rows = rest[made_unique(np.minimum(at, len(rest) - 1), n=len(rest))]
        return rows, relevance[rows].astype(np.float32)

    return with_coverage(candidates, budget=budget, reason="relevance", method=sampled)


def expected_times(weights: F64, *, count: int) -> F64:
    """Shares of ``count`` in proportion to weights, none above 1, ``[n] f64``.

    >>> expected_times(np.array([8.0, 1.0, 1.0, 0.0]), count=2).tolist()
    [1.0, 0.5, 0.5, 0.0]
    >>> expected_times(np.array([9.0, 0.0, 0.0]), count=2).tolist()
    [1.0, 0.5, 0.5]
    """
    order = np.argsort(-weights, kind="stable")
    falling = weights[order]
    left = np.cumsum(falling[::-1])[::-1]  # the weight from each one on
    full = np.arange(len(order))
    # The heaviest are full as long as an even share of what is left would exceed 1.
    is_full = (falling > 0) & (falling * (count - full) >= left * (1 - 1e-12)) & (full < count)
    heaviest = int(np.argmin(np.append(is_full, False)))
    expected = np.zeros(len(order))
    expected[order[:heaviest]] = 1.0
    others, room = order[heaviest:], count - heaviest
    total = float(weights[others].sum())
    if room and total > 0:
        expected[others] = weights[others] * (room / total)
    elif room:
        expected[others] = room / len(others)
    return expected


def aks(candidates: Candidates, *, budget: int) -> Picks:
    """Judges and splits the film by relevance, and takes the best of every part.

    1. The film is one part of depth 0; scores are scaled to 0…1.
    2. A part whose K best scores exceed its mean by more than 0.8, on average, stays whole; any
       other is halved, up to depth 5.
    3. A part of depth p is due K / 2ᵖ frames; whole numbers by largest remainder, the earlier part
       on a tie, and no part gets more than it has. It gives its best frames, the earlier on a tie.

    The score is the scaled relevance. AKS (CVPR 2025, arXiv 2502.21271), which gives each part
    ⌊K / 2ᵖ⌋ frames: none at all for K = 16 on a film that is split to the end. ``coverage`` is
    spent first, on the middles of equal spans of time. O(n log n).

    >>> seconds, scores = np.arange(12.0), np.zeros(12)
    >>> scores[[7, 8]] = 1.0
    >>> frames = Candidates(
    ...     seconds=seconds, is_keyframe=seconds == 0, relevance=scores, coverage=0.0
    ... )
    >>> aks(frames, budget=2).rows.tolist()
    [7, 8]
    """
    relevance = unit_scores(candidates.relevance, n=len(candidates))

    def judged(*, count: int, chosen: I64) -> tuple[I64, F32]:
        rest = np.setdiff1d(np.arange(len(relevance)), chosen)
        rows = [rest[:0]]
        if count:
            parts = split_parts(relevance[rest], count=count)
            due = [count / 2**depth for _, _, depth in parts]
            counts = whole_shares(due, most=[end - first for first, end, _ in parts])
            for (first, end, _), taken in zip(parts, counts, strict=True):
                best = np.argsort(-relevance[rest[first:end]], kind="stable")[:taken]
                rows.append(np.sort(rest[first:end][best]))
        chosen_rows = np.concatenate(rows)
        return chosen_rows, relevance[chosen_rows].astype(np.float32)

    return with_coverage(candidates, budget=budget, reason="relevance", method=judged)


def split_parts(scores: F64, *, count: int) -> list[tuple[int, int, int]]:
    """Parts of a film as (first row, end row, depth), in order.

    >>> split_parts(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0]), count=1)
    [(0, 6, 0)]
    >>> split_parts(np.array([0.0, 1.0, 0.0]), count=1)
    [(0, 1, 1), (1, 2, 2), (2, 3, 2)]
    """
    parts, todo = [], [(0, len(scores), 0)]
    while todo:
        first, end, depth = todo.pop()
        part = np.sort(scores[first:end])
        stands_out = part[-count:].mean() - part.mean() > SPLIT_GAP
        if stands_out or depth == SPLIT_DEPTH or end - first < 2:
            parts.append((first, end, depth))
        else:
            middle = (first + end) // 2
            todo += [(middle, end, depth + 1), (first, middle, depth + 1)]
    return parts


def whole_shares(due: list[float], *, most: list[int]) -> list[int]:
    """Whole numbers near what is due, with the same sum, none above its limit.

    The whole part first, then by largest remainder, the earlier on a tie; what a full one cannot
    take goes round again. Raises ValueError where the limits add up to less.

    >>> whole_shares([1.5, 1.5, 1.0], most=[9, 9, 9]), whole_shares([3.0, 1.0], most=[1, 9])
    ([2, 1, 1], [1, 3])
    """
    total = round(math.fsum(due))
    if sum(most) < total:
        raise ValueError(f"{total} frames are due, but only {sum(most)} are there; ask for fewer")
    shares = [min(math.floor(one), limit) for one, limit in zip(due, most, strict=True)]
    order = sorted(range(len(due)), key=lambda i: (math.floor(due[i]) - due[i], i))
    while (missing := total - sum(shares)) > 0:
        open_ones = [i for i in order if shares[i] < most[i]]
        for i in open_ones[:missing]:
            shares[i] += 1
    return shares
