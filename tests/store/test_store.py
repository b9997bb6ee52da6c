"""What a store promises its readers: what was published, exactly, or an error."""

import pickle
import random
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr
from backends import HOME
from backends import place_of as prefix_of
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import film, picture_of_row, place_of, put, table_of

from fewframes.checking.verify import verify_store
from fewframes.errors import CorruptStoreError
from fewframes.naming import nearest
from fewframes.store.compaction import compact
from fewframes.store.layout import LAYOUT_VERSION, MARKER
from fewframes.store.marker import mark_bytes
from fewframes.store.resolve import resolve_store
from fewframes.store.store import create_store, open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("stores") / "corpus.zarr"
    put(path, "case_07")
    put(path, "day 1/case_08", bad_ranges=[[4, 6]], reason="4 to 6 are gone")
    return path


def test_a_store_lists_its_videos(store):
    videos = open_store(store)
    assert repr(videos) == "Store('corpus.zarr': 2 videos)"
    assert list(videos) == ["case_07", "day 1/case_08"]
    assert len(videos) == 2
    assert "case_07" in videos
    assert "case_7" not in videos
    assert repr(videos["case_07"]) == (
        "Video('case_07': 20 rows, 14 pictures of 48x64, 1.60 s, ok)"
    )
    assert videos["day 1/case_08"].status == "damaged"
    assert videos["day 1/case_08"].facts["damage"] == ["4 to 6 are gone"]
    assert videos["day 1/case_08"].facts["bad_ranges"] == [[4, 6]]


def test_an_unknown_video_names_its_neighbours(store):
    with pytest.raises(KeyError, match=r"no video 'case_7' in 'corpus.zarr'; near: 'case_07'"):
        open_store(store)["case_7"]
    with pytest.raises(KeyError, match="near: 'day 1/case_08', 'case_07'"):
        open_store(store)["zzzzzz"]
    for strange in ("..", "", "a" * 300):
        with pytest.raises(KeyError):
            open_store(store)[strange]


def test_the_table_comes_back_as_it_was(store):
    video, table = open_store(store)["case_07"], table_of(film(40))
    for name in ("frame_numbers", "pts", "is_keyframe", "signatures", "seconds"):
        np.testing.assert_array_equal(getattr(video.table, name), getattr(table, name))
    assert video.table.signals["dhash64"].dtype == np.uint64
    for name, values in table.signals.items():
        np.testing.assert_array_equal(video.table.signals[name], values)
    assert (video.table.time_base, video.table.start_pts) == (Fraction(1, 25), 100)
    assert (video.duration_seconds, video.frame_size) == (1.6, (48, 64))


def test_stock_readers_read_tables_and_signatures(store):
    group = place_of(store, "case_07")
    table = pq.read_table(group / "frames.parquet", page_checksum_verification=True)
    assert table.column_names[:5] == ["frame_number", "pts", "is_keyframe", "gop", "slot"]
    assert [str(kind) for kind in table.schema.types] == (
        ["int64", "int64", "bool", "int64", "int32", "float", "uint64", "bool", "bool", "int64"]
    )
    opened = zarr.open_group(group, mode="r")
    assert opened.attrs["fewframes"]["id"] == "case_07"
    np.testing.assert_array_equal(opened["signatures"][:], table_of(film(40)).signatures)
    pictures = opened["frames"][:][table["slot"].to_numpy()]
    np.testing.assert_array_equal(
        pictures, open_store(store)["case_07"].read(rows=range(20)).frames
    )


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(rows=st.lists(st.integers(0, 19), max_size=12))
def test_frames_rows_and_seconds_give_the_same_pictures(store, rows):
    video = open_store(store)["case_07"]
    table = video.table
    batch = video.read(rows=np.array(rows, int))
    for row, pixels in zip(rows, batch, strict=True):
        np.testing.assert_array_equal(pixels, picture_of_row(row))
    by_number = video.read(frames=table.frame_numbers[rows])
    by_time = video.read(seconds=table.seconds[rows] + 0.03)
    exactly = video.read(seconds=batch.seconds)
    for other in (by_number, by_time, exactly):
        np.testing.assert_array_equal(other.frames, batch.frames)
        np.testing.assert_array_equal(other.frame_numbers, table.frame_numbers[rows])
        np.testing.assert_array_equal(other.seconds, table.seconds[rows])


def test_what_is_not_indexed_is_refused(store):
    video = open_store(store)["case_07"]
    sentence = r"frame 7 of 'case_07' is not indexed; the indexed frames next to it: 6, 8 \(20 in"
    with pytest.raises(IndexError, match=sentence):
        video.read(frames=[2, 7])
    with pytest.raises(IndexError, match="next to it: 38 "):
        video.read(frames=[40])
    with pytest.raises(IndexError, match="row 20 of 'case_07' is asked for, but it has 20 rows"):
        video.read(rows=[20])
    for time in (-0.1, 1.7, np.nan):
        with pytest.raises(IndexError, match=r"it is indexed from 0.000 to 1.600 s"):
            video.read(seconds=[time])
    with pytest.raises(ValueError, match="read needs one of"):
        video.read()
    with pytest.raises(TypeError, match="for times, seconds="):
        video.read(frames=[1.5])


