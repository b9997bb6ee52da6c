"""What the catalogue promises: a list that is whole, or an error; never another's frames."""

import multiprocessing
import os
import signal

import pyarrow as pa
import pytest
from dying_stores import Wrapped
from stored import KILLED_AT_A_STEP, put, run_apart

from fewframes.errors import CorruptStoreError
from fewframes.store import compaction
from fewframes.store.catalogue import newest_snapshot, snapshot_keys
from fewframes.store.catalogue_rows import COLUMNS
from fewframes.store.compaction import compact
from fewframes.store.gc import sweep
from fewframes.store.journal import announce, journal_names
from fewframes.store.object_backend import ObjectStoreBackend
from fewframes.store.publish import remove_group
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.staging import Staging
from fewframes.store.store import open_store

STRANGE = "ward 3/caf\udce9"
"""An id that is no UTF-8, as a file name may be."""


@pytest.fixture
def store(where):
    """Three videos, in a folder or at a URL."""
    files = resolve_store(where)
    for name in ("b", "a", STRANGE):
        put(files, name)
    return files


@pytest.mark.slow
def test_a_snapshot_holds_what_the_records_say(store):
    before = list(open_store(store).lines())
    assert len(journal_names(store)) == 3
    assert compact(store) == 3
    assert journal_names(store) == []
    videos = open_store(store)
    assert list(videos) == ["a", "b", STRANGE]
    assert list(videos.lines()) == before
    assert (
        before[0].items()
        >= {
            "id": "a",
            "keys": store.names("videos/a"),
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
    (key,) = snapshot_keys(store)
    table = pa.ipc.open_stream(store.read(key)).read_all()
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
    (key,) = store.names("videos/a")
    remove_group(store, "a", key)
    assert (len(videos), list(videos)) == (3, ["aa", "b", STRANGE])
    compact(store, whole=False)
    assert list(open_store(store)) == list(videos) == ["aa", "b", STRANGE]
    assert len(snapshot_keys(store)) == 1


@pytest.mark.slow
def test_a_long_tail_becomes_a_snapshot_by_itself(where, monkeypatch):
    monkeypatch.setattr(compaction, "LONGEST_TAIL", 5)
    store = resolve_store(where)
    for number in range(14):
        put(store, f"{number:02d}", frames=2)
        assert len(journal_names(store)) <= 6
    assert list(open_store(store)) == [f"{number:02d}" for number in range(14)]
    assert newest_snapshot(store).table.num_rows >= 6


def test_a_note_stays_while_its_attempt_may_still_publish(store):
    with Staging(store.workspace) as attempt:
        announce(store, attempt, "late")
        compact(store)
        assert len(journal_names(store)) == 1
        copy_video(store, "a", "late")
        assert "late" in list(open_store(store))
        store.end(attempt.name)
    compact(store, whole=False)
    assert journal_names(store) == []
    assert "late" in list(open_store(store))


def copy_video(store, video_id, other) -> None:
    """Puts the files of a video under another name, as somebody's own copy does."""
    (key,) = store.names(f"videos/{video_id}")
    commit = open_store(store)[video_id].commit
    place = f"{key}/{commit.facts['attempt']}"
    for path in (f"{key}/commit.json", *(f"{place}/{path}" for path in commit.files)):
        store.put(f"videos/{other}/{path}", store.read(f"videos/{video_id}/{path}"))


def test_a_lost_snapshot_costs_time_only(store):
    compact(store)
    store.delete_below("catalogue")
    assert list(open_store(store)) == ["a", "b", STRANGE]
    put(store, "c")
    assert len(open_store(store)) == 4


def test_a_snapshot_of_another_version_costs_time_only(store):
    compact(store)
    (key,) = snapshot_keys(store)
    narrow = pa.ipc.open_stream(store.read(key)).read_all().drop_columns(["reason"])
    compaction.write_snapshot(store, narrow, [key])
    assert list(open_store(store)) == ["a", "b", STRANGE]
    assert [row["reason"] for row in open_store(store).lines()] == ["", "", ""]
    put(store, "c")
    assert compact(store, whole=False) == 4
    assert newest_snapshot(store).table.num_rows == 4


@pytest.mark.parametrize("whole", [True, False])
def test_a_damaged_snapshot_is_an_error_until_it_is_made_anew(store, whole):
    compact(store)
    (key,) = snapshot_keys(store)
    data = bytearray(store.read(key))
    data[len(data) // 2] ^= 1
    for broken in (bytes(data), bytes(data[:100]), b"x"):
        store.put(key, broken)
        videos = open_store(store)
        with pytest.raises(CorruptStoreError, match="corpus' is damaged; run 'fewframes compact'"):
            len(videos)
        assert len(videos["a"].read(rows=[0])) == 1
    compact(store, whole=whole)
    assert len(open_store(store)) == 3


def test_a_damaged_note_is_an_error_until_it_is_made_anew(store):
    note = f"catalogue/{journal_names(store)[0]}"
    store.put(note, store.read(note).replace(b'"id"', b'"di"'))
    with pytest.raises(CorruptStoreError, match=r"note .* of the journal is damaged"):
        list(open_store(store))
    compact(store, whole=False)
    assert len(open_store(store)) == 3


def test_files_that_a_system_leaves_are_no_videos_and_no_notes(store):
    for name in ("videos/.DS_Store", "videos/a/.DS_Store", "catalogue/.nfs0001"):
        store.put(name, b"x")
    assert list(open_store(store)) == ["a", "b", STRANGE]
    compact(store)
    assert list(open_store(store)) == ["a", "b", STRANGE]


def test_an_unreadable_record_is_in_the_list_and_an_error(store):
    (key,) = store.names("videos/a")
    store.put(f"videos/a/{key}/commit.json", b"{}")
    compact(store)
    videos = open_store(store)
    assert [row["status"] for row in videos.lines()] == ["unreadable", "ok", "ok"]
    with pytest.raises(CorruptStoreError, match=r"commit.json is damaged"):
        videos["a"]


def test_a_catalogue_that_lies_hides_a_video_but_gives_no_wrong_one(store):
    compact(store)
    copy_video(store, "a", "unknown")
    store.delete_below("videos/a")
    videos = open_store(store)
    assert list(videos) == ["a", "b", STRANGE]
    with pytest.raises(CorruptStoreError, match="lists video 'a', but it is not there"):
        videos["a"]
    with pytest.raises(KeyError, match="no video 'zz'"):
        videos["zz"]


KILLED = f"""{KILLED_AT_A_STEP}
from fewframes.store.compaction import compact
from fewframes.store.folder import FolderStore
from fewframes.store.object_backend import ObjectStoreBackend
for kind in (FolderStore, ObjectStoreBackend):
    for name in ("create", "put", "delete", "names", "read"):
        setattr(kind, name, count(getattr(kind, name)))
pathlib.Path.unlink = count(pathlib.Path.unlink)
compact(store, whole=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 3, 6, 9, 11, 12, 13])
def test_a_killed_compaction_loses_nothing(store, where, steps):
    compact(store)
    put(store, "c")
    put(store, "d")
    done = run_apart(KILLED, where, steps)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert list(open_store(store)) == ["a", "b", "c", "d", STRANGE]
    compact(store, whole=False)
    assert list(open_store(store)) == ["a", "b", "c", "d", STRANGE]
    assert (len(snapshot_keys(store)), journal_names(store)) == (1, [])


def busy(where: AnyStore, ready, name: str) -> None:
    ready.wait()
    for number in range(5):
        put(where, f"{name}{number}", frames=2)
        compact(where, whole=False)


@pytest.mark.slow
def test_writers_that_compact_at_once_lose_nothing(where):
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(3)
    racers = [spawn.Process(target=busy, args=(where, ready, name)) for name in "xyz"]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(600)
    assert [racer.exitcode for racer in racers] == [0, 0, 0]
    wanted = [f"{name}{number}" for name in "xyz" for number in range(5)]
    store = resolve_store(where)
    assert list(open_store(store)) == wanted
    compact(store, whole=False)
    assert (list(open_store(store)), journal_names(store)) == (wanted, [])


def test_what_another_machine_left_is_removed_after_a_day(tmp_path):
    store = resolve_store(tmp_path / "s")
    put(store, "a")
    home, far, near = store.path / ".attempts", "f" * 32, "e" * 32
    (home / far).mkdir()
    (home / far / "half").write_text("x")
    (home / f"{far}.lock").write_text("another machine")
    (home / f"{near}.lock").touch()
    (home / f"{near}.note").touch()
    sweep(store)
    assert sorted(path.name for path in home.iterdir()) == [far, f"{far}.lock"]
    assert not store.is_over(far)
    for path in (home / far / "half", home / far, home / f"{far}.lock"):
        os.utime(path, (1, 1))
    assert list(store.dead_attempts()) == [far]
    sweep(store)
    assert list(home.iterdir()) == []


@pytest.mark.slow
def test_a_list_by_url_takes_three_requests_at_most(bucket):
    asked = []

    class Counted(Wrapped):
        def __getattr__(self, name):
            real = getattr(self.files_below, name)
            return (
                (lambda *given: (asked.append(name), real(*given))[1]) if callable(real) else real
            )

    for name in "ab":
        put(bucket, name)
    compact(bucket)
    counted = ObjectStoreBackend(Counted(resolve_store(bucket).objects))
    lists = {
        len: ["names", "get"],
        list: ["names", "get", "names"],  # `list` asks for the length, too
        lambda store: list(store.lines()): ["names", "get"],
        lambda store: store.to_table().num_rows: ["names", "get", "names"],
    }
    for ask, wanted in lists.items():
        store = open_store(counted)
        asked.clear()
        assert ask(store)
        assert asked == wanted
    asked.clear()
    assert len(store) == 2
    assert asked == ["names"]
