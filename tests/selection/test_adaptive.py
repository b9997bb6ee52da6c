"""What `adaptive` promises of a scanned film: it finds what is unusual, and covers the rest."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fewframes.features.anomaly import (
    ALIKE,
    APART_SECONDS,
    RARE,
    coarse_cells,
    rarity_and_anomaly,
)
from fewframes.features.anomaly_score import anomaly_score
from fewframes.features.table import FrameTable
from fewframes.selection.selection import select

quick = settings(max_examples=60, derandomize=True, deadline=None)
VALUES = st.sampled_from([0.0, 0.0, 0.3, 1.0, 7.0, 3e38, math.nan, math.inf, -math.inf])
VIEWS = 400
SECONDS = np.arange(VIEWS) * 0.5


def film(seed=0, views=2):
    """Cells of a film of two textured views in turn, 50 s each, with noise: ``[n, 3, 14, 24]``."""
    rng = np.random.default_rng(seed)
    textures = rng.uniform(90, 140, (views, 3, 14, 24))
    return textures[np.arange(VIEWS) // 100 % views] + rng.normal(0, 0.7, (VIEWS, 3, 14, 24))


def measured(cells):
    """Both columns, with signatures as simple as can be."""
    looks = cells[:, :, ::3, ::3].reshape(len(cells), -1)
    looks = looks - looks.mean(axis=1, keepdims=True)
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    return rarity_and_anomaly(cells.astype(np.float16), looks.astype(np.float32), SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize("plane", [0, 1, 2])
def test_a_small_local_change_is_odd_in_its_frames_only(plane):
    cells = film()
    cells[130:136, plane, 5:7, 10:12] += 60
    _, anomaly = measured(cells)
    assert set(np.argsort(-anomaly)[:6].tolist()) == set(range(130, 136))
    assert anomaly[130:136].min() > 2 * np.delete(anomaly, range(130, 136)).max()


@pytest.mark.slow
def test_a_scene_seen_twice_for_a_moment_is_rare_and_a_view_that_returns_is_not():
    cells = film()
    cells[60:64] = cells[320:324] = film(seed=1)[0]
    rarity, _ = measured(cells)
    shown = [*range(60, 64), *range(320, 324)]
    assert set(np.argsort(-rarity)[:8].tolist()) == set(shown)
    assert np.delete(rarity, shown).max() < rarity[shown].min() / 3


def test_exposure_and_a_step_of_the_camera_are_not_odd():
    still = measured(film())[1]
    cells = film()
    cells[130:136, 0] = cells[130:136, 0] * 1.3 + 7
    cells[330:336, 1:] += 9.0
    cells[230:236] = np.roll(cells[230:236], 1, axis=3)
    cells[230:236, :, :, 0] = film()[230:236, :, :, 0]
    moved = measured(cells)[1]
    assert moved[130:136].max() < 3 * still.max()
    assert moved[330:336].max() < 3 * still.max()
    assert moved[231:235].max() < 8 * still.max()


def test_a_place_that_always_changes_counts_little():
    rng, cells = np.random.default_rng(3), film()
    cells[:, 0, :2, :4] = rng.uniform(20, 220, (VIEWS, 2, 4))
    cells[130:136, 1, 5:7, 10:12] += 60
    _, anomaly = measured(cells)
    assert set(np.argsort(-anomaly)[:6].tolist()) == set(range(130, 136))


@pytest.mark.slow
def test_columns_are_those_of_the_definition_in_plain_words():
    rng = np.random.default_rng(5)
    looks = rng.standard_normal((90, 6)).astype(np.float32)
    times = np.sort(rng.uniform(0, 60, 90))
    cells = rng.uniform(20, 220, (90, 3, 4, 5)).astype(np.float16)
    rarity, anomaly = rarity_and_anomaly(cells, looks, times)
    even = cells.astype(np.float64)
    even[:, 0] = 50 * np.log(24 + even[:, 0])
    even -= np.median(even, axis=(2, 3), keepdims=True)
    left = np.zeros((90, 3, 4, 5))
    for i in range(90):
        others = [j for j in range(90) if abs(times[i] - times[j]) > APART_SECONDS]
        others.sort(key=lambda j, i=i: np.linalg.norm(looks[i] - looks[j]))
        assert rarity[i] == pytest.approx(
            np.linalg.norm(looks[i] - looks[others[RARE - 1]]), rel=1e-4
        )
        for c, y, x in np.ndindex(3, 4, 5):
            near = [
                even[j, c, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] for j in others[:ALIKE]
            ]
            away = [max(0.0, even[i, c, y, x] - n.max(), n.min() - even[i, c, y, x]) for n in near]
            left[i, c, y, x] = min(away)
    places = left.sum(axis=1)
    windows = places[:, :-1] + places[:, 1:]
    windows = ((windows[:, :, :-1] + windows[:, :, 1:]) / 4).reshape(90, -1)
    windows /= np.quantile(windows, 0.97, axis=0) + 1
    expected = windows.max(axis=1) - 0.5 * np.quantile(windows, 0.9, axis=1)
    np.testing.assert_allclose(anomaly, expected, rtol=0.02, atol=0.02)


def test_long_films_are_compared_with_some_of_their_frames(monkeypatch):
    monkeypatch.setattr("fewframes.features.anomaly.MOST", 150)
    cells = film()
    cells[130:136, 1, 5:7, 10:12] += 60
    _, anomaly = measured(cells)
    assert set(np.argsort(-anomaly)[:6].tolist()) == set(range(130, 136))


@pytest.mark.parametrize("shape", [(4, 1, 1), (4, 1, 7), (4, 5, 1), (4, 5, 7)])
@pytest.mark.parametrize("n", [0, 1, 3, 60])
def test_films_of_any_size_have_columns(shape, n):
    grids = np.random.default_rng(0).uniform(0, 255, (n, *shape)).astype(np.float32)
    looks = np.ones((n, 4), np.float32)
    columns = rarity_and_anomaly(coarse_cells(grids), looks, np.arange(n) * 1.0)
    assert all(len(column) == n and np.isfinite(column).all() for column in columns)


def test_what_hides_the_picture_is_not_unusual():
    detail = np.full(100, 9.0)
    detail[40:43] = 0.1
    rarity = np.full(100, 0.2)
    rarity[40:43], rarity[70] = 1.2, 0.6
    columns = {"rarity": rarity, "anomaly": np.ones(100), "detail": detail}
    scores = anomaly_score({**columns, "shot_start": np.zeros(100)}, np.arange(100) / 2)
    assert scores.argmax() == 70
    assert scores[41] == 0


def test_what_cuts_in_and_out_again_is_rare_unless_the_film_cuts_all_the_time():
    columns = {"rarity": np.random.default_rng(0).uniform(0.5, 1, 400), "anomaly": np.zeros(400)}
    columns |= {"detail": np.ones(400), "shot_start": np.zeros(400)}
    columns["shot_start"][[100, 110]] = 1
    columns["rarity"][100:110] = 0.7
    scores = anomaly_score(columns, np.arange(400) / 2)
    assert scores[100:110].min() > np.delete(scores, range(100, 110)).max()
    columns["shot_start"][::10] = 1
    assert anomaly_score(columns, np.arange(400) / 2)[100:110].max() < scores[100]


@st.composite
def tables(draw):
    n = draw(st.integers(1, 60))
    steps = draw(st.lists(st.sampled_from([0.04, 0.5, 0.5, 9.0]), min_size=n, max_size=n))
    columns = {
        name: draw(hnp.arrays(np.float32, n, elements=VALUES)) for name in ("rarity", "anomaly")
    }
    columns["detail"] = draw(hnp.arrays(np.float32, n, elements=VALUES))
    columns["shot_start"] = draw(hnp.arrays(np.bool_, n)).astype(np.float32)
    looks = np.random.default_rng(n).standard_normal((n, 3)).astype(np.float32)
    return FrameTable.from_seconds(np.cumsum(steps), signatures=looks, signals=columns)


@pytest.mark.slow
@quick
@given(
    table=tables(),
    budget=st.integers(1, 70),
    coverage=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    has_relevance=st.booleans(),
)
def test_exactly_the_budget_and_covered_whatever_the_columns_say(
    table, budget, coverage, has_relevance
):
    wish = {"relevance": table.signals["anomaly"]} if has_relevance else {}
    chosen = select(table, budget=budget, coverage=coverage, **wish)
    again = select(table, budget=budget, coverage=coverage, **wish)
    assert len(chosen) == min(budget, len(table)) == len(set(chosen.rows.tolist()))
    assert chosen.rows.tolist() == again.rows.tolist()
    assert np.isfinite(chosen.scores).all()
    assert set(chosen.reasons) <= {"unusual", "coverage"}
    bins = math.ceil(coverage * len(chosen) - 1e-9)
    if bins:
        away = np.abs(table.seconds[:, None] - chosen.seconds).min(axis=1)
        assert away.max() <= (table.seconds[-1] - table.seconds[0]) / bins + 1e-6


def scored_table(**events):
    """A film of an hour, every half second, with peaks of anomaly."""
    anomaly = np.random.default_rng(0).uniform(0, 0.5, 7200).astype(np.float32)
    for rows, height in events.values():
        anomaly[rows] = height
    columns = {"rarity": np.full(7200, 0.1, np.float32), "anomaly": anomaly}
    columns |= {"detail": np.full(7200, 9, np.float32), "shot_start": np.zeros(7200, np.float32)}
    looks = np.ones((7200, 2), np.float32)
    return FrameTable.from_seconds(np.arange(7200) * 0.5, signatures=looks, signals=columns)


def test_an_event_is_taken_once_and_weaker_ones_are_seen_too():
    table = scored_table(strong=(slice(1000, 1016), 50.0), weak=([5000], 5.0), faint=([6200], 2.0))
    chosen = select(table, budget=16)
    assert sum(1000 <= row < 1016 for row in chosen.rows) == 1
    assert {5000, 6200} <= set(chosen.rows.tolist())


def test_bins_that_hold_an_event_need_no_typical_frame():
    table = scored_table(few=([10, 2000, 7000], 9.0))
    chosen = select(table, budget=4, coverage=1.0)
    assert {10, 2000, 7000} <= set(chosen.rows.tolist())
    assert sorted(chosen.rows // 1800) == [0, 1, 2, 3]


def test_relevance_weighs_what_is_unusual():
    table = scored_table(two=([1000, 5000], 9.0))
    wanted = np.arange(7200) == 5000
    for budget in (1, 2):
        chosen = select(table, budget=budget, relevance=wanted)
        best = chosen.rows[chosen.scores.argmax()]
        assert best == 5000


def test_a_film_without_columns_is_searched_by_signature():
    table = FrameTable.from_seconds(np.arange(9.0), signatures=np.eye(9, dtype=np.float32))
    assert set(select(table, budget=4).reasons) == {"coverage", "novelty"}


def test_other_signatures_are_what_is_looked_at():
    table = scored_table(one=([5000], 9.0))
    looks = np.eye(2, dtype=np.float32)[(np.arange(7200) == 333).astype(int)]
    chosen = select(table.described_by(looks), budget=4)
    assert 333 in chosen.rows
    assert set(chosen.reasons) == {"coverage", "novelty"}


def test_every_frame_of_a_short_film_is_compared():
    cells, seconds = film()[:40], np.arange(40) * 0.25
    cells[20:22, 1, 5:7, 10:12] += 60
    looks = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    rarity, anomaly = rarity_and_anomaly(cells.astype(np.float16), looks, seconds)
    assert rarity.min() > 0
    assert set(np.argsort(-anomaly)[:2].tolist()) == {20, 21}
