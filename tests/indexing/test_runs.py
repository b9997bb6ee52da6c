"""Runs of many films: predicted, narrowed, and told about."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.cli.main import main
from fewframes.indexing.discovery import find_films
from fewframes.indexing.filters import narrowed

LONG = Film(frames=600, options={"g": "25"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A film that is cut, two short ones, and what is no film."""
    root = tmp_path_factory.mktemp("corpus")
    (root / "day2").mkdir()
    write_film(root / "long.mp4", LONG)
    for name, frames in {"a": 50, "day2/b": 51}.items():
        write_film(root / f"{name}.mp4", Film(frames=frames))
    (root / "text.mp4").write_text("this is not a video\n" * 50)
    return root


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.slow
def test_a_dry_run_predicts_and_writes_nothing(folder, tmp_path):
    words = ["index", folder, "-o", tmp_path / "s", "--dry-run", "--range-seconds", 0.01]
    result = run(*words, "--json", "--workers", 2)
    said = json.loads(result.stdout)
    assert [film["video"] for film in said["films"]] == ["a.mp4", "day2/b.mp4", "long.mp4"]
    assert said["films"][2]["ranges"] > 1
    assert (said["films"][2]["rows"], said["films"][2]["film_seconds"]) == (48, 24.0)
    assert [other["status"] for other in said["others"]] == ["failed"]
    assert said["total"]["rows"] == sum(film["rows"] for film in said["films"])
    assert said["total"]["workers"] == 2
    assert not (tmp_path / "s").exists()
    plain = run(*words).output
    assert "long.mp4: 0:00:24 of film, 48 frames" in plain
    assert "text.mp4: failed: 'text.mp4' is not a video" in plain
    ff.index(folder / "a.mp4", tmp_path / "s")
    again = json.loads(run(*words, "--json").stdout)
    assert [film["video"] for film in again["films"]] == ["day2/b.mp4", "long.mp4"]


@pytest.mark.slow
def test_what_is_predicted_is_what_is_decoded(folder, tmp_path):
    said = json.loads(
        run("index", folder / "long.mp4", "-o", tmp_path, "--dry-run", "--json").stdout
    )
    report = ff.index(folder / "long.mp4", tmp_path / "s", workers=2, range_seconds=0.01)
    film, outcome = said["films"][0], report.outcomes[0]
    assert film["rows"] == outcome.rows
    assert film["pictures"] == pytest.approx(outcome.pictures, rel=0.1)
    assert film["most_bytes"] > outcome.stored_bytes > 0


@pytest.mark.slow
def test_a_run_is_narrowed_by_date_pattern_and_shard(folder):
    films = find_films([folder])
    os.utime(folder / "a.mp4", (0, 0))
    late = ["day2/b.mp4", "long.mp4", "text.mp4"]
    assert list(narrowed(films, ff.IndexOptions(since="2001-01-01"))) == late
    some = narrowed(films, ff.IndexOptions(only=["day2/*", "a"]))
    assert list(some) == ["a.mp4", "day2/b.mp4"]
    shards = [narrowed(films, ff.IndexOptions(shard=f"{place}/3")) for place in (1, 2, 3)]
    assert sorted(name for shard in shards for name in shard) == sorted(films)
    for words in ("3", "0/3", "4/3", "a/b"):
        with pytest.raises(ValueError, match="is no shard; pass 'i/n'"):
            narrowed(films, ff.IndexOptions(shard=words))
    with pytest.raises(ValueError, match="is no date; pass one as '2026-11-21'"):
        narrowed(films, ff.IndexOptions(since="yesterday"))


@pytest.mark.slow
def test_progress_as_json_is_a_line_an_event(folder, tmp_path):
    words = ["index", folder, "-o", tmp_path / "s", "--log", "json", "--range-seconds", 0.01]
    result = run(*words)
    said = [json.loads(line) for line in result.stderr.splitlines()]
    films = {event["video_id"]: event for event in said if event["event"] == "film"}
    assert {name: film["status"] for name, film in films.items()} == {
        "a.mp4": "ok",
        "day2/b.mp4": "ok",
        "long.mp4": "ok",
        "text.mp4": "failed",
    }
    last = [event for event in said if event["event"] == "progress"][-1]
    assert (last["films_done"], last["films_total"], last["failed"]) == (4, 4, 1)
    assert last["share_done"] == pytest.approx(1.0)
    assert last["film_seconds"] == pytest.approx(28.04)
    assert said[-1]["event"] == "end"
    assert said[-1]["exit_status"] == result.exit_code == 3
    quiet = run(*words, "--quiet").stderr.splitlines()
    assert [json.loads(line)["event"] for line in quiet] == ["film", "end"]


def test_the_page_on_scale_says_what_was_measured():
    from fewframes.bench.research.scale import page

    assert (Path(__file__).parents[2] / "SCALE.md").read_text() == page()
