"""What a container hides is not shown, as FFmpeg's own tools have it since 7.1."""

import hashlib
import struct
import subprocess

import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe

import fewframes
from fewframes.bench.research.films import Film, write_film
from fewframes.bindings.ffmpeg.cursor import Cursor
from fewframes.bindings.ffmpeg.slice_streams import SliceWriter, UnfitError
from fewframes.checking.verify import verify_film
from fewframes.decode.decoder import DecodeReport
from fewframes.decode.plan import plan_frames
from fewframes.decode.slices import slice_runs
from fewframes.media.cropping import Crop, matroska_crop, mp4_crop

FRAMES = 5
APERTURES = {
    "even": (80, 1, 100, 1, 0, 1, 0, 1),
    "odd": (81, 1, 99, 1, 0, 1, 0, 1),
    "off_centre": (80, 1, 100, 1, -7, 2, 3, 1),
    "odd_off_centre": (77, 1, 117, 1, -5, 1, 1, 1),
    "fractions": (161, 2, 201, 2, 1, 4, -3, 4),
    "tiny": (2, 1, 2, 1, 0, 1, 0, 1),
    "whole": (160, 1, 120, 1, 0, 1, 0, 1),
}
NONSENSE = {
    "too_wide": (200, 1, 100, 1, 0, 1, 0, 1),
    "outside": (80, 1, 100, 1, 60, 1, 0, 1),
    "no_denominator": (80, 0, 100, 1, 0, 1, 0, 1),
}


def with_aperture(source, target, numbers):
    """Puts a ``clap`` box at the end of the sample entry; the film's boxes end with ``moov``."""
    data, at, starts = bytearray(source.read_bytes()), 0, []
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        while data[at + 4 : at + 8] != name:
            at += int.from_bytes(data[at : at + 4], "big")
        starts.append(at)
        at += 16 if name == b"stsd" else 8
    sizes = [int.from_bytes(data[at : at + 4], "big") for at in starts]
    end = starts[-1] + sizes[-1]
    for at, size in zip(starts, sizes, strict=True):
        data[at : at + 4] = (size + 40).to_bytes(4, "big")
    data[end:end] = struct.pack(">I4s8i", 40, b"clap", *numbers)
    target.write_bytes(data)
    return target


