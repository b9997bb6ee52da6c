"""What clocks and headers of real files do: every film that FFmpeg plays is exact, in each cell.

The cells here are few of each kind; `python -m fewframes.bench.research.matrix` judges all of them.
"""

from dataclasses import replace

import numpy as np
import pytest

import fewframes as ff
from fewframes.bench.research.clock_faults import FAULTS, stamped
from fewframes.bench.research.film_judge import (
    clock_faults,
    faults_of,
    known_faults,
    picture_faults,
)
from fewframes.bench.research.matrix import judge
from fewframes.bench.research.matrix_films import CONTAINERS, FRAMES, cells, clock_film, recording
from fewframes.bench.research.plain_decode import plain_decode

pytestmark = pytest.mark.slow

pytestmark = pytest.mark.slow

CELLS = {cell.name: cell for cell in cells()}
SUBSET = """
h264_b.mkv.restart h264_b.mkv.restarts h264_b.mkv.falling h264_b.mkv.hole h264_b.mkv.one_ahead
h264_b.mkv.key_ahead h264_b.mkv.one_back h264_b.mkv.twins h264_b.mkv.triplets
h264_b.mkv.tight_twins h264_b.mkv.changed_back h264_b.mkv.changed_coder
h264.flv.sound h264.flv.one_ahead h264.flv.key_back h264.flv.jump_that_stays h264.flv.wrap
h264.flv.changed h264.flv.announced h264.avi.changed h264.raw.changed
h264_open.ts.restart h264_open.ts.falling h264_open.ts.wrap h264_open.ts.once
h264_b.mp4.one_back h264_b.mp4.twins h264_b.mp4.restart h264_b.mp4.changed
hevc_b.mkv.key_back hevc_b.mkv.changed hevc_b.mkv.changed_back hevc_b.ts.restart hevc_b.raw.changed
h264_open.mkv.cut hevc_b.ts.cut mpeg4.avi.changed
mpeg4_b.avi.sound mpeg4_b.avi.packed mpeg4_ib.avi.packed mpeg4.avi.empty_chunks
mpeg4_b.ts.once mpeg4_b.ts.restart mpeg4.avi.sound
mpeg2_b.mpg.restart mpeg2_b.mpg.wrap mpeg2_b.ts.twins mjpeg.mkv.restarts mjpeg.avi.sound
wmv2.asf.restart wmv2.asf.one_back
vp8.mkv.falling vp9.mkv.one_ahead vp9.mp4.triplets av1.mkv.restart
fields.ts.sound fields.ts.restart fields.ts.wrap fields.raw.sound field_frames.mkv.restart
pal8.avi.sound pal8.avi.palette pal8.avi.palettes
msvideo1.avi.sound msvideo1.avi.palette msvideo1.avi.palettes
"""


@pytest.mark.parametrize("name", SUBSET.split())
def test_a_film_that_ffmpeg_plays_is_exact(name, tmp_path):
    if name not in CELLS:
        pytest.skip(f"this build of FFmpeg has no encoder for {name}")
    assert judge(CELLS[name], tmp_path) == {"result": "exact", "why": ""}


@pytest.mark.parametrize("name", ["mkv", "flv", "mp4", "ts", "asf"])
def test_files_have_the_stamps_that_a_fault_asks_for(name, tmp_path):
    """Whatever is judged, it is judged of the clock that the name of its cell says."""
    tick, codec = CONTAINERS[name].tick_seconds, "wmv2" if name == "asf" else "h264_b"
    for fault, make in FAULTS.items():
        path, made = tmp_path / f"{fault}.{name}", make(FRAMES)
        path.write_bytes(clock_film(codec, name, made))
        stamps = np.array([one.stamp for one in plain_decode(path).shown]) * tick * 1000
        np.testing.assert_allclose(stamps - stamps[0], made.stamps, atol=1e-4, err_msg=fault)


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.mkv"
    path.write_bytes(clock_film("h264_b", "mkv", FAULTS["sound"](FRAMES)))
    return path


def test_the_judge_sees_one_wrong_picture_among_many(film):
    truth = plain_decode(film)
    shown = list(truth.shown)
    shown[7], shown[8] = shown[8], shown[7]
    faults = picture_faults(ff.probe(film), replace(truth, shown=tuple(shown)))
    assert any("frame 7 is another picture in yuv (2 of 40)" in fault for fault in faults)
    assert any(fault.startswith("alone: ") for fault in faults)


def test_the_judge_sees_wrong_times_and_repairs(film):
    known = FAULTS["sound"](FRAMES).known(0.001)
    assert faults_of(film, known) == []
    late = known.seconds + (np.arange(FRAMES) == 9) * 0.002
    assert "frame 9 is at 0.3600 s" in faults_of(film, replace(known, seconds=late))[0]
    assert "repaired" in faults_of(film, replace(known, repaired=(3,)))[0]
    assert "duration" in faults_of(film, replace(known, duration=1.7))[0]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_judge_has_nothing_against_right_times(fault, tmp_path):
    path, made = tmp_path / "film.mkv", FAULTS[fault](FRAMES)
    path.write_bytes(clock_film("h264_b", "mkv", made))
    truth, known = plain_decode(path), made.known(0.001)
    seconds, finer = known.seconds.copy(), 2 if fault == "tight_twins" else 1
    at = np.flatnonzero(np.isnan(seconds))
    seconds[at] = (seconds[at - 1] + seconds[at + 1]) / 2
    stamps = np.array([one.stamp for one in truth.shown])
    pts = np.rint(seconds * 1000 * finer).astype(int) + stamps[0] * finer
    right = replace(
        ff.probe(path, cache=False),
        order=np.array([one.row for one in truth.shown]),
        pts=pts,
        repaired=np.flatnonzero(pts != stamps * finer),
        ticks_per_stamp=finer,
        duration_pts=40 * finer,
    )
    assert clock_faults(right, truth) + known_faults(right, known) == []


def test_the_judge_sees_a_frame_that_is_missing(film, tmp_path):
    short = tmp_path / "short.mkv"
    coded = stamped(recording("h264"), FAULTS["sound"](FRAMES))
    short.write_bytes(CONTAINERS["mkv"].write(replace(coded, packets=coded.packets[:-1])))
    assert faults_of(short, plain=plain_decode(film)) == ["39 frames, a plain decode gives 40"]
