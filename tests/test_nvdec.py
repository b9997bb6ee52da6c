"""Films decoded by a GPU's video engines are those that FFmpeg gives, to the last bit of a plane.

Without a GPU, a stand-in takes the place of PyNvVideoCodec (`fake_nvdec.py`), and memory that of a
GPU; with NUMBA_ENABLE_CUDASIM=1 the kernels run in Numba's simulator. On a machine with a GPU,
REQUIRE_GPU=1 runs the same promises on it.
"""

import os
from dataclasses import replace

import fake_nvdec
import numpy as np
import pytest
from kernel_arguments import IN_SIMULATOR
from on_gpu import need_gpu, to_host
from test_decode import ACCESS, DecoderTests, access

import fewframes
from fewframes.bench.films import RECIPES, write_film
from fewframes.bindings import (
    cuda_stream,
    ffmpeg_decode,
    nvdec,
    nvdec_core,
    nvdec_machine,
    nvdec_pool,
)
from fewframes.decode.decoding import DecodeReport, decoder
from fewframes.decode.plan import plan_frames
from fewframes.errors import MissingBackendError, UnsupportedStreamError
from fewframes.kernels import Kernel, gpu
from fewframes.kernels.kernel import is_on_gpu

TAKEN = [
    *("x264_pyramid", "x264_open_gop", "x264_long_gop", "x264_no_b", "x264_uneven"),
    *("x264_late_start", "x264_turned", "x264_ts", "x264_mkv", "x264_fragments"),
    *("x265_b", "x265_open_gop", "x265_layers", "vp9", "vp8"),
]
"""Recipes of 4:2:0 whose codec video engines may know."""
TINY = replace(
    RECIPES["x264_pyramid"], frames=12, size=(16, 48), options={"g": "6", "bf": "2"}, fps=10
)


def put_in_place(monkeypatch, **caps):
    """The stand-in, wherever the library or a stream is asked for."""
    nvc = fake_nvdec.stand_in(**caps)
    monkeypatch.setattr(nvdec_machine, "facts", lambda: (nvc.__version__, ""))
    monkeypatch.setattr(nvdec_machine, "library", lambda: nvc)
    monkeypatch.setattr(nvdec_core, "library", lambda: nvc)
    monkeypatch.setattr(nvdec_core, "Stream", fake_nvdec.Stream)
    nvdec_machine.caps_of.cache_clear()
    return nvc


@pytest.fixture
def engines(monkeypatch):
    """The stand-in, and memory in the place of a GPU's: kernels run their CPU bodies."""

    def each(kernel, *values):
        pictures, rest = values[: kernel.pictures], values[kernel.pictures :]
        made = [kernel(*one, *rest) for one in zip(*pictures, strict=True)]
        if isinstance(made[0], tuple):
            return tuple(map(np.stack, zip(*made, strict=True)))
        return np.stack(made)

    monkeypatch.setattr(Kernel, "each", each)
    monkeypatch.setattr(gpu, "empty", np.empty)
    monkeypatch.setattr(gpu, "finish", lambda: None)
    before = fake_nvdec.Stream.alive
    yield put_in_place(monkeypatch)
    nvdec_machine.caps_of.cache_clear()
    assert fake_nvdec.Stream.alive == before, "a decoder was not given back"


@pytest.fixture
def on_gpu(monkeypatch):
    """A real GPU, or the simulator with the stand-in."""
    need_gpu()
    if IN_SIMULATOR:
        yield put_in_place(monkeypatch)
        nvdec_machine.caps_of.cache_clear()
        return
    if missing := nvdec_machine.facts()[1]:
        (pytest.fail if os.environ.get("REQUIRE_GPU") == "1" else pytest.skip)(missing)
    yield None


def given_by(timeline, numbers, format="rgb", size=None, **how):
    """The batches of some frames, by the engines."""
    runs, report = plan_frames(timeline, numbers).runs, DecodeReport()
    made = nvdec.decode(timeline, runs, format=format, size=size, report=report, **how)
    return list(made), report