def test_sample_reads_what_select_chose(store):
    video = open_store(store)["case_07"]
    batch = video.sample(budget=6)
    assert len(batch) == 6
    assert batch.scores.shape == (6,)
    assert (batch.report["source"], batch.report["policy"]) == ("store", "adaptive")
    np.testing.assert_array_equal(batch.frames, video.read(frames=batch.frame_numbers).frames)
    assert len(video.sample(budget=500, policy="uniform")) == 20


def test_damaged_rows_are_marked(tmp_path):
    put(tmp_path / "s", "film", is_damaged=np.arange(20) == 3)
    video = open_store(tmp_path / "s")["film"]
    assert video.read(rows=[2]).is_damaged is None
    assert video.read(rows=[2, 3]).is_damaged.tolist() == [False, True]


def test_a_video_can_be_sent_to_another_process(store):
    video = open_store(store)["case_07"]
    pixels = video.read(rows=[4, 1]).frames
    sent = pickle.loads(pickle.dumps(video))
    np.testing.assert_array_equal(sent.read(rows=[4, 1]).frames, pixels)


@pytest.mark.parametrize("file", ["frames.parquet", "signatures/c/0/0", "commit.json"])
def test_a_damaged_table_is_seen(where, file):
    store, group = resolve_store(where), put(where, "film")
    key = f"{group.home if file == 'commit.json' else prefix_of(store, group.home)}/{file}"
    data = bytearray(store.read(key))
    for place in random.Random(5).sample(range(len(data)), 20):
        data[place] ^= 4
        store.put(key, bytes(data))
        with pytest.raises(CorruptStoreError):
            open_store(where)["film"].sample(budget=2)
        data[place] ^= 4


@pytest.mark.parametrize("file", ["frames.parquet", "signatures/c/0/0"])
def test_a_table_that_is_gone_is_seen(where, file):
    store, group = resolve_store(where), put(where, "film")
    store.delete(f"{prefix_of(store, group.home)}/{file}")
    with pytest.raises(CorruptStoreError, match="missing"):
        open_store(where)["film"].sample(budget=2)


def test_a_group_whose_record_is_gone_is_none_and_verify_misses_it(where):
    """Without a record nobody knows that anything was published; the catalogue does."""
    put(where, "film")
    compact(where)
    resolve_store(where).delete(f"{HOME}/commit.json")
    with pytest.raises(CorruptStoreError, match="lists video 'film', but it is not there"):
        open_store(where)["film"]
    (verdict,) = verify_store(where)
    assert verdict.differences == ("video 'film' is listed, but it is not there",)


def test_an_array_of_another_video_is_seen(tmp_path):
    put(tmp_path / "s", "film")
    put(tmp_path / "s", "other", frames=20)
    frames = place_of(tmp_path / "s", "film") / "frames"
    shutil.rmtree(frames)
    shutil.copytree(place_of(tmp_path / "s", "other") / "frames", frames)
    with pytest.raises(CorruptStoreError, match=r"14, 48, 64, 3\] were published"):
        open_store(tmp_path / "s")["film"].read(rows=[0])


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (LAYOUT_VERSION + 1, f"but this fewframes reads up to {LAYOUT_VERSION}"),
        (LAYOUT_VERSION - 1, f"and this fewframes reads {LAYOUT_VERSION}; bring it up to date"),
    ],
)
def test_a_store_of_another_version_is_refused(where, version, words):
    put(where, "film")
    resolve_store(where).put(MARKER, mark_bytes(version))
    sentence = f"corpus' has format version {version}, {words}"
    with pytest.raises(ValueError, match=sentence):
        open_store(where)
    with pytest.raises(ValueError, match=sentence):
        put(where, "other")


def test_what_is_no_store_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="'none' is not a store"):
        open_store(tmp_path / "none")
    (tmp_path / "holiday.mp4").touch()
    with pytest.raises(ValueError, match=r"holds other files \('holiday.mp4'\)"):
        create_store(tmp_path)


def test_an_unknown_id_is_answered_by_the_nearest(tmp_path):
    names = ["0a", "0b", "0c", "day 1/left", "day 1/right", "zz"]
    assert nearest("day_1/right", names, 2) == ["day 1/right", "day 1/left"]
    assert nearest("right", names, 1) == ["day 1/right"]
    many = [f"{number:05d}" for number in range(40_000)] + ["ward 9/camera"]
    assert nearest("camera", many, 1) == ["ward 9/camera"]
    for name in ("0a", "0b", "0c", "x-ray"):
        put(tmp_path / "s", name)
    with pytest.raises(KeyError, match="near: 'x-ray'"):
        open_store(tmp_path / "s")["ray"]
