"""The order of what a store does on a disk and at a URL: a crash may come between any two steps."""

import os
from pathlib import Path

import pytest
from backends import HOME
from dying_stores import CHANGES, Wrapped
from stored import put

import fewframes as ff
from fewframes.store.layout import MARKER
from fewframes.store.marker import create_store
from fewframes.store.removal import remove_videos
from fewframes.store.resolve import resolve_store
from fewframes.store.staging import Staging
from fewframes.store.writer import ensure_store


@pytest.fixture
def steps(monkeypatch):
    """Every flush, as its path, and every rename or link, as a pair, in order."""
    seen, fsync = [], os.fsync

    def flushed(handle):
        seen.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    def noted(real):
        def moved(one, other):
            seen.append((Path(one), Path(other)))
            return real(one, other)

        return moved

    monkeypatch.setattr(os, "fsync", flushed)
    for name in ("rename", "replace"):
        monkeypatch.setattr(Path, name, noted(getattr(Path, name)))
    monkeypatch.setattr(os, "link", noted(os.link))
    return seen


def at_place(steps, place: Path) -> int:
    """Where in the steps something gets this name."""
    (at,) = (i for i, step in enumerate(steps) if isinstance(step, tuple) and step[1] == place)
    return at


def test_the_mark_of_a_store_is_on_the_disk_before_and_after_it_is_named(tmp_path, steps):
    create_store(tmp_path / "s")
    at = at_place(steps, tmp_path / "s" / MARKER)
    assert steps[:at] == [steps[at][0]], "the draft"
    assert steps[at + 1 :] == [tmp_path / "s"]


def test_files_are_on_the_disk_before_the_record_names_them(tmp_path, steps):
    store = resolve_store(tmp_path / "s")
    create_store(store)
    with Staging(store.workspace) as attempt:
        steps.clear()
        (attempt.folder / "file").write_bytes(b"x")
        place = tmp_path / "s" / HOME / attempt.name
        store.adopt(attempt.folder, f"{HOME}/{attempt.name}", ["file"], lambda: None)
    at = at_place(steps, place)
    assert steps[:at] == [attempt.folder / "file", attempt.folder]
    assert steps[at + 1 :] == list(place.parents)[:4], "each up to the store may be new"


def test_a_record_is_gone_for_good_before_its_files_go(tmp_path, steps):
    group = put(tmp_path / "s", "film")
    steps.clear()
    remove_videos(tmp_path / "s", ["film"])
    home = tmp_path / "s" / group.home
    moved = [isinstance(step, tuple) and step[0] == group.folder for step in steps].index(True)
    assert home in steps[:moved]


class Ordered(Wrapped):
    """Notes what changes, and what was there to be read meanwhile."""

    def __init__(self, files):
        super().__init__(files)
        self.steps = []

    def __getattr__(self, name):
        real = getattr(self.files_below, name)
        if name not in CHANGES:
            return real

        def noted(*given):
            self.steps += [(name, str(key)) for key in (given[:1] if name != "delete" else given)]
            return real(*given)

        return noted


@pytest.mark.slow
def test_publishing_announces_then_brings_the_files_then_the_record(where):
    ensure_store(where)
    ordered = Ordered(resolve_store(where))
    put(ordered, "film")
    verbs = [verb for verb, _ in ordered.steps]
    assert verbs == ["begin", "put", "adopt", "create", "end"]
    note, record = ordered.steps[1][1], ordered.steps[3][1]
    assert note.startswith("catalogue/")
    assert record == f"{HOME}/commit.json"


@pytest.mark.slow
def test_removal_announces_then_takes_the_record_then_the_files(where):
    put(where, "film")
    ordered = Ordered(resolve_store(where))
    remove_videos(ordered, ["film"])
    verbs = [verb for verb, _ in ordered.steps]
    assert verbs[:5] == ["begin", "put", "delete", "delete_below", "end"]
    assert ordered.steps[2][1] == f"{HOME}/commit.json", "no reader finds a record without files"
    assert list(ff.open(where)) == []


def test_a_run_sweeps_parts_that_nobody_has_come_back_for(tmp_path):
    create_store(tmp_path / "s")
    old, new = (tmp_path / "s/.parts/film" / name for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "0000-00.arrow").touch()
    os.utime(old, (1, 1))
    ensure_store(tmp_path / "s")
    assert (old.exists(), new.exists()) == (False, True)
