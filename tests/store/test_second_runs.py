"""What a store knows of a film is said again: damage, notes, other films, other recipes."""

import json
import os
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from backends import lasting, place_of
from click.testing import CliRunner
from stored import RECIPE, film, put

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.checking.verify import verify_store
from fewframes.cli.main import main
from fewframes.errors import UnwritableStoreError
from fewframes.features.table import FilmFacts, FrameTable
from fewframes.indexing.forecast import forecast
from fewframes.store.compaction import compact
from fewframes.store.gaps import stepped_over
from fewframes.store.resolve import resolve_store
from fewframes.store.standing import what_stands


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A film of which a stretch in the middle does not decode."""
    path = tmp_path_factory.mktemp("damaged") / "film.mp4"
    write_film(path, Film(frames=100, options={"g": "20"}))
    packets = ff.probe(path).packets
    data = bytearray(path.read_bytes())
    for at in range(40, 50):
        start, size = int(packets.position[at]), int(packets.size_bytes[at])
        data[start + 5 : start + size] = bytes(size - 5)
    path.write_bytes(data)
    return path


@pytest.mark.slow
def test_a_second_run_says_again_that_a_film_is_damaged(where, damaged):
    words = ("index", damaged, "-o", where, "--size", 64, "--fps", "all", "--workers", 1)
    first, second = run(*words), run(*words)
    assert (first.exit_code, second.exit_code) == (3, 3)
    said = [line for line in second.output.splitlines() if line.startswith("damaged: film.mp4: ")]
    assert said == [line for line in first.output.splitlines() if line.startswith("damaged: ")]
    assert "stored before" in second.output
    report = ff.index(damaged, where, size=64, fps=None, workers=1)
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.was_stored, report.exit_status) == ("damaged", True, 3)
    assert (outcome.pictures, outcome.stored_bytes) == (0, 0), "nothing was decoded"
    planned = forecast(damaged, where, size=64, fps=None)
    assert [other.status for other in planned.others] == ["damaged"]
    planned = forecast(damaged, where, size=64, fps=None, strict=True)
    assert [other.status for other in planned.others] == ["failed"], "as the run would say"


@pytest.mark.slow
def test_strict_refuses_a_film_that_is_stored_as_damaged(where, damaged):
    assert ff.index(damaged, where, size=64, workers=1).exit_status == 3
    strict = {"strict": True, "allow_all_failed": True}
    report = ff.index(damaged, where, size=64, workers=1, **strict)
    assert [outcome.status for outcome in report.outcomes] == ["failed"]
    assert "is in the store, and is damaged, which strict refuses" in report.outcomes[0].reason
    assert report.exit_status == 1
    assert list(ff.open(where)) == ["film.mp4"], "what is there stays"


def test_notes_are_said_again(where):
    put(where, "film")
    outcome = what_stands(resolve_store(where), "film", RECIPE, film(40).source)
    assert (outcome.status, outcome.notes, outcome.was_stored) == ("done", "", True)


@pytest.mark.slow
def test_a_batch_says_which_frames_are_missing(where, damaged):
    ff.index(damaged, where, size=64, fps=None, workers=1)
    video = ff.open(where)["film"]
    bad = video.facts["bad_ranges"]
    first, last = bad[0][0], bad[-1][1]
    assert 40 <= first <= last < 60
    within = (first + 0.5) / 25
    assert video.read(seconds=[within]).report["bad_ranges"] == [bad[0]]
    assert video.read(seconds=[0.0, 3.9]).report["bad_ranges"] == []
    assert video.read(seconds=slice(1, 3)).report["bad_ranges"] == bad
    assert video.read(seconds=slice(0, 1)).report["bad_ranges"] == []
    assert video.read(frames=slice(0, 99)).report["bad_ranges"] == bad
    assert video.sample(budget=4).report["bad_ranges"] == bad
    assert video.sample(budget=2, span=(0, 1)).report["bad_ranges"] == []


def test_gaps_at_the_ends_of_a_film():
    table = FrameTable.from_seconds([1.0, 2.0])
    how = {"duration_seconds": 4.0}
    row = np.array([1])
    table = replace(table, frame_numbers=np.array([10, 20]), film=FilmFacts(40, 10.0), start_pts=0)
    assert stepped_over([[0, 5]], table, row, seconds=slice(0, 1), **how) == [[0, 5]]
    assert stepped_over([[0, 5]], table, row, seconds=slice(1, 2), **how) == []
    assert stepped_over([[21, 39]], table, row, seconds=[3.5], **how) == [[21, 39]]
    assert stepped_over([[21, 39]], table, row, seconds=[2.0], **how) == []
    assert stepped_over([[21, 39]], table, row, **how) == []


@pytest.fixture
def replaced(where, tmp_path):
    """A film that lies where another one was that a store has; `kept` is that one."""
    film = tmp_path / "film.mp4"
    write_film(film, Film(frames=30))
    ff.index(film, where, size=64, workers=1)
    shutil.copy(film, tmp_path / "kept.mp4")
    write_film(film, Film(frames=20, size=(48, 64)))
    return film


def broken_table(where):
    """Breaks the table of the film's only group; gives its key."""
    store = resolve_store(where)
    (key,) = store.names("videos/film.mp4")
    table = f"{place_of(store, f'videos/film.mp4/{key}')}/frames.parquet"
    store.put(table, b"broken")
    return table


