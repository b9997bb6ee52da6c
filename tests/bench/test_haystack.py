"""Haystack films: what is planted is there, exactly when the annotation says, and nowhere else."""

import json
from functools import cache

import av
import numpy as np
import pytest

from fewframes.bench import haystack
from fewframes.bench.haystack_clips import Clip, recordings, set_of
from fewframes.bench.haystack_events import APART_SECONDS, AREAS
from fewframes.bench.haystack_films import SIZE, STYLES_OF, HaystackFilm
from fewframes.bench.haystack_scripts import CLEAR, FPS
from fewframes.bench.research import study
from fewframes.bench.synthetic import tissue
from fewframes.features.table import FrameTable
from fewframes.selection.selection import select
from fewframes.store.store import open_store


@cache
def generated_clip(seed):
    """Not footage: tissue that moves, for where there is none."""
    y, u, v = (
        np.clip(plane, 16, 235).astype(np.uint8) for plane in tissue(np.random.default_rng(seed))
    )
    at = [(10 * k, 14 * k) for k in range(8)]
    vivid = np.clip(128 + 2.0 * (y - 122.0), 16, 235).astype(np.uint8)
    luma = np.stack([vivid[a : a + 270, b : b + 480] for a, b in at])
    blue, red = (np.stack([p[a : a + 135, b : b + 240] for a, b in at]) for p in (u, v))
    return Clip(f"generated {seed}", luma, blue + np.uint8(seed * 7), red)


def clips():
    return [generated_clip(seed) for seed in range(8)]


FILMS = [("train", 0), ("train", 1), ("test", 2)]


def film(set_name="train", seed=0, **about):
    return HaystackFilm(set_name, seed, clips(), **{"minutes": 6.0, "a_grade": 3, **about})


@pytest.mark.slow
@pytest.mark.parametrize(("set_name", "seed"), FILMS)
def test_events_are_in_their_frames_and_in_no_other(set_name, seed):
    made = film(set_name, seed)
    shown = {n for event in made.events for n in range(event.start, event.end)}
    beside = {n + d for event in made.events for n, d in ((event.start, -1), (event.end, 0))}
    for number in sorted(shown | beside | set(range(0, len(made.script), 199))):
        with_event, without = made.picture(number), made.picture(number, is_planted=False)
        assert (with_event != without).any() == (number in shown), number