class EngineTests(DecoderTests):
    """What every decoder promises, and the bits of all planes."""

    decoder = "nvdec"
    device = "cuda"
    recipes = TAKEN

    @pytest.mark.parametrize("pattern", ACCESS)
    def test_planes_are_those_of_ffmpeg(self, films, decodable, pattern):
        numbers = access(pattern, RECIPES[decodable].frames)
        batch = self.read(films(decodable), frames=numbers, format="yuv")
        ours = fewframes.read(films(decodable), frames=numbers, format="yuv")
        assert batch.frame_numbers.tolist() == numbers.tolist()
        assert batch.pts.tolist() == ours.pts.tolist()
        assert [p.shape for p in batch.planes] == [p.shape for p in ours.planes]
        assert all(map(np.array_equal, batch.planes, ours.planes))

    @pytest.mark.parametrize("size", [None, 128, (90, 160)])
    def test_rgb_is_that_of_ffmpeg_to_the_level(self, films, decodable, size):
        numbers = np.arange(0, RECIPES[decodable].frames, 11)
        theirs = self.read(films(decodable), frames=numbers, size=size)
        ours = fewframes.read(films(decodable), frames=numbers, size=size)
        assert np.array_equal(ours.frames, theirs.frames)
        assert theirs.report["colour"] == ours.report["colour"]

    def test_hashes_are_those_of_ffmpeg(self, films, decodable):
        timeline = fewframes.probe(films(decodable))
        runs, found = plan_frames(timeline, np.arange(0, 60, 7)).runs, {}
        for name, device in (("ffmpeg", "cpu"), ("nvdec", "cuda")):
            how = {"format": "jpeg", "size": (36, 64), "report": DecodeReport()}
            for batch in decoder(name, device)(timeline, runs, **how):
                rows = batch.frame_numbers, batch.luma_xxh64, batch.picture_xxh64
                found.setdefault(name, {}).update(
                    (n, (a, b)) for n, a, b in zip(*rows, strict=True)
                )
        assert found["ffmpeg"] == found["nvdec"]

    def test_most_slices_are_the_engines(self, films, decodable):
        report = self.read(films(decodable), frames=np.arange(60)).report
        assert report["decoder"].startswith("nvdec 2.")
        assert report["decoder"].endswith("on cuda") or "ffmpeg on cpu" in report["decoder"]


@pytest.mark.usefixtures("engines")
class TestStandIn(EngineTests):
    def test_all_of_it_is_the_engines(self, films, decodable):
        report = self.read(films(decodable), frames=np.arange(60)).report
        assert "passed_on_to_ffmpeg" not in report, report


@pytest.mark.gpu
@pytest.mark.skipif(IN_SIMULATOR, reason="these films are too large for the simulator")
class TestOnGpu(EngineTests):
    @pytest.fixture(autouse=True)
    def is_taken(self, on_gpu, request, films):
        if "decodable" in request.fixturenames:
            stream = fewframes.probe(films(request.getfixturevalue("decodable"))).stream
            if reason := nvdec_machine.refusal(stream):
                pytest.skip(reason)


@pytest.mark.gpu
@pytest.mark.parametrize("format", ["rgb", "yuv", "jpeg", "jpeg+rgb"])
def test_batches_lie_on_the_gpu_and_are_those_in_memory(tmp_path, on_gpu, monkeypatch, format):
    write_film(tmp_path / "film.mp4", TINY)
    timeline = fewframes.probe(tmp_path / "film.mp4")
    if nvdec_machine.refusal(timeline.stream):
        pytest.skip("this GPU does not take so small a film")
    size = None if format == "yuv" else (8, 24)
    made, report = given_by(timeline, np.arange(12), format, size)
    assert all(is_on_gpu(plane) for batch in made for plane in batch.planes)
    assert np.concatenate([b.frame_numbers for b in made]).tolist() == list(range(12))
    assert report.passed_on == {}
    runs = plan_frames(timeline, np.arange(12)).runs
    how = {"format": "yuv" if format == "yuv" else "rgb", "size": size, "report": DecodeReport()}
    ours = list(decoder()(timeline, runs, **how))
    at = 3 if format == "jpeg+rgb" else 0
    if format != "jpeg":
        mine = np.concatenate([to_host(batch.planes[at]) for batch in made])
        assert np.array_equal(mine, np.concatenate([batch.planes[0] for batch in ours]))


