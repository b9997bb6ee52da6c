"""Duplicates: a film whose content is stored under another id is one, and is not decoded."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from dying_stores import Wrapped
from stored import put

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.cli.main import main
from fewframes.errors import UnreachableStoreError
from fewframes.indexing import duplicates, fetching
from fewframes.indexing.duplicates import compare_film, suspects_among
from fewframes.indexing.forecast import forecast
from fewframes.indexing.options import FilmTask, IndexOptions
from fewframes.indexing.tasks import FilmEstimate, PredictedCost
from fewframes.store import digests
from fewframes.store.compaction import compact
from fewframes.store.layout import CATALOGUE
from fewframes.store.recipes import Recipe
from fewframes.store.removal import remove_videos
from fewframes.store.resolve import resolve_store


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def index(paths, where, **options):
    """Indexes films; gives the status of each by id."""
    return statuses(ff.index(paths, where, **{"size": 64, "workers": 1, **options}))


def statuses(report):
    return {outcome.video_id: outcome.status.value for outcome in report.outcomes}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three films of different content, by number of frames."""
    folder = tmp_path_factory.mktemp("made")
    for frames in (10, 12, 400):
        write_film(folder / f"{frames}.mp4", Film(frames=frames, size=(48, 64)))
    return {frames: folder / f"{frames}.mp4" for frames in (10, 12, 400)}


@pytest.fixture
def place(tmp_path, made, monkeypatch):
    """A folder, in which the test runs, with two films of different content, one in a folder."""
    (tmp_path / "a").mkdir()
    shutil.copy(made[10], tmp_path / "a/001.mp4")
    shutil.copy(made[12], tmp_path / "b.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_folder_then_one_beside_it_then_the_one_above(where, place, made):
    assert index("a", where) == {"001.mp4": "ok"}
    Path("c").mkdir()
    shutil.copy(made[10], "c/002.mp4")
    report = ff.index("c", where, size=64, fps=5, workers=1)
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.pictures, report.exit_status) == ("duplicate", 0, 0)
    assert outcome.reason.startswith("it has the content of '001.mp4'; duplicates='keep' stores")
    assert index(".", where) == {
        "a/001.mp4": "duplicate",
        "b.mp4": "ok",
        "c/002.mp4": "duplicate",
    }
    assert list(ff.open(where)) == ["001.mp4", "b.mp4"]
    assert index("a", where, fps=5) == {"001.mp4": "ok"}, "its own id is there: a new recipe"
    assert index("a", where, fps=5) == {"001.mp4": "done"}
    planned = forecast("c", where, size=64)
    assert [(one.video_id, one.status) for one in planned.others] == [("002.mp4", "duplicate")]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("order", [["short", "long"], ["long", "short"]])
def test_of_copies_in_one_run_the_first_given_wins(tmp_path, made, workers, order):
    for name in ("short", "long"):
        shutil.copy(made[400], tmp_path / f"{name}.mp4")
    shutil.copy(made[12], tmp_path / "other.mp4")
    paths = [tmp_path / f"{name}.mp4" for name in ("other", *order)]
    how = {"workers": workers, "range_seconds": 0.02}
    planned = forecast(paths, tmp_path / "s", size=64, **how)
    assert [one.video_id for one in planned.others] == [f"{order[1]}.mp4"]
    assert index(paths, tmp_path / "s", **how) == {
        "other.mp4": "ok",
        f"{order[0]}.mp4": "ok",
        f"{order[1]}.mp4": "duplicate",
    }
    assert list(ff.open(tmp_path / "s")) == sorted(["other.mp4", f"{order[0]}.mp4"])
    assert index(paths[1:][::-1], tmp_path / "s", **how) == {
        f"{order[1]}.mp4": "duplicate",
        f"{order[0]}.mp4": "done",
    }


@pytest.mark.slow
def test_a_run_with_duplicates_alone_ends_well_and_says_so(where, place):
    index("a", where)
    shutil.copy("a/001.mp4", "copy.mp4")
    said = run("index", "copy.mp4", "-o", where, "--size", 64)
    assert said.exit_code == 0
    assert "[1/1] copy.mp4: duplicate; " in said.output
    line = "duplicate: copy.mp4: it has the content of '001.mp4'; --duplicates 'keep' stores both"
    assert line in said.output
    assert "IndexReport(1 duplicate, " in said.output
    assert [line.split()[0] for line in run("ls", where).output.splitlines()] == ["001.mp4"]
    kept = run("index", "copy.mp4", "-o", where, "--size", 64, "--duplicates", "keep")
    assert "note: copy.mp4: it has the content of '001.mp4'" in kept.output
    assert (kept.exit_code, list(ff.open(where))) == (0, ["001.mp4", "copy.mp4"])
    with pytest.raises(ValueError, match="duplicates='all' is unknown; pass 'skip' or 'keep'"):
        IndexOptions(duplicates="all")


