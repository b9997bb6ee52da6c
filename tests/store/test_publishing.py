"""What publishing promises: a video wholly or not at all, whoever is killed or comes second."""

import multiprocessing
import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
from backends import HOME, is_whole, lasting
from stored import (
    HEIGHT,
    KILLED_AT_A_STEP,
    RECIPE,
    WIDTH,
    film,
    jpeg,
    place_of,
    put,
    run_apart,
    table_of,
)

from fewframes.features.scan_result import ScanResult
from fewframes.media.source import Source
from fewframes.media.timeline import Timeline
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import resolve_store
from fewframes.store.standing import what_stands
from fewframes.store.store import open_store
from fewframes.store.writer import VideoWriter


def test_an_attempt_without_commit_leaves_no_trace(where):
    workspace = resolve_store(where).workspace / ".attempts"
    with VideoWriter(where, video_id="film", recipe=RECIPE, height=HEIGHT, width=WIDTH) as out:
        out.append(jpeg(1))
        assert len(list(workspace.iterdir())) == 2
        assert list(open_store(where)) == []
    assert list(workspace.iterdir()) == []
    assert lasting(where) == ["fewframes-store.json"]
    assert repr(open_store(where)).endswith("corpus': 0 videos)")


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


def test_columns_that_do_not_fit_are_refused(where):
    timeline = film(4)
    options = {"video_id": "film", "recipe": RECIPE, "height": HEIGHT, "width": WIDTH}

    def scanned(*slots, **facts):
        table, places = table_of(timeline), np.array(slots)
        return ScanResult(timeline=timeline, table=table, slots=places, **facts)

    with VideoWriter(where, **options) as out:
        out.append(jpeg(1))
        with pytest.raises(ValueError, match="slot 1 was never written"):
            out.commit(scanned(0, 1), source_digest="d")
        with pytest.raises(ValueError, match="slots has 1 rows"):
            out.commit(scanned(0), source_digest="d")
        with pytest.raises(ValueError, match="is_damaged has 3 rows"):
            out.commit(scanned(0, 0, is_damaged=[True] * 3), source_digest="d")
    assert len(open_store(where)) == 0


KILLED = f"""{KILLED_AT_A_STEP}
import stored as t
t.put(store, "first")
os.fsync = count(os.fsync)
pathlib.Path.rename = count(pathlib.Path.rename)
pathlib.Path.replace = count(pathlib.Path.replace)
pathlib.Path.mkdir = count(pathlib.Path.mkdir)
os.link = count(os.link)
t.ShardWriter.append = count(t.ShardWriter.append)
t.put(store, "second")
"""


STEPS = 59
"""Calls of `mkdir`, `append`, `fsync`, `replace`, `rename` and `link` that one video takes."""


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 3, 11, 23, 28, 29, 32, 47, 48, 49, 53, 56, 57, 58, STEPS])
def test_a_kill_leaves_whole_videos_only(tmp_path, steps):
    path = tmp_path / "s"
    done = run_apart(KILLED, path, steps)
    assert done.returncode == (0 if steps >= STEPS else -signal.SIGKILL), done.stderr
    videos = open_store(path)
    assert list(videos) == (["first"] if steps < STEPS - 1 else ["first", "second"])
    for video in videos.values():
        assert len(video.read(rows=range(20))) == 20
    put(path, "second")
    assert list(open_store(path)) == ["first", "second"]
    assert [entry for entry in (path / ".attempts").iterdir() if entry.is_dir()] == []