def test_slices_go_to_several_decoders_that_are_kept(films, engines):
    timeline = fewframes.probe(films("x264_pyramid"))
    made, report = given_by(timeline, np.arange(90), decoders=2)
    assert [b.frame_numbers[0] for b in made] == sorted(b.frame_numbers[0] for b in made)
    assert report.runs == 3
    assert 1 <= len(engines.decoders) <= 2
    assert engines.packets.count(None) == 3
    assert report.pictures == sum(tag is not None for tag in engines.packets)


def test_a_slice_with_more_pictures_than_a_room_has_comes_in_parts(films, engines, monkeypatch):
    monkeypatch.setattr(nvdec, "AT_ONCE", 7)
    timeline = fewframes.probe(films("x264_long_gop"))
    made, report = given_by(timeline, np.arange(100))
    assert [len(batch) for batch in made] == [7] * 14 + [2]
    assert np.concatenate([b.frame_numbers for b in made]).tolist() == list(range(100))
    assert (report.runs, report.passed_on) == (1, {})
    assert len(engines.decoders) == 1


@pytest.mark.parametrize("most", [1, 3])
def test_little_memory_is_enough(films, engines, monkeypatch, most):
    monkeypatch.setattr(nvdec, "DECODED_BYTES", 1)
    monkeypatch.setattr(nvdec, "ENCODED_BYTES", 1)
    numbers = np.arange(90)
    made, report = given_by(fewframes.probe(films("x265_b")), numbers, decoders=most)
    assert [len(batch) for batch in made] == [1] * 90
    assert np.concatenate([b.frame_numbers for b in made]).tolist() == numbers.tolist()
    assert report.passed_on == {}


def test_a_decoder_that_waits_for_room_ends_when_it_is_left(films, engines, monkeypatch):
    monkeypatch.setattr(nvdec, "AT_ONCE", 2)
    timeline, report = fewframes.probe(films("x264_long_gop")), DecodeReport()
    runs = plan_frames(timeline, np.arange(260)).runs
    made = nvdec.decode(timeline, runs, format="rgb", size=None, report=report)
    assert next(made).frame_numbers.tolist() == [0, 1]
    made.close()
    assert len(engines.packets) < 200


def test_withheld_packets_are_not_fed_and_tags_are_ranks(films, engines):
    timeline = fewframes.probe(films("x264_pyramid"))
    plan = plan_frames(timeline, [12, 28])
    _, report = given_by(timeline, [12, 28])
    fed = [tag for tag in engines.packets if tag is not None]
    times = timeline.packet_times[plan.runs[0].feed]
    assert fed == np.argsort(np.argsort(times)).tolist() != sorted(fed)
    assert report.pictures == plan.pictures < 29


@pytest.mark.parametrize("is_wanted", [True, False])
@pytest.mark.parametrize("recipe", ["x264_pyramid", "x265_b", "vp9"])
def test_a_slice_that_lacks_a_picture_is_ffmpegs_from_there_on(films, engines, recipe, is_wanted):
    timeline = fewframes.probe(films(recipe))
    engines.gives = lambda frame: frame.pts != 11
    numbers = np.arange(90) if is_wanted else np.setdiff1d(np.arange(90), [11, 41, 71])
    made, report = given_by(timeline, numbers, format="yuv")
    assert set(report.passed_on) == {nvdec_pool.MISSING}
    ours = fewframes.read(timeline, frames=numbers, format="yuv")
    for at, plane in enumerate(ours.planes):
        assert np.array_equal(plane, np.concatenate([batch.planes[at] for batch in made]))


def test_a_last_picture_that_does_not_come_is_missed_though_nobody_wants_it(films, engines):
    timeline = fewframes.probe(films("x264_pyramid"))
    (run,) = plan_frames(timeline, [12]).runs
    last = int(np.argmax(timeline.packet_times[run.feed]))
    assert run.feed[last] not in run.wanted
    engines.gives = lambda frame: frame.pts != len(run.feed) - 1
    made, report = given_by(timeline, [12])
    assert report.passed_on == {nvdec_pool.MISSING: 1}
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
    assert run.wanted.tolist() == [run.feed[-1]] == [nvdec.AUDITED_AFTER]
    seen.clear()
    given_by(timeline, np.arange(260), is_compared=False)
    assert seen == []


