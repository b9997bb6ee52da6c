"""Ids: a film keeps its id whatever lies beside it, and an id keeps its film."""

import os
import shutil
from pathlib import Path

import pytest
from backends import lasting
from click.testing import CliRunner
from dying_stores import Dying, Killed, Wrapped
from stored import RECIPE, put

import fewframes as ff
from fewframes.agents.open_sessions import OpenSessions
from fewframes.bench.research.films import Film, write_film
from fewframes.checking.verify import verify_store
from fewframes.cli.main import main
from fewframes.errors import FewframesError, NothingIndexedError
from fewframes.indexing.forecast import forecast
from fewframes.indexing.inputs import find_inputs
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.store.compaction import compact
from fewframes.store.embedding import named_embedder
from fewframes.store.gc import sweep
from fewframes.store.recipes import Recipe
from fewframes.store.removal import remove_recipe, remove_videos
from fewframes.store.resolve import resolve_store
from fewframes.training.clip_videos import chosen_videos

COLOUR = named_embedder(lambda batch: batch.mean(axis=(1, 2)), name="colour", dim=3)
SMALL = Recipe(size="64")


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def digest_of(where, video_id):
    return ff.open(where)[video_id].facts["source"]["digest"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three films of different content, by number of frames."""
    folder = tmp_path_factory.mktemp("made")
    for frames in (10, 12, 14):
        write_film(folder / f"{frames}.mp4", Film(frames=frames, size=(48, 64)))
    return {frames: folder / f"{frames}.mp4" for frames in (10, 12, 14)}


@pytest.fixture
def place(tmp_path, made, monkeypatch):
    """A folder, in which the test runs, with two folders that both hold a film of one name."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    shutil.copy(made[10], tmp_path / "a/001.mp4")
    shutil.copy(made[12], tmp_path / "b/001.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_neighbour_and_no_order_changes_an_id(place):
    before = find_inputs(["a"])
    assert before == {"001.mp4": Path("a/001.mp4")}
    for name in ("a/001.mkv", "a/001.mp4.mp4", "a/001", "c/001.mp4"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert find_inputs(["a"])["001.mp4"] == before["001.mp4"]
    assert sorted(find_inputs(["a"])) == ["001.mkv", "001.mp4", "001.mp4.mp4"]
    assert find_inputs(["a/001.mkv", "b"]) == find_inputs(["b", "a/001.mkv"])
    both = find_inputs([".", "a"])
    assert both == find_inputs(["a", "."]) == find_inputs(["."])
    assert "a/001.mp4" in both
    assert "001.mp4" not in both


def test_two_films_of_one_id_are_refused_before_anything_is_done(place):
    for words in (["a", "b"], ["b", "a"]):
        with pytest.raises(
            ValueError, match=r"are two films with the id '001\.mp4'; name the"
        ) as e:
            ff.index(words, place / "s")
        assert "'a/001.mp4'" in str(e.value)
        assert "'b/001.mp4'" in str(e.value)
        assert "ids={film: 'NAME'}" in str(e.value)
        assert "column 'id'" in str(e.value)
    said = run("index", "a", "b", "-o", "s")
    assert (said.exit_code, said.output.count("\n")) == (1, 1)
    assert "(--id NAME)" in said.output
    assert not (place / "s").exists()


def test_one_file_by_several_paths_is_taken_once(place):
    Path("c").symlink_to("a")
    assert list(find_inputs(["a", place / "a", "c", "./a/../a/001.mp4"])) == ["001.mp4"]
    assert list(find_inputs(["a"], {place / "a/001.mp4": "mine"})) == ["mine"]


def test_only_takes_an_id_or_its_stem(place):
    options = {"only": ["001"], "size": 64}
    assert [one.video_id for one in forecast("a", "s", **options).looks] == ["001.mp4"]


@pytest.mark.slow
def test_an_id_is_given_to_one_film_alone(place):
    shutil.copy("b/001.mp4", "b/002.mp4")
    for words in (["a", "b"], ["b"], ["b/*.mp4"]):
        said = run("index", *words, "-o", "s", "--id", "x")
        assert said.exit_code == 2
        assert "--id names one film, and 2 are given" in said.output
    assert not (place / "s").exists()
    assert run("index", "a", "-o", "s", "--id", "ward 1/x", "--size", 64).exit_code == 0
    assert list(ff.open("s")) == ["ward 1/x"]


@pytest.fixture
def stems(where):
    """A store with two videos of one stem, one of which is an id, too."""
    for video_id in ("a.mkv", "a.mp4", "b.mp4", "c", "c.mp4", "day 1/d.e.mp4"):
        put(where, video_id)
    return where


def test_a_stem_means_the_one_video_that_has_it(stems):
    store = ff.open(stems)
    assert [store[name].id for name in ("b", "b.mp4", "c", "c.mp4", "day 1/d.e")] == [
        "b.mp4",
        "b.mp4",
        "c",
        "c.mp4",
        "day 1/d.e.mp4",
    ]
    assert store.video("b", recipe=RECIPE).id == "b.mp4"
    assert list(store) == ["a.mkv", "a.mp4", "b.mp4", "c", "c.mp4", "day 1/d.e.mp4"]
    for name, is_there in {"b": 1, "b.mp4": 1, "c": 1, "a": 0, "d": 0, "day 1/d": 0, "": 0}.items():
        assert (name in store) == bool(is_there), name
        assert (store.get(name) is not None) == bool(is_there), name
    with pytest.raises(KeyError, match=r"'a' is the stem of several ids, 'a\.mkv', 'a\.mp4'; name"):
        store["a"]
    with pytest.raises(KeyError, match="no video 'd' in"):
        store["d"]
    put(stems, "b.mkv")
    assert ("b" in store, "b.mp4" in store) == (False, True)


def test_an_exact_id_asks_for_no_list(where):
    put(where, "a.mp4")
    compact(where)

    class NoList(Wrapped):
        def names(self, prefix):
            assert prefix == "videos/a.mp4", "one look at the place of the group"
            return self.files_below.names(prefix)

    store = ff.open(NoList(resolve_store(where)))
    assert "a.mp4" in store
    assert store["a.mp4"].id == store.id_of("a.mp4") == "a.mp4"
    with pytest.raises(AssertionError, match="one look"):
        store["a"]


def test_commands_and_functions_take_stems(stems, tmp_path):
    assert run("info", stems, "b", "--json").exit_code == 0
    assert run("sample", stems, "b", "-k", 2).exit_code == 0
    assert run("export", stems, "b", "--to", tmp_path / "x", "--format", "jpeg").exit_code == 0
    assert (tmp_path / "x/b.mp4").is_dir()
    twice = run("export", stems, "b", "b.mp4", "--to", tmp_path / "y", "--format", "mp4")
    assert "a video is named twice" in twice.output
    ambiguous = run("info", stems, "a")
    assert (ambiguous.exit_code, "'a.mkv', 'a.mp4'" in ambiguous.output) == (1, True)
    assert [video.id for video in chosen_videos(str(stems), ["c", "b"])] == ["b.mp4", "c"]
    with pytest.raises(ValueError, match=r"names 'b\.mp4' 2 times"):
        chosen_videos(str(stems), ["b", "b.mp4"])
    for given in ("b", "b.mp4"):
        sessions = OpenSessions(ff.open(stems), films={given: tmp_path / "none"})
        for name in ("b", "b.mp4"):
            with sessions.use(name) as opened, pytest.raises(FewframesError, match="none"):
                opened.session  # noqa: B018 (its film is asked for)
    sessions = OpenSessions(ff.open(stems), max_frames=2)
    with sessions.use("b") as opened:
        opened.session.glance(2)
    with sessions.use("b.mp4") as opened:
        assert opened.session.frames_left == 0, "one budget"


def test_rm_takes_a_stem_and_refuses_one_of_several(stems):
    with pytest.raises(KeyError, match="'a' is the stem of several ids"):
        remove_videos(stems, ["b", "a"])
    assert len(ff.open(stems)) == 6, "nothing is deleted"
    remove_videos(stems, ["b", "b.mp4"])
    key = ff.open(stems)["c"].commit.key
    assert "deleted" in run("rm", stems, "day 1/d.e", "--recipe", key).output
    assert list(ff.open(stems)) == ["a.mkv", "a.mp4", "c", "c.mp4"]
    remove_recipe(stems, "c", RECIPE)
    assert list(ff.open(stems)) == ["a.mkv", "a.mp4", "c.mp4"]


@pytest.mark.slow
def test_rm_takes_the_stem_of_a_film_that_failed_unless_a_video_has_it(where, place):
    Path("a/bad.mp4").write_text("no film")
    ff.index("a", where, size=64, workers=1)
    with pytest.raises(KeyError, match=r"film 'bad\.mp4' was not indexed: 'bad\.mp4' is not a"):
        ff.open(where)["bad"]
    put(where, "bad.mkv")
    assert run("rm", where, "bad").exit_code == 1
    remove_videos(where, ["bad.mkv", "bad.mp4"])
    assert (list(ff.open(where)), ff.open(where).failures()) == (["001.mp4"], [])


@pytest.mark.slow
def test_another_film_under_a_known_id_is_refused(where, place):
    ff.index("a", where, size=64, workers=1)
    before = digest_of(where, "001")
    for fps in (2, 5):
        report = ff.index("b", where, size=64, fps=fps, workers=1, allow_all_failed=True)
        (outcome,) = report.outcomes
        assert (outcome.status, report.exit_status) == ("failed", 1)
        size = Path("a/001.mp4").stat().st_size
        words = f"id '001.mp4' is that of another film: '001.mp4' of {size} bytes, indexed 20"
        assert outcome.reason.startswith(words)
        assert "replace=True puts this one in its place" in outcome.reason
    planned = forecast("b", where, size=64)
    assert [other.status for other in planned.others] == ["failed"]
    assert (digest_of(where, "001"), ff.open(where).failures()) == (before, [])
    said = run("index", "b", "-o", where, "--size", 64)
    assert said.exit_code == 1
    assert "--replace puts this one in its place, --id NAME gives it another id" in said.output
    assert "frames, 0 stored" not in said.output
    said = run("index", "b", "-o", where, "--size", 64, "--log", "json")
    assert "--replace puts" in said.stderr
    assert ff.index("a", where, size=64, workers=1).outcomes[0].status == "done"
    other = ff.index("b/001.mp4", where, size=64, workers=1, ids={"b/001.mp4": "b"})
    assert other.outcomes[0].status == "ok"


@pytest.mark.slow
def test_with_replace_nothing_is_left_of_the_other_film(where, place, made):
    for fps in (2, 5):
        ff.index("a", where, size=64, fps=fps, workers=1)
    ff.open(where)["001"].embed(COLOUR)
    report = ff.index("b", where, size=64, workers=1, replace=True)
    assert [outcome.status for outcome in report.outcomes] == ["ok"]
    video = ff.open(where)["001"]
    assert len(video.recipes) == 1
    assert video.embeddings == ()
    (key,) = resolve_store(where).names("videos/001.mp4")
    assert key == video.commit.key
    assert all(result.is_well for result in verify_store(where, [Path("b")]))
    again = ff.index("b", where, size=64, workers=1, replace=True)
    assert [outcome.status for outcome in again.outcomes] == ["done"]
    shutil.copy(made[14], "a/001.mp4")
    assert run("index", "a", "-o", where, "--size", 64, "--replace").exit_code == 0
    assert len(resolve_store(where).names("videos/001.mp4")) == 1


@pytest.mark.slow
def test_a_film_that_grew_or_was_touched(where, place):
    ff.index("a", where, size=64, workers=1)
    Path("a/001.mp4").touch()
    assert ff.index("a", where, size=64, workers=1).outcomes[0].status == "done"
    assert ff.index("a", where, size=64, fps=5, workers=1).outcomes[0].status == "ok"
    with Path("a/001.mp4").open("ab") as film:
        film.write(bytes(100))
    with pytest.raises(FewframesError, match="is that of another film"):
        ff.index("a", where, size=64, workers=1)


@pytest.mark.slow
def test_what_failed_under_an_id_does_not_block_it(where, place, made):
    Path("a/001.mp4").write_text("no film\n" * 20)
    with pytest.raises(NothingIndexedError):
        ff.index("a", where, size=64, workers=1)
    shutil.copy(made[14], "a/001.mp4")
    assert ff.index("a", where, size=64, workers=1).outcomes[0].status == "ok"
    assert ff.open(where).failures() == []


@pytest.mark.slow
def test_a_replacing_run_that_is_killed_leaves_one_film_whole_and_is_finished(where, place):
    a, b = Path("a/001.mp4"), Path("b/001.mp4")
    for fps in (2.0, 5.0):
        index_film(FilmTask(a, where, "001.mp4", Recipe(fps=fps, size="64")))
    digests = {"a": digest_of(where, "001.mp4")}
    seen = []
    for changes in range(60):
        dying = Dying(resolve_store(where), changes)
        try:
            done = index_film(FilmTask(b, dying, "001.mp4", SMALL, replaces_content=True))
        except Killed:
            video = ff.open(where)["001.mp4"]
            assert len(video.read(rows=[0])) == 1
            seen.append(video.facts["source"]["digest"] != digests["a"])
            continue
        break
    assert changes < 59
    assert seen == sorted(seen), "first the one, then the other"
    assert set(seen) == {False, True}, "it was killed between the two, too"
    sweep(resolve_store(where))
    assert done.status == "done"
    assert len(resolve_store(where).names("videos/001.mp4")) == 1
    assert all(result.is_well for result in verify_store(where, [Path("b")]))


@pytest.mark.slow
@pytest.mark.parametrize("given", ["a", "b"])
def test_any_later_run_takes_what_a_killed_one_has_left(where, place, given):
    for fps in (2.0, 5.0):
        index_film(FilmTask(Path("a/001.mp4"), where, "001.mp4", Recipe(fps=fps, size="64")))
    old = set(resolve_store(where).names("videos/001.mp4"))

    class DyingAtRemoval(Wrapped):
        def delete(self, *keys):
            if keys[0].endswith("commit.json"):
                raise Killed
            self.files_below.delete(*keys)

    dying = DyingAtRemoval(resolve_store(where))
    with pytest.raises(Killed):
        index_film(FilmTask(Path("b/001.mp4"), dying, "001.mp4", SMALL, replaces_content=True))
    assert old < set(resolve_store(where).names("videos/001.mp4"))
    outcome = index_film(FilmTask(Path(f"{given}/001.mp4"), where, "001.mp4", SMALL))
    assert outcome.status == {"a": "failed", "b": "done"}[given]
    assert old.isdisjoint(resolve_store(where).names("videos/001.mp4"))
    assert len(lasting(where)) > 1


@pytest.mark.slow
def test_another_film_that_comes_meanwhile_is_not_taken_away(where, place, monkeypatch):
    from fewframes.indexing import pipeline

    real = pipeline.decode

    def decode(*given):
        if pipeline.decode is not real:
            monkeypatch.undo()
            index_film(FilmTask(Path(place / "b/001.mp4"), where, "001.mp4", SMALL))
        return real(*given)

    monkeypatch.setattr(pipeline, "decode", decode)
    outcome = index_film(FilmTask(place / "a/001.mp4", where, "001.mp4", SMALL))
    assert (outcome.status, outcome.was_stored) == ("failed", True)
    assert len(ff.open(where)["001.mp4"].recipes) == 1


@pytest.mark.slow
def test_a_run_of_which_every_film_failed_raises_with_its_report(where, tmp_path):
    (tmp_path / "films").mkdir()
    for number in range(5):
        (tmp_path / f"films/{number}.mp4").write_text(f"no film {number}")
    with pytest.raises(NothingIndexedError, match=r"none of 5 films was indexed: 0\.mp4: ") as e:
        ff.index(tmp_path / "films", where, workers=1)
    assert "; and 2 more (allow_all_failed=True gives the report" in str(e.value)
    assert len(e.value.report.with_status("failed")) == 5
    report = ff.index(tmp_path / "films", where, workers=1, allow_all_failed=True)
    assert report.exit_status == 1
    said = run("index", tmp_path / "films", "-o", where)
    assert (said.exit_code, said.output.count("failed: ")) == (1, 5)
    assert ff.index(tmp_path / "films", where, only="none").outcomes == ()


def test_a_film_s_name_is_no_stem(where):
    put(where, "a.mp4.mp4")
    put(where, "a.mp4", digest="d2")
    remove_videos(where, ["a.mp4"])
    with pytest.raises(KeyError, match=r"a\.mp4"):
        remove_videos(where, ["a.mp4"])
    assert list(ff.open(where)) == ["a.mp4.mp4"]


@pytest.mark.slow
def test_bytes_that_changed_in_the_middle_are_other_content(tmp_path):
    film = tmp_path / "m.mp4"
    write_film(film, Film(frames=300, size=(480, 640), options={"crf": "1"}))
    assert film.stat().st_size > 3 << 20
    assert ff.index(film, tmp_path / "s", fps=1, size=32).outcomes[0].status == "ok"
    stat, data = film.stat(), bytearray(film.read_bytes())
    data[len(data) // 2] ^= 1
    film.write_bytes(data)
    os.utime(film, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(NothingIndexedError, match="size, time and edges are the same"):
        ff.index(film, tmp_path / "s", fps=2, size=32)
    assert len(ff.open(tmp_path / "s")["m"].recipes) == 1


def test_a_name_that_is_not_utf_8_goes_into_the_catalogue(where, made, tmp_path):
    name = b"bad\xff.mp4".decode("utf-8", "surrogateescape")
    (tmp_path / "films").mkdir()
    shutil.copy(made[10], tmp_path / "films" / name)
    ff.index(tmp_path / "films", where, size=32)
    assert compact(where) == 1
    assert list(ff.open(where)) == [name]
    assert ff.open(where).to_table()["film_name"].to_pylist() == ["bad\\xff.mp4"]
