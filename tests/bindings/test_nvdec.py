"""Films decoded by a GPU's video engines are those that FFmpeg gives, to the last bit of a plane.

Without a GPU, a stand-in takes the place of PyNvVideoCodec (`fake_nvdec.py`), and memory that of a
GPU; with NUMBA_ENABLE_CUDASIM=1 the kernels run in Numba's simulator. On a machine with a GPU,
REQUIRE_GPU=1 runs the same promises on it.
"""

import numpy as np
import pytest
from decoder_tests import ACCESS, DecoderTests, access
from kernel_arguments import IN_SIMULATOR
from nvdec_engines import TAKEN, TINY, given_by
from on_gpu import to_host

import fewframes
from fewframes.bench.research.films import RECIPES, write_film
from fewframes.bindings.nvcodec import capabilities as nvcodec_capabilities
from fewframes.bindings.nvcodec import decode as nvcodec_decode
from fewframes.decode.decoder import DecodeReport, Event, decoder
from fewframes.decode.plan import plan_frames
from fewframes.kernels.memory import is_on_gpu


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


@pytest.mark.slow
@pytest.mark.usefixtures("engines")
class TestStandIn(EngineTests):
    def test_all_of_it_is_the_engines(self, films, decodable):
        report = self.read(films(decodable), frames=np.arange(60)).report
        assert "fallbacks_to_ffmpeg" not in report, report


@pytest.mark.gpu
@pytest.mark.skipif(IN_SIMULATOR, reason="these films are too large for the simulator")
class TestOnGpu(EngineTests):
    @pytest.fixture(autouse=True)
    def is_taken(self, on_gpu, request, films):
        if "decodable" in request.fixturenames:
            stream = fewframes.probe(films(request.getfixturevalue("decodable"))).stream
            if reason := nvcodec_capabilities.refusal(stream):
                pytest.skip(reason)


@pytest.mark.gpu
@pytest.mark.parametrize("format", ["rgb", "yuv", "jpeg", "jpeg+rgb"])
def test_batches_lie_on_the_gpu_and_are_those_in_memory(tmp_path, on_gpu, monkeypatch, format):
    write_film(tmp_path / "film.mp4", TINY)
    timeline = fewframes.probe(tmp_path / "film.mp4")
    if nvcodec_capabilities.refusal(timeline.stream):
        pytest.skip("this GPU does not take so small a film")
    size = None if format == "yuv" else (8, 24)
    made, report = given_by(timeline, np.arange(12), format, size)
    assert all(is_on_gpu(plane) for batch in made for plane in batch.planes)
    assert np.concatenate([b.frame_numbers for b in made]).tolist() == list(range(12))
    assert report.entries(Event.FALLBACK) == {}
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
    assert report[Event.PLANNED] == 3
    assert 1 <= len(engines.decoders) <= 2
    assert engines.packets.count(None) == 3
    assert report[Event.PICTURES] == sum(tag is not None for tag in engines.packets)


@pytest.mark.slow
def test_a_slice_with_more_pictures_than_a_room_has_comes_in_parts(films, engines, monkeypatch):
    monkeypatch.setattr(nvcodec_decode, "AT_ONCE", 7)
    timeline = fewframes.probe(films("x264_long_gop"))
    made, report = given_by(timeline, np.arange(100))
    assert [len(batch) for batch in made] == [7] * 14 + [2]
    assert np.concatenate([b.frame_numbers for b in made]).tolist() == list(range(100))
    assert (report[Event.PLANNED], report.entries(Event.FALLBACK)) == (1, {})
    assert len(engines.decoders) == 1


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 3])
def test_little_memory_is_enough(films, engines, monkeypatch, most):
    monkeypatch.setattr(nvcodec_decode, "DECODED_BYTES", 1)
    monkeypatch.setattr(nvcodec_decode, "ENCODED_BYTES", 1)
    numbers = np.arange(90)
    made, report = given_by(fewframes.probe(films("x265_b")), numbers, decoders=most)
    assert [len(batch) for batch in made] == [1] * 90
    assert np.concatenate([b.frame_numbers for b in made]).tolist() == numbers.tolist()
    assert report.entries(Event.FALLBACK) == {}


@pytest.mark.slow
def test_a_decoder_that_waits_for_room_ends_when_it_is_left(films, engines, monkeypatch):
    monkeypatch.setattr(nvcodec_decode, "AT_ONCE", 2)
    timeline, report = fewframes.probe(films("x264_long_gop")), DecodeReport()
    runs = plan_frames(timeline, np.arange(260)).runs
    made = nvcodec_decode.decode(timeline, runs, format="rgb", size=None, report=report)
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
    assert report[Event.PICTURES] == plan.pictures < 29
