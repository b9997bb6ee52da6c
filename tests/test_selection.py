"""Selection keeps its promise on every table: exactly min(budget, available) frames, and why."""

import itertools
import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fewframes.candidates import Picks
from fewframes.policies import POLICIES, Policy
from fewframes.selection import Selection, select
from fewframes.table import FrameTable

quick = settings(max_examples=60, derandomize=True, deadline=None)
every_policy = pytest.mark.parametrize("policy", list(POLICIES))
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
    )


@st.composite
def wishes(draw, policy, n):
    """Arguments of `select` beside the table."""
    wish = {"policy": policy, "budget": draw(st.integers(1, 50))}
    if draw(st.booleans()):
        bounds = draw(st.tuples(*[st.none() | st.integers(-5, 90)] * 2))
        wish["span"] = bounds if None in bounds else tuple(sorted(bounds))
    wish["min_gap_seconds"] = draw(st.sampled_from([0.0, 0.0, 0.04, 0.1, 0.5, 3.0, 1e9]))
    wish["coverage"] = draw(st.sampled_from([0.0, 0.1, 0.5, 0.75, 1.0]))
    if "fps" in POLICIES[policy].uses:
        wish["fps"] = draw(st.sampled_from(RATES))
    if "relevance" in POLICIES[policy].uses and draw(st.booleans()):
        wish["relevance"] = draw(hnp.arrays(np.float64, n, elements=st.sampled_from(SCORES)))
    return wish


def available_rows(table, *, policy, span=None, min_gap_seconds=0.0, fps=None, **_):
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


@every_policy
@quick
@given(data=st.data())
def test_exactly_the_available_up_to_the_budget(policy, data):
    table = data.draw(tables())
    wish = data.draw(wishes(policy, len(table)))
    chosen = select(table, **wish)
    candidates = available_rows(table, **wish)
    assert len(chosen) == min(wish["budget"], len(candidates))
    assert set(chosen.rows.tolist()) <= set(candidates)
    assert (np.diff(chosen.frame_numbers) > 0).all()
    assert (np.diff(chosen.seconds) >= wish["min_gap_seconds"] - 1e-6).all()


@every_policy
@quick
@given(data=st.data())
def test_columns_describe_the_chosen_frames_and_repeat(policy, data):
    table = data.draw(tables())
    wish = data.draw(wishes(policy, len(table)))
    chosen = select(table, **wish)
    np.testing.assert_array_equal(chosen.frame_numbers, table.frame_numbers[chosen.rows])
    np.testing.assert_array_equal(chosen.pts, table.pts[chosen.rows])
    np.testing.assert_array_equal(chosen.seconds, table.seconds[chosen.rows])
    assert chosen.scores.dtype == np.float32
    assert len(chosen.scores) == len(chosen.reasons) == len(chosen)
    assert not np.isnan(chosen.scores).any()
    assert (chosen.policy, chosen.budget) == (policy, wish["budget"])
    assert_same(chosen, select(table, **wish))


@every_policy
@pytest.mark.parametrize("n", [0, 1, 2, 40])
@pytest.mark.parametrize("budget", [1, 2, 39, 40, 41])
def test_flat_pictures(policy, n, budget):
    table = make_table(
        np.arange(n) * 500,
        signatures=np.ones((n, 3), np.float32),
        is_keyframe=np.ones(n, np.bool_),
    )
    wish = {"fps": 2.0} if policy == "fps" else {}
    assert len(select(table, budget=budget, policy=policy, **wish)) == min(budget, n)


@every_policy
def test_an_empty_table_needs_no_signatures(policy):
    wish = {"fps": 2.0} if policy == "fps" else {}
    chosen = select(FrameTable.from_seconds([]), budget=4, policy=policy, **wish)
    assert len(chosen) == 0
    assert repr(chosen) == f"Selection(0 frames of budget 4, policy {policy!r}, empty)"


def test_a_span_without_frames_is_an_empty_selection():
    table = make_table(np.arange(10) * 1000)
    assert len(select(table, budget=3, policy="uniform", span=(3.2, 3.8))) == 0
    assert len(select(table, budget=3, policy="uniform", span=(100, None))) == 0


def test_span_includes_both_ends():
    table = make_table(np.arange(10) * 1000)
    chosen = select(table, budget=99, policy="uniform", span=(2.0, 5.0))
    assert chosen.frame_numbers.tolist() == [2, 3, 4, 5]


