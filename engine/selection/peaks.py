"""Peaks: which frames stand out in a noisy score, each as one of its own?

1. Scores are averaged over 0, 0.5, 1 and 2 seconds to either side, never across a change of
   picture: noise that differs from frame to frame goes down, what lasts stays.
2. Each average is counted in its own standard deviations, and the largest of the four is taken:
   where the noise lasts as long as what is looked for, averaging gains nothing and loses nothing.
3. The time to the nearest frame that scores higher says whether a frame is a peak of its own or
   the slope of another: half the logarithm of it, in standard deviations, is added.

The first two are a matched filter of several lengths; the third is the distance of A. Rodriguez and
A. Laio, "Clustering by fast search and find of density peaks", Science 2014. The widths and the
half are the best of a few that were tried on training films of `fewframes.bench.haystack`.
"""

import numpy as np

from fewframes.arrays import F32, F64, I64
from fewframes.kernels.memory import array_module, on_host
from fewframes.selection.candidates import ROUNDING_SECONDS

HALF_WIDTHS = (0.0, 0.5, 1.0, 2.0)
"""Seconds to either side that are averaged."""
SAME_VIEW = 0.9
"""Cosine of neighbouring frames from which on no picture has changed."""
APART = 0.5
"""What e times the time to a higher score is worth, in standard deviations."""


def peak_scores(scores: F64, *, seconds: F64, unit: F32) -> F64:
    """Scores of frames as peaks, 0 to 1, ``[n] f64``; flat scores stay 0.

    ``scores [n]`` are finite, ``seconds [n]`` not decreasing, ``unit [n, d]`` pictures at length 1,
    in memory or on a GPU. O(n · d).

    >>> scores = np.array([0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.9, 0.0])
    >>> out = peak_scores(scores, seconds=np.arange(9.0) * 30, unit=np.ones((9, 1), np.float32))
    >>> np.argsort(-out)[:2].tolist()
    [1, 7]
    """
    if not len(scores) or scores.min() == scores.max():
        return np.zeros(len(scores))
    loud = loudest(scores, seconds=seconds, views=view_numbers(unit))
    length = float(seconds[-1] - seconds[0])
    apart = np.clip(to_higher(loud, seconds=seconds), ROUNDING_SECONDS, max(length, 1.0))
    out = loud + APART * np.log(apart)
    return np.asarray((out - out.min()) / max(float(np.ptp(out)), 1e-12))


def view_numbers(unit: F32) -> I64:
    """Numbers the stretches in which no frame differs much from the one before, ``[n] i64``.

    >>> view_numbers(np.array([[1, 0], [1, 0], [0, 1]], np.float32)).tolist()
    [0, 0, 1]
    """
    alike = on_host(array_module(unit).einsum("nd,nd->n", unit[1:], unit[:-1]))
    return np.concatenate([[0], np.cumsum(alike < SAME_VIEW)]).astype(np.int64)


def loudest(scores: F64, *, seconds: F64, views: I64) -> F64:
    """The largest of the averages, each in its standard deviations from its mean, ``[n] f64``.

    >>> loudest(np.array([0.0, 0.0, 4.0]), seconds=np.arange(3.0) * 9, views=np.zeros(3)).round(2)
    array([-0.71, -0.71,  1.41])
    """
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    view_start, view_end = (np.searchsorted(views, views, side) for side in ("left", "right"))
    best = np.full(len(scores), -np.inf)
    for half in HALF_WIDTHS:
        reach = half + ROUNDING_SECONDS
        first = np.maximum(np.searchsorted(seconds, seconds - reach), view_start)
        end = np.minimum(np.searchsorted(seconds, seconds + reach, "right"), view_end)
        means = (sums[end] - sums[first]) / (end - first) if half else scores
        spread = float(means.std())
        if spread > 0:
            np.maximum(best, (means - means.mean()) / spread, out=best)
    return best.round(9)  # what is equal but for rounding is a tie


def to_higher(scores: F64, *, seconds: F64) -> F64:
    """Time to the nearest frame with a higher score, or an earlier one with the same, ``[n] f64``.

    Infinite for the first of the highest. O(n), by a stack of falling scores on either side.

    >>> to_higher(np.array([1.0, 3.0, 2.0, 3.0]), seconds=np.array([0.0, 1.0, 4.0, 9.0])).tolist()
    [1.0, inf, 3.0, 8.0]
    """
    times, values = seconds.tolist(), scores.tolist()
    nearest = [float("inf")] * len(values)
    before: list[int] = []
    for at, value in enumerate(values):
        while before and values[before[-1]] < value:
            before.pop()
        if before:
            nearest[at] = times[at] - times[before[-1]]
        before.append(at)
    after: list[int] = []
    for at in range(len(values) - 1, -1, -1):
        while after and values[after[-1]] <= values[at]:
            after.pop()
        if after:
            nearest[at] = min(nearest[at], times[after[-1]] - times[at])
        after.append(at)
    return np.array(nearest)
