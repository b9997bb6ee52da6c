"""Policies that look for representatives: which few frames stand for all the others?

1. The anchors are the demand: all candidates up to about 3,500, else evenly spaced ones.
2. `similarities` says how alike every candidate and every anchor are, in 65535ths.
3. The kernel `representatives` adds the frame that helps the anchors most, again and again.
"""

import numpy as np

from fewframes.arrays import F32, I64, U16
from fewframes.chunks import CHUNK_THERE
from fewframes.kernels.memory import array_module, as_cupy, is_on_real_gpu
from fewframes.selection.candidates import Candidates, Picks, signatures_of
from fewframes.selection.coverage import unit_scores, with_coverage
from fewframes.selection.peaks import peak_scores

ANCHORS, PAIRS = 512, 12_500_000
"""Frames that have to be represented: as many as make this many pairs with the candidates, but at
least 512; of 100,000 candidates that is 100 MB of similarities."""
ONE = 65535
"""The fixed-point form of similarity 1: sums of whole numbers do not depend on their order."""
RELEVANCE, COVERAGE, REDUNDANCY = 0.7, 0.2, 0.1
"""The weights of MarKey."""


def facility(candidates: Candidates, *, budget: int) -> Picks:
    """Takes frames that represent all others best: greedy facility location, plus relevance.

    1. A frame's gain is the mean over the anchors of how much more similar (cosine, at least 0)
       it is than the best frame chosen, plus 0.7 / 0.2 times its relevance (scaled to 0…1).
    2. The frame with the largest gain is taken, the lowest row on a tie; the gain is its score.
    3. Where nothing can be gained any more, the frame farthest in time from the chosen ones is
       taken. Reason "coverage", score 0.

    Within 1 - 1/e of the best on the anchors: G. Nemhauser, L. Wolsey and M. Fisher, "An analysis
    of approximations for maximizing submodular set functions", 1978; lazily, as M. Minoux, 1978.
    The weights are MarKey's (2026). O(n · anchors · d), then little a frame: gains
    only shrink, so most need no second look. ``coverage`` is spent first, as by `adaptive`.

    >>> from fewframes.selection.candidates import example_candidates
    >>> sorted(facility(example_candidates(), budget=2).rows.tolist())
    [2, 3]
    """
    return represented(candidates, budget=budget, redundancy=0.0)


def query(candidates: Candidates, *, budget: int) -> Picks:
    """Answers a question: relevance + coverage - redundancy.

    1. Relevance is turned into peaks, 0 to 1: it is averaged over a few lengths of time, and a
       frame near one that scores higher counts less (`fewframes.selection.peaks`).
    2. A frame's value is 0.7 · that + 0.2 · its facility gain over the anchors (see `facility`)
       - 0.1 · its largest cosine with a frame chosen.
    3. The frame with the largest value is taken, the lowest row on a tie. Its score is the value
       over 0.2.
    4. Where no value is above 0 any more, the frame farthest in time from the chosen ones is
       taken. Reason "coverage", score 0.

    MarKey (2026), but for the peaks, and with redundancy against all frames chosen instead of the
    last 28, so that values only shrink and most need no second look; relevance comes from the
    caller, any score of frames against a question. O(n · anchors · d), then little a frame.
    ``coverage`` is spent first, as by `adaptive`.

    >>> from fewframes.selection.candidates import example_candidates
    >>> sorted(query(example_candidates(), budget=2).rows.tolist())
    [2, 3]
    """
    return represented(candidates, budget=budget, redundancy=REDUNDANCY, takes_peaks=True)


def represented(
    candidates: Candidates,
    *,
    budget: int,
    redundancy: float,
    anchors: int | None = None,
    takes_peaks: bool = False,
) -> Picks:
    """Runs the kernel in units of 1 / (65535 · anchors) of a mean gain.

    Signatures that lie on a GPU, as the table's, are compared and picked from there: similarities
    are then the same to one 65535th.

    >>> from fewframes.selection.candidates import example_candidates
    >>> represented(example_candidates(), budget=1, redundancy=0.0).reasons
    ('relevance',)
    """
    from fewframes.kernels import on_host, representatives

    unit = unit_rows(_signatures_where_they_lie(candidates))
    n = len(unit)
    count = max(ANCHORS, PAIRS // n) if anchors is None else anchors
    alike = similarities(unit, anchors=anchor_rows(n, count=count))
    whole = ONE * alike.shape[1]
    relevance = unit_scores(candidates.relevance, n=n)
    if takes_peaks:
        relevance = peak_scores(relevance, seconds=candidates.seconds, unit=unit)
    bonus = np.rint(relevance * (RELEVANCE / COVERAGE * whole)).astype(np.int64)

    def best(*, count: int, chosen: I64) -> tuple[I64, F32]:
        penalty = redundancy / COVERAGE * whole
        rows, gains = map(on_host, representatives(alike, unit, bonus, penalty, count, chosen))
        is_gain = np.logical_and.accumulate(gains > 0)
        return rows[is_gain], (gains[is_gain] / whole).astype(np.float32)

    reason = "relevance" if bonus.any() else "typical"
    return with_coverage(candidates, budget=budget, reason=reason, method=best)


def _signatures_where_they_lie(candidates: Candidates) -> F32:
    """On the GPU, if the table's lie there and CuPy can take them; values not finite are 0."""
    signatures, there = signatures_of(candidates), candidates.device_signatures
    if not is_on_real_gpu(there):
        return signatures
    there = as_cupy(there)
    finite: F32 = array_module(there).where(array_module(there).isfinite(there), there, 0)
    return finite.astype(np.float32, copy=False)


def anchor_rows(n: int, *, count: int) -> I64:
    """At most ``count`` rows in the middles of equal stretches of n rows.

    >>> anchor_rows(9, count=3).tolist(), anchor_rows(2, count=3).tolist()
    ([1, 4, 7], [0, 1])
    """
    kept = min(n, count)
    return (2 * np.arange(kept) + 1) * n // (2 * kept) if kept else np.empty(0, np.int64)


def unit_rows(signatures: F32) -> F32:
    """The rows at length 1, ``[n, d] f32``; rows of zeros stay so, huge ones do not overflow.

    >>> unit_rows(np.array([[3e38, 0], [0, 0]], np.float32)).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    if not signatures.size:
        return signatures
    xp = array_module(signatures)
    largest = xp.abs(signatures).max(axis=1, keepdims=True)
    scaled = signatures / xp.where(largest > 0, largest, np.float32(1))
    lengths = xp.sqrt(xp.einsum("nd,nd->n", scaled, scaled))[:, np.newaxis]
    unit: F32 = scaled / xp.where(lengths > 0, lengths, np.float32(1))
    return unit.astype(np.float32, copy=False)


def similarities(unit: F32, *, anchors: I64) -> U16:
    """Cosines with the anchors, ``[n, a] u16`` in 65535ths; those below 0 count as 0.

    >>> similarities(np.eye(2, dtype=np.float32), anchors=np.array([1])).tolist()
    [[0], [65535]]
    """
    xp, chunk = array_module(unit), CHUNK_THERE if is_on_real_gpu(unit) else 1024
    targets = xp.ascontiguousarray(unit[xp.asarray(anchors)].T) * np.float32(ONE)
    alike: U16 = xp.empty((len(unit), len(anchors)), np.uint16)
    for first in range(0, len(unit), chunk):
        cosines = unit[first : first + chunk] @ targets
        xp.clip(cosines, 0, ONE, out=cosines)
        xp.rint(cosines, out=cosines)
        alike[first : first + chunk] = cosines
    return alike
