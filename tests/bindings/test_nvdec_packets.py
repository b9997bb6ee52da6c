"""What a video engine is fed: marked units, parameter sets in front, ranks for tags; no other."""

from dataclasses import replace

import av
import fake_nvdec
import numpy as np
import pytest
from nvdec_engines import given_by
from turning_films import write

import fewframes
from fewframes.bench.research.films import RECIPES, Film, write_film
from fewframes.bindings.ffmpeg.cursor import Cursor
from fewframes.bindings.ffmpeg.slice_streams import UnfitError
from fewframes.bindings.nvcodec.packets import CUT_OFF, EnginePackets, marked
from fewframes.decode.decoder import DecodeReport, Event
from fewframes.decode.plan import plan_frames
from fewframes.decode.slices import slice_runs
from fewframes.media.cropping import Crop
from fewframes.media.slice_checks import CROPPED, FIELDS, RESIZED, SHIFTED, UNKNOWN, engine_fitness


def fed(timeline, numbers):
    """What is fed for some frames, slice by slice."""
    parts = slice_runs(timeline, plan_frames(timeline, numbers).runs)
    packets = EnginePackets(Cursor(timeline), DecodeReport())
    return [packets.read(part) for part in parts]


def check_all_is_ffmpegs(timeline, reason):
    """Nothing comes of the engines, everything is there, and the report says why."""
    numbers = np.arange(len(timeline))
    made, report = given_by(timeline, numbers)
    assert set(report.entries(Event.FALLBACK)) == {reason}
    assert np.concatenate([b.frame_numbers for b in made]).tolist() == numbers.tolist()


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"g": "6", "x264-params": "interlaced=1"}, FIELDS),
        ({"g": "6", "x264-params": "crop-rect=64,0,0,0"}, SHIFTED),
        ({"g": "6", "x264-params": "crop-rect=0,16,0,0"}, SHIFTED),
    ],
)
def test_what_an_engine_would_show_otherwise_is_ffmpegs(tmp_path, options, reason):
    write_film(tmp_path / "film.mp4", Film(frames=12, size=(192, 320), options=options))
    check_all_is_ffmpegs(fewframes.probe(tmp_path / "film.mp4", cache=False), reason)


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize("params", ["crop-rect=0,0,16,0", "crop-rect=0,0,0,12", ""])
def test_what_is_cut_off_behind_the_picture_is_cut_by_the_engine_too(tmp_path, params):
    film = Film(frames=12, size=(150, 250), options={"g": "6", "x264-params": params})
    write_film(tmp_path / "film.mp4", film)
    timeline = fewframes.probe(tmp_path / "film.mp4", cache=False)
    made, report = given_by(timeline, np.arange(12), format="yuv")
    assert report.entries(Event.FALLBACK) == {}
    ours = fewframes.read(timeline, frames=np.arange(12), format="yuv")
    assert np.array_equal(ours.planes[1], np.concatenate([b.planes[1] for b in made]))


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize("name", ["libx264", "libvpx-vp9"])
def test_slices_of_another_size_are_ffmpegs(tmp_path, name):
    timeline = fewframes.probe(write(tmp_path / "film.mkv", name, [(144, 256), (192, 160)]))
    made, report = given_by(timeline, np.arange(len(timeline)))
    assert set(report.entries(Event.FALLBACK)) == {RESIZED}
    assert len(np.concatenate([b.frame_numbers for b in made])) == len(timeline)
    assert report[Event.PLANNED] > sum(report.entries(Event.FALLBACK).values()), (
        "the first size is the engines'"
    )


@pytest.mark.usefixtures("engines")
def test_what_the_container_hides_is_cut_off_by_ffmpeg(films):
    timeline = fewframes.probe(films("x264_pyramid"))
    stream = replace(timeline.stream, crop=Crop(2, 2, 2, 2))
    check_all_is_ffmpegs(replace(timeline, stream=stream), CROPPED)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["x264_pyramid", "x264_ts", "x264_mkv", "x265_b", "vp9", "vp8"])
def test_every_slice_is_a_stream_of_its_own(films, recipe):
    """FFmpeg decodes it with nothing but these packets."""
    timeline = fewframes.probe(films(recipe))
    for one in fed(timeline, np.arange(90)):
        context = av.CodecContext.create(timeline.stream.codec, "r")
        given = []
        for rank, data in one.tagged():
            packet = av.Packet(data)
            packet.pts = rank
            given += [frame.pts for frame in context.decode(packet)]
        given += [frame.pts for frame in context.decode(None)]
        assert given == list(range(len(one.packets)))
        assert one.size_bytes == sum(len(data) for _, data in one.tagged())


@pytest.mark.parametrize(
    ("recipe", "kinds"),
    [
        ("x264_pyramid", {5}),
        ("x264_open_gop", {1, 5}),
        ("x265_b", {20, 21}),
        ("vp9", {0}),
    ],
)
def test_starts_are_told_apart(films, recipe, kinds):
    timeline = fewframes.probe(films(recipe))
    found = {one.start for one in fed(timeline, np.arange(RECIPES[recipe].frames))}
    assert found == kinds


def test_each_kind_of_start_is_compared_with_ffmpegs(films, engines):
    """The first slice is right, the next kind of start is not: it is seen."""
    stamped = fake_nvdec.Decoder._stamped
    timeline = fewframes.probe(films("x264_open_gop"))
    first = fed(timeline, [0])[0].packets[0]

    def wrong_where_no_idr_begins(core, frame):
        picture = stamped(core, frame)
        if not core.begun_with.startswith(first[:200]):
            picture.surface[0, 0] ^= 1
        return picture

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake_nvdec.Decoder, "_stamped", wrong_where_no_idr_begins)
        made, report = given_by(timeline, np.arange(90), format="yuv")
    assert set(report.entries(Event.FALLBACK)) == {"pictures that are not those of FFmpeg"}
    ours = fewframes.read(timeline, frames=np.arange(90), format="yuv")
    assert np.array_equal(ours.planes[0], np.concatenate([b.planes[0] for b in made]))


def test_lengths_become_start_codes():
    one, other = bytes([0x65, 1, 2]), bytes([0x41, 3])
    data = b"".join(len(unit).to_bytes(2, "big") + unit for unit in (one, b"", other))
    assert marked(data, 2, is_hevc=False) == b"\0\0\0\1" + one + b"\0\0\0\1" + other
    for cut in (data[:-1], data + b"\0", data + b"\0\5"):
        with pytest.raises(UnfitError, match=CUT_OFF):
            marked(cut, 2, is_hevc=False)


def test_layers_that_ffmpeg_does_not_decode_are_left_out():
    base, second, far = bytes([0x26, 0x01, 9]), bytes([0x26, 0x09, 9]), bytes([0x27, 0x01, 9])
    data = b"".join(b"\0\0\0\3" + unit for unit in (base, second, far))
    assert marked(data, 4, is_hevc=True) == b"\0\0\0\1" + base
    assert marked(data, 4, is_hevc=False).count(b"\0\0\0\1") == 3


def test_a_set_that_is_not_understood_is_not_for_an_engine():
    fits = engine_fitness("h264", b"", (144, 256))
    assert fits(memoryview(bytes([0, 0, 1, 0x67, 100])), 0) == UNKNOWN
    assert fits(memoryview(bytes([0, 0, 1, 0x65, 100])), 0) == ""
