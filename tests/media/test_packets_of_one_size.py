"""Frames are told apart where all packets are of one size, as those of uncompressed film are."""

from fractions import Fraction

import av
import numpy as np
import pytest

import fewframes

FRAMES, HEIGHT, WIDTH = 200, 48, 64
CODECS = {"nut": "rawvideo", "y4m": "wrapped_avframe", "mkv": "rawvideo", "avi": "rawvideo"}


@pytest.fixture(params=CODECS)
def film(request, tmp_path):
    """Noise, another one in each frame."""
    path = tmp_path / f"film.{request.param}"
    noise = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[request.param], rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for number in range(FRAMES):
            planes = noise.integers(16, 235, (HEIGHT * 3 // 2, WIDTH), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def lumas(path):
    """What a decode in order gives."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray()[:HEIGHT] for frame in container.decode(video=0)]


def test_each_frame_is_reached_alone_and_in_any_order(film):
    truth = lumas(film)
    timeline = fewframes.probe(film)
    assert len(set(timeline.packets.size_bytes.tolist())) == 1
    assert len(timeline) == len(truth) == FRAMES
    for number in (150, 7, 199, 0, 52, 120, 60):
        batch = fewframes.read(timeline, frames=[number], format="yuv")
        np.testing.assert_array_equal(batch.planes[0][0], truth[number])
    numbers = np.random.default_rng(1).permutation(FRAMES)[:40]
    planes = fewframes.read(timeline, frames=numbers, format="yuv").planes[0]
    np.testing.assert_array_equal(planes, [truth[number] for number in numbers])
