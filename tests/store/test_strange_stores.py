"""Stores that somebody gives you, of strange kinds: deep, vast, or claiming what is not so."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hostile_mutations import reseal, sealed
from stored import home_of, place_of, put

import fewframes as ff
from fewframes.cli.main import main
from fewframes.errors import CorruptStoreError
from fewframes.store.compaction import compact
from fewframes.store.recipes import Recipe
from fewframes.store.record_rules import is_failure
from fewframes.store.staging import OLD_SECONDS, _idle_seconds
from fewframes.store.untrusted import remove_tree
from fewframes.training.clips import ClipPlan

DEEP = 1500
"""Folders in folders: more than Python calls may be nested."""
WINDOWS = {"past_seconds": 0.1, "stride_seconds": 0.1, "past_frames": 1}
LOOKS_AHEAD = {**WINDOWS, "future_seconds": 0.1, "future_frames": 1}


@pytest.fixture
def store(tmp_path):
    put(tmp_path / "s", "film")
    compact(tmp_path / "s")
    return tmp_path / "s"


def run(*words):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def dig(folder):
    """Makes a folder that is nested deeply; gives it."""
    folder.mkdir(parents=True)
    here = os.open(folder, os.O_RDONLY)
    for _ in range(DEEP):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    return folder


@pytest.mark.slow
def test_a_deep_folder_is_removed(tmp_path):
    deep = dig(tmp_path / "deep")
    (deep / "beside").write_bytes(b"x")
    (deep / "link").symlink_to(tmp_path)
    assert _idle_seconds(deep) < OLD_SECONDS
    remove_tree(deep)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("place", [".parts/film/" + "ab" * 16, "videos/film/{key}/" + "ab" * 16])
def test_a_video_with_a_deep_folder_can_be_removed(store, place):
    dig(store / place.format(key=home_of(store, "film").name))
    assert run("rm", store, "film").exit_code == 0
    assert list(ff.open(store)) == []
    assert not (store / "videos" / "film").exists()
    put(store, "other")


@pytest.mark.parametrize("windows", [WINDOWS, LOOKS_AHEAD])
def test_clips_read_tables_as_everybody_does(store, windows):
    group, table = home_of(store, "film"), place_of(store, "film") / "frames.parquet"
    record = json.loads((group / "commit.json").read_bytes())
    record.update(status="damaged", bad_ranges=[[1, 1]], damage=["a gap"])
    (group / "commit.json").write_bytes(sealed(record))
    zeros = pa.array(np.zeros(1 << 20, np.int64))
    pq.write_table(pa.table({"frame_number": zeros, "pts": zeros}), table)
    reseal(group)
    with pytest.raises(CorruptStoreError, match=r"1048576 rows, but \d+ were published"):
        ClipPlan(store, **windows)
    table.write_bytes(b"junk")
    reseal(group)
    with pytest.raises(CorruptStoreError, match="is no table"):
        ClipPlan(store, **windows)


def test_a_stride_without_end_is_refused(store):
    for stride in (1e-12, 1e-320, float("nan")):
        with pytest.raises(ValueError, match="stride_seconds="):
            ClipPlan(store, **WINDOWS | {"stride_seconds": stride})


@pytest.mark.parametrize("lies", ["a folder", "a pipe", "a link"])
def test_what_lies_in_place_of_a_choice_chooses_nothing(store, tmp_path, lies):
    put(store, "film", recipe=Recipe(fps=6, size="64"))
    place = store / "videos" / "film" / "current.json"
    {
        "a folder": Path.mkdir,
        "a pipe": os.mkfifo,
        "a link": lambda path: path.symlink_to(tmp_path),
    }[lies](place)
    for command in (["ls", store], ["compact", store], ["verify", store]):
        assert run(*command).exit_code == 0
    assert len(ff.open(store)["film"].read(rows=[0]))


def test_a_vast_snapshot_is_not_read(store):
    vast = store / "catalogue" / "snapshot-0000000009.arrows"
    with vast.open("wb") as file:
        file.truncate(400 << 30)
    began = time.process_time()
    assert "run 'fewframes compact'" in run("ls", store).output
    assert time.process_time() - began < 5
    assert run("compact", store).exit_code == 0
    assert list(ff.open(store)) == ["film"]
    assert not vast.exists()


def test_no_snapshot_has_a_number_that_is_overlooked(store):
    put(store, "zebra")
    compact(store)
    (file,) = (store / "catalogue").glob("snapshot-*")
    file.rename(file.with_name("snapshot-9999999999.arrows"))
    assert run("compact", store).exit_code == 0
    assert run("rm", store, "zebra").exit_code == 0
    assert all(b"zebra" not in path.read_bytes() for path in (store / "catalogue").glob("snap*"))


def test_folders_and_files_that_changed_places(store):
    (store / "catalogue" / "snapshot-0000000009.arrows").mkdir()
    (store / "catalogue" / ("c" * 32)).mkdir()
    assert "fewframes compact" in run("ls", store).output
    assert run("compact", store).exit_code == 0
    assert run("ls", store).exit_code == 0
    (store / "failures").write_bytes(b"a file")
    assert run("rm", store, "film").exit_code == 0


def test_a_recipe_has_no_numbers_of_another_kind():
    facts = {"id": "a", "limits": [60, 1], "file": None, "reason": "it hung", "when": "now"}
    recipe = Recipe(quality=1).to_dict()
    assert is_failure({**facts, "recipe": recipe}, "a")
    for odd in (True, 1.0):
        assert not is_failure({**facts, "recipe": {**recipe, "quality": odd}}, "a")


def test_a_vast_table_is_not_read(store):
    group, table = home_of(store, "film"), place_of(store, "film") / "frames.parquet"
    record = json.loads((group / "commit.json").read_bytes())
    with table.open("wb") as file:
        file.truncate(400 << 30)
    (entry,) = (one for one in record["files"] if one["path"] == "frames.parquet")
    entry["size"] = 400 << 30
    (group / "commit.json").write_bytes(sealed(record))
    for read in (lambda video: video.table, lambda video: video.read(rows=[0])):
        with pytest.raises(CorruptStoreError, match="more bytes than its rows have"):
            read(ff.open(store)["film"])
    with pytest.raises(CorruptStoreError, match="more bytes than its rows have"):
        ClipPlan(store, **LOOKS_AHEAD)
