"""Policies that look for new pictures: which frames show what no chosen frame shows yet?

`kcenter` asks nothing else. `adaptive`, the default, first spends a share of the budget on
coverage of time (`fewframes.floors`).
"""

import numpy as np

from fewframes.arrays import F32, I64
from fewframes.candidates import Candidates, Picks, signatures_of
from fewframes.floors import NOTHING, farthest, unit_scores, with_floor

SAME_PICTURE = 1e-6
"""Signatures (unit length) closer than this describe one picture: it is the noise of f32."""


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
    rows, gaps = farthest(points, count=budget, chosen=NOTHING, there=candidates.signatures_there)
    return Picks(rows, gaps, ("novelty",) * budget)


def adaptive(candidates: Candidates, *, budget: int) -> Picks:
    """Guarantees coverage of time with one share of the budget, spends the rest on novelty.

    1. The time from the first candidate to the last is cut into m = ⌈coverage · budget⌉ equal
       bins. Every bin that has candidates gives its most typical one, so every candidate is at
       most one bin width from a chosen frame, and neighbouring picks are at most two bin widths
       apart where no bin is empty. Reason "coverage", score 0.
    2. What is left goes to novelty: farthest-first in signature space from all chosen so far,
       each distance times 1 + relevance (scaled to 0…1). Reason "novelty", the score is that
       product. ``coverage=0`` without relevance is greedy k-centre (see `kcenter`).
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
    weights = unit_scores(candidates.relevance, n=len(candidates))

    def novel(*, count: int, chosen: I64) -> tuple[I64, F32]:
        there = candidates.signatures_there
        rows, gaps = farthest(signatures, count=count, chosen=chosen, weights=weights, there=there)
        is_new = np.logical_and.accumulate(gaps > SAME_PICTURE)
        return rows[is_new], gaps[is_new]

    return with_floor(candidates, budget=budget, reason="novelty", method=novel)
