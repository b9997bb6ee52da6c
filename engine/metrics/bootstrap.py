"""Means over many videos, with intervals: by how much would other videos change them?

Videos are drawn with replacement (B. Efron, "Bootstrap methods: another look at the jackknife",
1979), because what happens in one video is not independent; 95 % of the draws lie in the interval.
"""

import math
from dataclasses import dataclass

import numpy as np

from fewframes.arrays import F64

DRAWS, SEED, LEVEL = 2000, 0, 0.95


@dataclass(frozen=True, slots=True, repr=False)
class Draws:
    """How often each video counts in each draw; the first draw is the videos as they are.

    >>> draws = Draws.of(3)
    >>> draws.weights.shape, draws.weights[0].tolist(), draws.weights.sum(axis=1).max().item()
    ((2001, 3), [1.0, 1.0, 1.0], 3.0)
    """

    weights: F64
    """``[1 + draws, videos] f64``."""

    @classmethod
    def of(cls, videos: int, *, draws: int = DRAWS, seed: int = SEED) -> "Draws":
        """Draws from so many videos; the same number gives the same draws."""
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(videos, np.full(videos, 1 / videos), draws)
        return cls(np.concatenate([np.ones((1, videos)), drawn]).astype(np.float64))

    def means(self, sums: F64, counts: F64) -> F64:
        """Sums over counts in each draw, ``[1 + draws, …]``; NaN where a draw counts nothing.

        ``sums`` and ``counts`` are ``[…, videos]``.
        """
        total, number = self.weights @ sums.T, self.weights @ counts.T
        empty = np.full(total.shape, np.nan)
        means: F64 = np.divide(total, number, out=empty, where=number > 0)
        return means


def summed_up(means: F64) -> dict[str, float | None]:
    """The value of the first draw, with the interval of the others; None where there is no number.

    Draws that gave no finite number are left out of the interval.

    >>> summed_up(np.array([0.5, 0.4, 0.6]))["mean"], summed_up(np.full(3, np.nan))["low"]
    (0.5, None)
    """
    others = means[1:][np.isfinite(means[1:])]
    bounds = (
        np.quantile(others, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(others) else [np.nan] * 2
    )
    values = [float(value) for value in (means[0], *bounds)]
    rounded = [round(value, 5) if math.isfinite(value) else None for value in values]
    return dict(zip(("mean", "low", "high"), rounded, strict=True))