def test_keyframes_survive_a_gap_that_would_skip_them():
    table = make_table(np.arange(100) * 40, is_keyframe=np.arange(100) % 10 == 0)
    chosen = select(table, budget=99, policy="keyframes", min_gap_seconds=0.3)
    assert chosen.rows.tolist() == list(range(0, 100, 10))


def test_a_gap_of_one_frame_keeps_every_frame():
    table = make_table(np.arange(50) * 100)
    assert len(select(table, budget=99, policy="uniform", min_gap_seconds=0.1)) == 50


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"budget": 0}, r"budget=0 selects nothing; pass budget >= 1"),
        ({"budget": -3}, r"budget=-3 selects nothing; pass budget >= 1"),
        ({"policy": "best"}, r"policy='best' is unknown; pass one of adaptive, uniform, fps"),
        ({"span": (5.0, 2.0)}, r"span=\(5.0, 2.0\) starts after it ends; pass \(start_seconds"),
        ({"span": (math.nan, 2.0)}, r"span=\(nan, 2.0\)"),
        ({"min_gap_seconds": -0.1}, r"min_gap_seconds=-0.1 .*pass 0 or more"),
        ({"min_gap_seconds": math.nan}, r"min_gap_seconds=nan"),
        ({"coverage": 1.5}, r"coverage=1.5 .*pass 0 to 1"),
        ({"coverage": math.nan}, r"coverage=nan"),
        ({"relevance": [1.0, 2.0]}, r"relevance has shape \[2\], but the table has 4 rows; pass"),
        (
            {"relevance": [1.0] * 4, "policy": "kcenter"},
            r"policy='kcenter' does not read relevance; leave it out, or use adaptive",
        ),
        ({"fps": 2.0}, r"policy='adaptive' does not read fps; leave it out, or use fps"),
        ({"policy": "fps"}, r"policy='fps' needs a rate; pass fps=2.0"),
        ({"policy": "fps", "fps": 0.0}, r"fps=0.0 is not a rate; pass a positive"),
        ({"policy": "fps", "fps": math.inf}, r"fps=inf is not a rate"),
    ],
)
def test_misuse_names_value_rule_and_cure(wish, message):
    table = make_table(np.arange(4) * 500, signatures=np.eye(4, dtype=np.float32))
    with pytest.raises(ValueError, match=message):
        select(table, **({"budget": 2} | wish))


def test_a_budget_is_a_whole_number():
    table = make_table(np.arange(4) * 500)
    assert len(select(table, budget=np.int64(2), policy="uniform")) == 2
    with pytest.raises(TypeError, match=r"budget=2.5 is not a whole number of frames; pass an int"):
        select(table, budget=2.5, policy="uniform")


@pytest.mark.parametrize("policy", ["kcenter", "adaptive"])
def test_policies_that_need_pictures_say_so(policy):
    rule = f"policy='{policy}' needs signatures, and this table of 4 frames has none; "
    cure = "scan the video or pick a policy that needs only times: uniform, fps, keyframes"
    with pytest.raises(ValueError, match=rule + cure):
        select(make_table(np.arange(4) * 500), budget=2, policy=policy)


def test_repr_shows_counts_and_times_but_no_arrays():
    signatures = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 0, 0]]
    chosen = select(make_table(np.arange(6) * 500, signatures=signatures), budget=3)
    shown = "3 frames of budget 3, policy 'adaptive', 0.50 s to 2.00 s, 2 coverage + 1 novelty"
    assert repr(chosen) == f"Selection({shown})"


def test_a_policy_is_a_function_and_a_row(monkeypatch):
    def latest(candidates, *, budget):
        rows = len(candidates) - 1 - np.arange(budget)
        return Picks(rows, np.arange(budget, dtype=np.float32), ("late",) * budget)

    monkeypatch.setitem(POLICIES, "latest", Policy(latest, needs_pictures=False, summary="the end"))
    chosen = select(make_table(np.arange(9) * 500), budget=2, policy="latest", span=(1.0, 3.0))
    assert chosen.rows.tolist() == [5, 6]
    assert chosen.scores.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("rows", [[0], [0, 0], [0, 9], [-1, 0], [0, 1, 2]])
def test_a_policy_that_breaks_the_promise_is_caught(monkeypatch, rows):
    def broken(candidates, *, budget):
        return Picks(np.array(rows), np.zeros(len(rows), np.float32), ("?",) * len(rows))

    monkeypatch.setitem(POLICIES, "broken", Policy(broken, needs_pictures=False, summary="broken"))
    with pytest.raises(ValueError, match=r"policy='broken' returned .* where 2 different ones"):
        select(make_table(np.arange(9) * 500), budget=2, policy="broken")
