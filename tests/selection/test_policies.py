"""Each policy chooses what its name says: even times, keyframes, typical and novel pictures."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewframes.features.table import FrameTable
from fewframes.selection.selection import Selection, select

quick = settings(max_examples=60, derandomize=True, deadline=None)


def make_table(times_ms, **columns):
    return FrameTable.from_seconds(np.array(times_ms) / 1000, **columns)


@st.composite
def tables(draw):
    """Uneven times, and few different pictures."""
    steps = draw(st.lists(st.sampled_from([33, 40, 500, 500, 60_000]), min_size=1, max_size=40))
    kinds = draw(st.lists(st.integers(0, 5), min_size=len(steps), max_size=len(steps)))
    return make_table(np.cumsum(steps), signatures=np.eye(6, dtype=np.float32)[kinds])


def unit_rows(rng, n, d=16, noise=0.02):
    rows = np.eye(d)[0] + rng.normal(0, noise, (n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def assert_same(left, right):
    for name in Selection.__slots__:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), name)


@quick
@given(
    n=st.integers(2, 300),
    budget=st.integers(2, 300),
    ticks=st.sampled_from([(40, 1000), (1001, 30000), (512, 12800), (1, 3)]),
)
def test_uniform_is_linspace_at_a_constant_rate(n, budget, ticks):
    pts, time_base = np.arange(n) * ticks[0] + 77, Fraction(1, ticks[1])
    table = make_table(pts, pts=pts, time_base=time_base, start_pts=77)
    k = min(n, budget)
    # round() of a Fraction is exact and takes the even number on a tie, as NumPy does
    expected = [round(Fraction(i * (n - 1), k - 1)) for i in range(k)]
    assert select(table, budget=budget, policy="uniform").rows.tolist() == expected


def test_uniform_spreads_over_time_where_the_rate_varies():
    dense_then_sparse = [*range(0, 1000, 10), *range(1000, 10_001, 1000)]
    chosen = select(make_table(dense_then_sparse), budget=11, policy="uniform")
    assert chosen.seconds.tolist() == [float(second) for second in range(11)]


def test_one_uniform_frame_is_in_the_middle_of_time():
    assert select(make_table([0, 1, 2, 490, 1000]), budget=1, policy="uniform").rows == [3]


def test_fps_takes_the_frames_on_screen_and_thins_them_to_the_budget():
    table = make_table(np.arange(100) * 40)
    at_rate = select(table, budget=99, policy="fps", fps=2.0)
    assert at_rate.rows.tolist() == [0, 12, 25, 37, 50, 62, 75, 87]
    assert select(table, budget=4, policy="fps", fps=2.0).rows.tolist() == [0, 25, 62, 87]


def test_fps_shows_a_moment_that_many_frames_share_once():
    assert select(make_table([0, 0, 0]), budget=3, policy="fps", fps=2.0).rows.tolist() == [2]


@pytest.mark.slow
@quick
@given(
    table=tables(),
    budget=st.integers(1, 50),
    coverage=st.sampled_from([0.125, 0.25, 0.5, 1.0]),
)
def test_adaptive_leaves_no_candidate_farther_than_one_bin(table, budget, coverage):
    chosen = select(table, budget=budget, coverage=coverage)
    bins = math.ceil(coverage * min(budget, len(table)))
    width = (table.seconds[-1] - table.seconds[0]) / bins
    away = np.abs(table.seconds[:, np.newaxis] - chosen.seconds).min(axis=1)
    assert away.max() <= width + 1e-6
    edges = table.seconds[0] + width * np.arange(bins + 1)
    if np.histogram(table.seconds, edges)[0].all() and len(chosen) > 1:
        assert np.diff(chosen.seconds).max() <= 2 * width + 1e-6


def test_a_rare_event_is_found_where_uniform_misses_it():
    signatures = unit_rows(np.random.default_rng(0), 5000)
    events = [range(500, 504), range(2600, 2603), range(4100, 4101)]
    for axis, event in enumerate(events, start=1):
        signatures[event] = np.eye(16, dtype=np.float32)[axis]
    table = make_table(np.arange(5000) * 500, signatures=signatures)

    def found(policy):
        rows = set(select(table, budget=16, policy=policy).rows.tolist())
        return [bool(rows & set(event)) for event in events]

    assert found("uniform") == [False, False, False]
    assert found("adaptive") == [True, True, True]
    assert found("kcenter") == [True, True, True]


def test_one_adaptive_frame_is_the_most_typical():
    signatures = np.array([[0, 1], [0.8, 0.6], [1, 0], [1, 0], [0.8, 0.6]], np.float32)
    table = make_table(np.arange(5) * 500, signatures=signatures)
    chosen = select(table, budget=1)
    centre = signatures.mean(axis=0)
    assert chosen.rows == [np.linalg.norm(signatures - centre, axis=1).argmin()]
    assert chosen.reasons == ("coverage",)


def test_adaptive_spreads_over_a_film_that_stands_still():
    table = make_table(np.arange(1000) * 500, signatures=np.ones((1000, 4), np.float32))
    for coverage in (0.0, 0.5, 1.0):
        gaps = np.diff(select(table, budget=8, coverage=coverage).rows)
        assert gaps.min() > 1000 / 8 / 3
        assert gaps.max() < 1000 / 8 * 3


def test_shares_of_the_budget_and_their_reasons():
    signatures = unit_rows(np.random.default_rng(1), 200)
    table = make_table(np.arange(200) * 500, signatures=signatures)
    for coverage, floor in ((0.0, 0), (1e-12, 1), (0.1, 1), (0.3, 3), (0.5, 5), (1.0, 10)):
        chosen = select(table, budget=10, coverage=coverage)
        assert chosen.reasons.count("coverage") == floor
        assert chosen.reasons.count("novelty") == 10 - floor


def test_adaptive_without_a_floor_is_kcenter():
    table = make_table(np.arange(80) * 500, signatures=unit_rows(np.random.default_rng(3), 80))
    novel = select(table, budget=10, coverage=0.0)
    central = select(table, budget=10, policy="kcenter")
    assert novel.rows.tolist() == central.rows.tolist()
    assert novel.scores.tolist() == central.scores.tolist()


def greedy(signatures, weights, *, budget):
    """Farthest-first with weighted distances, in plain words."""
    points = signatures.astype(np.float64)
    away = {i: math.dist(point, points.mean(axis=0)) for i, point in enumerate(points)}
    picked = {}
    for _ in range(budget):
        best = max(away.keys() - picked.keys(), key=lambda i: away[i] * (1 + weights[i]))
        picked[best] = away[best] * (1 + weights[best])
        away = {i: min(math.dist(points[i], points[j]) for j in picked) for i in away}
    return picked


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("is_weighted", [False, True])
def test_novelty_is_weighted_farthest_first(seed, is_weighted):
    rng = np.random.default_rng(seed)
    signatures = unit_rows(rng, 50, noise=0.5)
    relevance = rng.uniform(3, 7, 50) if is_weighted else np.full(50, 4.0)
    weights = (relevance - relevance.min()) / max(np.ptp(relevance), 1e-9)
    table = make_table(np.arange(50) * 500, signatures=signatures)
    chosen = select(table, budget=12, coverage=0.0, relevance=relevance)
    expected = greedy(signatures, weights, budget=12)
    assert chosen.rows.tolist() == sorted(expected)
    np.testing.assert_allclose(chosen.scores, [expected[i] for i in chosen.rows], rtol=1e-5)


def test_relevance_decides_between_equally_new_frames():
    signatures = np.tile(np.eye(3, dtype=np.float32)[0], (20, 1))
    signatures[[4, 15]] = np.eye(3, dtype=np.float32)[1:]
    table = make_table(np.arange(20) * 500, signatures=signatures)
    wanted = np.full(20, np.nan)
    wanted[15], wanted[3] = 9.0, 1.0
    assert 4 in select(table, budget=2).rows
    assert 15 in select(table, budget=2, relevance=wanted).rows
    assert_same(select(table, budget=2), select(table, budget=2, relevance=np.full(20, 7.0)))


def test_relevance_belongs_to_rows_of_the_table_not_of_the_span():
    signatures = np.tile(np.eye(4, dtype=np.float32)[0], (20, 1))
    signatures[[12, 16]] = np.eye(4, dtype=np.float32)[1:3]
    table = make_table(np.arange(20) * 1000, signatures=signatures)
    wanted = np.arange(20) == 16
    assert 16 in select(table, budget=2, relevance=wanted, span=(10.0, None)).rows
    assert 12 in select(table, budget=2, relevance=~wanted, span=(10.0, None)).rows


def test_nan_and_inf_in_signatures_count_as_zero():
    rng = np.random.default_rng(2)
    broken = unit_rows(rng, 60, noise=0.3)
    broken[rng.random(broken.shape) < 0.2] = np.nan
    broken[rng.random(broken.shape) < 0.1] = -np.inf
    mended = np.where(np.isfinite(broken), broken, 0).astype(np.float32)
    for policy in ("kcenter", "adaptive"):
        left, right = (
            select(make_table(np.arange(60) * 500, signatures=s), budget=9, policy=policy)
            for s in (broken, mended)
        )
        assert_same(left, right)