@pytest.mark.slow
def test_verify_says_that_a_film_is_another_one(where, replaced):
    (verdict,) = verify_store(where, [replaced])
    (words,) = verdict.differences
    assert "'film.mp4' is another film than the one that was indexed as 'film.mp4'" in words
    assert "decodes to another picture" not in words


@pytest.mark.slow
def test_repair_puts_no_other_film_in_a_video_s_place(where, replaced):
    words = ("verify", where, "--film", replaced, "--repair", "--drop")
    done = run(*words)
    assert done.exit_code == 3
    assert "left as it is: 'film.mp4' is another film" in done.output
    assert [verdict.differences for verdict in verify_store(where)] == [()]
    table = broken_table(where)
    without_drop = run(*words[:-1])
    assert "left as it is: 'film.mp4' is another film" in without_drop.output
    assert resolve_store(where).read(table) == b"broken"
    shutil.copy(replaced.with_name("kept.mp4"), replaced)
    assert run(*words).exit_code == 0
    assert [verdict.differences for verdict in verify_store(where)] == [()]


@pytest.mark.slow
def test_a_broken_video_whose_film_is_another_is_dropped_and_not_replaced(where, replaced):
    broken_table(where)
    done = run("verify", where, "--film", replaced, "--repair", "--drop")
    assert (done.exit_code, list(ff.open(where))) == (0, [])
    assert "dropped: 'film.mp4' is another film" in done.output
    assert lasting(where) == ["fewframes-store.json"]


@pytest.mark.slow
def test_the_recipe_that_was_asked_for_last_is_current(where, tmp_path):
    path, store = tmp_path / "film.mp4", resolve_store(where)
    write_film(path, Film(frames=30))
    for fps in (2, 5, 2):
        ff.index(path, where, size=64, fps=fps, workers=1)
        assert ff.open(where)["film"].facts["recipe"]["fps"] == fps
        assert next(ff.open(where).lines())["recipe_fps"] == fps
    assert [verdict.differences for verdict in verify_store(where)] == [()]
    compact(where)
    forecast(path, where, size=64, fps=5)
    assert next(ff.open(where).lines())["recipe_fps"] == 2, "a forecast changes nothing"
    ff.index(path, where, size=64, fps=9, workers=1)
    assert ff.open(where)["film"].facts["recipe"]["fps"] == 9, "what is published is newer"
    store.put("videos/film.mp4/current.json", b"[")
    assert ff.open(where)["film"].facts["recipe"]["fps"] == 9
    assert run("rm", where, "film").exit_code == 0
    assert store.names("videos/film.mp4") == []
    assert lasting(where) == ["fewframes-store.json"]


