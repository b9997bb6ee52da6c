"""What holds of ids whose quoted folder name is longer than a file system takes."""

import json
import shutil

import pytest
from backends import place_of
from click.testing import CliRunner
from stored import put

import fewframes as ff
from fewframes.checking.verify import verify_store
from fewframes.cli.main import main
from fewframes.indexing.quarantine import Quarantine
from fewframes.store.compaction import compact
from fewframes.store.dataset_export import FORMATS, export_videos
from fewframes.store.failures import FailureRecords
from fewframes.store.layout import folder_name
from fewframes.store.marker import create_store
from fewframes.store.recipes import Recipe
from fewframes.store.removal import remove_videos
from fewframes.store.resolve import resolve_store
from fewframes.store.results import Outcome, Status
from fewframes.store.store import open_store

LONG = "ward 3/" + "手術室の録画" * 12
OTHER = f"{LONG}二"
BYTES = "caf\udce9 " * 60
"""A long name in Latin-1, as a folder may hold it."""
EDGES = ("a" * 255, "a" * 256, "手" * 28, "手" * 29)


@pytest.fixture
def store(where):
    for name in (LONG, "a", OTHER, BYTES):
        put(where, name)
    return where


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_names_fit_and_short_ones_are_the_quoted_id():
    names = [folder_name(video_id) for video_id in EDGES]
    assert [len(name) for name in names] == [255, 255, 252, 255]
    assert names[0] == EDGES[0]
    assert names[2] == "%E6%89%8B" * 28
    assert len({folder_name(f"{LONG}{n}") for n in range(1000)}) == 1000


@pytest.mark.parametrize("with_snapshot", [False, True])
def test_long_ids_are_listed_and_read_in_full(store, with_snapshot):
    if with_snapshot:
        assert compact(store) == 4
    videos = open_store(store)
    assert list(videos) == sorted([LONG, "a", OTHER, BYTES])
    assert [row["id"] for row in videos.lines()] == list(videos)
    assert set(videos.to_table()["id"].to_pylist()) >= {LONG, OTHER}
    for name in (LONG, OTHER, BYTES):
        assert name in videos
        assert videos[name].id == name
    with pytest.raises(KeyError):
        videos[f"{LONG}三"]
    assert [verdict.differences for verdict in verify_store(store)] == [()] * 4
    listed = [json.loads(line)["id"] for line in run("ls", store, "--json").stdout.splitlines()]
    assert listed == list(videos)


def test_a_long_id_is_removed_from_the_store_and_its_lists(store):
    compact(store)
    put(store, LONG, digest="d2")  # leaves a note
    remove_videos(store, [LONG])
    assert list(open_store(store)) == sorted(["a", OTHER, BYTES])
    assert run("rm", store, OTHER).exit_code == 0
    assert list(open_store(store)) == sorted(["a", BYTES])
    assert len(resolve_store(store).names("videos")) == 2


@pytest.mark.parametrize("lost", [["commit.json"], ["commit.json", "zarr.json"]])
def test_a_damaged_long_video_is_listed_found_and_removed(store, lost):
    compact(store)
    files, name = resolve_store(store), folder_name(LONG)
    (key,) = files.names(f"videos/{name}")
    home = f"videos/{name}/{key}"
    places = {"commit.json": home, "zarr.json": place_of(files, home)}
    for file in lost:
        files.put(f"{places[file]}/{file}", b"{}")
    broken = [verdict.video for verdict in verify_store(store) if verdict.differences]
    called = LONG if "zarr.json" not in lost else name
    assert broken[0] == called
    compact(store)
    assert called in list(open_store(store))
    remove_videos(store, [called])
    assert len(list(open_store(store))) == 3
    assert verify_store(store)[-1].differences == ()


@pytest.mark.slow
def test_exports_of_long_ids_fit(store, tmp_path):
    for form in FORMATS:
        export_videos(
            [open_store(store)[LONG], open_store(store)[OTHER]], tmp_path / form, form=form
        )
    facts = [json.loads(file.read_text())["video"] for file in (tmp_path / "mp4").glob("*.json")]
    assert set(facts) == {LONG, OTHER}
    assert len(list((tmp_path / "webdataset").glob("*.tar"))) == 2


def test_the_quarantine_knows_long_ids(where, tmp_path):
    (tmp_path / "film.mp4").touch()
    store = create_store(where)
    quarantine = Quarantine(store, Recipe(), (60.0, 1 << 30))
    films = {LONG: tmp_path / "film.mp4", "a": tmp_path / "film.mp4"}
    for video_id, film in films.items():
        failed = Outcome(video_id, Status.FAILED, "it hung")
        quarantine.note(failed, film, is_avoided=True)
    assert list(quarantine.reasons(films)) == ["a", LONG]
    quarantine.note(Outcome(LONG, Status.OK), film, is_avoided=False)
    assert FailureRecords(store).ids() == ["a"]


@pytest.mark.slow
def test_a_film_with_a_long_name_is_indexed_by_it(films, where, tmp_path):
    folder = tmp_path / ("撮影" * 20) / ("日付" * 20)
    folder.mkdir(parents=True)
    film = folder / f"{'手術' * 20}.mp4"
    shutil.copy(films("x264_uneven"), film)
    report = ff.index(tmp_path / ("撮影" * 20), where, size=64, workers=1)
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.video_id) == ("ok", f"{'日付' * 20}/{'手術' * 20}.mp4")
    assert len(ff.open(where)[outcome.video_id].read(frames=[0])) == 1
    again = ff.index(tmp_path / ("撮影" * 20), where, size=64, workers=1)
    assert again.outcomes[0].status == "done"


@pytest.mark.slow
def test_a_film_by_url_with_a_long_name_is_fetched(bucket, films, tmp_path):
    name = f"{'手術室' * 40}.mp4"
    resolve_store(bucket).put(f"films/{name}", films("x264_uneven").read_bytes())
    report = ff.index(f"{bucket}/films/", tmp_path / "s", size=64, workers=1)
    assert [(o.status, o.video_id) for o in report.outcomes] == [("ok", name)]
