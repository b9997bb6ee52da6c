"""The order of what a store does on a disk and by URL: a crash may come between any two steps."""

import os
from pathlib import Path

import pytest
from objects_by_url import Wrapped, keys
from stored import put

import fewframes as ff
from fewframes.store.layout import MARKER, NOTES, create_store
from fewframes.store.object_store import resolve_store
from fewframes.store.object_writer import ensure_store, remove_remote
from fewframes.store.removal import remove_videos
from fewframes.store.staging import Staging


@pytest.fixture
def steps(monkeypatch):
    """Every flush, as its path, and every rename, as a pair, in order."""
    seen, fsync = [], os.fsync

    def flushed(handle):
        seen.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", flushed)
    for name in ("rename", "replace"):
        real = getattr(Path, name)

        def moved(self, to, real=real):
            seen.append((self, Path(to)))
            return real(self, to)

        monkeypatch.setattr(Path, name, moved)
    return seen


def test_the_mark_of_a_store_is_on_the_disk_before_and_after_it_is_named(tmp_path, steps):
    store = tmp_path / "s"
    create_store(store)
    (at,) = (i for i, step in enumerate(steps) if isinstance(step, tuple))
    draft, mark = steps[at]
    assert mark == store / MARKER
    assert steps[:at] == [draft]
    assert steps[at + 1 :] == [store, tmp_path]


def test_what_rm_takes_is_announced_first_and_out_of_sight_on_the_disk(tmp_path, steps):
    store = tmp_path / "s"
    put(store, "film")
    steps.clear()
    remove_videos(store, ["film"])
    renames = [step for step in steps if isinstance(step, tuple)]
    (taken,) = (step for step in renames if step[0] == store / "videos" / "film")
    at = steps.index(taken)
    attempt = taken[1].parent
    note = attempt.with_suffix(".note")
    assert steps[:at] == [note, (note, store / NOTES / attempt.name), store / NOTES]
    assert steps[at + 1] == store / "videos"
    snapshot = next(step for step in renames if step[1].name.startswith("snapshot"))
    at = steps.index(snapshot)
    assert (steps[at - 1], steps[at + 1]) == (snapshot[0], store / "catalogue")


class Ordered(Wrapped):
    """Notes what is put and deleted, and which of it was there to be read meanwhile."""

    def __init__(self, objects):
        super().__init__(objects)
        self.steps = []

    def put(self, key, data):
        self.steps.append(("put", key))
        self.objects.put(key, data)

    def delete(self, names):
        self.steps += [("delete", key) for key in names if key in keys(self.objects)]
        self.objects.delete(names)


@pytest.mark.slow
def test_removal_by_url_announces_then_takes_the_record_then_the_files(bucket):
    objects = resolve_store(bucket)
    put(objects, "film")
    ordered = Ordered(objects)
    remove_remote(ordered, ["film"])
    (marker,) = (key for verb, key in ordered.steps if verb == "put")
    assert marker.startswith(".attempts/film/")
    deleted = [key for verb, key in ordered.steps if verb == "delete"]
    assert ordered.steps[0] == ("put", marker)
    assert deleted[0].endswith("/commit.json"), "readers must not find a record without files"
    assert deleted[-1] == marker, "a killed removal is announced until its end"
    assert len(deleted) > 5
    assert list(ff.open(bucket)) == []


def test_a_run_sweeps_parts_that_nobody_has_come_back_for(tmp_path):
    create_store(tmp_path / "s")
    old, new = (tmp_path / "s/.parts/film" / name for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "0000-00.arrow").touch()
    os.utime(old, (1, 1))
    ensure_store(tmp_path / "s")
    assert (old.exists(), new.exists()) == (False, True)


def test_an_attempt_that_is_published_is_flushed_before_its_rename(tmp_path, steps):
    create_store(tmp_path / "s")
    steps.clear()
    with Staging(tmp_path / "s") as attempt:
        (attempt.folder / "file").write_bytes(b"x")
        assert attempt.publish(tmp_path / "s/videos/film/key")
    videos = tmp_path / "s/videos"
    folder = attempt.folder
    expected = [folder / "file", folder, (folder, videos / "film/key"), videos / "film", videos]
    assert steps == expected
