"""What the catalogue promises: a list that is whole, or an error; never another's frames."""

import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pyarrow as pa
import pytest
from stored import KILLED_AT_A_STEP, put, run_apart

from fewframes.errors import CorruptStoreError
from fewframes.store import compaction
from fewframes.store.catalogue import newest_snapshot, snapshot_files
from fewframes.store.catalogue_rows import COLUMNS
from fewframes.store.compaction import compact
from fewframes.store.journal import announce, journal_entries, remove
from fewframes.store.staging import Staging, is_over, sweep
from fewframes.store.store import open_store

STRANGE = "ward 3/caf\udce9"
"""An id that is no UTF-8, as a file name may be."""


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "s"
    for name in ("b", "a", STRANGE):
        put(path, name)
    return path


@pytest.mark.slow
def test_a_snapshot_holds_what_the_records_say(store):
    before = list(open_store(store).lines())
    assert len(journal_entries(store)) == 3
    assert compact(store) == 3
    assert journal_entries(store) == []
    videos = open_store(store)
    assert list(videos) == ["a", "b", STRANGE]
    assert list(videos.lines()) == before
    assert (
        before[0].items()
        >= {
            "id": "a",
            "keys": [group.name for group in (store / "videos" / "a").iterdir()],
            "created": videos["a"].facts["created"],
            "status": "ok",
            "rows": 20,
            "stored": 14,
            "duration_seconds": 1.6,
            "height": 48,
            "width": 64,
            "film_codec": "h264",
            "film_bytes": 400,
            "recipe_fps": 12.5,
            "recipe_quality": 90,
            "bytes": sum(size for size, _ in videos["a"].commit.files.values()),
        }.items()
    )


def test_stock_arrow_reads_a_snapshot(store):
    compact(store)
    (file,) = snapshot_files(store)
    table = pa.ipc.open_file(file).read_all()
    assert table.column_names == list(COLUMNS)
    assert table["id"].to_pylist()[0] == b"a"


def test_what_comes_after_a_snapshot_is_seen_without_reopening(store):
    compact(store)
    videos = open_store(store)
    assert len(videos) == 3
    put(store, "aa", frames=20)
    put(store, "b", digest="d2")
    assert (len(videos), list(videos)) == (4, ["a", "aa", "b", STRANGE])
    assert [row["rows"] for row in videos.lines()] == [20, 10, 20, 20]
    (group,) = (store / "videos" / "a").iterdir()
    remove(store, group, "a")
    assert (len(videos), list(videos)) == (3, ["aa", "b", STRANGE])
    compact(store, whole=False)
    assert list(open_store(store)) == list(videos) == ["aa", "b", STRANGE]
    assert len(snapshot_files(store)) == 1


@pytest.mark.slow
def test_a_long_tail_becomes_a_snapshot_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(compaction, "LONGEST_TAIL", 5)
    for number in range(14):
        put(tmp_path / "s", f"{number:02d}", frames=2)
        assert len(journal_entries(tmp_path / "s")) <= 6
    assert list(open_store(tmp_path / "s")) == [f"{number:02d}" for number in range(14)]
    assert newest_snapshot(tmp_path / "s").table.num_rows >= 6


def test_a_note_stays_while_its_attempt_may_still_publish(store):
    with Staging(store) as attempt:
        announce(store, attempt, "late")
        compact(store)
        assert len(journal_entries(store)) == 1
        group = next((store / "videos" / "a").iterdir())
        shutil.copytree(group, attempt.folder / "x")
        (store / "videos" / "late").mkdir()
        (attempt.folder / "x").rename(store / "videos" / "late" / group.name)
        assert "late" in list(open_store(store))
    compact(store, whole=False)
    assert journal_entries(store) == []
    assert "late" in list(open_store(store))


def test_a_lost_snapshot_costs_time_only(store):
    compact(store)
    shutil.rmtree(store / "catalogue")
    assert list(open_store(store)) == ["a", "b", STRANGE]
    put(store, "c")
    assert len(open_store(store)) == 4


def test_a_snapshot_of_another_version_costs_time_only(store):
    compact(store)
    (file,) = snapshot_files(store)
    narrow = pa.ipc.open_file(file).read_all().drop_columns(["reason"])
    compaction.write_snapshot(store, narrow, [file])
    assert list(open_store(store)) == ["a", "b", STRANGE]
    assert [row["reason"] for row in open_store(store).lines()] == ["", "", ""]
    put(store, "c")
    assert compact(store, whole=False) == 4
    assert newest_snapshot(store).table.num_rows == 4


