"""Files of kinds that people report: every frame is right, or one sentence says why it is not."""

import re
import subprocess
from functools import cache

import numpy as np
import pytest
from cases import RIGHT, case, plain
from imageio_ffmpeg import get_ffmpeg_exe

import fewframes as ff
from fewframes.bench.research.film_judge import clock_faults, known_faults, picture_faults
from fewframes.bench.research.oracle import luma_md5, sequential
from fewframes.errors import FewframesError
from fewframes.indexing.options import FilmTask
from fewframes.indexing.tasks import execute
from fewframes.store.dataset_export import FORMATS, export_videos
from fewframes.store.recipes import Recipe

WHOLE = Recipe(fps=None, size="native", codec="zstd", dedup=0.0)
FINE = 1e-6
"""So little effort is worth a range that a film is cut wherever it can be."""
SOUND = (*RIGHT, "cut.wmv")
every_case = pytest.mark.parametrize("name", RIGHT)
every_sound_case = pytest.mark.parametrize("name", SOUND)


@pytest.mark.slow
@every_case
def test_the_plain_decode_that_judges_is_also_what_another_ffmpeg_shows(name):
    truth = plain(case(name))
    assert len(truth.shown) == RIGHT[name].frames
    assert not truth.complaints
    if truth.shown[0].planes:
        assert [one.planes[0] for one in truth.shown] == [
            luma for _, luma in sequential(case(name))
        ]


@pytest.mark.slow
@every_case
def test_a_film_has_all_its_frames_at_their_times(name):
    timeline = ff.probe(case(name), cache=False)
    assert len(timeline) == RIGHT[name].frames
    assert clock_faults(timeline, plain(case(name))) == []
    assert known_faults(timeline, RIGHT[name].known) == []


@pytest.mark.slow
@every_sound_case
def test_every_frame_is_the_true_picture_whichever_way_it_is_read(name):
    timeline, truth = ff.probe(case(name), cache=False), plain(case(name))
    assert len(timeline) == len(truth.shown)
    assert picture_faults(timeline, truth) == []


def store_of(path, folder, **facts):
    outcome = execute(FilmTask(path, folder, "a", WHOLE, **facts))
    assert (outcome.status, outcome.reason) == ("ok", "")
    return ff.open(folder)["a"]


@pytest.mark.slow
@every_case
def test_a_store_has_the_pictures_and_times_of_the_film(name, tmp_path):
    path = case(name)
    video = store_of(path, tmp_path / "s")
    timeline = ff.probe(path)
    stored = video.read(rows=range(len(video.table))).frames
    assert video.table.pts.tolist() == timeline.pts.tolist()
    assert video.table.time_base == timeline.time_base
    np.testing.assert_array_equal(stored, ff.read(timeline, frames=range(len(timeline))).frames)


@pytest.mark.slow
@every_case
def test_a_film_that_is_indexed_in_ranges_gives_the_same_store(name, tmp_path):
    from durability import contents
    from film_ranges import ranges_of

    path = case(name)
    store_of(path, tmp_path / "whole")
    for part in range(len(ranges_of(path, WHOLE))):
        done = execute(FilmTask(path, tmp_path / "cut", "a", WHOLE, part=part, range_seconds=FINE))
        assert done.unsplittable_reason == ""
    store_of(path, tmp_path / "cut", range_seconds=FINE)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_frames_that_shared_a_time_can_be_exported(form, tmp_path):
    recipe = Recipe(fps=None, size="96", dedup=0.0)
    outcome = execute(FilmTask(case("duppts.mkv"), tmp_path / "s", "a", recipe))
    assert outcome.status == "ok"
    export_videos([ff.open(tmp_path / "s")["a"]], tmp_path / "out", form=form)
    assert any((tmp_path / "out").rglob("*"))


@pytest.mark.parametrize(
    ("name", "words"), [("animated.webp", r"webp|WebP"), ("encrypted.mp4", r"[Ee]ncrypt")]
)
def test_what_cannot_be_decoded_is_refused_in_one_sentence(name, words):
    with pytest.raises(FewframesError, match=words) as refusal:
        ff.read(case(name), frames=[0])
    assert "\n" not in str(refusal.value)


@pytest.mark.slow
def test_a_program_that_goes_on_under_another_pid_is_whole_or_it_is_said():
    timeline = ff.probe(case("pid.ts"), cache=False)
    said = " ".join((*timeline.notes, *timeline.damage))
    assert len(timeline) == 100 or re.search(r"stream|PID|program", said), said
    if len(timeline) == 50:
        assert picture_faults(timeline, plain(case("pid.ts"))) == []


