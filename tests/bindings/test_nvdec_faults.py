"""What video engines get wrong, or do not take, goes to FFmpeg or is refused in words."""

from dataclasses import replace

import fake_nvdec
import numpy as np
import pytest
from kernel_arguments import IN_SIMULATOR
from nvdec_engines import given_by, put_in_place
from on_gpu import need_gpu, to_host

import fewframes
from fewframes.bindings.ffmpeg import decode as ffmpeg_decode
from fewframes.bindings.nvcodec import capabilities as nvcodec_capabilities
from fewframes.bindings.nvcodec import cuda_stream as nvcodec_cuda_stream
from fewframes.bindings.nvcodec import decode as nvcodec_decode
from fewframes.bindings.nvcodec import pool as nvcodec_pool
from fewframes.decode.decoder import Event
from fewframes.decode.plan import plan_frames
from fewframes.errors import MissingBackendError, UnsupportedStreamError
from fewframes.kernels import gpu


@pytest.mark.slow
@pytest.mark.parametrize("is_wanted", [True, False])
@pytest.mark.parametrize("recipe", ["x264_pyramid", "x265_b", "vp9"])
def test_a_slice_that_lacks_a_picture_is_ffmpegs_from_there_on(films, engines, recipe, is_wanted):
    timeline = fewframes.probe(films(recipe))
    engines.gives = lambda frame: frame.pts != 11
    numbers = np.arange(90) if is_wanted else np.setdiff1d(np.arange(90), [11, 41, 71])
    made, report = given_by(timeline, numbers, format="yuv")
    assert set(report.entries(Event.FALLBACK)) == {nvcodec_pool.MISSING}
    ours = fewframes.read(timeline, frames=numbers, format="yuv")
    for at, plane in enumerate(ours.planes):
        assert np.array_equal(plane, np.concatenate([batch.planes[at] for batch in made]))


def test_a_last_picture_that_does_not_come_is_missed_though_nobody_wants_it(films, engines):
    timeline = fewframes.probe(films("x264_pyramid"))
    (run,) = plan_frames(timeline, [12]).runs
    last = int(np.argmax(timeline.packet_times[run.feed]))
    assert run.feed[last] not in run.requested
    engines.gives = lambda frame: frame.pts != len(run.feed) - 1
    made, report = given_by(timeline, [12])
    assert report.entries(Event.FALLBACK) == {nvcodec_pool.MISSING: 1}
    assert [b.frame_numbers.tolist() for b in made] == [[12], []][: len(made)]


def test_what_is_compared_leans_on_few_pictures(films, engines, monkeypatch):
    timeline, seen = fewframes.probe(films("x264_long_gop")), []
    by_ffmpeg = ffmpeg_decode.decode

    def watched(timeline, runs, **how):
        seen.extend(runs)
        return by_ffmpeg(timeline, runs, **how)

    monkeypatch.setattr(ffmpeg_decode, "decode", watched)
    given_by(timeline, np.arange(260))
    (run,) = [one for one in seen if one.feed[0] == 0]
    assert run.requested.tolist() == [run.feed[-1]] == [nvcodec_decode.AUDITED_AFTER]
    seen.clear()
    given_by(timeline, np.arange(260), is_compared=False)
    assert seen == []


@pytest.mark.slow
def test_rooms_are_used_again(films, engines, monkeypatch):
    made = []
    monkeypatch.setattr(gpu, "empty", lambda *how: made.append(how) or np.empty(*how))
    monkeypatch.setattr(nvcodec_decode, "AT_ONCE", 4)
    given_by(fewframes.probe(films("x264_no_b")), np.arange(90), decoders=2)
    assert len(made) <= 4


def test_a_picture_too_many_is_a_fault(films, engines, monkeypatch):
    stamped, seen = fake_nvdec.Decoder._stamped, []

    def twice(core, frame):
        seen.append(frame)
        if len(seen) == 20:
            core.stamps.insert(0, core.stamps[0])
        return stamped(core, frame)

    monkeypatch.setattr(fake_nvdec.Decoder, "_stamped", twice)
    made, report = given_by(fewframes.probe(films("x264_pyramid")), np.arange(90), decoders=1)
    assert report.entries(Event.FALLBACK) == {nvcodec_pool.MISSING: 1}
    assert np.concatenate([b.frame_numbers for b in made]).tolist() == list(range(90))


def test_pictures_that_are_not_ffmpegs_are_seen_in_the_first_slice(films, engines, monkeypatch):
    surface = fake_nvdec.Picture.__init__

    def shifted(picture, frame, nvc):
        surface(picture, frame, nvc)
        picture.surface[-1, -1] ^= 1

    monkeypatch.setattr(fake_nvdec.Picture, "__init__", shifted)
    timeline = fewframes.probe(films("x264_pyramid"))
    made, report = given_by(timeline, np.arange(90), format="yuv")
    assert report.entries(Event.FALLBACK) == {nvcodec_decode.UNLIKE: 3}
    ours = fewframes.read(timeline, frames=np.arange(90), format="yuv")
    assert np.array_equal(ours.planes[2], np.concatenate([batch.planes[2] for batch in made]))


def test_a_decoder_that_refuses_packets_is_not_used_again(films, engines, monkeypatch):
    decode, failed = fake_nvdec.Decoder.Decode, []

    def failing(core, packet):
        if packet.pts == 17 and not failed:
            failed.append(core)
            raise RuntimeError("a packet is refused")
        assert core not in failed
        return decode(core, packet)

    monkeypatch.setattr(fake_nvdec.Decoder, "Decode", failing)
    made, report = given_by(fewframes.probe(films("x264_pyramid")), np.arange(90), decoders=1)
    assert report.entries(Event.FALLBACK) == {nvcodec_pool.REFUSED: 1}
    assert np.concatenate([b.frame_numbers for b in made]).tolist() == list(range(90))