@pytest.mark.parametrize("whole", [True, False])
def test_a_damaged_snapshot_is_an_error_until_it_is_made_anew(store, whole):
    compact(store)
    (file,) = snapshot_files(store)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    for broken in (bytes(data), data[:100], b""):
        file.write_bytes(broken)
        videos = open_store(store)
        with pytest.raises(CorruptStoreError, match="catalogue of 's' is damaged; run 'fewframes"):
            len(videos)
        assert len(videos["a"].read(rows=[0])) == 1
    compact(store, whole=whole)
    assert len(open_store(store)) == 3


def test_a_damaged_note_is_an_error_until_it_is_made_anew(store):
    (note, *_) = journal_entries(store)
    note.file.write_bytes(note.file.read_bytes().replace(b"\n", b"x"))
    with pytest.raises(CorruptStoreError, match=r"note .* of the catalogue is damaged"):
        list(open_store(store))
    compact(store, whole=False)
    assert len(open_store(store)) == 3


def test_files_that_a_system_leaves_are_no_videos_and_no_notes(store):
    (store / "videos" / ".DS_Store").touch()
    (store / "catalogue" / "notes" / ".nfs0001").touch()
    assert list(open_store(store)) == ["a", "b", STRANGE]
    compact(store)
    assert list(open_store(store)) == ["a", "b", STRANGE]


def test_an_unreadable_record_is_in_the_list_and_an_error(store):
    (group,) = (store / "videos" / "a").iterdir()
    (group / "commit.json").write_text("{}")
    compact(store)
    videos = open_store(store)
    assert [row["status"] for row in videos.lines()] == ["unreadable", "ok", "ok"]
    with pytest.raises(CorruptStoreError, match=r"commit.json is damaged"):
        videos["a"]


def test_a_catalogue_that_lies_hides_a_video_but_gives_no_wrong_one(store):
    compact(store)
    shutil.move(store / "videos" / "a", store / "videos" / "unknown")
    videos = open_store(store)
    assert list(videos) == ["a", "b", STRANGE]
    with pytest.raises(CorruptStoreError, match="lists video 'a', but it is not there"):
        videos["a"]
    with pytest.raises(KeyError, match="no video 'zz'"):
        videos["zz"]


KILLED = f"""{KILLED_AT_A_STEP}
from fewframes.store.compaction import compact
os.fsync = count(os.fsync)
pathlib.Path.replace = count(pathlib.Path.replace)
pathlib.Path.unlink = count(pathlib.Path.unlink)
os.fdopen = count(os.fdopen)
compact(store, whole=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize("steps", range(8))
def test_a_killed_compaction_loses_nothing(store, steps):
    compact(store)
    put(store, "c")
    put(store, "d")
    done = run_apart(KILLED, store, steps)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert list(open_store(store)) == ["a", "b", "c", "d", STRANGE]
    compact(store, whole=False)
    assert list(open_store(store)) == ["a", "b", "c", "d", STRANGE]
    assert (len(snapshot_files(store)), journal_entries(store)) == (1, [])


def busy(store: Path, ready, name: str) -> None:
    ready.wait()
    for number in range(5):
        put(store, f"{name}{number}", frames=2)
        compact(store, whole=False)


@pytest.mark.slow
def test_writers_that_compact_at_once_lose_nothing(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(3)
    racers = [spawn.Process(target=busy, args=(tmp_path / "s", ready, name)) for name in "xyz"]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(600)
    assert [racer.exitcode for racer in racers] == [0, 0, 0]
    wanted = [f"{name}{number}" for name in "xyz" for number in range(5)]
    assert list(open_store(tmp_path / "s")) == wanted
    compact(tmp_path / "s", whole=False)
    assert (list(open_store(tmp_path / "s")), journal_entries(tmp_path / "s")) == (wanted, [])


def test_what_another_machine_left_is_removed_after_a_day(store):
    home, far, near = store / ".attempts", "f" * 32, "e" * 32
    (home / far).mkdir()
    (home / far / "half").write_text("x")
    (home / f"{far}.lock").write_text("another machine")
    (home / f"{near}.lock").touch()
    (home / f"{near}.note").touch()
    sweep(store)
    assert sorted(path.name for path in home.iterdir()) == [far, f"{far}.lock"]
    assert not is_over(store, far)
    for path in (home / far / "half", home / far, home / f"{far}.lock"):
        os.utime(path, (1, 1))
    assert is_over(store, far)
    sweep(store)
    assert list(home.iterdir()) == []