@pytest.mark.slow
def test_copies_may_be_kept_and_say_what_they_are(tmp_path, place):
    for name in ("x.mp4", "y.mp4"):
        shutil.copy("a/001.mp4", name)
    report = ff.index(["a", "y.mp4", "x.mp4"], "s", size=64, workers=2, duplicates="keep")
    assert {one.video_id: one.notes for one in report.outcomes} == {
        "001.mp4": "",
        "y.mp4": "it has the content of '001.mp4'",
        "x.mp4": "it has the content of '001.mp4'",
    }
    assert set(statuses(report).values()) == {"ok"}
    again = ff.index(["a", "y.mp4", "x.mp4"], "s", size=64, workers=2)
    assert set(statuses(again).values()) == {"done"}, "each one's own id is there"


@pytest.mark.slow
def test_what_failed_or_was_removed_is_no_original(where, place, made):
    put(where, "first.mp4")  # another film is stored under this id
    for name in ("first.mp4", "second.mp4", "third.mp4"):
        shutil.copy(made[10], name)
    films = ["first.mp4", "second.mp4", "third.mp4"]
    assert index(films, where, workers=2) == {
        "first.mp4": "failed",
        "second.mp4": "ok",
        "third.mp4": "duplicate",
    }
    remove_videos(where, ["second"])
    assert index("third.mp4", where) == {"third.mp4": "ok"}
    assert ff.open(where).failures() == []


@pytest.mark.slow
def test_the_next_copy_is_indexed_where_the_first_fails_on_the_way(tmp_path, made, monkeypatch):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        shutil.copy(made[10], tmp_path / name / f"{name}.mp4")
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import fewframes.features.scan as module\n"
        "real = module.scan\n"
        "def scan(timeline, *args, **options):\n"
        "    if timeline.source.name == 'a.mp4':\n"
        "        raise ValueError('it broke')\n"
        "    return real(timeline, *args, **options)\n"
        "module.scan = scan\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(hook))
    paths = [tmp_path / name for name in ("a", "b", "c")]
    assert index(paths, tmp_path / "s", workers=2) == {
        "a.mp4": "failed",
        "b.mp4": "ok",
        "c.mp4": "duplicate",
    }
    said = [one.reason for one in ff.index(paths, tmp_path / "s", size=64).outcomes]
    assert said[2].startswith("it has the content of 'b.mp4'")
    assert said[0].startswith("it has the content of 'b.mp4'"), "it was not stored under its id"


@pytest.mark.slow
def test_a_video_that_is_about_to_be_replaced_is_no_original(where, place, made):
    assert index("b.mp4", where) == {"b.mp4": "ok"}
    shutil.move("b.mp4", "renamed.mp4")
    shutil.copy(made[10], "b.mp4")
    films = ["b.mp4", "renamed.mp4"]
    assert index(films, where) == {"b.mp4": "failed", "renamed.mp4": "duplicate"}
    assert index(films, where, replace=True) == {"b.mp4": "ok", "renamed.mp4": "ok"}
    frames = {one.id: one.facts["counts"]["frames"] for one in ff.open(where).values()}
    assert frames == {"b.mp4": 10, "renamed.mp4": 12}


@pytest.mark.slow
def test_films_by_url_are_compared_and_not_decoded(bucket, place, made):
    url, objects = f"{bucket}/films/", resolve_store(bucket)
    for name in ("x.mp4", "day 1/x.mp4"):
        objects.put(f"films/{name}", made[10].read_bytes())
    assert index(url, "s") == {"day 1/x.mp4": "ok", "x.mp4": "duplicate"}
    assert index("a", "s") == {"001.mp4": "duplicate"}
    assert index(url, "s") == {"day 1/x.mp4": "done", "x.mp4": "duplicate"}
    objects.put("films/x.mp4", made[12].read_bytes())
    objects.put("films/day 1/x.mp4", made[12].read_bytes())
    assert index(url, "s") == {"day 1/x.mp4": "failed", "x.mp4": "ok"}
    objects.put("films/x.mp4", made[12].read_bytes())  # later, and the same
    assert index(f"{url}x.mp4", "s") == {"x.mp4": "done"}


