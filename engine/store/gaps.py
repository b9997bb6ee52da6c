"""Gaps: which stretches of a film that could not be decoded does a request step over?

The frames of such a stretch have no rows. Who asks for a time in it is given the frame before it,
and who asks for a span is given what is left of it; a batch's report says which frames are missing:
``report["bad_ranges"]``, first and last frame number of each stretch.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from fewframes.arrays import F64, I64
from fewframes.decode.batch import FrameBatch
from fewframes.features.table import FrameTable
from fewframes.times import FrameIndexer

NEAR_SECONDS = 1e-6
"""Times that are given as decimals fall short of a frame's own by less."""


def with_gaps(
    batch: FrameBatch,
    bad_ranges: list[list[int]],
    table: FrameTable,
    rows: I64,
    *,
    duration_seconds: float,
    **request: FrameIndexer,
) -> FrameBatch:
    """Adds to the report of a batch of ``rows`` which frames of the request are missing.

    The report of a video without such stretches stays as it is.
    """
    if not bad_ranges or not len(table):
        return batch
    missing = stepped_over(bad_ranges, table, rows, duration_seconds=duration_seconds, **request)
    return dataclasses.replace(batch, report={**batch.report, "bad_ranges": missing})


def stepped_over(
    bad_ranges: list[list[int]],
    table: FrameTable,
    rows: I64,
    *,
    duration_seconds: float,
    frames: FrameIndexer = None,
    seconds: FrameIndexer = None,
) -> list[list[int]]:
    """Gives the stretches that a request steps over, of which ``rows`` is the answer.

    When frames that are missing are shown is interpolated between those that are there.

    >>> table = FrameTable.from_seconds([0.0, 1.0, 4.0])
    >>> table = dataclasses.replace(table, frame_numbers=np.array([0, 25, 100]))
    >>> how = {"duration_seconds": 5.0}
    >>> stepped_over([[30, 95]], table, np.array([1]), seconds=[1.1], **how)
    []
    >>> stepped_over([[30, 95]], table, np.array([1]), seconds=[2.0], **how)
    [[30, 95]]
    """
    if not bad_ranges:
        return []
    edges = np.array(bad_ranges, np.int64)
    if isinstance(frames, slice):
        return _within(bad_ranges, edges, frames)
    if isinstance(seconds, slice):
        return _within(bad_ranges, _times_of(edges, table, duration_seconds), seconds)
    if seconds is None:
        return []
    times = np.atleast_1d(np.asarray(seconds, np.float64))
    begins = _times_of(edges[:, 0], table, duration_seconds)
    before = table.frame_numbers[rows]
    is_hit = (edges[:, :1] > before) & (begins[:, None] <= times + NEAR_SECONDS)
    following = np.append(table.frame_numbers, np.iinfo(np.int64).max)[rows + 1]
    is_hit &= edges[:, :1] < following
    return [pair for pair, hits in zip(bad_ranges, is_hit, strict=True) if hits.any()]


def _within(bad_ranges: list[list[int]], edges: Any, span: slice) -> list[list[int]]:  # noqa: ANN401
    """Those whose edges, ``[n, 2]`` frame numbers or seconds, overlap a span."""
    low = -math.inf if span.start is None else span.start
    high = math.inf if span.stop is None else span.stop
    is_hit = (edges[:, 1] >= low) & (edges[:, 0] < high)
    return [pair for pair, hit in zip(bad_ranges, is_hit, strict=True) if hit]


def _times_of(numbers: I64, table: FrameTable, duration_seconds: float) -> F64:
    """When frames are shown that have no row, by those that have one, and by the film's end."""
    last = table.film.frames if table.film else int(table.frame_numbers[-1]) + 1
    known = np.concatenate([table.frame_numbers, [last]]).astype(np.float64)
    shown = np.append(table.seconds, max(duration_seconds, float(table.seconds[-1])))
    if known[0] > 0:
        known, shown = np.append(0.0, known), np.append(0.0, shown)
    found: F64 = np.interp(numbers.astype(np.float64), known, shown)
    return found
