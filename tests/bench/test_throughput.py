"""Throughput: who gives other pictures is named and not timed, and every reader is judged alike."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from fewframes.bench import readers
from fewframes.bench.correctness import in_order, shown_frame, thumbnail, wrong_words
from fewframes.bench.readers import READERS, Setting, ours, pyav_in_order, pyav_seeking
from fewframes.bench.research.films import Film, write_film
from fewframes.bench.research.report import reading_chart
from fewframes.bench.throughput import WORKLOADS, beside_best
from fewframes.cli.main import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film whose frames differ, with B-frames and short GOPs."""
    path = tmp_path_factory.mktemp("throughput") / "film.mp4"
    write_film(path, Film(frames=90, size=(120, 160), options={"g": "25", "bf": "2"}))
    return path


def shown(reader, film, numbers):
    return np.stack([thumbnail(picture) for picture in reader(str(film), np.array(numbers), 1)])


@pytest.mark.parametrize("reader", [ours, readers.ours_again, pyav_in_order, pyav_seeking])
@pytest.mark.parametrize("numbers", [[3, 40, 77], list(range(90)), list(range(0, 90, 7))])
def test_readers_give_the_frames_they_are_asked_for(film, reader, numbers):
    truth = in_order(film, np.array(numbers))
    assert wrong_words(shown(reader, film, numbers), np.array(numbers), truth) is None


@pytest.mark.parametrize("shift", [-7, -1, 1, 12])
def test_other_frames_are_named(film, shift):
    numbers = np.array([20, 45, 70])
    given = shown(pyav_in_order, film, (numbers + shift).tolist())
    words = wrong_words(given, numbers, in_order(film, numbers))
    assert words == f"3 of 3 pictures are wrong: for frame 20 comes one like frame {20 + shift}"


def test_black_frames_and_missing_frames_are_named(film):
    numbers = np.array([20, 45])
    truth = in_order(film, numbers)
    assert "1 pictures came, 2 were asked for" in wrong_words(np.stack([truth[20]]), numbers, truth)
    assert shown_frame(np.full((18, 32, 3), 255, np.float32), 20, truth) is None


def test_a_little_other_colour_is_no_other_frame(film):
    truth = in_order(film, np.array([20]))
    assert shown_frame(truth[20] * 0.98 + 2, 20, truth) == 20


def test_workloads_are_frames_of_the_film_in_order(film):
    import fewframes as ff

    timeline = ff.probe(film)
    for name, frames_of in WORKLOADS.items():
        numbers = frames_of(timeline)
        assert (np.diff(numbers) > 0).all(), name
        assert numbers[0] >= 0, name
        assert numbers[-1] < 90, name
    keys = WORKLOADS["keyframes"](timeline)
    assert timeline.is_keyframe[keys].all()


def test_only_right_and_timed_peers_count():
    rows = {
        "fewframes workers=1": {"cpu_seconds": 2.0},
        "opencv seeking": {"wrong": "…"},
        "decord2 default": {"error": "…"},
        "PyAV in order": {"cpu_seconds": 1.0},
    }
    assert beside_best(rows) == {"best_peer": "PyAV in order", "cpu_ratio": 2.0}
    del rows["PyAV in order"]
    assert beside_best(rows) == {"best_peer": None, "cpu_ratio": None}


def test_the_command_leaves_json_and_says_who_is_wrong(film, tmp_path, monkeypatch):
    import fewframes.bench.throughput as throughput

    few = {"fewframes workers=1": READERS["fewframes workers=1"], "gone": Setting(ours, 1)}
    monkeypatch.setattr(throughput, "READERS", few)  # its process does not know "gone"
    out = tmp_path / "t.json"
    request = ["bench", "throughput", str(film), "--rounds", "1", "--workload", "keyframes"]
    done = CliRunner().invoke(main, [*request, "-o", str(out)])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(out.read_text())["films"]
    part = row["reading"]["keyframes"]
    assert part["frames"] == 4
    assert part["results"]["fewframes workers=1"]["cpu_seconds"] > 0
    assert "gone" in part["results"]["gone"]["error"]
    assert row["index"]["choose"]["cpu_ms"]["adaptive"] >= 0
    assert "does not run" in reading_chart(row)


def test_a_turned_film_is_refused(tmp_path, film):
    from fewframes.bench.research.films import RECIPES

    turned = tmp_path / "turned.mp4"
    write_film(turned, next(recipe for recipe in RECIPES.values() if recipe.rotation))
    shutil.copy(film, tmp_path)
    done = CliRunner().invoke(main, ["bench", "throughput", str(turned)])
    assert done.exit_code == 1
    assert "is turned by" in done.output


def test_a_flat_frame_without_that_rounding_is_itself():
    rng = np.random.default_rng(0)
    film = {n: rng.uniform(40, 200, (18, 32, 3)).astype(np.float32) for n in range(60)}
    film |= {n: np.full((18, 32, 3), 16 + n - 30, np.float32) for n in range(30, 60)}
    numbers = np.array([5, 20, 40])
    given = np.stack([film[5] + 1, film[20] + 1, film[40]])
    assert wrong_words(given, numbers, film) is None
    given[2] = film[42]
    assert "for frame 40 comes one like frame 4" in (wrong_words(given, numbers, film) or "")


def test_a_library_s_own_rounding_is_no_other_frame_of_a_fade():
    rng = np.random.default_rng(0)
    scene = rng.uniform(40, 200, (18, 32, 3)).astype(np.float32)
    fade = {n: scene * (1 - n / 400) for n in range(60)}
    numbers = np.array([20, 30, 40])
    given = np.stack([fade[n] + 1.5 for n in numbers.tolist()])
    assert wrong_words(given, numbers, fade) is None
    given[1] = fade[33] + 1.5
    assert "for frame 30 comes one like frame 33" in (wrong_words(given, numbers, fade) or "")
