"""Every frame, however it is reached, is the one that a sequential decode by ffmpeg gives."""

import numpy as np
import pytest
from decoder_tests import PlanesTests

import fewframes
from fewframes.bench.research.films import RECIPES, read_number
from fewframes.bench.research.oracle import first_grey


class TestFfmpeg(PlanesTests):
    decoder = "ffmpeg"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "size", "shape"),
    [
        ("x264_pyramid", None, (144, 256)),
        ("x264_pyramid", 128, (72, 128)),
        ("x264_pyramid", 9999, (144, 256)),
        ("x264_pyramid", (90, 160), (90, 160)),
        ("x264_pyramid", "288x512", (288, 512)),
        ("x264_turned", None, (256, 144)),
        ("x264_turned", 128, (128, 72)),
        ("x264_turned", (200, 120), (200, 120)),
        ("x264_odd_444", None, (121, 161)),
        ("x264_10bit", 128, (72, 128)),
    ],
)
def test_frames_come_at_the_size_asked_for(films, recipe, size, shape):
    batch = fewframes.read(films(recipe), frames=[40, 3], size=size)
    assert batch.frames.shape == (2, *shape, 3)
    assert batch.frames.dtype == np.uint8
    coded = np.rot90(batch.frames, k=RECIPES[recipe].rotation // 90, axes=(1, 2))
    assert [read_number(frame) for frame in coded] == [40, 3]


@pytest.mark.slow
def test_a_turned_film_is_shown_as_ffmpeg_shows_it(films):
    shown = first_grey(films("x264_turned"), 256, 144).astype(float)
    ours = fewframes.read(films("x264_turned"), frames=[0]).frames[0]
    luma = 16 + ours @ np.array([65.481, 128.553, 24.966]) / 255  # Rec. ITU-R BT.601
    assert np.abs(luma - shown).mean() < 3


@pytest.mark.slow
def test_planes_are_as_decoded(films):
    deep = fewframes.read(films("x264_10bit"), frames=[5], format="yuv")
    assert [p.shape for p in deep.planes] == [(1, 144, 256), (1, 72, 128), (1, 72, 128)]
    assert deep.planes[0].dtype == np.uint16
    assert 255 < deep.planes[0].max() < 1024
    full = fewframes.read(films("x264_odd_444"), frames=[5], format="yuv")
    assert {p.shape for p in full.planes} == {(1, 121, 161)}
    turned = fewframes.read(films("x264_turned"), frames=[5], format="yuv")
    assert turned.planes[0].shape == (1, 144, 256)


@pytest.mark.parametrize("number", [-1, 90, 10**6])
def test_a_number_outside_the_film_is_refused_with_the_range(films, number):
    with pytest.raises(IndexError, match=rf"frame {number} of 'x264_pyramid.mp4' .*0 to 89"):
        fewframes.read(films("x264_pyramid"), frames=[3, number])


@pytest.mark.parametrize("seconds", [-0.001, 3.601, float("nan"), float("inf")])
def test_a_time_outside_the_film_is_refused_with_the_range(films, seconds):
    with pytest.raises(IndexError, match=r"x264_pyramid.mp4' .* from 0 to 3.600 s"):
        fewframes.read(films("x264_pyramid"), seconds=[1.0, seconds])


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({}, "either frames="),
        ({"frames": [1], "seconds": [1.0]}, "either frames="),
        ({"frames": [1], "format": "bgr"}, "format='bgr'"),
        ({"frames": [1], "format": "yuv", "size": 64}, "size=64"),
        ({"frames": [1], "size": 0}, "size=0"),
        ({"frames": [1], "workers": 0}, "workers=0"),
    ],
)
def test_misuse_is_a_sentence(films, how, says):
    with pytest.raises(ValueError, match=says):
        fewframes.read(films("x264_pyramid"), **how)


def test_fractions_are_no_frame_numbers(films):
    with pytest.raises(TypeError, match="seconds="):
        fewframes.read(films("x264_pyramid"), frames=[1.5])
