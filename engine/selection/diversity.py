"""Policies that look for frames which together span the film: volume in signature space.

`dpp` is greedy determinantal selection, `maxvol` a submatrix of nearly the largest volume.
"""

import numpy as np

from fewframes.arrays import F32, F64, I64
from fewframes.selection.candidates import Candidates, Picks, signatures_of
from fewframes.selection.coverage import filled_up, unit_scores, with_coverage

RANK = 8
"""Leading directions of the signatures that `maxvol` works in, as MaxInfo does."""
SWAP_GAIN = 1.05
"""A swap of two rows has to enlarge the volume by this factor."""
FLOAT_TOLERANCE = 0.3
"""With ``k_max``, rows are added until the others are this well explained, as in MaxInfo."""
EXPLAINED = 1e-9
"""Squared length below which a row adds nothing to the rows chosen."""


def dpp(candidates: Candidates, *, budget: int) -> Picks:
    """Takes frames that enlarge the volume of what is chosen most: greedy MAP inference of a DPP.

    1. Every signature is scaled by w = 1 + relevance (relevance scaled to 0…1): φ = w · f.
    2. The next frame is the one with the largest part of φ outside the span of those chosen: it
       raises det(Φ Φᵀ) most. Its score is the length of that part.
    3. Where nothing is left outside the span, the frame farthest in time from the chosen ones is
       taken. Reason "coverage", score 0.

    With a linear kernel the Cholesky step of L. Chen et al., "Fast greedy MAP inference for
    determinantal point processes" (NeurIPS 2018), is one product with an orthogonal direction, so
    no n x n kernel is made: O(budget · n · d). LDDR (arXiv 2605.11477) and AdaRD-Key (arXiv
    2510.02778) select frames so. ``coverage`` is spent first, as by `adaptive`.

    >>> from fewframes.selection.candidates import example_candidates
    >>> sorted(dpp(example_candidates(), budget=2).rows.tolist())
    [3, 4]
    """
    from fewframes.kernels import on_host, pivoted_cholesky

    signatures = signatures_of(candidates)
    rows_there = candidates.device_signatures
    weights = 1 + unit_scores(candidates.relevance, n=len(candidates))

    def volume(*, count: int, chosen: I64) -> tuple[I64, F32]:
        rows = signatures if rows_there is None else rows_there
        picked, lengths = pivoted_cholesky(rows, weights, count, chosen)
        return on_host(picked), on_host(lengths)

    return with_coverage(candidates, budget=budget, reason="volume", method=volume)


def maxvol(candidates: Candidates, *, budget: int) -> Picks:
    """Takes rows whose submatrix of the leading directions has nearly the largest volume.

    1. The r = min(8, budget, rank) leading left singular vectors of the signatures, ``U [n, r]``.
    2. r rows by pivoting, then swaps while one enlarges |det| by more than 5 %: square MaxVol
       (S. Goreinov et al., "How to find a good submatrix", 2010). Their score is 1.
    3. Rows are added, each the worst explained by those chosen: the largest L = u (SᵀS)⁻¹ uᵀ,
       which is its score: rectangular MaxVol (A. Mikhalev and I. Oseledets, 2018). It stops at
       ``budget``; with ``k_max`` it goes on up to that many while L > 0.09.
    4. Rows that are zero in U are taken far in time from the others. Reason "coverage", score 0.

    On frames: MaxInfo (arXiv 2502.03183). O(n · d² + budget · n · r).

    >>> from fewframes.selection.candidates import example_candidates
    >>> len(maxvol(example_candidates(), budget=3).rows)
    3
    """
    most = min(max(candidates.k_max or 0, budget), len(candidates))
    leading = leading_directions(signatures_of(candidates), rank=min(RANK, budget))
    square = dominant_rows(leading)
    added, lengths = added_rows(leading, chosen=square, budget=budget, most=most)
    rows = np.concatenate([square, added])
    scores = np.concatenate([np.ones(len(square)), lengths]).astype(np.float32)
    return filled_up(Picks(rows, scores, ("volume",) * len(rows)), candidates, budget)


def leading_directions(signatures: F32, *, rank: int) -> F64:
    """The leading left singular vectors, ``[n, r] f64``, with r at most the numerical rank.

    >>> leading_directions(np.eye(3, dtype=np.float32)[[0, 0, 1]], rank=8).shape
    (3, 2)
    """
    scale = float(np.abs(signatures).max(initial=0)) or 1.0
    gram = np.zeros((signatures.shape[1],) * 2)
    for first in range(0, len(signatures), 4096):
        part = signatures[first : first + 4096].astype(np.float64) / scale
        gram += part.T @ part
    values, vectors = np.linalg.eigh(gram)
    keep = np.flatnonzero(values > values.max(initial=0) * 1e-10)[::-1][:rank]
    directions = vectors[:, keep] / (np.sqrt(values[keep]) * scale)
    leading: F64 = signatures.astype(np.float64) @ directions
    return leading


def dominant_rows(leading: F64) -> I64:
    """R rows of ``[n, r]`` where no swap enlarges |det| by more than 5 %, in no order.

    >>> dominant_rows(np.array([[1.0], [3.0], [2.0]])).tolist()
    [1]
    """
    rows, rest = [], leading.copy()
    for _ in range(leading.shape[1]):
        row = int(np.argmax(np.einsum("nr,nr->n", rest, rest)))
        direction = rest[row] / np.linalg.norm(rest[row])
        rest -= np.outer(rest @ direction, direction)
        rows.append(row)
    chosen = np.array(rows, np.int64)
    while len(chosen):
        shares = np.linalg.solve(leading[chosen].T, leading.T)  # every row by the chosen ones
        column, best = np.unravel_index(np.argmax(np.abs(shares)), shares.shape)
        if abs(shares[column, best]) <= SWAP_GAIN:
            break
        chosen[column] = best
    return chosen


def added_rows(leading: F64, *, chosen: I64, budget: int, most: int) -> tuple[I64, F64]:
    """Rows that the chosen ones explain worst, one after the other, and L of each.

    >>> added_rows(np.array([[1.0], [3.0], [2.0]]), chosen=np.array([1]), budget=2, most=2)[0]
    array([2])
    """
    rows: list[int] = []
    lengths: list[float] = []
    if not len(chosen):
        return np.empty(0, np.int64), np.empty(0)
    inverse = np.linalg.inv(leading[chosen].T @ leading[chosen])
    rest = np.einsum("nr,rs,ns->n", leading, inverse, leading, optimize=True)
    rest[chosen] = -1.0
    while len(chosen) + len(rows) < most:
        row = int(np.argmax(rest))
        length = float(rest[row])
        enough = EXPLAINED if len(chosen) + len(rows) < budget else FLOAT_TOLERANCE**2
        if length <= enough:
            break
        rows.append(row)
        lengths.append(length)
        shares = inverse @ leading[row]
        rest -= (leading @ shares) ** 2 / (1 + length)
        inverse -= np.outer(shares, shares) / (1 + length)
        rest[[*chosen, *rows]] = -1.0
    return np.array(rows, np.int64), np.array(lengths)