def look(name, size, edges):
    return FilmEstimate(name, 1.0, PredictedCost(), 1, content=(size, edges))


def test_only_films_that_are_like_another_are_read(where, place, monkeypatch):
    size = Path("b.mp4").stat().st_size
    put(where, "stored.mp4")  # of 400 bytes, and edges of its own
    looks = {one.video_id: one for one in (look("a", 1, "e"), look("b", 400, "e"))}
    looks |= {one.video_id: one for one in (look("c", size, "x"), look("d", size, "y"))}
    store = resolve_store(where)
    suspects = suspects_among(store, looks, is_replacing=False)
    assert list(suspects) == ["b"]

    def unread(_path):
        raise AssertionError("it was read whole")

    monkeypatch.setattr(digests, "digest_file", unread)
    task = FilmTask(place / "b.mp4", store, "b", Recipe())
    assert compare_film(task, suspect=suspects["b"]).stored_id == "", "its edges differ"
    looks["b"] = look("b", 400, "edges")
    suspects = suspects_among(store, looks, is_replacing=False)
    with pytest.raises(AssertionError, match="read whole"):
        compare_film(task, suspect=suspects["b"])
    monkeypatch.setattr(digests, "digest_file", lambda _: "d1")
    assert compare_film(task, suspect=suspects["b"]).stored_id == "stored.mp4"
    monkeypatch.setattr(digests, "digest_file", lambda _: "d2")
    assert compare_film(task, suspect=suspects["b"]).stored_id == ""
    store.delete(*(f"{home}/commit.json" for home in homes(store, "stored.mp4")))
    assert compare_film(task, suspect=suspects["b"]).stored_id == "", "it is gone"


def homes(store, video_id):
    return [f"videos/{video_id}/{key}" for key in store.names(f"videos/{video_id}")]


def test_a_run_makes_one_table_of_the_catalogue_and_asks_no_video(where):
    for number in range(3):
        put(where, f"{number}.mp4", frames=20 + number)
    compact(where)

    class Counted(Wrapped):
        def __init__(self, files):
            super().__init__(files)
            self.calls = []

        def __getattr__(self, name):
            real = getattr(self.files_below, name)

            def call(*given, **how):
                self.calls.append((name, *map(str, given)))
                return real(*given, **how)

            return call if callable(real) else real

    counted = Counted(resolve_store(where))
    looks = {str(n): look(str(n), n, "e") for n in range(500)}
    found = suspects_among(counted, looks, is_replacing=False)
    assert {name: list(one.videos) for name, one in found.items()} == {
        "200": ["0.mp4"],
        "210": ["1.mp4"],
        "220": ["2.mp4"],
    }
    assert len(counted.calls) < 6
    assert not [call for call in counted.calls if call[1].startswith("videos")]
    counted.calls.clear()
    assert suspects_among(counted, {}, is_replacing=False) == {}
    assert counted.calls == [], "where nothing is to be indexed, nothing is asked"


def test_a_damaged_catalogue_ends_no_run(where, caplog):
    put(where, "a.mp4")
    compact(where)
    store = resolve_store(where)
    (name,) = store.names(CATALOGUE)
    store.put(f"{CATALOGUE}/{name}", b"damaged")
    found = suspects_among(store, {"b": look("b", 400, "e")}, is_replacing=False)
    assert list(found["b"].videos) == ["a.mp4"]
    assert "every record is read for it" in caplog.text


def test_a_store_that_is_away_is_no_other_answer(where, place, monkeypatch):
    put(where, "a.mp4")
    store = resolve_store(where)
    suspects = suspects_among(store, {"b": look("b", 400, "edges")}, is_replacing=False)

    def away(*_):
        raise UnreachableStoreError("it is away")

    monkeypatch.setattr(duplicates, "content_of", away)
    with pytest.raises(UnreachableStoreError):
        compare_film(FilmTask(place / "b.mp4", store, "b", Recipe()), suspect=suspects["b"])
    assert fetching.size_of(place / "b.mp4")
