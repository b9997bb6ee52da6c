"""Requested: maps frame numbers, rows or times to the rows of a table."""

import numpy as np

from fewframes.arrays import F64, I64
from fewframes.features.table import FrameTable
from fewframes.times import FrameIndexer, rows_at, rows_between, whole_numbers


def requested_rows(
    table: FrameTable,
    video: str,
    duration_seconds: float,
    *,
    frames: FrameIndexer = None,
    rows: FrameIndexer = None,
    seconds: FrameIndexer = None,
) -> I64:
    """Gives the rows that exactly one of frames, rows and seconds stands for, ``[k] i64``.

    Raises:
        ValueError: Not exactly one is given, or a slice counts from the end where none does.
        IndexError: A frame is not indexed, or a row or time is outside the video.

    >>> table = FrameTable.from_seconds([0.0, 0.5, 1.0])
    >>> requested_rows(table, "film", 1.5, seconds=[0.7, 0.5]).tolist()
    [1, 1]
    """
    if sum(given is not None for given in (frames, rows, seconds)) != 1:
        raise ValueError("read needs one of frames=[…], rows=[…] or seconds=[…]")
    if isinstance(rows, slice):
        return np.arange(len(table))[rows]
    if isinstance(frames, slice):
        return rows_between(table.frame_numbers, frames)
    if isinstance(seconds, slice):
        return rows_between(table.seconds, seconds)
    if frames is not None:
        return _rows_of_frames(table, video, whole_numbers(frames, "frames"))
    if rows is not None:
        return _checked_rows(table, video, whole_numbers(rows, "rows"))
    times = np.atleast_1d(np.asarray(seconds, np.float64))
    return _rows_at(table, video, duration_seconds, times)


def _rows_of_frames(table: FrameTable, video: str, numbers: I64) -> I64:
    known = table.frame_numbers
    at = np.searchsorted(known, numbers)
    is_there = np.isin(numbers, known)
    if not is_there.all():
        first = int(np.flatnonzero(~is_there)[0])
        near = known[max(0, at[first] - 1) : at[first] + 1].tolist()
        raise IndexError(
            f"frame {numbers[first]} of {video!r} is not indexed; the indexed frames next "
            f"to it: {', '.join(map(str, near)) or 'none'} ({len(known)} in all)"
        )
    return at


def _checked_rows(table: FrameTable, video: str, rows: I64) -> I64:
    outside = rows[(rows < 0) | (rows >= len(table))]
    if outside.size:
        raise IndexError(
            f"row {outside[0]} of {video!r} is asked for, but it has {len(table)} rows from 0"
        )
    return rows


def _rows_at(table: FrameTable, video: str, duration: float, times: F64) -> I64:
    shown = table.seconds
    first = float(shown[0]) if len(shown) else np.inf
    at = rows_at(shown, times) if len(shown) else np.full(len(times), -1)
    outside = times[~((at >= 0) & (times >= 0) & (times <= duration))]
    if outside.size:
        raise IndexError(
            f"time {outside[0]} s of {video!r} is asked for, but it is indexed "
            f"from {first:.3f} to {duration:.3f} s"
        )
    return at
