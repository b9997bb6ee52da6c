"""What is promised of Ogg files that were joined: each picture is a frame, and headers are none."""

import subprocess

import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe

import fewframes as ff
from fewframes.errors import DamagedFrameError

PICTURES = "testsrc2=size={size}:rate=25:duration={seconds}"


def ffmpeg(*words):
    done = subprocess.run([get_ffmpeg_exe(), "-v", "error", *words], capture_output=True)
    if b"Unknown encoder" in done.stderr:
        pytest.skip(f"this FFmpeg cannot write it: {done.stderr.decode().strip()}")
    done.check_returncode()
    return done.stdout


def write_half(path, *, size="160x120", seconds=1, codec="libtheora"):
    source = PICTURES.format(size=size, seconds=seconds)
    ffmpeg("-y", "-f", "lavfi", "-i", source, "-c:v", codec, "-g", "10", path)


def luma(path, height=120, width=160):
    """The luma of every picture of a file, as the command line decodes it."""
    raw = ffmpeg("-threads", "1", "-i", path, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-")
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, height * width * 3 // 2)
    return pictures[:, : height * width].reshape(-1, height, width)


def joined(folder, *halves):
    (folder / "film.ogv").write_bytes(b"".join((folder / name).read_bytes() for name in halves))
    return folder / "film.ogv"


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["libtheora", "libvpx"])
def test_the_frames_of_both_halves_are_there_in_order(tmp_path, codec):
    write_half(tmp_path / "a.ogv", seconds=2, codec=codec)
    write_half(tmp_path / "b.ogv", codec=codec)
    timeline = ff.probe(joined(tmp_path, "a.ogv", "b.ogv"), cache=False)
    truth = np.concatenate([luma(tmp_path / "a.ogv"), luma(tmp_path / "b.ogv")])
    assert len(timeline) == len(truth) == 75
    assert timeline.seconds == pytest.approx(np.arange(75) / 25)
    for wanted in (np.arange(75), [74, 3, 51, 50, 49, 60]):
        batch = ff.read(timeline, frames=wanted, format="yuv")
        np.testing.assert_array_equal(batch.planes[0], truth[wanted])


def test_frames_behind_other_headers_are_refused(tmp_path):
    write_half(tmp_path / "a.ogv")
    write_half(tmp_path / "b.ogv", size="96x64")
    timeline = ff.probe(joined(tmp_path, "a.ogv", "b.ogv"), cache=False)
    assert len(timeline) == 50
    truth = luma(tmp_path / "a.ogv")
    np.testing.assert_array_equal(
        ff.read(timeline, frames=range(25), format="yuv").planes[0], truth
    )
    for number in (25, 30, 49):
        with pytest.raises(DamagedFrameError, match=f"frame {number} .*may be damaged"):
            ff.read(timeline, frames=[number])
