"""What publishing promises: a video wholly or not at all, whoever is killed or comes second."""

import multiprocessing
import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
from stored import HEIGHT, KILLED_AT_A_STEP, RECIPE, WIDTH, film, jpeg, put, run_apart, table_of

from fewframes.features.scan_result import ScanResult
from fewframes.media.source import Source
from fewframes.media.timeline import Timeline
from fewframes.store.recipes import Recipe
from fewframes.store.standing import find_published, find_same_source
from fewframes.store.store import open_store
from fewframes.store.writer import VideoWriter


def test_an_attempt_without_commit_leaves_no_trace(tmp_path):
    path = tmp_path / "s"
    with VideoWriter(path, video_id="film", recipe=RECIPE, height=HEIGHT, width=WIDTH) as out:
        out.append(jpeg(1))
        assert len(list((path / ".attempts").iterdir())) == 2
        assert list(open_store(path)) == []
    assert list((path / ".attempts").iterdir()) == []
    assert repr(open_store(path)) == "Store('s': 0 videos)"


def test_a_full_disk_leaves_no_trace(tmp_path):
    put(tmp_path / "s", "first")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            put(tmp_path / "s", "second")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "s/.attempts").iterdir()) == []
    assert list(open_store(tmp_path / "s")) == ["first"]


def test_columns_that_do_not_fit_are_refused(tmp_path):
    timeline = film(4)
    options = {"video_id": "film", "recipe": RECIPE, "height": HEIGHT, "width": WIDTH}

    def scanned(*slots, **facts):
        table, places = table_of(timeline), np.array(slots)
        return ScanResult(timeline=timeline, table=table, slots=places, **facts)

    with VideoWriter(tmp_path / "s", **options) as out:
        out.append(jpeg(1))
        with pytest.raises(ValueError, match="slot 1 was never written"):
            out.commit(scanned(0, 1), source_digest="d")
        with pytest.raises(ValueError, match="slots has 1 rows"):
            out.commit(scanned(0), source_digest="d")
        with pytest.raises(ValueError, match="is_damaged has 3 rows"):
            out.commit(scanned(0, 0, is_damaged=[True] * 3), source_digest="d")
    assert len(open_store(tmp_path / "s")) == 0


KILLED = f"""{KILLED_AT_A_STEP}
import stored as t
t.put(store, "first")
os.fsync = count(os.fsync)
pathlib.Path.rename = count(pathlib.Path.rename)
pathlib.Path.replace = count(pathlib.Path.replace)
pathlib.Path.mkdir = count(pathlib.Path.mkdir)
t.ShardWriter.append = count(t.ShardWriter.append)
t.put(store, "second")
"""


STEPS = 48
"""Calls of `mkdir`, `append`, `fsync`, `replace` and `rename` that one video of 40 frames takes."""


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 3, 11, 19, 23, 32, 40, 41, 42, 43, 44, 45, 46, 48])
def test_a_kill_leaves_whole_videos_only(tmp_path, steps):
    path = tmp_path / "s"
    done = run_apart(KILLED, path, steps)
    assert done.returncode == (0 if steps >= STEPS else -signal.SIGKILL), done.stderr
    videos = open_store(path)
    assert list(videos) == (["first"] if steps <= 45 else ["first", "second"])
    for video in videos.values():
        assert len(video.read(rows=range(20))) == 20
    put(path, "second")
    assert list(open_store(path)) == ["first", "second"]
    assert [entry for entry in (path / ".attempts").iterdir() if entry.is_dir()] == []


def test_all_is_on_the_disk_before_it_is_seen(tmp_path, monkeypatch):
    """The order of flushes and renames: files, their folders, the note; the rename; its folders."""
    put(tmp_path / "s", "first")
    seen, fsync, rename, replace = [], os.fsync, Path.rename, Path.replace

    def flushed(handle):
        seen.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", flushed)
    for name, real in (("rename", rename), ("replace", replace)):
        step = lambda self, to, real=real: (seen.append((self, to)), real(self, to))[1]  # noqa: E731
        monkeypatch.setattr(Path, name, step)
    group = put(tmp_path / "s", "second")
    (at,) = (i for i, step in enumerate(seen) if isinstance(step, tuple) and step[1] == group)
    attempt = seen[at][0]
    written = {path.relative_to(group) for path in [group, *group.rglob("*")]}
    before = seen[:at]
    flushes = [step for step in before if isinstance(step, Path)]
    below = {path.relative_to(attempt) for path in flushes if path.is_relative_to(attempt)}
    assert below == written
    notes = tmp_path / "s/catalogue/notes"
    note = attempt.with_suffix(".note")
    assert before[:3] == [note, (note, notes / attempt.name), notes]
    assert seen[at + 1 :] == [group.parent, group.parent.parent]


