"""Policies that look at the clock alone: where in time should the frames be?

`uniform`, `segment_mid` and `multiscale` differ in their targets. A target takes the candidate
nearest to it; one that is taken already passes the target on, so that all frames are different.
"""

import math

import numpy as np

from fewframes.arrays import F64, I64
from fewframes.features.table import FrameTable
from fewframes.selection.candidates import ROUNDING_SECONDS, Candidates, Picks


def keyframe_rows(table: FrameTable, *, rows: I64, fps: float | None) -> I64:
    """Keeps the rows a decoder can start at.

    >>> table = FrameTable.from_seconds([0.0, 0.5, 1.0])
    >>> keyframe_rows(table, rows=np.arange(3), fps=None).tolist()
    [0]
    """
    return rows[table.is_keyframe[rows]]


def rate_rows(table: FrameTable, *, rows: I64, fps: float | None) -> I64:
    """Keeps the rows on screen at t0, t0 + 1/fps, t0 + 2/fps, …, where t0 is the first row's time.

    A row is on screen from its time until the next row's; the last one for the median step.
    Raises ValueError unless ``fps`` is a positive number.

    >>> table = FrameTable.from_seconds([0.0, 0.4, 0.8, 1.2, 1.6])
    >>> rate_rows(table, rows=np.arange(5), fps=1.0).tolist()
    [0, 2]
    """
    if fps is None:
        raise ValueError("policy='fps' needs a rate; pass fps=2.0 for one frame every half second")
    if not 0 < fps < math.inf:
        raise ValueError(f"fps={fps} is not a rate; pass a positive number of frames a second")
    if not len(rows):
        return rows
    seconds: F64 = table.seconds[rows]
    edges = np.append(seconds, seconds[-1] + max(last_step(seconds, 1 / fps), 2e-9))
    ticks: F64 = np.ceil((edges - seconds[0] - ROUNDING_SECONDS) * fps)
    return rows[ticks[:-1] < ticks[1:]]


def uniform(candidates: Candidates, *, budget: int) -> Picks:
    """Spreads the budget evenly over time (not over rows: rates vary, and scans have holes).

    1. The targets are ``budget`` equally spaced times from the first candidate to the last; one
       target is the middle.
    2. Each takes the candidate nearest in time, the even row on a tie.
    3. One that is taken already passes the target on to the next row, and a run that hits the end
       is pushed back.

    At a constant rate the rows are ``np.linspace(0, n - 1, budget).round()``. All scores are 0.
    O(n).

    >>> seconds = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 20.0])
    >>> uniform(Candidates(seconds=seconds, is_keyframe=seconds == 0), budget=3).rows.tolist()
    [0, 4, 5]
    """
    return timed(even_rows(candidates.seconds, budget=budget), "uniform")


def segment_mid(candidates: Candidates, *, budget: int) -> Picks:
    """Takes the frame on screen in the middle of each of K equal segments of time.

    1. The time from the first candidate to the end of the last one, which is shown for the median
       step, is cut into ``budget`` equal segments.
    2. Each segment takes the candidate that is on screen in its middle.
    3. A candidate that is taken already passes the target on to the next, as in `uniform`.

    Temporal Segment Networks (L. Wang et al., ECCV 2016) test on these; at a constant rate the rows
    are ⌊(i + ½) · n / K⌋. All scores are 0. O(n).

    >>> seconds = np.arange(10.0)
    >>> segment_mid(Candidates(seconds=seconds, is_keyframe=seconds == 0), budget=2).rows.tolist()
    [2, 7]
    """
    return timed(middle_rows(candidates.seconds, budget=budget), "segment")


