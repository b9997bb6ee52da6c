"""Times in seconds: what are ticks, which frame is on screen, and which lie in a slice?"""

import numpy as np

from fewframes.arrays import F64, I64

SAME_SECONDS = 1e-9
"""A time this close to a frame's own belongs to that frame."""
SCAN_FPS = 2.0
"""Frames that a scan measures of each second, unless the caller says otherwise."""


def seconds_of(ticks: int, time_base: str) -> float:
    """Gives ticks of a time base, as records write it, in seconds, rounded once.

    >>> seconds_of(25_600, "1/12800")
    2.0
    """
    numerator, denominator = map(int, time_base.split("/"))
    return ticks * numerator / denominator


def rows_at(shown: F64, times: F64) -> I64:
    """Gives the last row shown at or before each time; -1 for a time before the first.

    A time within a nanosecond of the next row's own belongs to that, unless it is exactly the time
    of a row itself.

    >>> rows_at(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0 - 1e-12, 1.5])).tolist()
    [0, 1, 1]
    """
    at = np.searchsorted(shown, times, side="right") - 1
    after = np.minimum(at + 1, len(shown) - 1)
    is_own = (at >= 0) & (shown[np.maximum(at, 0)] == times)
    is_next = ~is_own & (np.abs(shown[after] - times) <= SAME_SECONDS)
    return np.where(is_next, after, at)


def rows_between(values: I64 | F64, requested: slice) -> I64:
    """Gives the rows whose value is in a half-open range, every ``step``-th of them.

    ``values`` do not decrease. Raises ValueError for a slice that counts from the end.

    >>> rows_between(np.array([0.0, 0.5, 1.0, 1.5]), slice(0.5, 1.5)).tolist()
    [1, 2]
    """
    if any(end is not None and end < 0 for end in (requested.start, requested.stop)):
        raise ValueError(
            f"{requested} counts from the end, but frames and seconds count from 0; "
            f"pass rows={requested}"
        )
    first, end = (
        np.searchsorted(values, edge) if edge is not None else default
        for edge, default in ((requested.start, 0), (requested.stop, len(values)))
    )
    return np.arange(first, end)[:: requested.step]