def publish_in_process(store: Path, ready, name: str) -> None:
    ready.wait()
    put(store, "film", reason=name)


@pytest.mark.slow
def test_of_two_writers_one_wins(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(2)
    racers = [
        spawn.Process(target=publish_in_process, args=(tmp_path / "s", ready, name))
        for name in "ab"
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0, 0]
    video = open_store(tmp_path / "s")["film"]
    assert video.facts["damage"] in (["a"], ["b"])
    assert len(video.read(rows=range(20))) == 20
    assert len(list((tmp_path / "s/videos/film").iterdir())) == 1
    assert list((tmp_path / "s/.attempts").iterdir()) == []


def test_the_first_of_two_same_videos_stands(tmp_path):
    first = put(tmp_path / "s", "film", reason="first")
    assert put(tmp_path / "s", "film", reason="second") == first
    assert open_store(tmp_path / "s")["film"].facts["damage"] == ["first"]


def test_a_group_with_a_damaged_record_is_replaced(tmp_path):
    group = put(tmp_path / "s", "film")
    (group / "commit.json").write_text("{}")
    assert find_published(tmp_path / "s", "film", group.name) is None
    assert put(tmp_path / "s", "film") == group
    assert len(open_store(tmp_path / "s")["film"].read(rows=[0])) == 1


def test_a_newer_source_replaces_an_older_one(tmp_path):
    old = put(tmp_path / "s", "film", digest="d1")
    other = put(tmp_path / "s", "film", digest="d1", recipe=Recipe(fps=1))
    new = put(tmp_path / "s", "film", digest="d2")
    assert not old.exists()
    assert sorted((tmp_path / "s/videos/film").iterdir()) == sorted([other, new])
    assert open_store(tmp_path / "s")["film"].facts["source"]["digest"] == "d2"


def test_published_work_is_found_again(tmp_path):
    group = put(tmp_path / "s", "film")
    assert find_published(tmp_path / "s", "film", RECIPE.key("d1")) == group
    assert find_published(tmp_path / "s", "film", RECIPE.key("d2")) is None
    source = film(40).source
    assert find_same_source(tmp_path / "s", "film", RECIPE, source) == group
    assert find_same_source(tmp_path / "s", "film", Recipe(fps=1), source) is None
    assert find_same_source(tmp_path / "s", "film", RECIPE, film(38).source) is None


def test_the_source_is_digested_whole(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"x" * 3_000_000)
    timeline = film(4)
    stat = path.stat()
    source = Source(path, stat.st_size, stat.st_mtime_ns, "edges")
    timeline = Timeline(source, timeline.stream, timeline.packets, timeline.order, timeline.pts, 1)
    options = {"video_id": "film", "recipe": RECIPE, "height": HEIGHT, "width": WIDTH}
    with VideoWriter(tmp_path / "s", **options) as out:
        out.append(jpeg(1))
        table = table_of(timeline)
        group = out.commit(ScanResult(timeline=timeline, table=table, slots=np.array([0, 0])))
    touched = Source(path, stat.st_size, 1, "edges")
    assert find_same_source(tmp_path / "s", "film", RECIPE, touched) == group
    path.write_bytes(b"x" * 2_000_000 + b"y" + b"x" * 999_999)
    assert find_same_source(tmp_path / "s", "film", RECIPE, touched) is None


def test_files_get_the_umask_of_the_user_and_hold_no_path(tmp_path):
    before = os.umask(0o027)
    try:
        put(tmp_path / "s", "film")
    finally:
        os.umask(before)
    for path in [tmp_path / "s", *(tmp_path / "s").rglob("*")]:
        wanted = 0o750 if path.is_dir() else 0o640
        assert path.stat().st_mode & 0o777 == wanted, path
        if path.is_file():
            data = path.read_bytes()
            assert b"secret" not in data
            assert os.fsencode(tmp_path) not in data


def test_equal_recipes_have_equal_keys():
    assert Recipe(fps=2, size="252X448").key("d") == Recipe(fps=2.0, size="252x448").key("d")
    others = [
        Recipe(fps=None),
        Recipe(size="native"),
        Recipe(quality=91),
        Recipe(dedup=0),
        Recipe(),
    ]
    assert len({recipe.key("d") for recipe in others}) == 5
    for wrong in (
        {"fps": 0},
        {"size": "big"},
        {"quality": 0},
        {"dedup": -1},
        {"dedup": 2.0},
        {"codec": "png"},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Recipe(**wrong)