def multiscale(candidates: Candidates, *, budget: int) -> Picks:
    """Looks closely around ``anchor_seconds`` and ever more sparsely away from it.

    1. Proximal frames: the ⌈K/2⌉ candidates nearest to the anchor in time, the earlier on a tie.
    2. Distal frames: the other candidates get a clock of their own, the logarithm of their
       distance from the anchor in units of the farthest proximal one, negative before it.
    3. The rest of the budget is spread evenly over that clock, ends included, so that distances
       grow like powers.

    The split into dense proximal and sparse distal frames is that of Act2Goal (arXiv 2512.23541),
    around its goal. All scores are 0. O(n log n).

    >>> seconds = np.arange(100.0)
    >>> frames = Candidates(seconds=seconds, is_keyframe=seconds == 0, anchor_seconds=40.0)
    >>> sorted(multiscale(frames, budget=8).rows.tolist())
    [0, 37, 38, 39, 40, 41, 45, 99]
    """
    anchor = candidates.anchor_seconds
    if anchor is None or not math.isfinite(anchor):
        raise ValueError(
            f"anchor_seconds={anchor} is not a time, and policy='multiscale' is dense around one; "
            "pass anchor_seconds=12.5"
        )
    away = candidates.seconds - anchor
    near = np.argsort(np.abs(away).round(9), kind="stable")[: (budget + 1) // 2]
    others = np.setdiff1d(np.arange(len(away)), near)
    unit = max(float(np.abs(away[near]).max()), ROUNDING_SECONDS)
    clock = np.sign(away[others]) * np.log1p(np.abs(away[others]) / unit)
    far = others[even_rows(clock, budget=budget - len(near))]
    reasons = ("proximal",) * len(near) + ("distal",) * len(far)
    return Picks(np.concatenate([near, far]), np.zeros(budget, np.float32), reasons)


def timed(rows: I64, reason: str) -> Picks:
    """Wraps rows that were taken for their time alone: all scores are 0.

    >>> timed(np.array([3, 5]), "uniform").reasons
    ('uniform', 'uniform')
    """
    return Picks(rows, np.zeros(len(rows), np.float32), (reason,) * len(rows))


def even_rows(clock: F64, *, budget: int) -> I64:
    """Rows nearest to equally spaced readings of a rising clock, all different, ``[budget] i64``.

    >>> even_rows(np.array([0.0, 1.0, 2.0, 9.0]), budget=2).tolist()
    [0, 3]
    """
    if not budget:
        return np.empty(0, np.int64)
    n = len(clock)
    targets = np.linspace(clock[0], clock[-1], budget)
    if budget == 1:
        targets = (clock[:1] + clock[-1:]) / 2
    # Half-way between two times is half-way between their rows, so rounding finds the nearest.
    nearest = np.rint(np.interp(targets, clock, np.arange(n)).round(6)).astype(np.int64)
    return made_unique(nearest, n=n)


def middle_rows(seconds: F64, *, budget: int) -> I64:
    """Rows on screen in the middle of equal segments, all different, ``[budget] i64``.

    >>> middle_rows(np.arange(9.0), budget=3).tolist()
    [1, 4, 7]
    """
    shown_for = float(seconds[-1] - seconds[0]) + last_step(seconds, 1.0)
    middles = seconds[0] + (np.arange(budget) + 0.5) * (shown_for / budget)
    on_screen = np.searchsorted(seconds, middles + ROUNDING_SECONDS, side="right") - 1
    return made_unique(on_screen, n=len(seconds))


def made_unique(rows: I64, *, n: int) -> I64:
    """Pushes sorted rows apart until all differ, back from the end n where they hit it.

    >>> made_unique(np.array([2, 2, 2, 5]), n=6).tolist()
    [2, 3, 4, 5]
    """
    order = np.arange(len(rows))
    rising = order + np.maximum.accumulate(rows - order)
    return np.minimum(rising, n - len(rows) + order)


def last_step(seconds: F64, alone: float) -> float:
    """How long the last row is shown: for the median step, or as given where it is alone.

    >>> last_step(np.array([0.0, 1.0, 3.0]), 9.0), last_step(np.zeros(1), 9.0)
    (1.5, 9.0)
    """
    return float(np.median(np.diff(seconds))) if len(seconds) > 1 else alone
