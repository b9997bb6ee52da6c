"""What is promised of MPEG-TS files in which the video goes on under another PID: it is said."""

from dataclasses import replace

import av
import pytest

import fewframes as ff
from fewframes.bench.research.films import Film, pictures, read_number, write_film

FIRST = Film(frames=40, size=(96, 128), suffix=".ts", options={"g": "10"})
SECOND = replace(FIRST, frames=25, muxing={"mpegts_start_pid": "512"})
MPEG2 = replace(SECOND, codec="mpeg2video", ticks=1, options={})
FILLING = (b"G\x1f\xff\x10" + b"\xff" * 184) * 40_000
"""So many null packets that FFmpeg does not look for streams behind them."""


def joined(folder, *films):
    parts = []
    for number, film in enumerate(films):
        if film is not FILLING:
            write_film(folder / f"{number}.ts", film)
        parts.append(film if film is FILLING else (folder / f"{number}.ts").read_bytes())
    (folder / "film.ts").write_bytes(b"".join(parts))
    return folder / "film.ts", [sum(map(len, parts[:at])) for at in range(len(parts))]


def count_of(path, index):
    """How many packets of a stream a plain reader gets."""
    with av.open(str(path)) as container:
        return sum(bool(p.size) for p in container.demux(container.streams[index]))


@pytest.mark.parametrize("second", [SECOND, MPEG2], ids=["same codec", "another codec"])
def test_a_half_under_another_pid_is_said_and_can_be_read(tmp_path, second):
    path, begins = joined(tmp_path, FIRST, second)
    timeline = ff.probe(path, cache=False)
    (words,) = timeline.damage
    assert len(timeline) == 40
    assert f"{count_of(path, 1)} pictures of PID 0x200" in words
    assert begins[1] <= int(words.split("from byte ")[1].split()[0]) < begins[1] + 2000
    assert "pass stream=1" in words
    other = ff.probe(path, stream=1, cache=False)
    (words,) = other.damage
    assert f"{count_of(path, 0)} pictures of PID 0x100" in words
    assert "pass stream=0" in words
    wanted = [24, 3, 11, 0]
    assert [read_number(rgb) for rgb in ff.read(other, frames=wanted)] == wanted


@pytest.mark.slow
def test_a_stream_that_only_the_middle_has_is_said(tmp_path):
    path, _ = joined(tmp_path, FIRST, FILLING, SECOND, FILLING, FIRST)
    timeline = ff.probe(path, cache=False)
    (words,) = timeline.damage
    assert len(timeline) == 80
    assert "25 pictures of PID 0x200" in words
    assert "split the file there" in words


def test_cameras_side_by_side_are_no_damage(tmp_path):
    path = tmp_path / "film.ts"
    with av.open(str(path), "w") as container:
        streams = []
        for film in (FIRST, FIRST):
            stream = container.add_stream(film.codec, rate=film.fps, options={"g": "10"})
            stream.height, stream.width = film.size
            stream.pix_fmt = "yuv420p"
            streams.append(stream)
        for number, rgb in enumerate(pictures(replace(FIRST, frames=60))):
            for stream in streams if number < 40 else streams[1:]:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb)))
        for stream in streams:
            container.mux(stream.encode(None))
    for index, frames in ((0, 40), (1, 60)):
        timeline = ff.probe(path, stream=index, cache=False)
        assert (len(timeline), timeline.damage) == (frames, ())


def test_recordings_of_one_pid_are_one_stream(tmp_path):
    path, _ = joined(tmp_path, FIRST, FIRST)
    timeline = ff.probe(path, cache=False)
    assert (len(timeline), timeline.damage) == (80, ())
