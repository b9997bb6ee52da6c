"""Tables of frames drawn at random, with options of `select` that go with them."""

import itertools
import math
import statistics
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fewframes.features.table import FrameTable
from fewframes.selection.policies import POLICIES
from fewframes.selection.selection import Selection

STEPS_MS = [1, 33, 40, 100, 500, 500, 500, 2000, 60_000]
RATES = [0.5, 1.0, 2.0, 5.0, 1000.0]
VALUES = [0.0, 0.0, 1.0, -1.0, 0.6, 0.8, 3e38, -3e38, math.nan, math.inf, -math.inf]
SCORES = [0.0, 1.0, 1.0, -5.0, 1e-300, 1e308, -1e308, math.nan, math.inf, -math.inf]


def make_table(times_ms, **columns):
    """A table of read-only arrays, so that a selection that writes to its input fails."""
    pts = np.array(times_ms, np.int64)
    base = {
        "frame_numbers": np.arange(len(pts)),
        "pts": pts,
        "time_base": Fraction(1, 1000),
        "start_pts": 0,
        "is_keyframe": np.arange(len(pts)) % 12 == 0,
    }
    for column in (base | columns).values():
        if isinstance(column, np.ndarray):
            column.flags.writeable = False
    return FrameTable(**(base | columns))


@st.composite
def tables(draw):
    n = draw(st.integers(0, 40))
    if draw(st.booleans()):
        steps = [draw(st.sampled_from(STEPS_MS))] * n
    else:
        steps = draw(st.lists(st.sampled_from(STEPS_MS), min_size=n, max_size=n))
    strides = draw(st.lists(st.integers(1, 30), min_size=n, max_size=n))
    shape = (n, draw(st.integers(1, 4)))
    return make_table(
        np.cumsum(steps, dtype=np.int64),
        frame_numbers=np.cumsum(strides, dtype=np.int64),
        is_keyframe=draw(hnp.arrays(np.bool_, n)),
        signatures=draw(hnp.arrays(np.float32, shape, elements=st.sampled_from(VALUES))),
        signals=draw(signals(n)),
        slots=np.cumsum(draw(hnp.arrays(np.bool_, n)), dtype=np.int32),
    )


@st.composite
def signals(draw, n):
    """What tells shots apart: marked, or measured."""
    if draw(st.booleans()):
        return {"shot_start": draw(hnp.arrays(np.bool_, n)).astype(np.float32)}
    values = hnp.arrays(np.float32, n, elements=st.sampled_from([0.0, 0.4, 0.9, 20.0, math.nan]))
    return {"change": draw(values), "changed_area": draw(values)}


def needed(policy):
    """What a policy cannot do without."""
    return {"fps": {"fps": 2.0}, "multiscale": {"anchor_seconds": 3.0}}.get(policy, {})


@st.composite
def options(draw, policy, n):
    """Arguments of `select` beside the table."""
    wish = {"policy": policy, "budget": draw(st.integers(1, 50))}
    if draw(st.booleans()):
        bounds = draw(st.tuples(*[st.none() | st.integers(-5, 90)] * 2))
        wish["span"] = bounds if None in bounds else tuple(sorted(bounds))
    wish["min_gap_seconds"] = draw(st.sampled_from([0.0, 0.0, 0.04, 0.1, 0.5, 3.0, 1e9]))
    wish["distinct"] = draw(st.booleans())
    uses = POLICIES[policy].uses
    if "coverage" in uses and draw(st.booleans()):
        wish["coverage"] = draw(st.sampled_from([0.0, 0.1, 0.5, 0.75, 1.0]))
    if "fps" in uses:
        wish["fps"] = draw(st.sampled_from(RATES))
    if "anchor_seconds" in uses:
        wish["anchor_seconds"] = draw(st.sampled_from([-9.0, 0.0, 1.5, 70.0, 1e6]))
    if "seed" in uses:
        wish["seed"] = draw(st.none() | st.integers(0, 99))
    if "relevance" in uses and draw(st.booleans()):
        wish["relevance"] = draw(hnp.arrays(np.float64, n, elements=st.sampled_from(SCORES)))
    return wish


def available_rows(table, *, policy, span=None, min_gap_seconds=0.0, distinct=False, fps=None, **_):
    """The candidates, spelled out in exact arithmetic on milliseconds."""
    start, end = span or (None, None)
    times = [Fraction(int(pts)) for pts in table.pts]
    low = -math.inf if start is None else start * 1000
    high = math.inf if end is None else end * 1000
    rows = [i for i, ms in enumerate(times) if low <= ms <= high]
    if policy == "keyframes":
        rows = [i for i in rows if table.is_keyframe[i]]
    if policy == "fps" and rows:
        rows = rows_at_rate(rows, times, period=1000 / Fraction(fps))
    if distinct:
        seen = [table.slots[i] for i in rows]
        rows = [i for at, i in enumerate(rows) if table.slots[i] not in seen[:at]]
    kept = []
    for i in rows:
        if not kept or times[i] - times[kept[-1]] >= round(min_gap_seconds * 1000):
            kept.append(i)
    return kept


def rows_at_rate(rows, times, *, period):
    steps = [times[b] - times[a] for a, b in itertools.pairwise(rows)]
    ends = [times[i] for i in rows[1:]] + [times[rows[-1]] + statistics.median(steps or [period])]
    first = times[rows[0]]
    return [
        i
        for i, end in zip(rows, ends, strict=True)
        if first + math.ceil((times[i] - first) / period) * period < end
    ]


def assert_same(left, right):
    for name in Selection.__slots__:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), name)
