"""Each method against its definition: brute force, naive greedy, and the papers' own rules."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewframes.bench.research.films import RECIPES
from fewframes.features.table import FrameTable
from fewframes.selection.diversity import dominant_rows, leading_directions
from fewframes.selection.facility import anchor_rows, similarities, unit_rows
from fewframes.selection.peaks import peak_scores
from fewframes.selection.ranking import expected_times
from fewframes.selection.selection import select

quick = settings(max_examples=60, derandomize=True, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def table_of(signatures=None, *, n=None, signals=None):
    n = len(signatures) if n is None else n
    return FrameTable.from_seconds(np.arange(n) * 0.5, signatures=signatures, signals=signals or {})


def pictures(seed, n, d, copies=0):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d))
    rows[: min(copies, n)] = rows[-1]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.slow
@quick
@given(n=st.integers(1, 300), budget=st.integers(1, 300))
def test_segment_mid_is_the_middle_of_equal_segments(n, budget):
    k = min(n, budget)
    chosen = select(table_of(n=n), budget=budget, policy="segment_mid")
    assert chosen.rows.tolist() == [(2 * i + 1) * n // (2 * k) for i in range(k)]


@pytest.mark.slow
@quick
@given(n=st.integers(1, 300), budget=st.integers(1, 40), anchor=st.floats(-20, 200))
def test_multiscale_is_dense_at_the_anchor_and_sparser_away_from_it(n, budget, anchor):
    table = table_of(n=n)
    chosen = select(table, budget=budget, policy="multiscale", anchor_seconds=anchor)
    away = np.abs(table.seconds - anchor)
    near = [row for row, why in zip(chosen.rows, chosen.reasons, strict=True) if why == "proximal"]
    assert len(near) == (min(n, budget) + 1) // 2
    assert away[near].max() <= np.delete(away, near).min(initial=math.inf) + 1e-9


def test_multiscale_distances_grow_like_powers():
    table = table_of(n=20_000)
    chosen = select(table, budget=24, policy="multiscale", anchor_seconds=0.0)
    far = chosen.seconds[12:]
    growth = (far[1:] + far[0]) / (far[:-1] + far[0])
    assert chosen.rows[:12].tolist() == list(range(12))
    assert growth.max() / growth.min() < 1.5
    assert far[-1] == table.seconds[-1]


def test_every_shot_is_seen_and_longer_ones_more():
    starts = np.zeros(100, np.float32)
    starts[[10, 12, 40]] = 1  # shots of 10, 2, 28 and 60 frames
    table = table_of(n=100, signals={"shot_start": starts})

    def per_shot(budget, **wish):
        rows = select(table, budget=budget, policy="shots", **wish).rows
        return np.bincount(np.cumsum(starts).astype(int)[rows], minlength=4).tolist()

    assert per_shot(2) == [0, 0, 1, 1]
    assert per_shot(4) == [1, 1, 1, 1]
    assert per_shot(10) == [1, 1, 2, 6]
    assert per_shot(99) == [10, 2, 28, 59]
    assert per_shot(3, span=(20.5, None)) == [0, 0, 0, 3]


def test_shots_are_derived_where_a_change_stands_alone():
    change = np.full(30, 1.0, np.float32)
    area = np.full(30, 0.1, np.float32)
    change[[7, 20]], area[[7, 20]] = 40.0, 0.9  # two cuts
    change[12:16], area[12:16] = 30.0, 0.9  # a pan
    table = table_of(n=30, signals={"change": change, "changed_area": area})
    assert select(table, budget=3, policy="shots").rows.tolist() == [3, 13, 25]


@pytest.mark.slow
@quick
@given(seed=SEEDS, n=st.integers(1, 60), budget=st.integers(1, 60), power=st.integers(0, 40))
def test_expected_times_are_capped_shares(seed, n, budget, power):
    weights = np.random.default_rng(seed).random(n) ** power
    weights[np.random.default_rng(seed + 1).random(n) < 0.3] = 0
    count = min(n, budget)
    expected = expected_times(weights, count=count)
    assert expected.sum() == pytest.approx(count)
    assert ((expected >= 0) & (expected <= 1 + 1e-9)).all()
    part = weights[(expected > 0) & (expected < 1 - 1e-9) & (weights > 0)]
    shares = expected[(expected > 0) & (expected < 1 - 1e-9) & (weights > 0)]
    np.testing.assert_allclose(shares * part.sum(), part * shares.sum(), rtol=1e-6, atol=1e-12)


def test_cdf_takes_a_peak_whole_and_follows_the_rest():
    scores = np.zeros(1000)
    scores[500:505] = 1.0  # the published sampler gives 5 frames of 32 here, again and again
    rows = select(table_of(n=1000), budget=32, policy="cdf", relevance=scores).rows
    assert set(range(500, 505)) <= set(rows.tolist())
    assert np.diff(rows).max() < 1000 / 27 * 1.6
    ramp = select(table_of(n=1000), budget=32, policy="cdf", relevance=np.arange(1000) ** (1 / 3))
    assert np.median(ramp.rows) == pytest.approx(1000 * 0.5**0.5, rel=0.03)  # p = 3 makes it linear


@pytest.mark.slow
def test_chance_takes_each_frame_as_often_as_expected():
    scores = np.array([0.0, 0.2, 0.9, 1.0, 0.5, 0.6, 0.0, 0.8])
    times = np.zeros(8)
    for seed in range(2000):
        chosen = select(table_of(n=8), budget=3, policy="cdf", relevance=scores, seed=seed)
        times[chosen.rows] += 1
    expected = expected_times(scores**3, count=3)
    np.testing.assert_allclose(times / 2000, expected, atol=0.04)


@pytest.mark.parametrize("budget", [1, 7, 8, 16, 32, 50, 64])
def test_aks_gives_every_part_its_due(budget):
    scores = np.random.default_rng(0).random(640)
    chosen = select(table_of(n=640), budget=budget, policy="aks", relevance=scores)
    assert len(chosen) == budget
    per_part = np.bincount(chosen.rows // 20, minlength=32)  # noise is split to the end
    assert {int(c) for c in per_part} <= {budget // 32, -(-budget // 32)}
    for part in np.flatnonzero(per_part):
        best = np.sort(scores[part * 20 : part * 20 + 20])[-per_part[part] :]
        inside = chosen.rows[chosen.rows // 20 == part]
        np.testing.assert_array_equal(np.sort(scores[inside]), best)


def test_aks_keeps_a_part_whole_whose_best_frames_stand_out():
    scores = np.zeros(800)
    scores[[300, 301, 305, 390]] = 1.0
    chosen = select(table_of(n=800), budget=4, policy="aks", relevance=scores)
    assert chosen.rows.tolist() == [300, 301, 305, 390]


@pytest.mark.slow
@quick
@given(seed=SEEDS, n=st.integers(2, 14), d=st.integers(2, 6), budget=st.integers(1, 6))
def test_dpp_is_the_naive_greedy_determinant(seed, n, d, budget):
    signatures = pictures(seed, n, d)
    relevance = np.random.default_rng(seed).random(n)
    weights = 1 + (relevance - relevance.min()) / np.ptp(relevance)
    scaled = signatures.astype(np.float64) * weights[:, np.newaxis]
    chosen = select(table_of(signatures), budget=budget, policy="dpp", relevance=relevance)
    picked, k = [], min(budget, n, d)
    for _ in range(k):
        volumes = [volume(scaled[[*picked, i]]) if i not in picked else -1.0 for i in range(n)]
        picked.append(int(np.argmax(volumes)))
    got = [row for row, why in zip(chosen.rows, chosen.reasons, strict=True) if why == "volume"]
    assert volume(scaled[got]) >= volume(scaled[picked]) * (1 - 1e-6)
    assert len(got) == k


def volume(rows):
    return np.linalg.det(rows @ rows.T)


def coverage_of(signatures, rows, bonus):
    alike = np.clip(signatures @ signatures[rows].T, 0, 1)
    return alike.max(axis=1).mean() + bonus[rows].sum()


@pytest.mark.slow
@quick
@given(
    seed=SEEDS,
    n=st.integers(2, 11),
    budget=st.integers(1, 4),
    copies=st.integers(0, 5),
    is_weighted=st.booleans(),
)
def test_facility_is_greedy_and_within_its_bound_of_the_best(seed, n, budget, copies, is_weighted):
    signatures = pictures(seed, n, 4, copies)
    relevance = np.random.default_rng(seed).random(n)
    bonus = (relevance - relevance.min()) / np.ptp(relevance) * 3.5 * is_weighted
    wish = {"relevance": relevance} if is_weighted else {}
    chosen = select(table_of(signatures), budget=budget, policy="facility", **wish)
    k = min(budget, n)
    best = max(
        coverage_of(signatures, list(rows), bonus) for rows in itertools.combinations(range(n), k)
    )
    mine = coverage_of(signatures, chosen.rows, bonus)
    assert mine >= (1 - 1 / math.e) * best - 1e-4
    greedy = []
    for _ in range(k):
        others = [i for i in range(n) if i not in greedy]
        greedy.append(max(others, key=lambda i: coverage_of(signatures, [*greedy, i], bonus)))
    if copies < 2:  # no ties, which both may break as they like
        assert mine == pytest.approx(coverage_of(signatures, greedy, bonus), abs=2e-4)


@quick
@given(seed=SEEDS, n=st.integers(5, 40), budget=st.integers(1, 12))
def test_query_is_greedy_peaks_coverage_and_redundancy(seed, n, budget):
    signatures = pictures(seed, n, 5)
    relevance = np.random.default_rng(seed).random(n)
    seconds = np.arange(n) * 0.5
    scaled = peak_scores(relevance, seconds=seconds, unit=unit_rows(signatures))
    chosen = select(table_of(signatures), budget=budget, policy="query", relevance=relevance)
    cosines = np.clip(signatures @ signatures.T, 0, 1)
    picked = []
    for _ in range(min(budget, n)):
        reached = cosines[:, picked].max(axis=1, initial=0)
        gains = np.maximum(cosines - reached[:, np.newaxis], 0).mean(axis=0)
        values = 0.7 * scaled + 0.2 * gains - 0.1 * reached
        values[picked] = -9
        if values.max() <= 0:
            break
        picked.append(int(np.argmax(values)))
    got = [row for row, why in zip(chosen.rows, chosen.reasons, strict=True) if why == "relevance"]
    assert len(set(got) ^ set(picked)) <= 2  # a near tie of the last pick may go either way


@pytest.mark.slow
def test_query_leaves_out_the_copies_of_a_relevant_frame():
    signatures = np.eye(4, dtype=np.float32)[[0] * 10 + [1] * 3 + [2] * 7]
    relevance = np.r_[np.zeros(10), np.full(3, 1.0), np.full(7, 0.9)]
    chosen = select(table_of(signatures), budget=2, policy="query", relevance=relevance)
    assert chosen.rows.tolist() == [10, 13]


def test_anchors_are_all_frames_where_there_are_few_and_similarities_are_cosines():
    unit = unit_rows(pictures(3, 40, 8))
    anchors = anchor_rows(40, count=512)
    assert anchors.tolist() == list(range(40))
    cosines = np.clip(unit.astype(np.float64) @ unit.T, 0, 1)
    np.testing.assert_allclose(similarities(unit, anchors=anchors) / 65535, cosines, atol=1e-5)


@pytest.mark.slow
@quick
@given(seed=SEEDS, n=st.integers(3, 14), rank=st.integers(1, 4))
def test_maxvol_has_nearly_the_largest_volume(seed, n, rank):
    leading = leading_directions(pictures(seed, n, 6), rank=rank)
    rows = dominant_rows(leading)
    r = leading.shape[1]
    mine = abs(np.linalg.det(leading[rows]))
    shares = leading @ np.linalg.inv(leading[rows])
    assert np.abs(shares).max() <= 1.05 + 1e-6  # no swap gains more than 5 %
    best = max(abs(np.linalg.det(leading[list(c)])) for c in itertools.combinations(range(n), r))
    assert mine >= best / (1.05 * math.sqrt(r)) ** r * (1 - 1e-9)  # Hadamard's bound


@pytest.mark.slow
@quick
@given(seed=SEEDS, n=st.integers(12, 60), budget=st.integers(8, 11))
def test_maxvol_adds_the_row_that_is_explained_worst(seed, n, budget):
    signatures = pictures(seed, n, 12)
    leading = leading_directions(signatures, rank=8)
    chosen = select(table_of(signatures), budget=budget, policy="maxvol")
    added = chosen.scores[chosen.scores != 1.0]
    assert len(added) <= budget - 8
    explained = np.linalg.pinv(leading[chosen.rows].T @ leading[chosen.rows])
    left = np.einsum("nr,rs,ns->n", leading, explained, leading)
    others = np.setdiff1d(np.arange(n), chosen.rows)
    assert left[others].max(initial=0) <= added.min(initial=np.inf) * (1 + 1e-4) or not len(added)


def test_maxvol_floats_up_where_few_frames_do_not_span_the_film():
    flat = select(table_of(pictures(1, 60, 12, copies=59)), budget=4, policy="maxvol", k_max=30)
    rich = select(table_of(pictures(1, 60, 12)), budget=4, policy="maxvol", k_max=30)
    assert len(flat) == 12  # copies: the share that one leaves unexplained is 1 / 12
    assert len(rich) == 30


@pytest.mark.slow
def test_a_file_is_scanned_for_whoever_reads_signals(films):
    import fewframes as ff

    path = films(next(iter(RECIPES)))
    by_sharpness = ff.sample(path, budget=3, policy="cdf", relevance="sharpness")
    assert by_sharpness.report["reasons"] == ("relevance",) * 3
    assert ff.sample(path, budget=2, policy="shots").report["reasons"] == ("shot", "shot")
    request = ff.sample(path, budget=4, policy="runtime:transformers_qwen3_vl")
    assert request.report["asked_frames"] == request.frame_numbers.tolist()
    assert request.report["seconds_away"] == 0.0
