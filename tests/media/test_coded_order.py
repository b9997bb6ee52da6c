"""Withheld pictures: harmless on every kind of stream, and never withheld from a broken one."""

import av
import numpy as np
import pytest

import fewframes
from fewframes.bench.research.films import RECIPES, Film, write_film
from fewframes.bench.research.oracle import luma_md5, sequential
from fewframes.media.coded_order import order_check
from fewframes.media.parameter_sets import Bits, h264_parameters, hevc_parameters

X264 = [
    (preset, pyramid, is_open, refs)
    for preset in ("ultrafast", "veryfast", "medium", "veryslow")
    for pyramid in ("none", "strict", "normal")
    for is_open in (0, 1)
    for refs in (1, 4)
]
X265 = [
    (frames_b, layers, is_open) for frames_b in (2, 7) for layers in (0, 1, 3) for is_open in (0, 1)
]


def check_withholding(path):
    """Every third frame, with all that may be withheld, is that of a decode in order."""
    timeline = fewframes.probe(path)
    truth = [luma for _, luma in sequential(path)]
    numbers = np.arange(0, len(timeline), 3)
    batch = fewframes.read(timeline, frames=numbers, format="yuv", workers=1)
    assert luma_md5(batch) == [truth[n] for n in numbers]
    assert (
        batch.report["no_drop"],
        batch.report["previous_keyframe"],
        batch.report["from_start"],
    ) == (0, 0, 0)
    return len(timeline) - batch.report["pictures"]


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "pyramid", "is_open", "refs"), X264)
def test_x264_streams_lose_nothing(tmp_path, preset, pyramid, is_open, refs):
    params = f"keyint=24:min-keyint=12:b-pyramid={pyramid}:open-gop={is_open}:ref={refs}"
    film = Film(frames=48, size=(80, 96), options={"preset": preset, "x264-params": params})
    write_film(tmp_path / "film.mp4", film)
    withheld = check_withholding(tmp_path / "film.mp4")
    assert withheld > 0 or preset == "ultrafast"


@pytest.mark.slow
@pytest.mark.parametrize(("frames_b", "layers", "is_open"), X265)
def test_x265_streams_lose_nothing(tmp_path, frames_b, layers, is_open):
    params = (
        f"log-level=none:pools=1:frame-threads=1:keyint=24:min-keyint=12:bframes={frames_b}:"
        f"b-adapt=0:rc-lookahead=20:open-gop={is_open}"
    )
    params += f":temporal-layers={layers}" if layers else ""
    film = Film(
        frames=48,
        size=(80, 96),
        codec="libx265",
        options={"preset": "ultrafast", "x265-params": params},
    )
    write_film(tmp_path / "film.mp4", film)
    assert check_withholding(tmp_path / "film.mp4") > 0


def packets_and_check(path):
    """The packets of a film, and the check of its stream."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        check = order_check(stream.codec_context.name, bytes(stream.codec_context.extradata))
        return [(bytes(p), p.pts) for p in container.demux(stream) if p.size], check


CHECKED = [name for name, film in RECIPES.items() if film.codec in ("libx264", "libx265")]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", CHECKED)
def test_a_sound_stream_passes(films, recipe):
    packets, check = packets_and_check(films(recipe))
    assert all(check.follows(memoryview(data), time) for data, time in packets)


@pytest.mark.parametrize("recipe", ["x264_pyramid", "x264_ts", "x265_b", "x265_open_gop"])
def test_a_missing_reference_or_swapped_packets_do_not_pass(films, recipe):
    packets, check = packets_and_check(films(recipe))
    times = [time for _, time in packets]
    swapped = [data for data, _ in packets]
    swapped[5], swapped[12] = swapped[12], swapped[5]
    assert not all(check.follows(memoryview(d), t) for d, t in zip(swapped, times, strict=True))


def test_a_broken_stretch_is_decoded_whole_and_said_so(films, tmp_path):
    damaged = tmp_path / "swapped.mkv"
    with av.open(str(films("x264_mkv"))) as source, av.open(str(damaged), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        packets = [p for p in source.demux(video=0) if p.size]
        payloads = [bytes(p) for p in packets]
        payloads[35], payloads[44] = payloads[44], payloads[35]
        for packet, payload in zip(packets, payloads, strict=True):
            made = av.Packet(payload)
            made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
            made.is_keyframe, made.stream = packet.is_keyframe, stream
            out.mux(made)
    timeline = fewframes.probe(damaged)
    batch = fewframes.read(timeline, frames=[10, 50], format="yuv", allow_damaged=True, workers=1)
    assert batch.report["no_drop"] == 1
    truth = dict(sequential(damaged))
    marked = np.zeros(2, bool) if batch.is_damaged is None else batch.is_damaged
    for luma, pts, is_marked in zip(luma_md5(batch), batch.pts.tolist(), marked, strict=True):
        assert is_marked or luma == truth[pts]


def test_parameter_sets_are_read_as_the_decoder_reads_them(films):
    with av.open(str(films("x264_pyramid"))) as container:
        bits, has_fields = h264_parameters(
            bytes(container.streams.video[0].codec_context.extradata)
        )
    assert bits >= 4
    assert not has_fields
    with av.open(str(films("x265_b"))) as container:
        extradata = bytes(container.streams.video[0].codec_context.extradata)
    assert hevc_parameters(extradata) == (0, 0, 8)


@pytest.mark.parametrize("extradata", [b"", b"\1", b"\1" * 40, b"\0\0\0\1\x67"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_stream_without_parameter_sets_is_not_checked(codec, extradata):
    assert order_check(codec, extradata) is None


def test_bits_end_with_an_error():
    with pytest.raises(ValueError, match="past the end"):
        Bits(b"\0").ue()
