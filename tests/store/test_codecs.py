"""What every codec of a store promises: the same pictures to our reader and to stock readers."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import zarr
from stored import HEIGHT, WIDTH, array_of, decoded, encoded

import fewframes as ff
from fewframes.errors import CorruptStoreError
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.kernels import axis_taps, resize
from fewframes.store.codecs import (
    CODECS,
    Jpeg,
    dct_step,
    fit,
    picture_codec,
    zstd_content_bytes,
)
from fewframes.store.recipes import Recipe
from fewframes.store.shard_format import SHARD_FRAMES
from fewframes.store.shard_reader import ShardReader
from fewframes.store.shard_writer import ShardWriter

COUNT = SHARD_FRAMES + 30
EXACT = ("zstd", "raw")
FILM = "x264_pyramid"


def need(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed; pip install {module}")


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """An array of each codec, of one full and one short shard; every tenth picture is black."""
    folder = tmp_path_factory.mktemp("arrays")
    return {name: array_of(folder / name, COUNT, picture_codec(name)) for name in CODECS}


def pictures(name: str, slots) -> np.ndarray:
    return np.stack([decoded(picture_codec(name), slot) for slot in slots])


@pytest.mark.slow
@pytest.mark.parametrize("name", CODECS)
def test_our_reader_and_stock_zarr_give_what_was_put_in(arrays, name):
    right = pictures(name, range(COUNT))
    assert not right[::10].any(), "black pictures are kept like others"
    np.testing.assert_array_equal(ShardReader(arrays[name]).read(np.arange(COUNT)), right)
    np.testing.assert_array_equal(zarr.open_array(arrays[name], mode="r")[:], right)


@pytest.mark.parametrize("name", EXACT)
def test_tensorstore_reads_the_same(arrays, name):
    need("tensorstore")
    import tensorstore as ts

    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(arrays[name])}}
    array = ts.open(spec, open=True, read=True).result()
    np.testing.assert_array_equal(array.read().result(), pictures(name, range(COUNT)))


@pytest.mark.parametrize("name", EXACT)
def test_zarrs_reads_the_same(arrays, name):
    need("zarrs")
    import zarrs  # noqa: F401 (registers its pipeline)

    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        array = zarr.open_array(arrays[name], mode="r")
        got = array[:]
    assert type(array._async_array.codec_pipeline).__name__ == "ZarrsCodecPipeline"
    np.testing.assert_array_equal(got, pictures(name, range(COUNT)))


def test_imagecodecs_reads_the_same_jpegs(arrays):
    """By its own codec for Zarr, where there is one for this Python, else by its decoder."""
    need("imagecodecs")
    import imagecodecs

    slots = [0, 7, 30, COUNT - 1]
    stored = ShardReader(arrays["jpeg"]).encoded(slots)
    got = np.stack([imagecodecs.jpeg_decode(data) for data in stored])
    assert np.abs(got.astype(int) - pictures("jpeg", slots)).max() <= 1
    if importlib.util.find_spec("imagecodecs.zarr") is None:
        pytest.skip("imagecodecs has no codecs for Zarr here; they need Python 3.12")
    theirs = "imagecodecs.zarr.Jpeg"
    with zarr.config.set({"codecs.imagecodecs_jpeg": theirs}):
        array = zarr.open_array(arrays["jpeg"], mode="r")
        assert array.metadata.codecs[0].codecs[0].__class__.__module__.startswith("imagecodecs")
        assert np.abs(array[:].astype(int) - pictures("jpeg", range(COUNT))).max() <= 1


@pytest.mark.parametrize("name", EXACT)
def test_our_reader_reads_what_stock_zarr_wrote(arrays, tmp_path, name):
    facts = json.loads((arrays[name] / "zarr.json").read_text())
    (tmp_path / "zarr.json").write_text(json.dumps({**facts, "shape": [30, HEIGHT, WIDTH, 3]}))
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.open_array(tmp_path, mode="r+")[:] = pictures(name, range(30))
    np.testing.assert_array_equal(
        ShardReader(tmp_path).read(np.arange(30)), pictures(name, range(30))
    )


@pytest.mark.parametrize("name", CODECS)
def test_a_flipped_bit_is_named_in_every_codec(tmp_path, name):
    folder = array_of(tmp_path / "frames", 6, picture_codec(name))
    shard = folder / "c/0/0/0/0"
    data = bytearray(shard.read_bytes())
    data[len(encoded(picture_codec(name), 0)) + 4 + 60] ^= 1
    shard.write_bytes(data)
    with pytest.raises(CorruptStoreError, match=r"the picture in slot 1 is damaged"):
        ShardReader(folder).read([0, 1, 2])
    assert ShardReader(folder).read([0, 2]).any()


@pytest.mark.parametrize("name", CODECS)
def test_only_pictures_of_the_array_s_codec_and_size_are_taken(tmp_path, name):
    codec = picture_codec(name)
    writer = ShardWriter(tmp_path / "frames", HEIGHT + 2, WIDTH, codec)
    for wrong in [encoded(codec, 1), b"GIF89a", b""]:
        with pytest.raises(ValueError, match=rf"slot 0 .* holds {name} pictures of 50x64"):
            writer.append(wrong)
    writer.abandon()


def test_two_writers_never_share_a_folder(tmp_path):
    first, second = (ShardWriter(tmp_path / "frames", HEIGHT, WIDTH, Jpeg(90)) for _ in "ab")
    first.append(encoded(Jpeg(90), 1))
    with pytest.raises(FileExistsError):
        second.append(encoded(Jpeg(90), 2))
    first.close()
    np.testing.assert_array_equal(ShardReader(tmp_path / "frames").read([0]), pictures("jpeg", [1]))


@pytest.mark.slow
@pytest.mark.parametrize("film", ["x264_pyramid", "x264_turned", "x264_odd_444", "x264_10bit"])
@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("size", ["64", "native"])
def test_a_film_is_stored_by_every_codec(films, tmp_path, film, name, size):
    path, recipe = films(film), Recipe(fps=5, size=size, codec=name, dedup=0)
    assert index_film(FilmTask(path, tmp_path, "a", recipe)).status == "ok"
    video = ff.open(tmp_path)["a"]
    assert video.facts["counts"]["stored"] == len(video.table), "dedup=0 shares no picture"
    got = video.read(frames=slice(None)).frames
    wanted = None if size == "native" else size
    right = ff.read(path, frames=video.table.frame_numbers, size=wanted).frames
    if name in EXACT:
        np.testing.assert_array_equal(got, right)
    else:
        assert np.abs(got.astype(int) - right).mean() < 9
    again = index_film(FilmTask(path, tmp_path, "a", recipe))
    assert again.status == "done", "the same recipe is known again"


@pytest.mark.slow
def test_signals_are_the_same_whatever_the_codec(films, tmp_path):
    tables = []
    for name in CODECS:
        recipe = Recipe(fps=5, size="64", codec=name)
        index_film(FilmTask(films(FILM), tmp_path / name, "a", recipe))
        tables.append(ff.open(tmp_path / name)["a"].table)
    for table in tables[1:]:
        np.testing.assert_array_equal(table.signatures, tables[0].signatures)
        for signal, values in tables[0].signals.items():
            np.testing.assert_array_equal(table.signals[signal], values)


@pytest.mark.slow
def test_the_command_line_takes_a_codec(films, tmp_path):
    from click.testing import CliRunner

    from fewframes.cli.main import main

    words = [
        "index",
        str(films(FILM)),
        "-o",
        str(tmp_path / "s"),
        "--codec",
        "zstd",
        "--size",
        "64",
    ]
    assert CliRunner().invoke(main, [*words, "--quiet"]).exit_code == 0
    assert ff.open(tmp_path / "s")[FILM].facts["recipe"]["codec"] == "zstd"
    refused = CliRunner().invoke(main, [*words, "--quality", "80"])
    assert (refused.exit_code, "--quality 80 is that of JPEGs" in refused.output) == (1, True)


def test_quality_is_asked_of_jpegs_alone():
    assert Recipe().quality == Recipe(codec="jpeg", quality=90).quality == 90
    assert Recipe(codec="raw").quality is None
    with pytest.raises(ValueError, match=r"quality=80 is that of JPEGs, but codec='zstd'"):
        Recipe(codec="zstd", quality=80)
    with pytest.raises(ValueError, match=r"codec='png' is unknown; codecs: jpeg, zstd, raw"):
        Recipe(codec="png")


@pytest.mark.slow
@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("size", [(24, 32), (12, 16), (6, 8), (20, 30), (5, 3), (48, 32), (60, 70)])
def test_thumbnails_are_the_area_s_average(arrays, name, size):
    slots = [3, 0, 41, 3]
    got = ShardReader(arrays[name]).read(slots, size=size)
    rows, columns = axis_taps(HEIGHT, size[0]), axis_taps(WIDTH, size[1])
    right = np.stack([resize(p, rows, columns) for p in pictures(name, slots)])
    assert got.shape == (4, *size, 3)
    assert not got[1].any()
    difference = np.abs(got.astype(int) - right)
    assert difference.max() == 0 if name in EXACT else difference.mean() < 8


def test_a_scaled_jpeg_is_what_libjpeg_gives(arrays):
    import simplejpeg

    data = encoded(Jpeg(90), 7)
    right = simplejpeg.decode_jpeg(data, min_height=24, min_width=32)
    got = ShardReader(arrays["jpeg"]).read([7], size=(24, 32))
    np.testing.assert_array_equal(got[0], right)


def test_a_scaled_jpeg_of_sides_that_do_not_divide_is_not_stretched():
    import simplejpeg

    ramp = np.linspace(0, 255, 41).round().astype(np.uint8)
    grey = np.repeat(np.tile(ramp, (16, 1))[..., None], 3, axis=2)
    data = np.frombuffer(simplejpeg.encode_jpeg(grey, quality=100), np.uint8)
    got = np.empty((2, 9, 3), np.uint8)
    assert dct_step((16, 41), (2, 9)) == 4
    Jpeg(90).decode(data, (16, 41), got)
    right = resize(grey, axis_taps(16, 2), axis_taps(41, 9))
    assert np.abs(got.astype(int) - right).max() <= 3


@pytest.mark.parametrize(
    ("wanted", "step"), [((48, 64), 1), ((24, 32), 2), ((24, 33), 1), ((6, 8), 8), ((1, 1), 8)]
)
def test_the_smallest_scale_that_is_large_enough_is_decoded(wanted, step):
    assert dct_step((48, 64), wanted) == step


def test_a_picture_that_has_its_size_is_only_copied():
    pixels, out = np.arange(12, dtype=np.uint8).reshape(2, 2, 3), np.zeros((2, 2, 3), np.uint8)
    fit(pixels, out)
    np.testing.assert_array_equal(out, pixels)


@pytest.mark.parametrize("count", [0, 1, 255, 256, 65791, 65792, 3_000_000])
def test_the_size_in_a_zstd_header_is_read(count):
    from numcodecs import zstd

    assert zstd_content_bytes(zstd.compress(bytes(count), 1)[:18]) == count


@pytest.mark.slow
def test_plain_zarr_open_needs_no_import_of_this_package(arrays):
    code = "import sys, zarr; print(zarr.open_array(sys.argv[1], mode='r')[3].sum())"
    words = [sys.executable, "-c", code, str(arrays["jpeg"])]
    said = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(said.stdout) == pictures("jpeg", [3]).sum(dtype=int)
