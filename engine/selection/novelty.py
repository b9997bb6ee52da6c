"""Policies that look for what is new: which frames show what the others do not?

`kcenter` asks which are least like those chosen. `adaptive`, the default, asks which are unusual in
the film, and sees to coverage of time.
"""

import numpy as np

from fewframes.arrays import F32, F64, I64
from fewframes.features.anomaly_score import anomaly_score
from fewframes.selection.candidates import ROUNDING_SECONDS, Candidates, Picks, signatures_of
from fewframes.selection.coverage import (
    NOTHING,
    bin_numbers,
    farthest,
    filled_up,
    floor_bins,
    floor_rows,
    unit_scores,
    with_coverage,
)

SAME_PICTURE = 1e-6
"""Signatures (unit length) closer than this describe one picture: it is the noise of f32."""
GAP_SECONDS = 10.0
"""Unusual frames farther apart than this are never taken for one event."""


def kcenter(candidates: Candidates, *, budget: int) -> Picks:
    """Takes, again and again, the candidate least like everything taken so far.

    1. The first is the frame farthest from the mean signature; its score is that distance.
    2. Each next one is the farthest from the nearest of those taken, the lowest row on a tie; its
       score is that distance.

    Greedy k-centre, at most twice the best radius: T. Gonzalez, "Clustering to minimize the
    maximum intercluster distance", 1985; on video frames, VKF (ICML 2026 workshop).
    O(budget · n · d).

    >>> signatures = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    >>> frames = Candidates(seconds=np.arange(4.0), is_keyframe=np.eye(4, dtype=bool)[0],
    ...                     signatures=signatures)
    >>> sorted(kcenter(frames, budget=2).rows.tolist())
    [0, 3]
    """
    points = signatures_of(candidates)
    rows, gaps = farthest(points, count=budget, chosen=NOTHING, there=candidates.device_signatures)
    return Picks(rows, gaps, ("novelty",) * budget)


def adaptive(candidates: Candidates, *, budget: int) -> Picks:
    """Takes the most unusual frames, apart in time, and covers the rest of the film.

    1. How unusual a frame is, `fewframes.features.anomaly_score` says, of columns of the table:
       scenes that are rare in the film, and local changes that no similar frame explains. With
       relevance, times 1 + relevance (scaled to 0…1).
    2. The time from the first candidate to the last is cut into m = ⌈coverage · budget⌉ equal
       bins. From the most unusual one on, frames are taken that are at least half an even spacing,
       or `GAP_SECONDS`, from every one taken, as long as the rest of the budget is enough for
       the bins that have none yet. Reason "unusual", with that score.
    3. Every bin without a frame gives its most typical one, so every candidate is at most one bin
       width from a chosen frame, and neighbouring picks are at most two bin widths apart where no
       bin is empty. Where nothing unusual is left, the frame farthest in time from the chosen
       ones is taken. Reason "coverage", score 0.

    A table without those columns, as of an older store, or made by hand, is searched by
    `by_novelty`, and its reasons say "novelty". O(n log n + n · d).

    >>> odd = {"rarity": np.array([0, 0, 0, 9.0]), "anomaly": np.zeros(4), "detail": np.ones(4),
    ...        "shot_start": np.zeros(4)}
    >>> frames = Candidates(seconds=np.arange(4.0), is_keyframe=np.eye(4, dtype=bool)[0],
    ...                     signatures=np.ones((4, 1), np.float32), signals=odd)
    >>> picks = adaptive(frames, budget=2)
    >>> picks.rows.tolist(), picks.reasons
    ([3, 0], ('unusual', 'coverage'))
    """
    scores = anomaly_score(candidates.signals, candidates.seconds)
    if scores is None:
        return by_novelty(candidates, budget=budget)
    scores *= 1 + unit_scores(candidates.relevance, n=len(candidates))
    bins = floor_bins(candidates.coverage, budget=budget)
    bin_of = bin_numbers(candidates.seconds, bins=bins)
    odd = suppress_neighbours(candidates.seconds, scores, bin_of, budget=budget)
    typical = floor_rows(candidates, bins=bins)
    typical = typical[~np.isin(bin_of[typical], bin_of[odd])] if bins else typical
    gains = np.minimum(scores[odd], np.finfo(np.float32).max)
    gains = np.concatenate([gains, np.zeros(len(typical))]).astype(np.float32)
    reasons = ("unusual",) * len(odd) + ("coverage",) * len(typical)
    return filled_up(Picks(np.concatenate([odd, typical]), gains, reasons), candidates, budget)


def suppress_neighbours(seconds: F64, scores: F64, bin_of: I64, *, budget: int) -> I64:
    """Rows of score above 0, the highest first, apart in time, that leave room for empty bins.

    ``bin_of [n] i64`` numbers the bin of each row; bins that have no row do not count.

    >>> scores, bin_of = np.array([0, 3, 4.0, 0, 5, 1]), np.array([0, 0, 0, 1, 1, 1])
    >>> suppress_neighbours(np.arange(6) * 60.0, scores, bin_of, budget=2).tolist()
    [4, 2]
    """
    gap = min(GAP_SECONDS, float(seconds[-1] - seconds[0]) / (2 * budget))
    firsts = np.searchsorted(seconds, seconds - gap + ROUNDING_SECONDS)
    ends = np.searchsorted(seconds, seconds + gap - ROUNDING_SECONDS, side="right")
    is_free, is_empty = scores > 0, np.zeros(int(bin_of.max(initial=0)) + 1, bool)
    is_empty[bin_of] = True
    empty, rows = int(is_empty.sum()), list[int]()
    for row in np.argsort(-scores, kind="stable")[: int(is_free.sum())].tolist():
        fills = bool(is_empty[bin_of[row]])
        if not is_free[row] or (not fills and budget - len(rows) <= empty):
            continue
        rows.append(row)
        if len(rows) == budget:
            break
        is_free[firsts[row] : max(ends[row], row + 1)] = False
        is_empty[bin_of[row]] = False
        empty -= fills
    return np.array(rows, np.int64)


def by_novelty(candidates: Candidates, *, budget: int) -> Picks:
    """Covers time with one share of the budget, spends the rest on new signatures.

    1. Every one of m = ⌈coverage · budget⌉ equal bins of time that has candidates gives its most
       typical one. Reason "coverage", score 0.
    2. What is left goes to novelty: farthest-first in signature space from all chosen so far,
       each distance times 1 + relevance (scaled to 0…1). Reason "novelty", the score is that
       product. ``coverage=0`` without relevance is greedy k-centre (see `kcenter`).
    3. Where only copies of chosen pictures are left, the frame farthest in time from the chosen
       ones is taken. Reason "coverage", score 0.

    O(budget · n · d).

    >>> signatures = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    >>> frames = Candidates(seconds=np.arange(4.0), is_keyframe=np.eye(4, dtype=bool)[0],
    ...                     signatures=signatures)
    >>> by_novelty(frames, budget=2).reasons
    ('coverage', 'novelty')
    """
    signatures = signatures_of(candidates)
    weights = unit_scores(candidates.relevance, n=len(candidates))

    def novel(*, count: int, chosen: I64) -> tuple[I64, F32]:
        there = candidates.device_signatures
        rows, gaps = farthest(signatures, count=count, chosen=chosen, weights=weights, there=there)
        is_new = np.logical_and.accumulate(gaps > SAME_PICTURE)
        return rows[is_new], gaps[is_new]

    return with_coverage(candidates, budget=budget, reason="novelty", method=novel)
