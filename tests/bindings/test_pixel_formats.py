"""Whatever the samples of a film are packed like: whole planes, bit for bit, or one sentence."""

from dataclasses import replace

import av
import numpy as np
import pytest
from av.filter import Graph
from av.video.reformatter import VideoReformatter
from pixel_films import (
    FORMATS,
    KNOWN,
    UNPACKED,
    by_command,
    noise,
    sampling,
    smooth,
    write_raw_film,
)

import fewframes
from fewframes.bindings.ffmpeg.hashes import picture_hashes
from fewframes.bindings.ffmpeg.pixels import Pixels
from fewframes.bindings.ffmpeg.planes import planar
from fewframes.errors import UnsupportedStreamError
from fewframes.media.timeline import example_timeline

SIZE = (35, 67)
LEVELS = 3


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Gives the film of a pixel format, or skips the test."""
    folder = tmp_path_factory.mktemp("raw")

    def film(name):
        path = folder / f"{name}.nut"
        size = (36, 68) if name == "uyyvyy411" else SIZE
        if not path.exists() and not write_raw_film(path, name, size):
            pytest.skip(f"no raw film in {name}: rawvideo in NUT does not carry it")
        return path

    return film


def given(call):
    """What a call gives, or the sentence in which it refuses."""
    try:
        return call(), ""
    except UnsupportedStreamError as error:
        return None, str(error)


def joined(planes, at):
    return b"".join(np.ascontiguousarray(plane[at]).tobytes() for plane in planes)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FORMATS if sampling(name)])
def test_planes_are_those_of_the_ffmpeg_command(raw, name):
    path = raw(name)
    batch, refusal = given(lambda: fewframes.read(path, frames=[0, 1], format="yuv"))
    if refusal:
        assert "format='rgb'" in refusal
        assert repr(name) in refusal
        assert name not in UNPACKED
        return
    planes = batch.planes
    with av.open(str(path)) as container:
        pictures = list(container.decode(video=0))
    if name in UNPACKED:
        for at, picture in enumerate(pictures):
            for mine, theirs in zip(planes, UNPACKED[name](picture), strict=True):
                np.testing.assert_array_equal(mine[at], theirs)
    if name != "uyyvyy411":  # whose command reads other bytes beyond whole groups
        (expected,) = by_command(path, sampling(name))
        assert [joined(planes, 0), joined(planes, 1)] == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_rgb_is_that_of_the_ffmpeg_command(raw, name):
    path = raw(name)
    batch, refusal = given(lambda: fewframes.read(path, frames=[0]))
    if refusal:
        assert repr(name) in refusal
        return
    frames = batch.frames
    (expected,) = by_command(path, "rgb24")
    theirs = np.frombuffer(expected[0], np.uint8).reshape(frames[0].shape)
    if "bayer" not in name:
        assert np.abs(frames[0].astype(int) - theirs).max() <= LEVELS


@pytest.mark.parametrize("name", UNPACKED)
def test_planes_of_common_formats_are_unpacked_by_their_published_layouts(name):
    for size in ((36, 68), (34, 132), (36, 64)):
        frame = noise(name, size)
        for mine, theirs in zip(
            planar(frame, VideoReformatter()), UNPACKED[name](frame), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", KNOWN)
def test_planes_are_whole_or_refused_in_a_sentence(name):
    layout = av.VideoFrame(68, 36, name).format
    planes, refusal = given(lambda: planar(noise(name, (36, 68)), VideoReformatter()))
    if refusal:
        assert repr(name) in refusal
        assert name not in UNPACKED
        return
    steps = (16 // layout.chroma_height(16), 16 // layout.chroma_width(16))
    chroma = (36 // steps[0], 68 // steps[1])
    assert [plane.shape for plane in planes] == [(36, 68), chroma, chroma][: len(planes)]
    assert len(planes) in (1, 3)


@pytest.mark.parametrize("name", ["rgb48le", "gbrp10le", "gbrp12be", "bgra64le"])
def test_planes_of_deep_rgb_keep_their_depth(raw, name):
    luma = fewframes.read(raw(name), frames=[1], format="yuv").planes[0]
    assert luma.dtype == np.uint16
    assert len(np.unique(luma)) > 256


BOTTOM_UP = ["yuv420p", "yuv422p10le", "yuv420p12be", "nv12", "ya8", "bgr24"]


@pytest.mark.slow
@pytest.mark.parametrize("name", BOTTOM_UP)
def test_rows_stored_from_the_bottom_up_come_from_the_top(name):
    source = smooth(name, (36, 68))
    turned, upright = through("vflip", source), through("copy", source)
    again = through("copy", turned)
    assert turned.planes[0].line_size < 0 < again.planes[0].line_size
    scaler = VideoReformatter()
    for mine, theirs in zip(planar(turned, scaler), planar(upright, scaler), strict=True):
        np.testing.assert_array_equal(mine, theirs[::-1])
    stream = replace(example_timeline().stream, width=68, height=36)
    mine, theirs = (Pixels(stream, "rgb", None).planes(one)[0] for one in (turned, again))
    np.testing.assert_array_equal(mine, theirs)
    assert picture_hashes(turned, scaler) == picture_hashes(again, scaler)


def through(name, picture):
    """A picture behind a filter of FFmpeg: ``vflip`` gives rows that are stored backwards."""
    graph = Graph()
    how = f"video_size=68x36:pix_fmt={picture.format.name}:time_base=1/1"
    nodes = graph.add("buffer", how), graph.add(name), graph.add("buffersink")
    graph.link_nodes(*nodes).configure()
    graph.push(picture)
    return graph.vpull()
