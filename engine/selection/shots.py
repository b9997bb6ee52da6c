"""Policy `shots`: a film is a row of shots; every shot should be seen.

1. `shot_numbers` says in which shot each frame of a table is.
2. `shots` shares the budget out and takes the middles of equal segments of each shot.
"""

import numpy as np

from fewframes.arrays import F64, I64, Mask
from fewframes.features.signals import CHANGE, CHANGED_AREA, SHOT_START
from fewframes.features.table import FrameTable
from fewframes.selection.candidates import Candidates, Picks
from fewframes.selection.temporal import last_step, middle_rows, timed

CUT_AREA = 0.5
"""A cut changes at least this share of the blocks."""
CUT_CONTRAST = 2.0
"""A cut changes a frame this many times as much as the frames beside it are changed."""


def shot_numbers(table: FrameTable) -> I64:
    """Numbers the shots of a table from 0, ``[n] i64``.

    A shot starts where the signal ``shot_start`` is not 0. A table without it is cut where at
    least half of the blocks changed (``changed_area``) and the picture changed at least twice as
    much as at the rows before and after (``change``): a cut stands alone, where a pan or shaking
    goes on. Raises ValueError where the table has neither.

    >>> calm = [0.0, 1.0, 1.0, 30.0, 1.0]
    >>> area = [0.0, 0.1, 0.1, 0.9, 0.1]
    >>> signals = {"change": np.array(calm), "changed_area": np.array(area)}
    >>> shot_numbers(FrameTable.from_seconds([0, 1, 2, 3, 4], signals=signals)).tolist()
    [0, 0, 0, 1, 1]
    """
    signals = table.signals
    if SHOT_START in signals:
        starts: Mask = signals[SHOT_START] != 0
    elif {CHANGE, CHANGED_AREA} <= signals.keys():
        change = np.append(np.asarray(signals[CHANGE], np.float64), 0.0)
        beside = np.maximum(np.roll(change, 1), np.roll(change, -1))[:-1]
        stands_alone = change[:-1] >= CUT_CONTRAST * beside
        starts = stands_alone & (signals[CHANGED_AREA] >= CUT_AREA)
    elif len(table):
        raise ValueError(
            f"policy='shots' needs the signals shot_start, or change and changed_area, and this "
            f"table of {len(table)} frames has {', '.join(signals) or 'none'}; scan the video"
        )
    else:
        return np.empty(0, np.int64)
    numbers: I64 = np.cumsum(starts.astype(np.int64))
    return numbers - numbers[:1]


def shots(candidates: Candidates, *, budget: int) -> Picks:
    """Spreads the budget over the shots, and over the time of each shot.

    1. Each shot gets one frame; where there are more shots than frames, the longest do, the
       earlier on a tie.
    2. Each next frame goes to the shot with the most time a frame it would then have, as seats go
       to parties by D'Hondt's rule; none gets more frames than it has.
    3. A shot with k frames gives those on screen in the middle of k equal segments of it.

    All scores are 0. One frame a shot is what shot-based key frames have been since HZ. Zhang et
    al., "An integrated system for content-based video retrieval and browsing", 1997.
    O(n + budget · shots).

    >>> from fewframes.selection.candidates import example_candidates
    >>> shots(example_candidates(), budget=4).rows.tolist()
    [1, 2, 4, 5]
    """
    numbers = np.zeros(len(candidates), np.int64) if candidates.shots is None else candidates.shots
    firsts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    ends = np.append(firsts[1:], len(numbers))
    seconds = candidates.seconds  # a shot lasts until the next one starts
    edges = np.append(seconds, seconds[-1] + last_step(seconds, 1.0))[np.append(0, ends)]
    counts = dhondt(np.diff(edges), most=ends - firsts, budget=budget)
    rows = [
        first + middle_rows(seconds[first:end], budget=int(count))
        for first, end, count in zip(firsts, ends, counts, strict=True)
        if count
    ]
    return timed(np.concatenate(rows), "shot")


def dhondt(weights: F64, *, most: I64, budget: int) -> I64:
    """Shares out whole frames by highest averages, one each first, ``[m] i64``.

    >>> dhondt(np.array([6.0, 2.0, 1.0]), most=np.array([9, 9, 9]), budget=5).tolist()
    [3, 1, 1]
    """
    counts = np.zeros(len(weights), np.int64)
    for _ in range(budget):
        has_some = counts > 0
        claims = weights / (counts + 1) if has_some.all() else np.where(has_some, -np.inf, weights)
        counts[np.argmax(np.where(counts < most, claims, -np.inf))] += 1
    return counts