@pytest.mark.slow
@pytest.mark.parametrize(("set_name", "seed"), FILMS)
def test_the_smaller_grades_change_only_their_share_of_the_picture(set_name, seed):
    made = film(set_name, seed)
    for event in made.events:
        number = (event.start + event.end) // 2
        planes = [made.picture(number, is_planted=is_planted).astype(int) for is_planted in (1, 0)]
        away = np.abs(planes[0] - planes[1])
        luma = away[: SIZE[0]] > 1
        chroma = (away[SIZE[0] :].reshape(2, SIZE[0] // 2, SIZE[1] // 2) > 1).any(axis=0)
        share = (luma | np.repeat(np.repeat(chroma, 2, 0), 2, 1)).mean()
        if event.grade == 1:
            assert share > 0.3
        else:
            assert 0 < share <= AREAS[event.grade][1] * 1.5


@pytest.mark.slow
@pytest.mark.parametrize(("set_name", "seed"), FILMS)
def test_events_lie_apart_and_where_the_lens_is_clear(set_name, seed):
    made = film(set_name, seed)
    assert sorted(event.grade for event in made.events) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    for event in made.events:
        assert (made.script.cover[event.start : event.end] == CLEAR).all()
        assert 2 / FPS <= (event.end - event.start) / FPS <= 8
    gaps = [b.start - a.end for a, b in zip(made.events, made.events[1:], strict=False)]
    assert min(gaps) >= APART_SECONDS * FPS


@pytest.mark.slow
def test_a_seed_gives_the_same_film_and_sets_share_no_random_state():
    one, again, other, test = film(), film(), film(seed=2), film("test")
    assert one.truth("a") == again.truth("a")
    for number in (0, 777, one.events[0].start):
        np.testing.assert_array_equal(one.picture(number), again.picture(number))
    starts = [[event.start for event in made.events] for made in (one, other, test)]
    assert starts[0] != starts[1] != starts[2] != starts[0]
    assert "desk" not in STYLES_OF["train"]
    assert "desk" in STYLES_OF["test"]


def test_copies_of_one_recording_are_in_one_set():
    clip = generated_clip(0)
    cut = Clip("cut", clip.y[3:], clip.u[3:], clip.v[3:])
    groups = recordings([clip, generated_clip(1), cut, generated_clip(2)])
    assert [[member.name for member in group] for group in groups] == [
        ["generated 0", "cut"],
        ["generated 1"],
        ["generated 2"],
    ]
    named = recordings([generated_clip(0), generated_clip(1)], same=("generated",))
    assert len(named) == 1
    assert set_of(["b.mp4", "a.mp4"]) == set_of(["a.mp4", "b.mp4"])


@pytest.mark.slow
def test_a_film_without_room_is_refused():
    with pytest.raises(ValueError, match=r"a film of 1\.0 minutes has no room for 27 events; pass"):
        film(minutes=1.0, a_grade=9)


@pytest.mark.slow
def test_a_study_tells_what_each_policy_finds(tmp_path, monkeypatch):
    monkeypatch.setattr(haystack, "_clips", lambda _: clips())
    work = haystack.Work(tmp_path, tmp_path, minutes=1.5, a_grade=1)
    lines = [haystack.make_film(work, seed) for seed in (0, 1)]
    work.annotations.write_text("\n".join(lines) + "\n")
    said = study.study(work, range(2))
    assert (said["films"], said["events_a_grade"]) == (2, 2)
    every = said["policies"]["adaptive"]["budgets"]["256"]
    assert every["recall"] == said["ceiling"]  # 180 candidates: all of them are taken
    for row in said["policies"].values():
        assert 0 <= row["area_interval"][0] <= row["area"] <= row["area_interval"][1] <= 1
    assert said["spread_of_adaptive_beside_uniform"]["256"] == [1.0] * len(study.SPREAD_SECONDS)


@pytest.mark.parametrize("policy", study.COMPARED)
def test_a_nested_policy_asked_once_picks_what_select_does(policy):
    rng = np.random.default_rng(0)
    looks = rng.standard_normal((300, 8)).astype(np.float32)
    columns = {"shot_start": (np.arange(300) % 60 == 0).astype(np.float32)}
    table = FrameTable.from_seconds(np.arange(300) / 2, signatures=looks, signals=columns)
    for budget, seconds in study.picks_of(table, policy).items():
        chosen = select(table, budget=budget, policy=policy).seconds
        np.testing.assert_array_equal(seconds, chosen)


@pytest.mark.parametrize("length", [0.5, 3.0, 40.0])
def test_evenly_spread_evidence_is_counted_at_every_moment(length):
    seconds = np.array([0.0, 3.0, 4.0, 31.0, 50.0])
    begins = np.linspace(0, 50 - length, 20001) + 1e-7
    held = [((seconds >= b) & (seconds < b + length)).any() for b in begins]
    assert study.spread_share(seconds, 50.0, length) == pytest.approx(np.mean(held), abs=2e-3)


@pytest.mark.slow
def test_the_written_film_and_its_store_have_the_length_that_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(haystack, "_clips", lambda _: clips())
    work = haystack.Work(tmp_path, tmp_path / "work", minutes=1.0, a_grade=1, keeps_films=True)
    work.folder.mkdir()
    line = json.loads(haystack.make_film(work, 3))
    (path,) = work.folder.glob("*.mp4")
    with av.open(str(path)) as made:
        assert sum(1 for _ in made.decode(video=0)) == 60 * FPS
    video = open_store(work.store)[line["video"]]
    assert len(video.table) == 120
    assert video.duration_seconds == pytest.approx(line["duration_seconds"])
    assert {"rarity", "anomaly"} <= set(video.table.signals)
