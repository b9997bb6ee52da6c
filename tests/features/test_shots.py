"""Shots: cuts and gradual transitions are found where they are, and nothing else is one."""

import dataclasses
from fractions import Fraction

import av
import numpy as np
import pytest

import fewframes as ff
from fewframes.bench.research.shots import Labels, read_labels, score
from fewframes.decode.decoder import decoder
from fewframes.errors import UnreadableMediaError
from fewframes.features.shots import CONTRAST, LAG_LAYOUT, LAG_TONE, LAYOUT, TONE, gradual
from fewframes.sampling import scan_table

FPS = 25
H, W = 180, 320


def view(seed, number):
    """One of many scenes, ``[h, w, 3]`` floats: blobs of its own colours that drift."""
    rng = np.random.default_rng(seed)
    colours = rng.uniform(0, 255, (H // 30 + 4, W // 40 + 4, 3))
    large = np.kron(colours, np.ones((30, 40, 1)))
    down, right = 59 - abs(number // 4 % 118 - 59), 79 - abs(number % 158 - 79)  # no jumps
    return large[down : down + H, right : right + W]


def film_of_everything():
    """A cut at 60, a dissolve from 120 to 136, a flash at 152, a fade by black from 180 to 204,
    a cut at 250, a camera that pans fast from 270 on, a cut back to the first scene at 320."""
    for n in range(360):
        if n < 60:
            picture = view(1, n)
        elif n < 180:
            share = np.clip((n - 119) / 16, 0, 1)
            picture = (1 - share) * view(2, n) + share * view(3, n)
        elif n < 250:
            share = abs(n - 192) / 12
            picture = view(3 if n < 192 else 4, n) * min(1, share)
        elif n < 320:
            picture = view(5, n if n < 270 else 270 + 5 * (n - 270))
        else:
            picture = view(1, n)
        yield np.full_like(picture, 250) if 152 <= n < 157 else picture


def write(path, pictures, *, pixel_format="yuv420p"):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "24"})
        stream.width, stream.height, stream.pix_fmt = W, H, pixel_format
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture.round().astype(np.uint8))
            frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    return write(tmp_path_factory.mktemp("shots") / "everything.mp4", film_of_everything())


def check(shots):
    first_frames = shots.first_frames.tolist()
    assert [first_frames[at] for at in (0, 1)] == [0, 60]
    assert first_frames[-2:] == [250, 320]
    between = first_frames[2:-2]
    assert len(between) == 2
    assert abs(between[0] - 128) <= 8, "the dissolve"
    assert abs(between[1] - 192) <= 12, "the fade through black"
    assert shots.is_gradual[[0, 1, 2, -2, -1]].tolist() == [False, False, True, False, False]
    np.testing.assert_allclose(shots.seconds, shots.first_frames / FPS)
    assert shots.frame_count == 360


@pytest.mark.slow
def test_cuts_are_exact_and_transitions_begin_in_their_midst(everything):
    check(ff.shots(everything))


@pytest.mark.slow
def test_shots_do_not_depend_on_how_samples_are_stored(tmp_path):
    path = write(tmp_path / "ten.mp4", film_of_everything(), pixel_format="yuv444p10le")
    check(ff.shots(path))


@pytest.mark.slow
def test_a_scan_marks_the_first_scanned_frame_of_each_shot(everything):
    table = scan_table(ff.probe(everything), 5.0)
    starts = table.frame_numbers[table.signals["shot_start"] > 0].tolist()
    assert starts[0] == 0
    assert {60, 250, 320} <= set(starts)
    assert not {frame for frame in starts if frame < 60 and frame} | {f for f in starts if f > 320}
    assert len(starts) <= 7


def steps_of(layout, apart):
    """What is measured of 60 still frames, but for a movement of 16 from the 20th on."""
    steps = np.zeros((60, 5), np.float32)
    steps[:, CONTRAST] = 50
    steps[20:36, [LAYOUT, TONE]] = layout
    steps[20:52, LAG_LAYOUT] = steps[20:52, LAG_TONE] = apart * (
        1 - np.abs(np.arange(-15, 17)) / 17
    )
    return steps


def test_a_straight_way_is_a_dissolve_and_a_wandering_one_is_motion():
    none = np.empty(0, np.int64)
    assert gradual(steps_of(layout=4, apart=60), none, lag=16).tolist() == [27]
    assert gradual(steps_of(layout=10, apart=60), none, lag=16).tolist() == []
    assert gradual(steps_of(layout=4, apart=60), np.array([30]), lag=16).tolist() == []


@pytest.mark.slow
def test_frames_that_come_late_are_no_shot(everything, monkeypatch):
    """As when a decoder gives frames 20 to 50 only after it was asked again."""

    def late(timeline, runs, **options):
        held = []
        for batch in decoder()(timeline, runs, **options):
            number = int(batch.frame_numbers[0])
            if 20 <= number <= 50:
                planes = tuple(plane.copy() for plane in batch.planes)
                held.append(dataclasses.replace(batch, planes=planes))
                continue
            yield batch
            if number == 100:
                yield from held

    expected = ff.shots(everything).first_frames
    monkeypatch.setattr("fewframes.features.shots.decoder", lambda: late)
    np.testing.assert_array_equal(ff.shots(everything).first_frames, expected)


@pytest.mark.slow
def test_a_film_of_one_shot_has_one(films):
    shots = ff.shots(films("x264_no_b"))
    assert (len(shots), shots.first_frames.tolist(), shots.is_gradual.tolist()) == (1, [0], [False])


def test_what_is_no_film_is_refused(tmp_path):
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(UnreadableMediaError, match="not a video"):
        ff.shots(tmp_path / "text.mp4")


def test_the_score_takes_each_label_once_and_forgives_shots_with_cuts_of_their_own():
    labels = Labels(np.array([50, 90]), np.array([0, 12]), np.array([False, True, False]))
    assert score([], labels)["f1"] == 0.0
    assert score([50, 90], labels)["f1"] == 1.0
    assert (score([48, 52, 106], labels)["right"], score([48, 52, 106], labels)["wrong"]) == (2, 0)
    assert score([20, 70, 120], labels)["wrong"] == 2


@pytest.mark.slow
@pytest.mark.footage
@pytest.mark.parametrize(
    "film", ["long_mix_8min_h264_opengop_barcode.mp4", "long_mix_1min_mpeg4_barcode.avi"]
)
def test_shots_of_real_footage(footage, film):
    path = footage / film
    labels = read_labels(footage / "long_mix_8min.shots.tsv")
    count = len(ff.probe(path))
    is_there = labels.starts < count
    shown = Labels(labels.starts[is_there], labels.lengths[is_there], labels.is_open)
    assert score(ff.shots(path).first_frames[1:].tolist(), shown)["f1"] >= 0.93
