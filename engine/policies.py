"""Policies: given the frames that may be chosen, which `budget` of them?

A policy is one function and one row of `POLICIES`. It sees prepared arrays only:

1. the caller (`fewframes.selection.select`) keeps the rows in the span, asks the policy's `domain`
   which of them it may pick from, and thins them to the smallest gap allowed;
2. the function gets those as `Candidates`, in order of time, and a budget between 1 and their
   number;
3. it returns `Picks`: exactly that many different rows, in any order, each with a score and a
   reason. The caller sorts them and checks the promise.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fewframes.arrays import F64, I64
from fewframes.candidates import ROUNDING_SECONDS, Candidates, Picks
from fewframes.novelty import adaptive, kcenter
from fewframes.table import FrameTable


@dataclass(frozen=True, slots=True)
class Policy:
    """One row of `POLICIES`.

    >>> POLICIES["adaptive"].needs_pictures
    True
    """

    function: Callable[..., Picks]
    """``function(candidates, *, budget) -> Picks``, with 1 <= budget <= len(candidates)."""
    needs_pictures: bool
    """Whether it reads signatures, so that the frames have to be scanned first."""
    summary: str
    """One line for lists and error texts."""
    domain: Callable[..., I64] | None = None
    """``domain(table, *, rows, fps) -> rows``: those it may pick from; None takes all."""
    uses: tuple[str, ...] = ()
    """Which of the optional arguments ``relevance`` and ``fps`` of `select` it reads."""


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
    step = float(np.median(np.diff(seconds))) if len(rows) > 1 else 1 / fps
    edges = np.append(seconds, seconds[-1] + max(step, 2 * ROUNDING_SECONDS))
    ticks: F64 = np.ceil((edges - seconds[0] - ROUNDING_SECONDS) * fps)
    return rows[ticks[:-1] < ticks[1:]]


def uniform(candidates: Candidates, *, budget: int) -> Picks:
    """Spreads the budget evenly over time (not over rows: rates vary, and scans have holes).

    The targets are ``budget`` equally spaced times from the first candidate to the last; one
    target is the middle. Each takes the candidate nearest in time, the even row on a tie; one that
    is taken already passes the target on to the next row, and a run that hits the end is pushed
    back. At a constant rate the rows are ``np.linspace(0, n - 1, budget).round()``.
    All scores are 0.

    >>> seconds = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 20.0])
    >>> uniform(Candidates(seconds=seconds, is_keyframe=seconds == 0), budget=3).rows.tolist()
    [0, 4, 5]
    """
    n, seconds = len(candidates), candidates.seconds
    targets = np.linspace(seconds[0], seconds[-1], budget)
    if budget == 1:
        targets = (seconds[:1] + seconds[-1:]) / 2
    # Half-way between two times is half-way between their rows, so rounding finds the nearest.
    nearest = np.rint(np.interp(targets, seconds, np.arange(n)).round(6)).astype(np.int64)
    order = np.arange(budget)
    rising = order + np.maximum.accumulate(nearest - order)
    rows = np.minimum(rising, n - budget + order)
    return Picks(rows, np.zeros(budget, np.float32), ("uniform",) * budget)


POLICIES: dict[str, Policy] = {
    "adaptive": Policy(
        adaptive,
        needs_pictures=True,
        summary="a floor on temporal coverage, the rest on novelty",
        uses=("relevance",),
    ),
    "uniform": Policy(uniform, needs_pictures=False, summary="evenly spaced in time"),
    "fps": Policy(
        uniform,
        needs_pictures=False,
        summary="a fixed rate, thinned",
        domain=rate_rows,
        uses=("fps",),
    ),
    "keyframes": Policy(
        uniform,
        needs_pictures=False,
        summary="keyframes, evenly spaced in time",
        domain=keyframe_rows,
    ),
    "kcenter": Policy(kcenter, needs_pictures=True, summary="greedy k-centre over signatures"),
}
"""Name -> policy. A new one is one function and one row here."""
