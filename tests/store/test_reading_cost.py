"""What reading and writing pictures may cost in calls, bytes and memory; who may share a reader."""

import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from backends import keys, place_of
from stored import HEIGHT, WIDTH, array_of, encoded, picture_of_row, put

from fewframes.cli.formatting import video_facts
from fewframes.store import shard_reader
from fewframes.store.codecs import CODECS, picture_codec
from fewframes.store.resolve import resolve_store
from fewframes.store.shard_format import SHARD_FRAMES
from fewframes.store.shard_reader import ShardReader
from fewframes.store.shard_writer import ShardWriter
from fewframes.store.store import open_store

COUNT = 4 * SHARD_FRAMES


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays")
    return {name: array_of(folder / name, COUNT, picture_codec(name)) for name in CODECS}


@pytest.fixture
def calls(monkeypatch):
    """Where and how much the reader reads, as it asks the system."""
    seen = []

    def note(name, real):
        def call(file, what, start):
            data = real(file, what, start)
            seen.append((start, len(data) if name == "pread" else data))
            return data

        monkeypatch.setattr(shard_reader.os, name, call)

    note("pread", os.pread)
    note("preadv", os.preadv)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("name", CODECS)
def test_random_pictures_cost_hardly_more_bytes_than_they_have(arrays, calls, name):
    reader = ShardReader(arrays[name])
    slots = np.random.default_rng(1).choice(COUNT, 64, replace=False)
    reader.read(slots)
    needed = sum(len(data) + 4 for data in reader.encoded(slots))
    calls.clear()
    reader.read(slots, workers=1)
    assert needed <= sum(count for _, count in calls) <= 1.15 * needed
    assert len(calls) <= 64


@pytest.mark.slow
@pytest.mark.parametrize("name", CODECS)
def test_a_second_call_reads_no_index_again(arrays, calls, name):
    reader = ShardReader(arrays[name])
    slots = [0, SHARD_FRAMES, 3 * SHARD_FRAMES + 5]
    reader.read(slots)
    assert len(calls) == 6
    calls.clear()
    reader.read(slots)
    assert len(calls) == 3
    assert all(count < SHARD_FRAMES * 16 or name == "raw" for _, count in calls)


@pytest.mark.slow
def test_a_whole_shard_is_read_in_few_large_pieces(arrays, calls):
    ShardReader(arrays["jpeg"]).read(np.arange(SHARD_FRAMES), workers=1)
    assert len(calls) <= 1 + (arrays["jpeg"] / "c/0/0/0/0").stat().st_size // (1 << 20) + 1
    assert [start for start, _ in calls[1:]] == sorted(start for start, _ in calls[1:])


def test_neighbours_are_joined_only_while_little_is_read_in_vain():
    sizes = np.full(20, 100)
    offsets = np.array(
        [0, 100, 200, 400, *range(500, 1100, 100), 1300, 1500, *range(2000, 2800, 100)]
    )
    runs = list(shard_reader._cut(offsets[: len(sizes)], sizes, 10_000))
    for at in runs:
        span = offsets[at][-1] + 100 - offsets[at][0]
        assert span <= sizes[at].sum() * 1.125
    assert sum(at.stop - at.start for at in runs) == 20
    assert max(at.stop - at.start for at in runs) > 3
    assert all(
        at.stop - at.start == 1 for at in shard_reader._cut(offsets.tolist(), sizes.tolist(), 0)
    )


@pytest.mark.slow
def test_threads_share_a_reader(arrays):
    reader = ShardReader(arrays["jpeg"])
    right = reader.read(np.arange(COUNT))
    orders = [np.random.default_rng(n).permutation(COUNT)[:80] for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        for order, got in zip(orders, pool.map(reader.read, orders), strict=True):
            np.testing.assert_array_equal(got, right[order])


@pytest.mark.parametrize("name", CODECS)
def test_writing_keeps_only_an_index_in_memory(tmp_path, name):
    codec = picture_codec(name)
    data = [encoded(codec, number) for number in range(20)]
    writer = ShardWriter(tmp_path / "frames", HEIGHT, WIDTH, codec)
    writer.append(data[0])
    tracemalloc.start()
    for number in range(1, 5 * SHARD_FRAMES):
        writer.append(data[number % 20])
    writer.close()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 400_000, "a buffer of 256 KiB and an index; of raw pictures 12 MB were written"


def test_a_batch_goes_into_the_caller_s_array(tmp_path):
    put(tmp_path / "s", "film")
    video, out = open_store(tmp_path / "s")["film"], np.zeros((3, HEIGHT, WIDTH, 3), np.uint8)
    batch = video.read(rows=[4, 0, 4], out=out)
    assert np.shares_memory(batch.frames, out)
    np.testing.assert_array_equal(out, [picture_of_row(row) for row in (4, 0, 4)])
    for wrong in (out[:2], out[:, ::2], out.astype(np.int8), np.zeros(1)):
        with pytest.raises(ValueError, match="out must be"):
            video.read(rows=[4, 0, 4], out=wrong)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out must be contiguous and writeable"):
        video.read(rows=[4, 0, 4], out=out)


def test_slices_give_what_is_indexed_between(tmp_path):
    put(tmp_path / "s", "film")
    video = open_store(tmp_path / "s")["film"]
    numbers, seconds = video.table.frame_numbers, video.table.seconds

    def read(**wish):
        return video.read(**wish).frame_numbers.tolist()

    assert read(rows=slice(2, 8, 3)) == numbers[2:8:3].tolist()
    assert read(rows=slice(-2, None)) == numbers[-2:].tolist()
    assert read(frames=slice(3, 9)) == [4, 6, 8]
    assert read(frames=slice(None, None, -9)) == numbers[::-9].tolist()
    assert read(seconds=slice(0.2, 0.5)) == numbers[(seconds >= 0.2) & (seconds < 0.5)].tolist()
    assert read(frames=slice(5000, None)) == []
    with pytest.raises(ValueError, match="counts from the end"):
        read(seconds=slice(-1.0, None))


def test_thumbnails_of_a_video(tmp_path):
    put(tmp_path / "s", "film")
    video = open_store(tmp_path / "s")["film"]
    assert video.read(rows=[1, 2], size=32).frames.shape == (2, 24, 32, 3)
    assert video.read(rows=[1, 2], size="10x20").frames.shape == (2, 10, 20, 3)
    assert video.read(rows=[1, 2], size=9999).frames.shape == (2, HEIGHT, WIDTH, 3)


def test_a_video_says_what_it_takes(where):
    group = put(where, "film")
    facts, store = video_facts(open_store(where)["film"]), resolve_store(where)
    place = place_of(store, group.home)
    files = {key: len(store.read(key)) for key in keys(where) if key.startswith(place)}
    inside = sum(size for key, size in files.items() if "/frames/" in key)
    assert facts["picture_bytes"] == inside
    assert facts["bytes"] == sum(files.values()), "all but the record"
    assert facts["counts"] == {"frames": 40, "rows": 20, "stored": 14}