def test_rooms_are_used_again(films, engines, monkeypatch):
    made = []
    monkeypatch.setattr(gpu, "empty", lambda *how: made.append(how) or np.empty(*how))
    monkeypatch.setattr(nvdec, "AT_ONCE", 4)
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
    assert report.passed_on == {nvdec_pool.MISSING: 1}
    assert np.concatenate([b.frame_numbers for b in made]).tolist() == list(range(90))


def test_pictures_that_are_not_ffmpegs_are_seen_in_the_first_slice(films, engines, monkeypatch):
    surface = fake_nvdec.Picture.__init__

    def shifted(picture, frame, nvc):
        surface(picture, frame, nvc)
        picture.surface[-1, -1] ^= 1

    monkeypatch.setattr(fake_nvdec.Picture, "__init__", shifted)
    timeline = fewframes.probe(films("x264_pyramid"))
    made, report = given_by(timeline, np.arange(90), format="yuv")
    assert report.passed_on == {nvdec.UNLIKE: 3}
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
    assert report.passed_on == {nvdec_pool.REFUSED: 1}
    assert np.concatenate([b.frame_numbers for b in made]).tolist() == list(range(90))


def test_a_decoder_that_cannot_be_made_is_no_hang(films, engines, monkeypatch):
    def refused(**how):
        raise RuntimeError("out of memory")

    engines.CreateDecoder = refused
    made, report = given_by(fewframes.probe(films("x264_pyramid")), [3])
    assert report.passed_on == {nvdec_pool.REFUSED: 1}
    assert [b.frame_numbers.tolist() for b in made] == [[3]]


def test_pictures_of_another_form_are_ffmpegs(films, engines, monkeypatch):
    monkeypatch.setattr(engines.Pixel_Format, "NV12", "another")
    wrong = fake_nvdec.Picture.__init__

    def other(picture, frame, nvc):
        wrong(picture, frame, nvc)
        picture.format = "NV16"

    monkeypatch.setattr(fake_nvdec.Picture, "__init__", other)
    _, report = given_by(fewframes.probe(films("x264_pyramid")), [3])
    assert report.passed_on == {nvdec_pool.MISSHAPED: 1}


@pytest.mark.usefixtures("engines")
def test_a_film_that_is_damaged_is_ffmpegs(films):
    timeline = replace(fewframes.probe(films("x264_pyramid")), damage=("some of it",))
    made, report = given_by(timeline, [3, 70])
    assert report.passed_on == {nvdec.DAMAGED: 2}
    assert [b.frame_numbers.tolist() for b in made] == [[3], [70]]


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
    monkeypatch.setattr(nvdec_machine.dali_machine, "gpu_facts", lambda: ((9, 0), seen["gpu"]))
    monkeypatch.setattr(nvdec_machine, "find_spec", lambda name: seen["package"])
    monkeypatch.setattr(nvdec_machine, "_is_there", lambda name: name in seen["there"])
    monkeypatch.setattr(nvdec_machine, "library", lambda: nvc)

    def said():
        nvdec_machine.facts.cache_clear()
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
    seen |= {"there": nvdec_machine.DRIVER, "version": "2.1.0"}
    assert "2.1.0 is older than 2.2" in said()
    monkeypatch.setattr(nvdec_machine, "library", lambda: 1 / 0)
    assert "does not load" in said()
    nvdec_machine.facts.cache_clear()


def test_a_device_of_another_name_is_refused(films):
    for how in ({"device": "cpu"}, {}):
        with pytest.raises(ValueError, match="pass device='cuda' or 'auto'"):
            fewframes.read(films("vp9"), frames=[0], backend="nvdec", **how)


@pytest.mark.gpu
@pytest.mark.skipif(IN_SIMULATOR, reason="it is the driver's")
def test_a_stream_of_ones_own_copies_in_order():
    need_gpu()
    stream, there = cuda_stream.Stream(), gpu.there(np.arange(12, dtype=np.uint8).reshape(3, 4))
    room = gpu.there(np.zeros((2, 3, 4), np.uint8))
    stream.copy(int(there.__cuda_array_interface__["data"][0]), room, 1)
    stream.finish()
    assert np.array_equal(to_host(room), [np.zeros((3, 4)), np.arange(12).reshape(3, 4)])
    stream.close()
    with pytest.raises(RuntimeError, match="CUDA driver error"):
        stream.copy(1, room, 5)