def test_all_is_on_the_disk_before_it_is_seen(tmp_path, monkeypatch):
    """The order of flushes and names: the note; files and folders; their place; the record."""
    put(tmp_path / "s", "first")
    seen, fsync, link = [], os.fsync, os.link

    def flushed(handle):
        seen.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    def noted(real):
        return lambda one, other: (seen.append((Path(one), Path(other))), real(one, other))[1]

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "link", noted(link))
    for name in ("rename", "replace"):
        monkeypatch.setattr(Path, name, noted(getattr(Path, name)))
    put(tmp_path / "s", "film")
    place, journal = place_of(tmp_path / "s", "film"), tmp_path / "s/catalogue"
    named = [step[1] for step in seen if isinstance(step, tuple)]
    assert named == [journal / place.name, place, tmp_path / "s" / HOME / "commit.json"]
    note, moved, record = (i for i, step in enumerate(seen) if isinstance(step, tuple))
    assert seen[:note] == [seen[note][0]], "the draft"
    assert seen[note + 1] == journal
    attempt, written = seen[moved][0], [place, *place.rglob("*")]
    flushed_before = set(seen[note + 2 : moved])
    assert flushed_before == {attempt / path.relative_to(place) for path in written}
    assert seen[moved + 1 : record] == [*list(place.parents)[:4], seen[record][0]]
    assert seen[record + 1 :] == [place.parent]


def publish_in_process(store: Path | str, ready, name: str) -> None:
    ready.wait()
    put(store, "film", reason=name)


@pytest.mark.slow
def test_of_two_processes_one_wins(where):
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(2)
    racers = [spawn.Process(target=publish_in_process, args=(where, ready, name)) for name in "ab"]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert open_store(where)["film"].facts["damage"] in (["a"], ["b"])
    assert is_whole(where)
    assert len(lasting(where)) == 8, "the mark, the record and six files"
    assert list((resolve_store(where).workspace / ".attempts").iterdir()) == []


def test_the_first_of_two_same_videos_stands(where):
    first = put(where, "film", reason="first")
    assert put(where, "film", reason="second").facts == first.facts
    assert open_store(where)["film"].facts["damage"] == ["first"]


def test_a_group_with_a_damaged_record_is_replaced(where):
    store, group = resolve_store(where), put(where, "film", reason="first")
    store.put(f"{group.home}/commit.json", b"{}")
    assert what_stands(store, "film", RECIPE, film(40).source) is None
    again = put(where, "film", reason="second")
    assert (again.home, again.facts["damage"]) == (group.home, ["second"])
    assert is_whole(where)
    assert len(lasting(where)) == 8, "nothing is left of the damaged group"


def test_a_newer_source_replaces_an_older_one_under_every_recipe(where):
    put(where, "film", digest="d1")
    put(where, "film", digest="d1", recipe=Recipe(fps=1))
    new = put(where, "film", digest="d2")
    other = put(where, "film", digest="d2", recipe=Recipe(fps=1))
    assert resolve_store(where).names("videos/film") == sorted([other.key, new.key])
    assert open_store(where)["film"].facts["source"]["digest"] == "d2"


def test_published_work_is_found_again(where):
    put(where, "film")
    store, source = resolve_store(where), film(40).source
    assert what_stands(store, "film", RECIPE, source).status == "done"
    assert what_stands(store, "film", Recipe(fps=1), source) is None
    assert what_stands(store, "film", RECIPE, film(38).source).status == "failed"
    assert what_stands(store, "film", RECIPE, film(38).source, replaces_content=True) is None
    assert what_stands(store, "other", RECIPE, source) is None


def test_the_source_is_digested_whole(where, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"x" * 3_000_000)
    timeline, stat = film(4), path.stat()
    source = Source(path, stat.st_size, stat.st_mtime_ns, "edges")
    timeline = Timeline(source, timeline.stream, timeline.packets, timeline.order, timeline.pts, 1)
    options = {"video_id": "film", "recipe": RECIPE, "height": HEIGHT, "width": WIDTH}
    with VideoWriter(where, **options) as out:
        out.append(jpeg(1))
        table = table_of(timeline)
        out.commit(ScanResult(timeline=timeline, table=table, slots=np.array([0, 0])))
    touched, store = Source(path, stat.st_size, 1, "edges"), resolve_store(where)
    assert what_stands(store, "film", RECIPE, touched).status == "done"
    path.write_bytes(b"x" * 2_000_000 + b"y" + b"x" * 999_999)
    assert what_stands(store, "film", RECIPE, touched).status == "failed"


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
