"""What a store promises: the pictures that were put in, or an error; a video wholly, or not."""

import json
import multiprocessing
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import simplejpeg
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewframes.errors import CorruptStoreError
from fewframes.publishing import VideoWriter, find_published, find_same_source
from fewframes.recipes import Recipe
from fewframes.shard_format import SHARD_FRAMES
from fewframes.shards import ShardReader, ShardWriter
from fewframes.store import create_store, open_store
from fewframes.table import FrameTable
from fewframes.timeline import Packets, Source, StreamInfo, Timeline

HEIGHT, WIDTH = 48, 64
RECIPE = Recipe(fps=12.5, size="64")


def jpeg(number: int, *, height: int = HEIGHT, width: int = WIDTH) -> bytes:
    """A picture that no other number has; every tenth is black."""
    pixels = np.zeros((height, width, 3), np.uint8)
    if number % 10:
        noise = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
        pixels[:] = np.kron(noise, np.ones((height // 6, width // 8, 1), np.uint8))
    return simplejpeg.encode_jpeg(pixels, quality=90, colorsubsampling="420")


def film(frames: int, *, name: str = "film.mp4", mtime_ns: int = 7) -> Timeline:
    flags = np.arange(frames) % 50 == 0
    packets = Packets(
        pts=np.arange(frames) + 100,
        dts=np.arange(frames),
        size_bytes=np.full(frames, 10),
        position=np.arange(frames),
        can_start=flags,
        is_droppable=np.zeros(frames, bool),
        is_frame=np.ones(frames, bool),
        is_corrupt=np.zeros(frames, bool),
    )
    time_base, aspect = Fraction(1, 25), Fraction(1)
    words = ("unspecified", "unspecified")
    info = ("mov", "h264", 320, 240, "yuv420p", time_base, aspect, 0, False)
    stream = StreamInfo(0, *info, *words, frames)
    source = Source(Path("/somewhere/secret") / name, frames * 10, mtime_ns, "edges")
    return Timeline(source, stream, packets, np.arange(frames), packets.pts, duration_pts=1)


def table_of(timeline: Timeline) -> FrameTable:
    """Every second frame is a row."""
    numbers = np.arange(0, len(timeline), 2)
    random_numbers = np.random.default_rng(0)
    signatures = random_numbers.normal(size=(len(numbers), 16)).astype(np.float32)
    signals = {
        "sharpness": random_numbers.random(len(numbers), np.float32),
        "dhash64": np.array([2**64 - 1 - n for n in numbers.tolist()], np.uint64),
    }
    return FrameTable(
        numbers,
        timeline.pts[numbers],
        timeline.time_base,
        timeline.start_pts,
        timeline.is_keyframe[numbers],
        signals,
        signatures,
    )


def put(store: Path, video_id: str, *, frames: int = 40, digest: str = "d1", **facts) -> Path:
    """Stores a video of frames / 2 rows, of which every third repeats the picture before it."""
    timeline, slots = film(frames), []
    table = table_of(timeline)
    options = {"video_id": video_id, "recipe": facts.pop("recipe", RECIPE)}
    with VideoWriter(store, **options, height=HEIGHT, width=WIDTH) as out:
        for row in range(len(table)):
            slots.append(slots[-1] if row % 3 == 2 else out.append(jpeg(row)))
        return out.commit(
            table,
            slots=slots,
            gop=timeline.gop[table.frame_numbers],
            timeline=timeline,
            source_digest=digest,
            **facts,
        )


def picture_of_row(row: int) -> np.ndarray:
    return simplejpeg.decode_jpeg(jpeg(row - 1 if row % 3 == 2 else row))


def array_of(folder: Path, count: int) -> Path:
    writer = ShardWriter(folder, HEIGHT, WIDTH, 90)
    for number in range(count):
        assert writer.append(jpeg(number)) == number
    writer.close()
    return folder


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    """An array of one full and one short shard."""
    return array_of(tmp_path_factory.mktemp("array") / "frames", SHARD_FRAMES + 30)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("stores") / "corpus.zarr"
    put(path, "case_07")
    put(path, "day 1/case_08", bad_ranges=[[4, 6]], status="damaged", reason="4 to 6 are gone")
    return path


# Pictures ----------------------------------------------------------------------------------------


def test_stock_zarr_reads_the_same_pictures(frames):
    array = zarr.open_array(frames, mode="r")
    everything = array[:]
    reader = ShardReader(frames)
    assert array.shape == reader.shape == (SHARD_FRAMES + 30, HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(reader.read(np.arange(len(reader))), everything)
    np.testing.assert_array_equal(array[250:260, 8:20, ::3], everything[250:260, 8:20, ::3])
    np.testing.assert_array_equal(everything[3], simplejpeg.decode_jpeg(jpeg(3)))


def test_our_reader_reads_what_stock_zarr_wrote(frames, tmp_path):
    facts = json.loads((frames / "zarr.json").read_text())
    (tmp_path / "zarr.json").write_text(json.dumps({**facts, "shape": [30, HEIGHT, WIDTH, 3]}))
    pixels = np.stack([simplejpeg.decode_jpeg(jpeg(number)) for number in range(30)])
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.open_array(tmp_path, mode="r+")[:] = pixels
    again = zarr.open_array(tmp_path, mode="r")[:]
    np.testing.assert_array_equal(ShardReader(tmp_path).read(np.arange(30)), again)
    encoded = [simplejpeg.encode_jpeg(p, quality=90, colorsubsampling="420") for p in pixels]
    np.testing.assert_array_equal(again, [simplejpeg.decode_jpeg(data) for data in encoded])


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    slots=st.lists(st.integers(0, SHARD_FRAMES + 29), max_size=40),
    workers=st.sampled_from([None, 1, 3]),
)
def test_any_order_with_repeats_gives_the_pictures_that_were_put_in(frames, slots, workers):
    got = ShardReader(frames).read(slots, workers=workers)
    assert got.shape == (len(slots), HEIGHT, WIDTH, 3)
    for slot, pixels in zip(slots, got, strict=True):
        np.testing.assert_array_equal(pixels, simplejpeg.decode_jpeg(jpeg(slot)))


def test_the_stored_bytes_are_those_that_were_put_in(frames):
    slots = [285, 0, 40, 0]
    assert ShardReader(frames).jpegs(slots) == [jpeg(slot) for slot in slots]


def test_pictures_go_into_an_array_that_is_there(frames):
    reader, out = ShardReader(frames), np.full((2, HEIGHT, WIDTH, 3), 9, np.uint8)
    assert reader.read([5, 6], out) is out
    np.testing.assert_array_equal(out, reader.read([5, 6]))
    with pytest.raises(ValueError, match=r"out must be \[3, 48, 64, 3\] u8"):
        reader.read([1, 2, 3], out)


def test_a_slot_outside_the_array_is_refused(frames):
    with pytest.raises(IndexError, match="slot 286 is asked for, but there are 286 from 0"):
        ShardReader(frames).read([0, 286])
    with pytest.raises(IndexError, match="slot -1"):
        ShardReader(frames).read([-1])
    with pytest.raises(TypeError, match="whole numbers"):
        ShardReader(frames).read([0.5])


def test_only_pictures_of_one_size_are_taken(tmp_path):
    writer = ShardWriter(tmp_path / "frames", HEIGHT, WIDTH, 90)
    with pytest.raises(ValueError, match="slot 0 is a YCbCr JPEG of 24x32"):
        writer.append(jpeg(1, height=24, width=32))
    with pytest.raises(ValueError, match="slot 0 must be a JPEG file"):
        writer.append(b"GIF89a")
    assert writer.append(jpeg(1)) == 0
    writer.close()


# Damage ------------------------------------------------------------------------------------------


def read_or_error(folder: Path) -> np.ndarray | None:
    try:
        reader = ShardReader(folder)
        return reader.read(np.arange(len(reader)))
    except CorruptStoreError as error:
        assert "frames" in str(error)
        assert "/tmp" not in str(error)
        return None


def test_no_flipped_bit_gives_wrong_pixels(tmp_path):
    folder = array_of(tmp_path / "frames", 12)
    shard, right = folder / "c/0/0/0/0", ShardReader(folder).read(np.arange(12))
    whole, chance = shard.read_bytes(), random.Random(4)
    index = len(whole) - SHARD_FRAMES * 16 - 4
    places = [chance.randrange(index) for _ in range(35)] + [0, index - 1, index, len(whole) - 1]
    places += [chance.randrange(index, len(whole)) for _ in range(21)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        shard.write_bytes(damaged)
        assert read_or_error(folder) is None, f"flipped bit in byte {place} was not seen"
    shard.write_bytes(whole)
    np.testing.assert_array_equal(read_or_error(folder), right)


def test_a_damaged_picture_is_named_and_leaves_the_others(tmp_path):
    folder = array_of(tmp_path / "frames", 12)
    shard = folder / "c/0/0/0/0"
    data = bytearray(shard.read_bytes())
    data[sum(len(jpeg(number)) + 4 for number in range(7)) + 100] ^= 1
    shard.write_bytes(data)
    with pytest.raises(CorruptStoreError, match=r"frames/c/0/0/0/0: the picture in slot 7 is dam"):
        ShardReader(folder).read([3, 7])
    assert ShardReader(folder).jpegs([6, 8]) == [jpeg(6), jpeg(8)]


@pytest.mark.parametrize("kept", [0, 1, 500, -1, -5000])
def test_truncated_shards_are_seen(tmp_path, kept):
    folder = array_of(tmp_path / "frames", 12)
    shard = folder / "c/0/0/0/0"
    shard.write_bytes(shard.read_bytes()[:kept])
    assert read_or_error(folder) is None


def test_a_missing_shard_is_seen(tmp_path):
    folder = array_of(tmp_path / "frames", 12)
    (folder / "c/0/0/0/0").unlink()
    with pytest.raises(CorruptStoreError, match="cannot be used: No such file"):
        ShardReader(folder).read([0])


def test_a_missing_picture_is_an_error_and_never_black(tmp_path):
    folder = array_of(tmp_path / "frames", 12)
    facts = json.loads((folder / "zarr.json").read_text())
    (folder / "zarr.json").write_text(json.dumps({**facts, "shape": [13, HEIGHT, WIDTH, 3]}))
    assert not zarr.open_array(folder, mode="r")[12].any()
    with pytest.raises(CorruptStoreError, match="the picture in slot 12 is missing"):
        ShardReader(folder).read([12])


def test_another_array_is_refused(tmp_path):
    zarr.create_array(tmp_path / "frames", shape=(4, 8, 8, 3), dtype="u1")
    with pytest.raises(CorruptStoreError, match="does not describe an array of pictures"):
        ShardReader(tmp_path / "frames")


@pytest.mark.parametrize("file", ["frames.parquet", "signatures/c/0/0", "commit.json"])
def test_a_damaged_table_is_seen(tmp_path, file):
    group = put(tmp_path / "s", "film")
    data = bytearray((group / file).read_bytes())
    for place in random.Random(5).sample(range(len(data)), 20):
        data[place] ^= 4
        (group / file).write_bytes(data)
        with pytest.raises(CorruptStoreError):
            open_store(tmp_path / "s")["film"].sample(budget=2)
        data[place] ^= 4
    (group / file).unlink()
    with pytest.raises(CorruptStoreError, match="missing"):
        open_store(tmp_path / "s")["film"].sample(budget=2)


def test_an_array_of_another_video_is_seen(tmp_path):
    group, other = put(tmp_path / "s", "film"), put(tmp_path / "s", "other", frames=20)
    shutil.rmtree(group / "frames")
    shutil.copytree(other / "frames", group / "frames")
    with pytest.raises(CorruptStoreError, match=r"14, 48, 64, 3\] were published"):
        open_store(tmp_path / "s")["film"].read(rows=[0])


# Videos ------------------------------------------------------------------------------------------


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
    with pytest.raises(KeyError, match="no video 'case_7' in 'corpus.zarr'; near: 'case_07'"):
        open_store(store)["case_7"]
    with pytest.raises(KeyError, match="near: 'case_07', 'day 1/case_08'"):
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
    (group,) = (store / "videos/case_07").iterdir()
    table = pq.read_table(group / "frames.parquet", page_checksum_verification=True)
    assert table.column_names[:5] == ["frame_number", "pts", "is_keyframe", "gop", "slot"]
    assert [str(kind) for kind in table.schema.types] == (
        ["int64", "int64", "bool", "int64", "int32", "float", "uint64", "bool"]
    )
    opened = zarr.open_group(group, mode="r")
    assert opened.attrs["fewframes"]["id"] == "case_07"
    np.testing.assert_array_equal(opened["signatures"][:], table_of(film(40)).signatures)
    pictures = opened["frames"][:][table["slot"].to_numpy()]
    np.testing.assert_array_equal(
        pictures, open_store(store)["case_07"].read(rows=range(20)).frames
    )


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
        with pytest.raises(IndexError, match="it is indexed from 0.000 to 1.600 s"):
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
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(video._shards)).read([0]),
        pixels[:0] if 0 else video._shards.read([0]),
    )


# Publishing --------------------------------------------------------------------------------------


def test_an_attempt_without_commit_leaves_no_trace(tmp_path):
    path = tmp_path / "s"
    with VideoWriter(path, video_id="film", recipe=RECIPE, height=HEIGHT, width=WIDTH) as out:
        out.append(jpeg(1))
        assert len(list((path / ".attempts").iterdir())) == 2
        assert list(open_store(path)) == []
    assert list((path / ".attempts").iterdir()) == []
    assert repr(open_store(path)) == "Store('s': 0 videos)"


def test_columns_that_do_not_fit_are_refused(tmp_path):
    timeline = film(4)
    options = {"video_id": "film", "recipe": RECIPE, "height": HEIGHT, "width": WIDTH}
    for slots, sentence in (([0, 1], "slot 1 was never written"), ([0], "slots has 1 rows")):
        with (
            VideoWriter(tmp_path / "s", **options) as out,
            pytest.raises(ValueError, match=sentence),
        ):
            out.append(jpeg(1))
            out.commit(
                table_of(timeline), slots=slots, gop=[0, 0], timeline=timeline, source_digest="d"
            )
    assert len(open_store(tmp_path / "s")) == 0


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
import os, signal, pathlib
import test_store as t
store = pathlib.Path(sys.argv[2])
t.put(store, "first")
import fewframes.attempts as attempts
steps = int(sys.argv[3])
def count(real):
    def step(*args, **options):
        global steps
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    return step
os.fsync, os.rename = count(os.fsync), count(os.rename)
pathlib.Path.rename = count(pathlib.Path.rename)
pathlib.Path.mkdir = count(pathlib.Path.mkdir)
t.ShardWriter.append = count(t.ShardWriter.append)
t.put(store, "second")
"""


@pytest.mark.parametrize("steps", [0, 3, 6, 14, 21, 24, 27, 30, 33, 34, 35, 36, 37, 38, 39])
def test_a_kill_leaves_whole_videos_only(tmp_path, steps):
    path = tmp_path / "s"
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(path), str(steps)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    videos = open_store(path)
    assert set(videos) <= {"first", "second"}
    for video in videos.values():
        assert len(video.read(rows=range(20))) == 20
    put(path, "second")
    assert list(open_store(path)) == ["first", "second"]
    assert [entry for entry in (path / ".attempts").iterdir() if entry.is_dir()] == []


def publish_in_process(store: Path, ready, name: str) -> None:
    ready.wait()
    put(store, "film", reason=name)


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
        group = out.commit(table_of(timeline), slots=[0, 0], gop=[0, 0], timeline=timeline)
    touched = Source(path, stat.st_size, 1, "edges")
    assert find_same_source(tmp_path / "s", "film", RECIPE, touched) == group
    path.write_bytes(b"x" * 2_000_000 + b"y" + b"x" * 999_999)
    assert find_same_source(tmp_path / "s", "film", RECIPE, touched) is None


def test_a_newer_format_is_refused(tmp_path):
    put(tmp_path / "s", "film")
    (tmp_path / "s/fewframes-store.json").write_text('{"format": "fewframes store", "version": 2}')
    sentence = "store 's' has format version 2, but this fewframes reads up to 1"
    with pytest.raises(ValueError, match=sentence):
        open_store(tmp_path / "s")
    with pytest.raises(ValueError, match=sentence):
        put(tmp_path / "s", "other")


def test_what_is_no_store_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="'none' is not a store"):
        open_store(tmp_path / "none")
    (tmp_path / "holiday.mp4").touch()
    with pytest.raises(ValueError, match=r"holds other files \('holiday.mp4'\)"):
        create_store(tmp_path)


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
    for wrong in ({"fps": 0}, {"size": "big"}, {"quality": 0}, {"dedup": -1}, {"codec": "png"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Recipe(**wrong)
