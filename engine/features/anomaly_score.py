"""anomaly_score: one score of how unusual each frame of a film is, for `adaptive`.

It weighs the columns that `fewframes.features.anomaly` makes of all rows by how much there is to
see in a frame and by how long its shot is.
"""

from collections.abc import Mapping

import numpy as np

from fewframes.arrays import F64, Samples
from fewframes.features.anomaly import ANOMALY, APART_SECONDS, RARITY
from fewframes.features.signals import DETAIL, SHOT_START

USED = (RARITY, ANOMALY, DETAIL, SHOT_START)
"""Signals that `anomaly_score` reads, in the order in which it takes them."""
BRIEF_GAIN, BRIEF_SHARE = 2.0, 0.1
"""How much more rarity counts in shots no longer than `APART_SECONDS`, and the share of a film up
to which such shots tell something."""


def anomaly_score(signals: Mapping[str, Samples], seconds: F64) -> F64 | None:
    """One score of `USED` signals, ``[n] f64``, 0 for the usual half; None where one is missing.

    In a film that hardly cuts, rarity counts three times in a shot of at most `APART_SECONDS`: what
    cuts in and out again is another scene, also where a camera that roams makes all rare.

    Rarity and anomaly, times detail where that is below its median (the dark, a blur and what
    covers the lens are rare and show nothing), are measured by their own distance from the median
    to the 90 % quantile; the larger one counts. What is not finite counts as 0.

    >>> flat = {"anomaly": np.zeros(3), "detail": np.ones(3), "shot_start": np.zeros(3)}
    >>> anomaly_score({"rarity": np.array([0.1, 0.1, 0.9]), **flat}, np.arange(3) * 10.0)
    array([0.  , 0.  , 1.25])
    """
    if any(name not in signals for name in USED):
        return None
    rarity, anomaly, detail, starts = (
        np.where(np.isfinite(signals[name]), signals[name], 0).astype(np.float64) for name in USED
    )
    if not len(detail):
        return detail
    rarity = rarity * (1 + BRIEF_GAIN * _brief(starts, seconds))
    clear = np.minimum(1.0, detail / max(float(np.median(detail)), 1e-6))
    return np.maximum(_above(rarity * clear, least=0.02), _above(anomaly * clear, least=0.1))


def _brief(starts: F64, seconds: F64) -> F64:
    """1 for rows of short shots, 0 for others and where too much of the film is in short shots."""
    shot = np.cumsum(np.append(0, starts[1:] > 0))
    ends = np.append(seconds[np.flatnonzero(np.diff(shot)) + 1], seconds[-1])
    is_brief = np.diff(ends, prepend=seconds[0])[shot] <= APART_SECONDS
    scalars = bool(is_brief.mean() <= BRIEF_SHARE)
    brief: F64 = (is_brief & scalars).astype(np.float64)
    return brief


def _above(values: F64, *, least: float) -> F64:
    """How far values are above the median, the 90 % quantile being 1; 0 below it."""
    middle, high = np.quantile(values, [0.5, 0.9])
    above: F64 = np.maximum(0.0, values - middle) / max(high - middle, least)
    return above
