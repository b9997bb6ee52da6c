"""Pairs: which pictures does a model get that fuses every two of them?

Qwen-VL and GLM-V models embed two successive pictures as one patch in time, and know one time for
both: the mean. Of two pictures that lie far apart that is the time of neither, and the patch
a mixture of both. So only neighbours are fused; a picture that has none is sent twice, which is
what these models do with a still image.
"""

from typing import Literal

import numpy as np

from fewframes.arrays import F64, I64

Pairing = Literal["neighbour", "repeat", "images"]
"""``neighbour``: two pictures close in time are fused, any other is sent twice. ``repeat``: every
picture is sent twice. ``images``: pictures between lines of text that say their times, for models
that take no other."""
PAIRINGS: tuple[Pairing, ...] = ("neighbour", "repeat", "images")
NEAR_SECONDS = 1.0
"""How far apart neighbours may be: what is told is then at most half a second off."""


def paired_rows(seconds: F64, pairing: Pairing, *, near_seconds: float = NEAR_SECONDS) -> I64:
    """Gives the rows to send, two for each patch in time, ``[n] f64 -> [2 m] i64``.

    Raises:
        ValueError: The times go back, or ``pairing`` makes no pairs.

    >>> paired_rows(np.array([0.0, 0.5, 90.0]), "neighbour").tolist()
    [0, 1, 2, 2]
    >>> paired_rows(np.array([0.0, 0.5]), "repeat").tolist()
    [0, 0, 1, 1]
    """
    if (np.diff(seconds) < 0).any():
        raise ValueError("times of frames to hand over must not go back; sort the batch by time")
    if pairing not in ("neighbour", "repeat"):
        raise ValueError(f"pairing={pairing!r} makes no pairs; pass 'neighbour' or 'repeat'")
    rows: list[int] = []
    row = 0
    while row < len(seconds):
        is_near = row + 1 < len(seconds) and seconds[row + 1] - seconds[row] <= near_seconds
        other = row + 1 if pairing == "neighbour" and is_near else row
        rows += [row, other]
        row = other + 1
    return np.array(rows, np.int64)
