"""What shards promise: the pictures that were put in, also to stock zarr, or an error."""

import json
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import HEIGHT, WIDTH, array_of, jpeg

from fewframes.errors import CorruptStoreError
from fewframes.store.codecs import Jpeg
from fewframes.store.shard_format import SHARD_FRAMES
from fewframes.store.shard_reader import ShardReader
from fewframes.store.shard_writer import ShardWriter


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    """An array of one full and one short shard."""
    return array_of(tmp_path_factory.mktemp("array") / "frames", SHARD_FRAMES + 30)


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert ShardReader(frames).encoded(slots) == [jpeg(slot) for slot in slots]


def test_pictures_go_into_an_array_that_is_there(frames):
    reader, out = ShardReader(frames), np.full((2, HEIGHT, WIDTH, 3), 9, np.uint8)
    assert reader.read([5, 6], out=out) is out
    np.testing.assert_array_equal(out, reader.read([5, 6]))
    with pytest.raises(ValueError, match=r"out must be a NumPy array \[3, 48, 64, 3\] u8"):
        reader.read([1, 2, 3], out=out)


def test_a_slot_outside_the_array_is_refused(frames):
    with pytest.raises(IndexError, match="slot 286 is asked for, but there are 286 from 0"):
        ShardReader(frames).read([0, 286])
    with pytest.raises(IndexError, match="slot -1"):
        ShardReader(frames).read([-1])
    with pytest.raises(TypeError, match="whole numbers"):
        ShardReader(frames).read([0.5])


def test_only_pictures_of_one_size_are_taken(tmp_path):
    writer = ShardWriter(tmp_path / "frames", HEIGHT, WIDTH, Jpeg(90))
    with pytest.raises(ValueError, match="slot 0 is a YCbCr JPEG of 24x32"):
        writer.append(jpeg(1, height=24, width=32))
    with pytest.raises(ValueError, match="slot 0 must be a JPEG file"):
        writer.append(b"GIF89a")
    assert writer.append(jpeg(1)) == 0
    writer.close()


def test_a_reader_can_be_sent_to_another_process(frames):
    reader = ShardReader(frames)
    pixels = reader.read([4, 1])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reader)).read([4, 1]), pixels)


def read_or_error(folder: Path) -> np.ndarray | None:
    try:
        reader = ShardReader(folder)
        return reader.read(np.arange(len(reader)))
    except CorruptStoreError:
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
    assert ShardReader(folder).encoded([6, 8]) == [jpeg(6), jpeg(8)]


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