def test_lists_have_damage_notes_and_repaired_frames(where, tmp_path):
    put(where, "film", reason="a hole", bad_ranges=[[1, 2]])
    (line,) = run("ls", where).output.splitlines()
    assert line.startswith("film  damaged  20  14 ")
    assert line.endswith("a hole")
    facts = json.loads(run("ls", where, "--json").output)
    assert (facts["reason"], facts["notes"], facts["repaired_frames"]) == ("a hole", "", 0)
    run("ls", where, "--parquet", tmp_path / "rows.parquet")
    (row,) = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert (row["reason"], row["notes"], row["repaired_frames"]) == ("a hole", "", 0)


@pytest.mark.parametrize("form", ["jpeg", "mp4", "lerobot", "webdataset"])
def test_exports_say_what_is_damaged(where, tmp_path, form):
    put(where, "film", reason="a hole", bad_ranges=[[1, 2]])
    assert run("export", where, "film", "--to", tmp_path / "x", "--format", form)
    said = b"".join(path.read_bytes() for path in (tmp_path / "x").rglob("*") if path.is_file())
    assert b'"status": "damaged"' in said
    assert b"a hole" in said
    assert b"bad_ranges" in said


def test_an_export_that_stops_half_way_blocks_no_retry(where, tmp_path):
    put(where, "a")
    store, group = resolve_store(where), put(where, "b")
    shard = f"{place_of(store, group.home)}/frames/c/0/0/0/0"
    sound = store.read(shard)
    store.put(shard, sound[:100] + bytes(100) + sound[200:])
    words = ("export", where, "a", "b", "--to", tmp_path / "x", "--format", "mp4")
    assert run(*words).exit_code == 1
    assert not (tmp_path / "x").exists()
    (tmp_path / "x/.fewframes-partial").mkdir(parents=True)  # of an export that was killed
    store.put(shard, sound)
    assert run(*words).exit_code == 0
    names = ["a.json", "a.mp4", "a.parquet", "b.json", "b.mp4", "b.parquet"]
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == names


@pytest.mark.slow
def test_errors_in_a_shell_name_its_options(tmp_path, damaged):
    done = run("sample", damaged, "-k", 100, "--policy", "uniform", "--size", 64)
    assert done.exit_code == 1
    assert "allow_damaged=True" not in done.output
    taken = run("sample", damaged, "-k", 3, "--policy", "uniform", "--allow-damaged", "--end", 1)
    assert taken.exit_code == 0, taken.output
    put(tmp_path / "s", "film")
    assert "--budget 0 selects nothing" in run("sample", tmp_path / "s", "-k", 0).output


def test_a_store_that_cannot_be_written_is_refused_before_the_first_film(tmp_path):
    store, path = tmp_path / "disk" / "s", tmp_path / "film.mp4"
    store.parent.mkdir()
    write_film(path, Film(frames=4))
    with ReadOnly(store.parent, lambda: put(store, "other")):
        begun = []
        with pytest.raises(UnwritableStoreError, match="'s' cannot be written"):
            ff.index(path, store, progress=begun.append)
        assert begun == []
        done = run("index", path, "-o", store)
        assert (done.exit_code, done.output.count("\n")) == (1, 1)
        assert "no film was begun" in done.output


class ReadOnly:
    """A folder that nobody can write: on a disk mounted so, as root, else by its mode."""

    def __init__(self, folder, fill):
        self.folder, self.fill = folder, fill

    def __enter__(self):
        if os.geteuid():
            self.fill()
            for path in [self.folder, *self.folder.rglob("*")]:
                path.chmod(0o555)
            return
        words = ["mount", "-t", "tmpfs", "tmpfs", str(self.folder)]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("a small disk cannot be mounted here; needs root")
        self.fill()
        subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True)

    def __exit__(self, *_):
        if os.geteuid():
            for path in [self.folder, *self.folder.rglob("*")]:
                path.chmod(0o755)
        else:
            subprocess.run(["umount", str(self.folder)], check=True)
