"""A store of each former layout is brought to today's, and no picture of it is decoded."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from backends import keys
from click.testing import CliRunner
from dying_stores import Dying, Killed
from hostile_mutations import sealed
from stored import RECIPE, film, picture_of_row, put

import fewframes as ff
from fewframes.checking.verify import verify_store
from fewframes.cli.main import main
from fewframes.store.layout import quoted
from fewframes.store.migrate import migrate
from fewframes.store.recipes import Recipe, canonical_json
from fewframes.store.resolve import resolve_store
from fewframes.store.standing import what_stands

FORMATS = Path(__file__).parent / "formats"
"""One small store of each former layout, as its own writer left it: 4 groups of 3 videos, one of
them with vectors and one later than the catalogue, and a film that failed."""


@pytest.fixture(params=[path.name for path in sorted(FORMATS.iterdir())])
def former(request, where):
    """A store of a former layout, in a folder or at a URL."""
    store = resolve_store(where)
    with zipfile.ZipFile(FORMATS / request.param) as archive:
        for name in archive.namelist():
            store.put(name, archive.read(name))
    return store


def check(where):
    store = ff.open(where)
    assert list(store) == ["film.mp4", "third", "ward/other"]
    assert store["film"].facts["recipe"]["fps"] == 5.0
    for video in store.values():
        zarr = json.loads(video.commit.bytes_of("zarr.json"))
        assert zarr["attributes"]["fewframes"]["id"] == video.id == video.facts["id"]
    assert len(store["film"].recipes) == 2
    for row in range(20):
        picture = store["film"].read(rows=[row]).frames[0]
        np.testing.assert_array_equal(picture, picture_of_row(row))
    assert store["film"].vectors("colour").shape == (20, 3)
    assert [row["id"] for row in store.failures()] == ["bad"]
    recipe = Recipe.from_dict(store["film"].facts["recipe"])
    outcome = what_stands(resolve_store(where), "film.mp4", recipe, film(40).source)
    assert outcome.status == "done", "the next run finds it"
    assert all(result.is_well for result in verify_store(where))
    first = {key.split("/")[0] for key in keys(where)}
    assert first <= {"fewframes-store.json", "videos", "catalogue", "failures"}


@pytest.mark.slow
def test_a_store_of_a_former_layout_says_so_and_is_brought_up_to_date(former):
    where = str(former.path) if hasattr(former, "path") else former.objects.url
    said = CliRunner().invoke(main, ["ls", where])
    assert said.exit_code == 1
    assert "bring it up to date with 'fewframes migrate'" in said.output
    done = CliRunner().invoke(main, ["migrate", where])
    assert (done.exit_code, done.output) == (0, "3 videos\n")
    check(where)
    put(former, "film.mp4", recipe=RECIPE)
    assert migrate(former) == []
    check(former)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [0, 1, 2, 4, 6, 8, 9, 10, 11, 12, 14, 16, 18, 20, 25, 30, 35, 37]
)
def test_one_that_was_killed_goes_on(former, changes):
    with pytest.raises(Killed):
        migrate(Dying(former, changes))
    assert migrate(former) == []
    check(former)


@pytest.mark.slow
def test_what_is_damaged_stays_as_it_is_and_the_rest_comes(former):
    key = next(key for key in keys(former) if key.startswith("videos/third") and "parquet" in key)
    former.put(key, former.read(key)[:-1])
    (problem,) = migrate(former)
    assert "frames.parquet beside third/" in problem
    assert list(ff.open(former)) == ["film.mp4", "third", "ward/other"]
    assert [row["status"] for row in ff.open(former).lines()] == ["ok", "unreadable", "ok"]
    done = CliRunner().invoke(main, ["migrate", str(getattr(former, "path", "none"))])
    assert done.exit_code in (0, 1), "it is up to date"


@pytest.mark.slow
@pytest.mark.parametrize("attempt", ["../../film", "x", 5])
def test_a_record_leads_nowhere_else(former, attempt):
    key = next(key for key in keys(former) if key.startswith("videos/third") and "commit" in key)
    before = [name for name in keys(former) if name.startswith("videos/film/")]
    record = json.loads(former.read(key)) | {"attempt": attempt}
    former.put(key, sealed(record))
    (problem,) = migrate(former)
    assert "attempt=" in problem
    migrated = [name for name in keys(former) if name.startswith("videos/film.mp4/")]
    assert len(migrated) == len(before)


def rename_video(former, video_id, new, film_name):
    """Puts the group of one of the store's videos under another id, as its own writer would."""
    for key in [key for key in keys(former) if key.startswith(f"videos/{video_id}/")]:
        to = key.replace(f"videos/{video_id}/", f"videos/{quoted(new)}/")
        former.rename(key, to)
        if key.endswith("commit.json"):
            record = json.loads(former.read(to)) | {"id": new}
            former.put(to, sealed(record | {"source": record["source"] | {"name": film_name}}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("video_id", "film_name", "becomes"),
    [
        ("day 1/case.v2", "case.v2.mkv", "day 1/case.v2.mkv"),
        ("day 1/case", "other.mkv", "day 1/case"),
        ("case_07.mp4", "case_07.mp4", "case_07.mp4"),
        ("case_07.mp4", "case_07.mp4.mkv", "case_07.mp4.mkv"),
        ("case_07", "case_07", "case_07"),
        ("film.mp4", "film.mp4", "film.mp4"),
    ],
)
def test_an_id_gets_the_suffix_of_its_own_film_if_nothing_has_that(
    former, video_id, film_name, becomes
):
    rename_video(former, "third", video_id, film_name)
    assert migrate(former) == []
    is_taken = video_id == "film.mp4"
    assert list(ff.open(former)) == sorted(
        [becomes, "film" if is_taken else "film.mp4", "ward/other"]
    )
    assert all(result.is_well for result in verify_store(former))


@pytest.mark.slow
def test_the_chosen_recipe_and_a_failure_go_with_the_id(former):
    store_keys = former.names("videos/film")
    oldest = next(key for key in store_keys if key.startswith("3892"))
    choice = {"key": oldest, "since": "2099-01-01T00:00:00.000000+00:00"}
    former.put("videos/film/current.json", canonical_json(choice) + b"\n")
    record = json.loads(former.read("quarantine/bad")) | {"id": "film"}
    former.put("quarantine/film", json.dumps(record | {"recipe": Recipe(fps=9).to_dict()}).encode())
    assert migrate(former) == []
    assert ff.open(former)["film.mp4"].commit.key == oldest
    assert [row["id"] for row in ff.open(former).failures()] == ["bad", "film.mp4"]


@pytest.mark.slow
def test_a_group_that_lacks_a_file_stays_whole_where_it_is(former):
    before = [key for key in keys(former) if key.startswith("videos/film/3892")]
    gone = next(key for key in before if "/frames/c/" in key)
    former.delete(gone)
    (problem,) = migrate(former)
    assert gone.rpartition("/frames/")[2] in problem
    there = [key for key in keys(former) if key.startswith("videos/film/")]
    assert there == [key for key in before if key != gone]
    assert ff.open(former)["film.mp4"].recipes
