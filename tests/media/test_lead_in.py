"""A stream that was cut anywhere begins with its first picture that can be decoded."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

import fewframes as ff
from fewframes.bench.research.films import RECIPES, X265, Film, read_number, write_film
from fewframes.bench.research.oracle import sequential
from fewframes.checking.verify import verify_film
from fewframes.indexing.options import FilmTask
from fewframes.indexing.tasks import execute
from fewframes.store.recipes import Recipe

pytestmark = pytest.mark.slow

X264 = "keyint=30:min-keyint=30:scenecut=0"
OPEN_GOP = f"{X265}:keyint=30:bframes=3:open-gop=1"
STREAMS = {
    "h264": Film(suffix=".ts", options={"x264-params": f"{X264}:bframes=2"}),
    "h264 open": Film(suffix=".ts", options={"x264-params": f"{X264}:open-gop=1"}),
    "hevc open": Film(
        suffix=".ts", codec="libx265", options={"preset": "fast", "x265-params": OPEN_GOP}
    ),
    "mpeg2": Film(suffix=".ts", codec="mpeg2video", ticks=1, options={"g": "30", "bf": "2"}),
    "mpeg2 ps": Film(suffix=".mpg", codec="mpeg2video", ticks=1, options={"g": "30", "bf": "2"}),
}
TABLES_BYTES = 3 * 188
"""The first packets of MPEG-TS say which streams there are."""


@pytest.fixture(params=STREAMS)
def cut(request, tmp_path) -> Path:
    """A film whose beginning, up to somewhere in its first group of pictures, is not there."""
    film = STREAMS[request.param]
    whole, path = tmp_path / f"whole{film.suffix}", tmp_path / f"cut{film.suffix}"
    write_film(whole, film)
    data, unit = whole.read_bytes(), 188 if film.suffix == ".ts" else 2048
    first = len(data) * 12 // 100 // unit * unit
    path.write_bytes(data[: TABLES_BYTES if unit == 188 else 0] + data[first:])
    return path


def test_what_cannot_be_decoded_is_no_frame_and_said(cut):
    timeline, truth = ff.probe(cut), sequential(cut)
    assert len(timeline) == len(truth) == 60
    assert timeline.damage == ()
    assert len(timeline.notes) == 1
    assert "the film begins behind" in timeline.notes[0]
    batch = ff.read(timeline, frames=range(60))
    assert [read_number(frame) for frame in batch.frames] == list(range(30, 90))
    assert batch.is_damaged is None
    for number in (0, 1, 31, 59):
        assert read_number(ff.read(timeline, frames=number).frames[0]) == 30 + number


def test_such_a_film_is_sound_for_index_and_verify(cut, tmp_path):
    outcome = execute(FilmTask(cut, tmp_path / "store", "a", Recipe(fps=None)))
    assert (outcome.status, outcome.rows) == ("ok", 60)
    assert verify_film(cut, seeks=5).differences == ()


def test_a_cut_that_begins_with_an_open_group_keeps_what_is_sound(tmp_path):
    """Its first keyframe lets go of pictures that were cut off: FFmpeg complains of that."""
    whole, path = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    write_film(whole, replace(RECIPES["x264_open_gop"], suffix=".mkv"))
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        start = next(n for n, packet in enumerate(packets) if n and packet.is_keyframe)
        first = packets[start].pts
        for packet in packets[start:]:
            if packet.pts >= first:
                packet.pts, packet.dts, packet.stream = packet.pts - first, None, stream
                target.mux(packet)
    timeline = ff.probe(path, verify=True)
    assert timeline.damage == ()
    batch = ff.read(timeline, frames=range(len(timeline)))
    assert batch.is_damaged is None
    numbers = [read_number(frame) for frame in batch.frames]
    assert numbers == list(range(90 - len(numbers), 90))


@pytest.mark.parametrize("kind", ["x264_pyramid", "x264_mkv", "x265_b"])
def test_a_broken_first_keyframe_is_damage_and_no_cut(tmp_path, kind):
    """Its pictures are frames that cannot be decoded, as those of any other broken keyframe."""
    path = tmp_path / f"film{RECIPES[kind].suffix}"
    write_film(path, replace(RECIPES[kind], times="even"))
    first, second = np.flatnonzero((whole := ff.probe(path)).packets.is_random_access)[:2].tolist()
    assert first == 0
    with av.open(str(path)) as container:
        key = bytes(next(container.demux(video=0)))
    path.write_bytes(path.read_bytes().replace(key, b"\x7f" * len(key)))
    timeline = ff.probe(path, verify=True)
    assert (len(timeline), timeline.notes) == (len(whole), ())
    assert timeline.damage
    outcome = execute(FilmTask(path, tmp_path / "store", "a", Recipe(fps=None)))
    assert outcome.status == "damaged"
    assert 30 <= outcome.rows <= len(whole) - lost_before(whole, second)


def lost_before(timeline, start):
    """How many frames need the first keyframe: those decoded before the next, or leading it."""
    rows = timeline.order
    return int(((rows < start) | (timeline.pts < timeline.pts[rows.tolist().index(start)])).sum())
