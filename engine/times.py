"""Times: seconds as numbers or as people write them, spans of them, and the rows on screen then."""

import math
import numbers
import re
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F64, I64

Time: TypeAlias = float | str
"""Seconds from the first frame of a video, or text: ``"90"``, ``"1:30"``, ``"00:01:30.5"``."""
Span: TypeAlias = tuple[Time | None, Time | None] | slice | None
"""``(start, end)``, both inclusive, None for an open end; a slice ends before its stop."""
Bounds: TypeAlias = tuple[float | None, float | None] | None
"""A span in seconds, None for an open end, and for the whole video."""
FrameIndexer: TypeAlias = npt.ArrayLike | slice | None
"""Numbers or times in any order, repeats allowed; or a slice of what is there."""

SAME_SECONDS = 1e-9
"""A time this close to a frame's own belongs to that frame."""

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d*)?)")


def as_seconds(time: Time, name: str = "time") -> float:
    """Reads one time as seconds.

    Raises:
        ValueError: The text is no time; ``name`` is the argument in the message.
        TypeError: It is neither a number nor text.

    >>> as_seconds("00:01:30.5"), as_seconds("1:30"), as_seconds("90"), as_seconds(90)
    (90.5, 90.0, 90.0, 90.0)
    """
    if isinstance(time, numbers.Real):
        return float(time)
    if not isinstance(time, str):
        raise TypeError(f"{name}={time!r} is no time; pass seconds, or text such as '00:01:30'")
    if clock := _CLOCK.fullmatch(time.strip()):
        hours, minutes, seconds = clock.groups(default="0")
        if float(seconds) < 60 and (clock[1] is None or int(minutes) < 60):
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    try:
        return float(time)
    except ValueError:
        raise ValueError(
            f"{name}={time!r} is no time; pass seconds, MM:SS or HH:MM:SS, with a fraction or not"
        ) from None


def as_times(times: npt.ArrayLike) -> F64:
    """Reads one time or many as an array of seconds, ``[k] f64``; raises as `as_seconds`.

    >>> as_times(["1:30", 2.5]).tolist(), as_times("0:04").tolist()
    ([90.0, 2.5], [4.0])
    """
    given: Any = [times] if isinstance(times, str) else times
    if _has_text(given):
        return np.array([as_seconds(one, "seconds") for one in given])
    return np.atleast_1d(np.asarray(times, np.float64))


def whole_numbers(values: npt.ArrayLike, name: str) -> I64:
    """Reads one number or many as an array, ``[k] i64``; raises TypeError for what is not whole.

    >>> whole_numbers([1, 2], "frames").tolist(), whole_numbers(7, "rows").tolist()
    ([1, 2], [7])
    """
    numbers = np.atleast_1d(np.asarray(values))
    if numbers.size and not np.issubdtype(numbers.dtype, np.integer):
        raise TypeError(f"{name} must be whole numbers, got {numbers.dtype}; for times, seconds=")
    return numbers.astype(np.int64)


def requested_times(seconds: FrameIndexer) -> F64 | slice | None:
    """Reads what `read` is asked for by time: one time or many, or a slice, whose step stays.

    >>> requested_times(slice("1:00", None, 2))
    slice(60.0, None, 2)
    """
    if not isinstance(seconds, slice):
        return None if seconds is None else as_times(seconds)
    ends = seconds.start, seconds.stop
    start, stop = (None if end is None else as_seconds(end, "seconds") for end in ends)
    return slice(start, stop, seconds.step)


def bounds_of(span: Span) -> tuple[float, float]:
    """Reads a span as its first and last second, both inclusive, infinite where it is open.

    Raises:
        ValueError: It starts after it ends, or has a step.

    >>> bounds_of((2.0, None)), bounds_of(("0:30", "1:00"))
    ((2.0, inf), (30.0, 60.0))
    """
    if span is None:
        return -math.inf, math.inf
    if isinstance(span, slice) and span.step is not None:
        raise ValueError(f"span={span} has a step; pass slice(start, stop), or (start, end)")
    start, end = (span.start, span.stop) if isinstance(span, slice) else span
    low = -math.inf if start is None else as_seconds(start, "span")
    high = math.inf if end is None else as_seconds(end, "span")
    if not low <= high:
        raise ValueError(
            f"span={span} starts after it ends; pass (start_seconds, end_seconds) in that order"
        )
    if isinstance(span, slice) and math.isfinite(high):
        high = math.nextafter(high, -math.inf)
    return low, high


def span_of(span: Span) -> Bounds:
    """Reads a span as seconds, with None for each end that is open.

    >>> span_of(("0:30", None)), span_of((None, None))
    ((30.0, None), None)
    """
    low, high = bounds_of(span)
    if math.isinf(low) and math.isinf(high):
        return None
    return None if math.isinf(low) else low, None if math.isinf(high) else high


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


def _has_text(times: Any) -> bool:  # noqa: ANN401 (array-like)
    if isinstance(times, np.ndarray):
        return times.dtype.kind in "UO"
    return isinstance(times, Iterable) and any(isinstance(one, str) for one in times)
