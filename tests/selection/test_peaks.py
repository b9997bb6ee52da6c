"""Peaks: an event is found in noise, once, and never smeared into another picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewframes.features.table import FrameTable
from fewframes.selection.peaks import HALF_WIDTHS, loudest, peak_scores, to_higher, view_numbers
from fewframes.selection.selection import select

quick = settings(max_examples=60, derandomize=True, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


@quick
@given(seed=SEEDS, n=st.integers(1, 60))
def test_time_to_a_higher_score_by_looking_at_every_other_frame(seed, n):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, n).astype(float)  # many ties
    seconds = np.cumsum(rng.uniform(0.1, 3, n))
    expected = [
        min(
            (
                abs(seconds[i] - seconds[j])
                for j in range(n)
                if scores[j] > scores[i] or (scores[j] == scores[i] and j < i)
            ),
            default=np.inf,
        )
        for i in range(n)
    ]
    np.testing.assert_allclose(to_higher(scores, seconds=seconds), expected)


@quick
@given(seed=SEEDS, n=st.integers(2, 60))
def test_averages_are_of_the_frames_near_in_time_and_of_the_same_view(seed, n):
    rng = np.random.default_rng(seed)
    scores, seconds = rng.random(n), np.cumsum(rng.uniform(0.2, 1.5, n))
    views = np.cumsum(rng.random(n) < 0.2)
    best = np.full(n, -np.inf)
    for half in HALF_WIDTHS:
        near = (np.abs(seconds[:, None] - seconds) <= half + 1e-9) & (views[:, None] == views)
        means = (near * scores).sum(axis=1) / near.sum(axis=1)
        if means.std() > 0:
            best = np.maximum(best, (means - means.mean()) / means.std())
    np.testing.assert_allclose(loudest(scores, seconds=seconds, views=views), best, atol=1e-9)


def test_a_view_ends_where_the_picture_changes():
    unit = np.array([[1, 0], [0.99, 0.14], [0, 1], [0, 1]], np.float32)
    assert view_numbers(unit).tolist() == [0, 0, 1, 1]
    assert view_numbers(unit[:1]).tolist() == [0]


@pytest.mark.parametrize("scores", [np.zeros(5), np.full(5, 0.7), np.zeros(0)])
def test_flat_scores_stand_out_nowhere(scores):
    unit = np.ones((len(scores), 2), np.float32)
    out = peak_scores(scores, seconds=np.arange(len(scores)) * 1.0, unit=unit)
    assert not out.any()


def test_frames_at_one_time_are_no_trouble():
    out = peak_scores(np.array([0.0, 1.0]), seconds=np.zeros(2), unit=np.ones((2, 1), np.float32))
    assert out.tolist() == [0.0, 1.0]


def noisy_film(seed, *, noise):
    """An hour at 2 frames a second; three events of 4 s, a score with noise of so many times it."""
    rng = np.random.default_rng(seed)
    n, starts = 7200, rng.permutation(np.arange(100, 7000, 50))[:3]
    truth = np.zeros(n)
    for start in starts:
        truth[start : start + 8] = 1
    signatures = np.ones((n, 4), np.float32)
    table = FrameTable.from_seconds(np.arange(n) / 2, signatures=signatures)
    return table, truth + noise * rng.standard_normal(n), starts


def found(rows, starts):
    return sum(bool(((rows >= start) & (rows < start + 8)).any()) for start in starts)


@pytest.mark.slow
def test_query_finds_in_noise_what_the_best_scores_miss():
    mine = best = 0
    for seed in range(12):
        table, relevance, starts = noisy_film(seed, noise=0.7)
        mine += found(select(table, budget=16, policy="query", relevance=relevance).rows, starts)
        best += found(np.argsort(-relevance)[:16], starts)
    assert mine >= 30
    assert best <= 20


def test_query_takes_one_frame_of_each_event_before_a_second_of_any():
    table, relevance, starts = noisy_film(3, noise=0.0)
    assert found(select(table, budget=3, policy="query", relevance=relevance).rows, starts) == 3