def test_a_decoder_that_cannot_be_made_is_no_hang(films, engines, monkeypatch):
    def refused(**how):
        raise RuntimeError("out of memory")

    engines.CreateDecoder = refused
    made, report = given_by(fewframes.probe(films("x264_pyramid")), [3])
    assert report.entries(Event.FALLBACK) == {nvcodec_pool.REFUSED: 1}
    assert [b.frame_numbers.tolist() for b in made] == [[3]]


def test_pictures_of_another_form_are_ffmpegs(films, engines, monkeypatch):
    monkeypatch.setattr(engines.Pixel_Format, "NV12", "another")
    wrong = fake_nvdec.Picture.__init__

    def other(picture, frame, nvc):
        wrong(picture, frame, nvc)
        picture.format = "NV16"

    monkeypatch.setattr(fake_nvdec.Picture, "__init__", other)
    _, report = given_by(fewframes.probe(films("x264_pyramid")), [3])
    assert report.entries(Event.FALLBACK) == {nvcodec_pool.MISSHAPED: 1}


@pytest.mark.usefixtures("engines")
def test_a_film_that_is_damaged_is_ffmpegs(films):
    timeline = replace(fewframes.probe(films("x264_pyramid")), damage=("some of it",))
    made, report = given_by(timeline, [3, 70])
    assert report.entries(Event.FALLBACK) == {nvcodec_decode.DAMAGED: 2}
    assert [b.frame_numbers.tolist() for b in made] == [[3], [70]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("x264_10bit", "yuv420p10le is not given"),
        ("x264_odd_444", "yuv444p is not given"),
        ("mjpeg", "not mjpeg"),
        ("mpeg4_avi", "not mpeg4"),
    ],
)
@pytest.mark.usefixtures("engines")
def test_streams_that_engines_are_not_given(films, recipe, says):
    with pytest.raises(UnsupportedStreamError, match=says):
        fewframes.read(films(recipe), frames=[0], backend="nvdec", device="cuda")
    batch = fewframes.read(films(recipe), frames=[0], backend="nvdec", device="auto")
    assert batch.report["decoder"] == "ffmpeg on cpu"
    assert says in batch.report["chosen_because"]


@pytest.mark.parametrize(
    ("caps", "says"),
    [
        ({"supported": 0}, "engines do not decode h264 of 8 bits"),
        ({"width_max": 255}, "from 48x16 to 255x4096, not 256x144"),
        ({"height_min": 145}, "not 256x144"),
        ({"mb_num_max": 143}, "not 256x144"),
    ],
)
@pytest.mark.usefixtures("engines")
def test_what_a_gpu_does_not_know_is_refused_in_words(films, monkeypatch, caps, says):
    put_in_place(monkeypatch, **caps)
    with pytest.raises(UnsupportedStreamError, match=says):
        fewframes.read(films("x264_pyramid"), frames=[0], backend="nvdec", device="cuda")


def test_what_is_missing_is_said_with_its_cure(films, monkeypatch):
    seen = {"gpu": "there is no NVIDIA GPU", "package": None, "there": (), "version": "2.2.4"}
    nvc = fake_nvdec.stand_in()
    monkeypatch.setattr(
        nvcodec_capabilities.dali_capabilities, "gpu_facts", lambda: ((9, 0), seen["gpu"])
    )
    monkeypatch.setattr(nvcodec_capabilities, "find_spec", lambda name: seen["package"])
    monkeypatch.setattr(nvcodec_capabilities, "_is_there", lambda name: name in seen["there"])
    monkeypatch.setattr(nvcodec_capabilities, "library", lambda: nvc)

    def said():
        nvcodec_capabilities.facts.cache_clear()
        nvc.__version__ = seen["version"]
        with pytest.raises(MissingBackendError) as error:
            fewframes.read(films("x264_pyramid"), frames=[0], backend="nvdec", device="cuda")
        return str(error.value)

    assert "there is no NVIDIA GPU" in said()
    seen["gpu"] = ""
    assert "pip install 'fewframes[gpu]'" in said()
    seen["package"] = "there"
    assert "libnvcuvid.so.1" in said()
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility,video" in said()
    seen |= {"there": nvcodec_capabilities.DRIVER, "version": "2.1.0"}
    assert "2.1.0 is older than 2.2" in said()
    monkeypatch.setattr(nvcodec_capabilities, "library", lambda: 1 / 0)
    assert "does not load" in said()
    nvcodec_capabilities.facts.cache_clear()


def test_a_device_of_another_name_is_refused(films):
    for how in ({"device": "cpu"}, {}):
        with pytest.raises(ValueError, match="pass device='cuda' or 'auto'"):
            fewframes.read(films("vp9"), frames=[0], backend="nvdec", **how)


@pytest.mark.gpu
@pytest.mark.skipif(IN_SIMULATOR, reason="it is the driver's")
def test_a_stream_of_ones_own_copies_in_order():
    need_gpu()
    stream, there = (
        nvcodec_cuda_stream.Stream(),
        gpu.to_device(np.arange(12, dtype=np.uint8).reshape(3, 4)),
    )
    room = gpu.to_device(np.zeros((2, 3, 4), np.uint8))
    stream.copy(int(there.__cuda_array_interface__["data"][0]), room, 1)
    stream.finish()
    assert np.array_equal(to_host(room), [np.zeros((3, 4)), np.arange(12).reshape(3, 4)])
    stream.close()
    with pytest.raises(RuntimeError, match="CUDA driver error"):
        stream.copy(1, room, 5)
