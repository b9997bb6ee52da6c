"""What file systems, desktops and editors put into a store is left alone, and harms nothing."""

import shutil

import numpy as np
import pytest
from stored import HEIGHT, RECIPE, WIDTH, array_of, film, jpeg, put, table_of
from strays import FOLDERS, strew

import fewframes as ff
from fewframes.checking.verify import verify_store
from fewframes.errors import CorruptStoreError
from fewframes.features.scan_result import ScanResult
from fewframes.store.compaction import compact
from fewframes.store.marker import create_store
from fewframes.store.shard_writer import ShardWriter
from fewframes.store.staging import Staging, sweep
from fewframes.store.writer import VideoWriter


def writer(store):
    options = {"video_id": "film", "recipe": RECIPE, "height": HEIGHT, "width": WIDTH}
    return VideoWriter(store, **options)


def commit(out, count):
    timeline = film(2 * count)
    table = table_of(timeline)
    scanned = ScanResult(timeline=timeline, table=table, slots=np.arange(count))
    return out.commit(scanned, source_digest="d1")


@pytest.mark.parametrize("name", [".nfs0001", ".DS_Store", ".", "abc.lock", "x" * 32])
def test_a_sweep_takes_only_names_that_an_attempt_has(tmp_path, name):
    create_store(tmp_path / "s")
    home = tmp_path / "s" / ".attempts"
    (home / f"{name}x").write_bytes(b"") if name == "." else (home / name).write_bytes(b"")
    with Staging(tmp_path / "s") as mine:
        (mine.folder / "work").write_bytes(b"work")
        before = sorted(home.rglob("*"))
        sweep(tmp_path / "s")
        assert sorted(home.rglob("*")) == before


def test_a_sweep_still_takes_what_a_killed_process_left(tmp_path):
    create_store(tmp_path / "s")
    left = tmp_path / "s" / ".attempts" / ("a" * 32)
    left.mkdir()
    left.with_suffix(".note").touch()
    foreign = strew(left.parent)
    sweep(tmp_path / "s")
    assert sorted(left.parent.iterdir()) == sorted(foreign)


def test_a_writer_never_makes_its_folder_anew(tmp_path):
    with writer(tmp_path / "s") as out:
        for number in range(256):
            out.append(jpeg(number))
        (attempt,) = (path for path in (tmp_path / "s/.attempts").iterdir() if path.is_dir())
        shutil.rmtree(attempt)
        with pytest.raises(CorruptStoreError, match="256 pictures were written and are gone"):
            out.append(jpeg(256))
    assert list(ff.open(tmp_path / "s")) == []


def test_a_shard_whose_neighbours_are_gone_is_not_begun(tmp_path):
    array = array_of(tmp_path / "frames", 3)
    assert sorted(path.name for path in (array / "c").iterdir()) == ["0"]
    out = ShardWriter(tmp_path / "other", HEIGHT, WIDTH, out_codec())
    shutil.rmtree(tmp_path / "other")
    with pytest.raises(CorruptStoreError, match="0 pictures were written and are gone"):
        out.append(jpeg(1))


def out_codec():
    from fewframes.store.codecs import picture_codec

    return picture_codec("jpeg", 90)


@pytest.mark.parametrize("gone", ["frames/c/0/0/0/0", "frames/c", "frames/c/0/0/0/0 cut"])
def test_a_commit_that_misses_what_was_written_raises(tmp_path, gone):
    with writer(tmp_path / "s") as out:
        for number in range(257):
            out.append(jpeg(number))
        (attempt,) = (path for path in (tmp_path / "s/.attempts").iterdir() if path.is_dir())
        path = attempt / gone.removesuffix(" cut")
        if gone.endswith(" cut"):
            path.write_bytes(b"less")
        else:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        with pytest.raises((CorruptStoreError, FileNotFoundError)):
            commit(out, 257)
    assert list(ff.open(tmp_path / "s")) == []


def test_a_record_names_what_was_written_and_nothing_foreign(tmp_path):
    with writer(tmp_path / "s") as out:
        for number in range(4):
            out.append(jpeg(number))
        (attempt,) = (path for path in (tmp_path / "s/.attempts").iterdir() if path.is_dir())
        strew(attempt)
        strew(attempt / "frames")
        record = commit(out, 4)
    assert sorted(record.files) == [
        "frames.parquet",
        "frames/c/0/0/0/0",
        "frames/zarr.json",
        "signatures/c/0/0",
        "signatures/zarr.json",
        "zarr.json",
    ]
    assert [verdict.differences for verdict in verify_store(tmp_path / "s")] == [()]


@pytest.mark.slow
def test_a_store_with_foreign_files_in_every_folder_reads_and_writes(tmp_path):
    (tmp_path / "s").mkdir()
    foreign = strew(tmp_path / "s")
    put(tmp_path / "s", "film")
    put(tmp_path / "s", "ward/other")
    (tmp_path / "s/failures").mkdir()
    (tmp_path / "s/.parts/film").mkdir(parents=True)
    for folder in sorted(path for path in (tmp_path / "s").rglob("*") if path.is_dir()):
        foreign += [] if folder.name in FOLDERS else strew(folder)
    assert list(ff.open(tmp_path / "s")) == ["film", "ward/other"]
    put(tmp_path / "s", "third")
    assert compact(tmp_path / "s") == 3
    assert list(ff.open(tmp_path / "s")) == ["film", "third", "ward/other"]
    assert [verdict.differences for verdict in verify_store(tmp_path / "s")] == [()] * 3
    assert len(ff.open(tmp_path / "s")["film"].read(rows=range(20))) == 20
    assert all(path.exists() for path in foreign)


def test_a_folder_of_other_files_is_still_no_store(tmp_path):
    strew(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"holds other files \('notes.txt'\)"):
        create_store(tmp_path)
