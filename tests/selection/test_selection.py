"""Selection keeps its promise on every table: exactly min(budget, available) frames, and why."""

import itertools
import math

import numpy as np
import pytest
from drawn_tables import (
    STEPS_MS,
    assert_same,
    available_rows,
    make_table,
    needed,
    options,
    tables,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from fewframes.features.table import FrameTable
from fewframes.selection.policies import POLICIES
from fewframes.selection.selection import select

quick = settings(max_examples=60, derandomize=True, deadline=None)
EXACT = [name for name, row in POLICIES.items() if not row.is_upstream_sampler]
every_policy = pytest.mark.parametrize("policy", EXACT)
that_read = {
    name: pytest.mark.parametrize("policy", [p for p in EXACT if name in POLICIES[p].uses])
    for name in ("coverage", "relevance")
}


@pytest.mark.slow
@every_policy
@quick
@given(data=st.data())
def test_exactly_the_available_up_to_the_budget(policy, data):
    table = data.draw(tables())
    wish = data.draw(options(policy, len(table)))
    chosen = select(table, **wish)
    candidates = available_rows(table, **wish)
    assert len(chosen) == min(wish["budget"], len(candidates))
    assert set(chosen.rows.tolist()) <= set(candidates)
    assert (np.diff(chosen.frame_numbers) > 0).all()
    assert (np.diff(chosen.seconds) >= wish["min_gap_seconds"] - 1e-6).all()


@pytest.mark.slow
@every_policy
@quick
@given(data=st.data())
def test_columns_describe_the_chosen_frames_and_repeat(policy, data):
    table = data.draw(tables())
    wish = data.draw(options(policy, len(table)))
    chosen = select(table, **wish)
    np.testing.assert_array_equal(chosen.frame_numbers, table.frame_numbers[chosen.rows])
    np.testing.assert_array_equal(chosen.pts, table.pts[chosen.rows])
    np.testing.assert_array_equal(chosen.seconds, table.seconds[chosen.rows])
    assert chosen.scores.dtype == np.float32
    assert len(chosen.scores) == len(chosen.reasons) == len(chosen)
    assert not np.isnan(chosen.scores).any()
    assert (chosen.policy, chosen.budget) == (policy, wish["budget"])
    assert_same(chosen, select(table, **wish))


@pytest.mark.slow
@that_read["coverage"]
@quick
@given(data=st.data(), coverage=st.sampled_from([0.01, 0.125, 0.3, 0.5, 1.0]))
def test_coverage_bounds_how_far_a_candidate_is_from_a_chosen_frame(policy, data, coverage):
    table = data.draw(tables())
    wish = data.draw(options(policy, len(table))) | {"coverage": coverage}
    chosen = select(table, **wish)
    available = table.seconds[available_rows(table, **wish)]
    if not len(chosen):
        return
    bins = math.ceil(round(coverage * len(chosen), 9))
    away = np.abs(available[:, np.newaxis] - chosen.seconds).min(axis=1)
    assert away.max() <= (available[-1] - available[0]) / bins + 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("policy", [p for p in EXACT if POLICIES[p].is_nested])
@quick
@given(data=st.data())
def test_a_smaller_budget_gives_a_part_of_a_larger_one_s_frames(policy, data):
    table = data.draw(tables())
    wish = data.draw(options(policy, len(table)))
    wish.pop("coverage", None)
    fewer = select(table, **wish | {"budget": data.draw(st.integers(1, wish["budget"]))})
    assert set(fewer.rows.tolist()) <= set(select(table, **wish).rows.tolist())


@that_read["relevance"]
@pytest.mark.parametrize("flat", [0.0, -7.0, 1e308, math.nan, math.inf])
def test_flat_scores_are_no_scores(policy, flat):
    rng = np.random.default_rng(4)
    signatures = rng.standard_normal((50, 5)).astype(np.float32)
    table = make_table(np.arange(50) * 500, signatures=signatures)
    without = select(table, budget=7, policy=policy)
    scored = select(table, budget=7, policy=policy, relevance=np.full(50, flat))
    if flat != math.inf:  # every frame is then the most relevant there can be
        assert_same(scored, without)
    assert len(scored) == 7


@that_read["relevance"]
def test_a_signal_may_be_the_relevance(policy):
    sharp = np.random.default_rng(5).random(50, np.float32)
    signatures = np.random.default_rng(6).standard_normal((50, 5)).astype(np.float32)
    table = make_table(np.arange(50) * 500, signatures=signatures, signals={"sharpness": sharp})
    named = select(table, budget=7, policy=policy, relevance="sharpness")
    assert_same(named, select(table, budget=7, policy=policy, relevance=sharp))
    with pytest.raises(ValueError, match=r"relevance='blur' is not a signal .*\(sharpness\)"):
        select(table, budget=7, policy=policy, relevance="blur")


@pytest.mark.slow
@quick
@given(data=st.data(), more=st.integers(0, 9))
def test_maxvol_floats_between_the_budget_and_k_max(data, more):
    table = data.draw(tables())
    wish = data.draw(options("maxvol", len(table)))
    chosen = select(table, **wish, k_max=wish["budget"] + more)
    available = available_rows(table, **wish)
    most = min(wish["budget"] + more, len(available))
    assert min(wish["budget"], len(available)) <= len(chosen) <= most
    assert (np.diff(chosen.rows) > 0).all()


def test_copies_of_a_stored_picture_count_once_when_asked():
    table = make_table(np.arange(8) * 500, slots=np.array([0, 0, 1, 1, 1, 2, 0, 3], np.int32))
    assert select(table, budget=9, policy="uniform").rows.tolist() == list(range(8))
    chosen = select(table, budget=9, policy="uniform", distinct=True)
    assert chosen.rows.tolist() == [0, 2, 5, 7]
    late = select(table, budget=9, policy="uniform", distinct=True, span=(0.5, None))
    assert late.rows.tolist() == [1, 2, 5, 7]
    with pytest.raises(ValueError, match=r"distinct=True asks .* index the video into a store"):
        select(make_table([0, 500]), budget=1, policy="uniform", distinct=True)


@every_policy
@pytest.mark.parametrize("n", [0, 1, 2, 40])
@pytest.mark.parametrize("budget", [1, 2, 39, 40, 41])
def test_flat_pictures(policy, n, budget):
    table = make_table(
        np.arange(n) * 500,
        signatures=np.ones((n, 3), np.float32),
        is_keyframe=np.ones(n, np.bool_),
        signals={"shot_start": np.zeros(n, np.float32)},
    )
    chosen = select(table, budget=budget, policy=policy, **needed(policy))
    assert len(chosen) == min(budget, n)


AWKWARD = {
    "none": lambda rng, n: None,
    "noise": lambda rng, n: rng.standard_normal(n),
    "negative": lambda rng, n: -rng.random(n) - 1e6,
    "huge": lambda rng, n: rng.choice([1e308, -1e308, 3.0], n),
    "one": lambda rng, n: np.where(np.arange(n) == n // 2, 1.0, 0.0),
    "all unknown": lambda rng, n: np.full(n, np.nan),
    "some unknown": lambda rng, n: np.where(rng.random(n) < 0.5, np.nan, rng.random(n)),
}


@pytest.mark.parametrize(
    ("policy", "kind"),
    [
        (policy, kind)
        for policy, kind in itertools.product(EXACT, AWKWARD)
        if kind == "none" or "relevance" in POLICIES[policy].uses
    ],
)
def test_one_frame_all_but_one_all_and_more_than_all(policy, kind):
    rng, n = np.random.default_rng(7), 31
    scores = AWKWARD[kind](rng, n)
    table = make_table(
        np.cumsum(rng.choice(STEPS_MS, n)),
        signatures=rng.standard_normal((n, 5)).astype(np.float32),
        is_keyframe=np.ones(n, np.bool_),
        signals={"shot_start": (rng.random(n) < 0.2).astype(np.float32)},
    )
    wish = {"policy": policy, **needed(policy)} | ({"fps": 1000.0} if policy == "fps" else {})
    for budget in (1, n - 1, n, n + 1, 10**9):
        chosen = select(table, budget=budget, relevance=scores, **wish)
        assert len(np.unique(chosen.rows)) == len(chosen) == min(budget, n)
        assert (np.diff(chosen.frame_numbers) > 0).all()
        assert_same(chosen, select(table, budget=budget, relevance=scores, **wish))


@pytest.mark.slow
@that_read["relevance"]
@quick
@given(seed=st.integers(0, 2**32 - 1), power=st.integers(-40, 40), budget=st.integers(1, 40))
def test_the_scale_of_scores_decides_nothing(policy, seed, power, budget):
    rng = np.random.default_rng(seed)
    signatures = rng.standard_normal((40, 5)).astype(np.float32)
    table = make_table(np.arange(40) * 500, signatures=signatures)
    scores = rng.integers(-50, 50, 40).astype(np.float64)
    scaled = 2.0**power * scores
    plain = select(table, budget=budget, policy=policy, relevance=scores)
    assert_same(plain, select(table, budget=budget, policy=policy, relevance=scaled))


@every_policy
def test_an_empty_table_needs_no_signatures(policy):
    chosen = select(FrameTable.from_seconds([]), budget=4, policy=policy, **needed(policy))
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
        (
            {"policy": "uniform", "coverage": 0.5},
            r"policy='uniform' does not read coverage; leave it out, or use adaptive, dpp",
        ),
        ({"seed": 0}, r"policy='adaptive' does not read seed; leave it out, or use cdf"),
        ({"k_max": 9}, r"does not read k_max; leave it out, or use maxvol"),
        ({"policy": "maxvol", "k_max": 1}, r"k_max=1 is below the budget of 2; pass k_max >= 2"),
        ({"anchor_seconds": 1.0}, r"does not read anchor_seconds; .* use multiscale"),
        ({"policy": "multiscale"}, r"anchor_seconds=None is not a time, .*pass anchor_seconds"),
        ({"policy": "shots"}, r"policy='shots' needs the signals .* has none; scan the video"),
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