def test_a_film_that_is_cut_off_says_so():
    timeline = ff.probe(case("cut.wmv"), cache=False)
    assert re.search(r"truncat|ends early|cut", " ".join(timeline.damage)), timeline.damage
    assert clock_faults(timeline, plain(case("cut.wmv"))) == []


@cache
def cropped():
    """What FFmpeg's command line shows of the film with cropping: ``[n, 120, 80, 3]``."""
    command = [get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", str(case("crop.mkv"))]
    shown = [*command, "-vf", "scale=flags=bilinear,format=yuv444p"]
    raw = subprocess.run(
        [*shown, "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"],
        capture_output=True,
        check=True,
    )
    return np.frombuffer(raw.stdout, np.uint8).reshape(-1, 120, 80, 3)


def test_what_the_container_crops_is_not_shown():
    path = case("crop.mkv")
    timeline = ff.probe(path, cache=False)
    lumas = [luma for _, luma in sequential(path)]
    assert timeline.stream.display_size == (120, 80)
    assert luma_md5(ff.read(timeline, frames=range(25), format="yuv")) == lumas
    frames = ff.read(timeline, frames=range(25)).frames
    assert frames.shape == cropped().shape == (25, 120, 80, 3)
    # the command line's chroma lies elsewhere between the samples than swscale's through PyAV
    assert np.abs(frames.astype(np.int16) - cropped()).mean(axis=(1, 2, 3)).max() < 4
    whole = np.array([one.rgb for one in plain(path).shown])
    assert np.abs(frames.astype(np.int16) - whole[:, :, 40:-40]).mean(axis=(1, 2, 3)).max() < 1
    for number in (24, 7, 0):
        np.testing.assert_array_equal(ff.read(timeline, frames=[number]).frames[0], frames[number])


def grid(picture):
    """Means of 6 x 6 parts of a picture, whatever its size, ``[6, 6, 3] f32``."""
    rows = np.array_split(picture.astype(np.float32), 6, axis=0)
    return np.array([[p.mean(axis=(0, 1)) for p in np.array_split(r, 6, axis=1)] for r in rows])


def squash(picture, shown):
    """How far a picture is from another one that is scaled to fit inside and centred, in levels.

    A pixel more or less to any side is nothing: of colours in bars it would be much.
    """
    scale = min(picture.shape[0] / shown.shape[0], picture.shape[1] / shown.shape[1])
    high, wide = round(shown.shape[0] * scale), round(shown.shape[1] * scale)
    top, left = (picture.shape[0] - high) // 2, (picture.shape[1] - wide) // 2
    tops, lefts = {max(0, top + d) for d in (-1, 0, 1)}, {max(0, left + d) for d in (-1, 0, 1)}
    wides = [w for w in (wide - 1, wide, wide + 1) if w <= picture.shape[1]]
    parts = [picture[t : t + high, x : x + w] for t in tops for x in lefts for w in wides]
    return min(np.abs(grid(part) - grid(shown)).mean() for part in parts)


def test_pictures_that_are_squashed_are_far_from_what_is_right():
    truth = plain(case("turning.webm"))
    wide, tall = truth.shown[3].rgb, truth.shown[15].rgb
    assert squash(wide, wide) == squash(tall, tall) == 0
    squashed = tall[::2][:, np.arange(320) * 180 // 320]  # 160 rows of 320
    assert squash(squashed, tall) > 30


@pytest.mark.slow
@pytest.mark.parametrize("size", [None, 160, (180, 320)])
def test_a_picture_that_turns_keeps_its_shape_and_the_change_is_said(size):
    path = case("turning.webm")
    timeline, truth = ff.probe(path, cache=False), plain(case("turning.webm"))
    assert (len(timeline), timeline.damage) == (30, ())
    for number in (3, 9, 10, 15, 19, 20, 29):
        batch = ff.read(timeline, frames=[number], size=size)
        assert batch.is_damaged is None
        assert squash(batch.frames[0], truth.shown[number].rgb) < 8, f"frame {number}: {batch}"
    batch = ff.read(timeline, frames=range(30), size=size)
    assert batch.is_damaged is None
    assert len(batch) == 30
    assert "180x320" in str((batch.report, timeline.notes))


def test_a_film_that_turns_can_be_indexed(tmp_path):
    outcome = execute(FilmTask(case("turning.webm"), tmp_path, "a", Recipe(fps=None, size="320")))
    assert (outcome.status, outcome.reason) == ("ok", "")
    assert "180x320" in outcome.notes
    truth, video = plain(case("turning.webm")), ff.open(tmp_path)["a"]
    frames = video.read(rows=range(len(video.table))).frames
    assert len(frames) == 30
    for number in (3, 15, 29):
        assert squash(frames[number], truth.shown[number].rgb) < 8
