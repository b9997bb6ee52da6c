"""The command that measures what the README quotes: which films it takes, and what it makes."""

import click
import pytest

import fewframes as ff
from fewframes.bench.readers import READERS, least_cpu
from fewframes.bench.research import numbers
from fewframes.bench.research.films import Film, write_film
from fewframes.bench.research.numbers import clips_for, make_reels

pytestmark = pytest.mark.slow

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    write_film(folder / "large.mp4", Film(frames=60, size=(720, 1280)))
    write_film(folder / "short.mp4", Film(frames=20, size=(720, 1280)))
    write_film(folder / "small.mp4", Film(frames=60))
    write_film(folder / "turned.mp4", Film(frames=60, size=(720, 1280), rotation=90))
    (folder / "notes.txt").write_text("no film")
    (folder / "cut.mp4").write_bytes((folder / "large.mp4").read_bytes()[:2000])
    return folder


def test_only_large_sound_upright_films_are_joined(footage):
    assert [path.name for path in clips_for(footage)] == ["large.mp4"]


def test_reels_are_made_once(footage, tmp_path, monkeypatch):
    monkeypatch.setattr(numbers, "REEL_FRAMES", 70)
    reels = make_reels(footage, tmp_path)
    assert [len(ff.probe(reel)) for reel in reels] == [70, 70]
    assert [ff.probe(reel).stream.codec for reel in reels] == ["h264", "hevc"]
    assert make_reels(tmp_path / "not asked for again", tmp_path) == reels


def test_a_folder_without_a_fit_film_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no film")
    with pytest.raises(click.UsageError, match="holds no sound film of at least 1280x720"):
        make_reels(tmp_path, tmp_path)


def test_every_library_is_among_those_that_take_least_cpu():
    assert {READERS[name].package for name in least_cpu()} == {
        row.package for row in READERS.values()
    }
