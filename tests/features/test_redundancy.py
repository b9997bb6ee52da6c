"""Redundancy decisions survive re-encoding, and a stored picture never stands for another view."""

from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest

import fewframes as ff
from fewframes.features.scan import frames_at_rate, scan
from fewframes.media.sizes import SCAN_SIZE, output_size
from fewframes.store.recipes import DEDUP

FPS = 24
SIZE = (270, 480)
SCANNED_FPS = 2.0
LEAST_SHARE_KEPT = 0.95
ENCODINGS = {
    "another_quality": {"crf": 32},
    "half_the_size": {"shrink": 2},
    "half_the_rate": {"step": 2},
    "another_codec": {"codec": "mpeg4"},
}
STILL_CAMERA = ("intel_one_by_one_person.mp4", "intel_bottle_detection.mp4")
"""Footage in which frames do repeat others: the camera stands, people and things come and go."""


def textured(seed, size=(2 * SIZE[0], 2 * SIZE[1])):
    """Smooth blobs with some grain, ``[h, w, 3]`` floats, twice the size of a frame."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(30, 220, (size[0] // 30, size[1] // 30, 3))
    rows = np.repeat(np.repeat(coarse, 30, 0), 30, 1)
    return (rows + np.roll(rows, 15, (0, 1))) / 2 + rng.normal(0, 3, rows.shape)


def scenario():
    """What films of operations have: rest, a tip at work, a cut away and back, a pan."""
    h, w = SIZE
    table, slide = textured(1), textured(2)
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 1.5, (7, h, w, 3))
    for number in range(60 * FPS):
        second = number / FPS
        at = max(0, round(12 * (second - 40)))
        picture = (slide if 24 <= second < 28 else table)[at : at + h, at : at + w].copy()
        if 8 <= second < 20:
            left = 60 + 30 * (int(second) - 8)
            picture[100:130, left : left + 40] = (200, 40, 40)
        yield np.clip(picture + noise[rng.integers(7)], 0, 255).astype(np.uint8)


def encode(path, pictures, *, fps=FPS, crf=20, shrink=1, step=1, codec="libx264"):
    """Writes pictures as a film, of fewer frames, smaller or worse."""
    options = {"crf": str(crf), "preset": "veryfast"} if codec == "libx264" else {"qscale": "5"}
    with av.open(str(path), "w") as out:
        stream = None
        for number, picture in enumerate(islice(pictures, None, None, step)):
            if isinstance(picture, np.ndarray):
                picture = av.VideoFrame.from_ndarray(picture)
            if stream is None:
                stream = out.add_stream(codec, rate=Fraction(fps) / step, options=options)
                stream.width = picture.width // shrink // 2 * 2
                stream.height = picture.height // shrink // 2 * 2
                stream.pix_fmt = "yuv420p"
                if codec == "mpeg4":
                    stream.codec_context.flags |= 2  # AV_CODEC_FLAG_QSCALE
                    stream.codec_context.global_quality = 3 * 118
            frame = picture.reformat(stream.width, stream.height, "yuv420p")
            frame.pts, frame.time_base, frame.pict_type = number, 1 / (Fraction(fps) / step), 0
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def decisions(path):
    """For each time of the scan, whether the frame on screen repeats an earlier one."""
    timeline = ff.probe(path)
    numbers = frames_at_rate(timeline, SCANNED_FPS)
    size = output_size(timeline.stream, SCAN_SIZE)
    rows, _ = scan(timeline, numbers, size=size, dedup=DEDUP)
    table, _ = rows.table(timeline)
    times = np.round(table.seconds * SCANNED_FPS).astype(int).tolist()
    return dict(zip(times, (table.signals["repeats"] >= 0).tolist(), strict=True))


def share_kept(first, other):
    """Share of the times scanned in both films at which the decision is the same."""
    times = sorted(set(first) & set(other))
    assert len(times) >= 0.95 * len(first)
    return np.mean([first[time] == other[time] for time in times])


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """The folder of the generated films, and the decisions on the first one."""
    folder = tmp_path_factory.mktemp("generated")
    encode(folder / "film.mp4", scenario())
    return folder, decisions(folder / "film.mp4")


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODINGS)
def test_decisions_survive_encoding_anew(generated, name):
    folder, first = generated
    assert 0.3 < np.mean(list(first.values())) < 0.7
    encode(folder / f"{name}.mp4", scenario(), **ENCODINGS[name])
    assert share_kept(first, decisions(folder / f"{name}.mp4")) >= LEAST_SHARE_KEPT


@pytest.mark.slow
def test_what_repeats_and_what_does_not_in_the_generated_film(generated):
    _, first = generated
    at_rest = [first[time] for time in range(1, 80) if not 16 <= time < 40 and time not in (48, 56)]
    assert np.mean(at_rest) >= 0.97, "the table at rest, and the return to it"
    assert not first[16], "the tip appears"
    assert not first[48], "the cut away"
    assert first[56], "the cut back is a return"
    assert not any(first[time] for time in range(82, 119)), "the pan"


@pytest.mark.slow
@pytest.mark.footage
@pytest.mark.parametrize("film", STILL_CAMERA)
@pytest.mark.parametrize("name", ["another_quality", "half_the_size"])
def test_decisions_survive_encoding_real_footage_anew(footage, film, name, tmp_path):
    first = decisions(footage / film)
    assert any(first.values())
    with av.open(str(footage / film)) as container:
        rate = container.streams.video[0].average_rate
        encode(tmp_path / "anew.mp4", container.decode(video=0), fps=rate, **ENCODINGS[name])
    assert share_kept(first, decisions(tmp_path / "anew.mp4")) >= LEAST_SHARE_KEPT
