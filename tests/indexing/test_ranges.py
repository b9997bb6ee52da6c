"""Ranges of long films: however a film is cut, the video is the same, byte for byte."""

import pickle
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from durability import contents
from film_ranges import FINE, ranges_of

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.decode.backend_choice import DecoderRequest
from fewframes.indexing import pipeline
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import Scan
from fewframes.indexing.results import RangeResult
from fewframes.indexing.tasks import execute
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import resolve_store


def task_of(film, store, **facts):
    recipe = facts.pop("recipe", Recipe(fps=10, size="64"))
    return FilmTask(film, store, "a", recipe, range_seconds=FINE, **facts)


def in_ranges(film, store, **facts):
    """Does every range in an order by chance, and then the film."""
    order = list(range(len(ranges_of(film, facts.get("recipe", Recipe(fps=10, size="64"))))))
    random.Random(1).shuffle(order)
    outcomes = [execute(task_of(film, store, part=at, **facts)) for at in order]
    assert {type(outcome) for outcome in outcomes} == {RangeResult}
    return execute(task_of(film, store, **facts))


CUTTABLE = (
    "x264_pyramid x264_open_gop x264_uneven x264_turned x264_10bit x264_ts x264_odd_444 "
    "x265_b x265_open_gop x265_layers vp9 vp8 av1 mjpeg"
)


@pytest.mark.slow
@pytest.mark.parametrize("name", CUTTABLE.split())
def test_a_video_is_the_same_however_its_film_is_cut(films, tmp_path, name):
    assert len(ranges_of(films(name))) > 1
    whole = execute(FilmTask(films(name), tmp_path / "whole", "a", Recipe(fps=10, size="64")))
    merged = in_ranges(films(name), tmp_path / "cut")
    assert (merged.status, merged.rows, merged.stored) == ("ok", whole.rows, whole.stored)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert not (tmp_path / "cut/.parts").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(fps=None, size="160", dedup=0.0),
        Recipe(fps=None, size="160", dedup=0.2),
        Recipe(fps=10, size="native", codec="zstd"),
        Recipe(fps=10, size="48x64", codec="raw"),
    ],
    ids=lambda recipe: f"{recipe.codec}-{recipe.dedup}",
)
def test_so_it_is_under_every_recipe(films, tmp_path, recipe):
    film = films("x264_pyramid")
    execute(FilmTask(film, tmp_path / "whole", "a", recipe))
    in_ranges(film, tmp_path / "cut", recipe=recipe)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_a_part_that_is_there_is_not_decoded_again_and_a_damaged_one_is(films, tmp_path):
    film, store = films("x264_pyramid"), tmp_path / "s"
    assert execute(task_of(film, store, part=0)).pictures > 0
    assert execute(task_of(film, store, part=0)).pictures == 0
    (part,) = (store / ".parts").rglob("*.arrow")
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    assert execute(task_of(film, store, part=0)).pictures > 0
    in_ranges(film, store)
    execute(FilmTask(film, tmp_path / "whole", "a", Recipe(fps=10, size="64")))
    assert contents(store) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_without_all_parts_a_film_is_decoded_in_one_go(films, tmp_path):
    film = films("x264_pyramid")
    execute(task_of(film, tmp_path / "cut", part=1))
    assert execute(task_of(film, tmp_path / "cut")).pictures > 0
    execute(FilmTask(film, tmp_path / "whole", "a", Recipe(fps=10, size="64")))
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert not (tmp_path / "cut/.parts").exists()


@pytest.mark.slow
def test_a_film_with_damage_is_decoded_in_one_go(tmp_path):
    film = tmp_path / "film.mp4"
    write_film(film, Film(frames=120, options={"g": "15"}))
    data, start = bytearray(film.read_bytes()), int(ff.probe(film).packets.position[40])
    data[start + 60 : start + 100] = bytes(40)
    film.write_bytes(data)
    reasons = [
        execute(task_of(film, tmp_path / "cut", part=at)).unsplittable_reason
        for at in range(len(ranges_of(film)))
    ]
    assert any("cleanly" in reason for reason in reasons)
    assert not list((tmp_path / "cut/.parts").rglob("*.arrow"))
    assert execute(task_of(film, tmp_path / "cut")).status == "damaged"
    execute(FilmTask(film, tmp_path / "whole", "a", Recipe(fps=10, size="64")))
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert not (tmp_path / "cut/.parts").exists()


def test_ranges_cover_a_film_evenly_and_cut_no_group_of_pictures(films):
    timeline = ff.probe(films("x264_no_b"))
    numbers = np.arange(len(timeline))
    ranges = ranges_of(films("x264_no_b"), Recipe(fps=None))
    np.testing.assert_array_equal(np.concatenate(ranges), numbers)
    assert all(timeline.is_keyframe[part[0]] for part in ranges)


def test_what_decodes_differently_from_its_middle_is_not_cut(films):
    assert len(ranges_of(films("mpeg4_avi"))) == 1
    film = films("x264_no_b")
    task = task_of(film, Path("s"), request=DecoderRequest(device="auto"))
    assert len(Scan.of(ff.probe(film), task).ranges) == 1


@pytest.mark.slow
@pytest.mark.parametrize("is_published", [True, False])
def test_a_range_survives_that_its_film_is_published_or_refused_meanwhile(
    films, tmp_path, monkeypatch, is_published
):
    film, store = films("x264_no_b"), tmp_path / "s"
    in_hand = pipeline.PartWriter.publish

    def publish(writer):
        writer._flush()
        if is_published:
            shutil.rmtree(store / ".parts")
        else:
            writer._parts.refuse("not clean")
        in_hand(writer)

    monkeypatch.setattr(pipeline.PartWriter, "publish", publish)
    outcome = execute(task_of(film, store, part=0))
    assert outcome.unsplittable_reason == ("" if is_published else "not clean")
    monkeypatch.undo()
    assert execute(task_of(film, store)).status == "ok"
    assert not (store / ".parts").exists()


@pytest.mark.slow
def test_removing_a_video_removes_what_is_done_of_it(films, tmp_path):
    from fewframes.store.removal import remove_videos

    execute(FilmTask(films("x264_no_b"), tmp_path / "s", "a", Recipe(fps=10, size="64")))
    execute(task_of(films("x264_no_b"), tmp_path / "s", part=0, recipe=Recipe(size="80")))
    assert list((tmp_path / "s/.parts").rglob("*.arrow"))
    remove_videos(tmp_path / "s", ["a"])
    assert not list((tmp_path / "s/.parts").rglob("*"))


def test_a_task_can_be_sent_and_has_the_same_id_everywhere(films, tmp_path):
    task = task_of(films("x264_no_b"), resolve_store(tmp_path / "s"), part=3)
    assert pickle.loads(pickle.dumps(task)) == task
    assert task.id == task_of(tmp_path / "moved.mp4", tmp_path / "other", part=3).id
    ids = {task_of(tmp_path, tmp_path, part=part).id for part in (None, 0, 1)}
    assert len(ids) == 3