def by_command(path, *options):
    """Width and height, and the hash of each frame's planes, by the ffmpeg command."""
    how = ["-v", "error", *options, "-i", str(path), "-fps_mode", "passthrough", "-f", "framemd5"]
    done = subprocess.run([get_ffmpeg_exe(), *how, "-"], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    size = next(line.split()[-1] for line in lines if line.startswith("#dimensions"))
    return size, [line.split()[-1] for line in lines if not line.startswith("#")]


def hashes(path):
    timeline = fewframes.probe(path, cache=False)
    planes = fewframes.read(timeline, frames=range(len(timeline)), format="yuv").planes
    return [
        hashlib.md5(b"".join(np.ascontiguousarray(plane[at]).data for plane in planes)).hexdigest()
        for at in range(len(timeline))
    ]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Gives a film of 160x120 (of 161x121 with whole chroma), made once for each kind."""
    folder = tmp_path_factory.mktemp("cropped")

    def made(pixel_format="yuv420p", rotation=0):
        path = folder / f"{pixel_format}-{rotation}.mp4"
        size = (121, 161) if pixel_format == "yuv444p" else (120, 160)
        if not path.exists():
            recipe = {"pixel_format": pixel_format, "rotation": rotation}
            write_film(path, Film(frames=FRAMES, size=size, **recipe))
        return path

    return made


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p"])
@pytest.mark.parametrize("name", APERTURES)
def test_planes_are_those_of_the_ffmpeg_command(film, tmp_path, name, pixel_format, suffix):
    path = with_aperture(film(pixel_format), tmp_path / "a.mp4", APERTURES[name])
    if suffix == ".mkv":  # the command writes the same cropping into Matroska
        path = copied(path, tmp_path / "a.mkv")
    size, expected = by_command(path)
    assert hashes(path) == expected
    height, width = fewframes.probe(path, cache=False).stream.display_size
    assert f"{width}x{height}" == size


def copied(path, target):
    command = [get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-c", "copy", str(target)]
    subprocess.run(command, check=True)
    return target


def test_a_turned_film_is_cropped_before_it_is_turned(film, tmp_path):
    path = with_aperture(film(rotation=90), tmp_path / "a.mp4", APERTURES["off_centre"])
    size, _ = by_command(path)
    rgb = fewframes.read(path, frames=[0]).frames
    assert f"{rgb.shape[2]}x{rgb.shape[1]}" == size == "100x80"
    assert hashes(path) == by_command(path, "-noautorotate")[1]


def test_rgb_is_the_part_of_the_whole_picture(film, tmp_path):
    path = with_aperture(film("yuv444p"), tmp_path / "a.mp4", APERTURES["even"])
    whole = fewframes.read(film("yuv444p"), frames=[0]).frames[0]
    batch = fewframes.read(path, frames=[0])
    left, right, top, bottom = fewframes.probe(path).stream.crop
    assert (left, right, top, bottom) == (40, 41, 10, 11)
    np.testing.assert_array_equal(batch.frames[0], whole[10:110, 40:120])
    assert batch.report["cropped"] == "40 left, 41 right, 10 top, 11 bottom"


@pytest.mark.slow
def test_a_store_holds_the_part_and_compares_the_whole(film, tmp_path):
    path = with_aperture(film(), tmp_path / "a.mp4", APERTURES["even"])
    plain = tmp_path / "plain.mp4"
    plain.write_bytes(film().read_bytes())
    fewframes.index([str(path), str(plain)], tmp_path / "s.zarr", fps=None, size=None, dedup=0)
    store = fewframes.open(tmp_path / "s.zarr")
    assert store["a"].frame_size == (100, 80)
    read = fewframes.read(path, frames=[0]).frames[0].astype(int)
    assert np.abs(store["a"].read(rows=[0]).frames[0] - read).mean() < 4
    for column in ("picture_xxh64", "luma_xxh64"):
        ours, theirs = (store[name].table.signals[column].tolist() for name in ("a", "plain"))
        assert ours == theirs
    assert verify_film(path).differences == ()


@pytest.mark.parametrize("name", NONSENSE)
def test_an_aperture_that_makes_no_sense_is_ignored_and_said(film, tmp_path, name):
    path = with_aperture(film(), tmp_path / "a.mp4", NONSENSE[name])
    assert hashes(path) == by_command(path)[1]
    batch = fewframes.read(path, frames=[0])
    assert batch.frames.shape[1:3] == (120, 160)
    assert "makes no sense and is ignored" in batch.report["cropped"]


@pytest.mark.slow
def test_cropping_that_leaves_nothing_is_ignored_and_said(film, tmp_path):
    path = with_aperture(film(), tmp_path / "a.mp4", (1, 1, 1, 1, 0, 1, 0, 1))
    batch = fewframes.read(path, frames=[0])
    assert batch.frames.shape[1:3] == (120, 160)
    assert "leaves nothing of 160x120 and is ignored" in batch.report["cropped"]
    report = fewframes.index(path, tmp_path / "s.zarr", workers=1)
    assert report.outcomes[0].status == "ok"
    assert "leaves nothing" in report.outcomes[0].notes


def test_slices_for_other_decoders_are_refused(film, tmp_path):
    path = with_aperture(film(), tmp_path / "a.mp4", APERTURES["even"])
    timeline = fewframes.probe(path)
    (part, *_) = slice_runs(timeline, plan_frames(timeline, [1]).runs)
    writer = SliceWriter(Cursor(timeline), DecodeReport(), on_gpu=False)
    with pytest.raises(UnfitError, match="cropping by the container"):
        writer.write(part)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_broken_header_is_read_within_bounds(film, tmp_path, suffix):
    path = with_aperture(film(), tmp_path / "a.mp4", APERTURES["even"])
    path = copied(path, tmp_path / "b.mkv") if suffix == ".mkv" else path
    whole, random = path.read_bytes(), np.random.default_rng(5)
    for _ in range(400):
        data = bytearray(whole[: random.integers(1, len(whole) + 1)])
        for at in random.integers(0, len(data), 30):
            data[at] = random.integers(0, 256)
        path.write_bytes(data)
        crop = matroska_crop(path, 0) if suffix == ".mkv" else mp4_crop(path, 1)[0]
        assert isinstance(crop, Crop)


def test_endless_headers_end(tmp_path):
    film = tmp_path / "film"
    film.write_bytes(b"\0\0\0\x08free" * 50_000)
    assert mp4_crop(film, 1) == (Crop(), True)
    film.write_bytes(bytes.fromhex("1853806701ffffffffffffff") + b"\xec\x80" * 50_000)
    assert matroska_crop(film, 0) == Crop()
