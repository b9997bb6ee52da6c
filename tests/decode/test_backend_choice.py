"""Who decodes is what was asked for, or an error, or what is predicted to take less time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fewframes
import fewframes.errors
from fewframes.decode import costs
from fewframes.decode.backend_choice import (
    CPU_CODECS,
    Capabilities,
    Choice,
    DecoderRequest,
    EngineLimits,
    choose,
    refusal,
)
from fewframes.decode.costs import Costs, Workload
from fewframes.decode.decoder import decoder
from fewframes.media.timeline import example_timeline

H264 = example_timeline().stream
VP9 = replace(H264, codec="vp9")
GPU = Capabilities(dali="2.4.0", capability=(9, 0), costs=Costs(0.004, 0.002, 2.0, 7))
NONE = "there is no NVIDIA GPU"
NO_GPU = Capabilities(dali="2.4.0", no_gpu=NONE, no_nvdec=NONE)
BARE = Capabilities(no_dali="DALI is not installed", no_gpu=NONE, no_nvdec=NONE)
ENGINES = {"nvdec": "2.2.4", "no_nvdec": "", "nvdec_costs": Costs(0.004, 0.001, 1.0, 7)}
BOTH, ALONE = replace(GPU, **ENGINES), replace(BARE, no_gpu="", **ENGINES)
SLOW = replace(BOTH, nvdec_costs=Costs(0.004, 0.004, 1.0, 7))
LONG, SHORT = Workload(100_000, 2.0, 400), Workload(30, 0.1, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "stream", "machine", "job", "who"),
    [
        (DecoderRequest(), H264, GPU, LONG, ("ffmpeg", "cpu")),
        (DecoderRequest("ffmpeg", "auto"), H264, GPU, LONG, ("ffmpeg", "cpu")),
        (DecoderRequest(None, "cuda"), H264, BARE, SHORT, ("dali", "cuda")),
        (DecoderRequest("dali", "cpu"), H264, BARE, SHORT, ("dali", "cpu")),
        (DecoderRequest(None, "auto"), H264, GPU, LONG, ("dali", "cuda")),
        (DecoderRequest(None, "auto"), H264, GPU, SHORT, ("ffmpeg", "cpu")),
        (DecoderRequest(None, "auto"), H264, NO_GPU, LONG, ("ffmpeg", "cpu")),
        (DecoderRequest(None, "auto"), H264, BARE, LONG, ("ffmpeg", "cpu")),
        (DecoderRequest("dali", "auto"), H264, GPU, SHORT, ("dali", "cuda")),
        (DecoderRequest("dali", "auto"), VP9, NO_GPU, SHORT, ("dali", "cpu")),
        (DecoderRequest("dali", "auto"), H264, NO_GPU, SHORT, ("ffmpeg", "cpu")),
        (DecoderRequest("dali", "auto"), VP9, BARE, SHORT, ("ffmpeg", "cpu")),
        (DecoderRequest("dali", "auto"), H264, BOTH, SHORT, ("dali", "cuda")),
        (DecoderRequest("nvdec", "cuda"), H264, BARE, SHORT, ("nvdec", "cuda")),
        (DecoderRequest("nvdec", "auto"), H264, BOTH, SHORT, ("nvdec", "cuda")),
        (DecoderRequest("nvdec", "auto"), H264, GPU, LONG, ("ffmpeg", "cpu")),
        (DecoderRequest(None, "cuda"), H264, BOTH, SHORT, ("nvdec", "cuda")),
        (DecoderRequest(None, "cuda"), H264, GPU, SHORT, ("dali", "cuda")),
        (DecoderRequest(None, "auto"), H264, BOTH, LONG, ("nvdec", "cuda")),
        (DecoderRequest(None, "auto"), H264, BOTH, SHORT, ("ffmpeg", "cpu")),
        (DecoderRequest(None, "auto"), H264, SLOW, LONG, ("dali", "cuda")),
        (DecoderRequest(None, "auto"), H264, ALONE, LONG, ("nvdec", "cuda")),
    ],
)
def test_who_decodes(asked, stream, machine, job, who):
    choice = choose(asked, stream, machine, job)
    assert (choice.backend, choice.device) == who
    assert bool(choice.reason) == (asked.device == "auto" and asked.backend != "ffmpeg")


@pytest.mark.parametrize(
    ("codec", "form", "size", "says"),
    [
        ("av1", "yuv420p", (240, 320), "not av1"),
        ("mjpeg", "yuvj420p", (240, 320), "not mjpeg"),
        ("h264", "yuv420p10le", (240, 320), "yuv420p10le is not taken"),
        ("h264", "yuv422p", (240, 320), "yuv422p is not taken"),
        ("h264", "yuv420p", (4096, 4096), ""),
        ("h264", "yuv420p", (4098, 4096), "take 48x16 to 4096x4096, not 4096x4098"),
        ("h264", "yuv420p", (16, 32), "take 48x16 to 4096x4096, not 32x16"),
        ("hevc", "yuv420p10le", (240, 320), ""),
        ("hevc", "yuv420p10le", (8192, 8192), "take up to 32768000 samples, not 8192x8192"),
        ("vp9", "yuv420p10le", (240, 320), "do not take that"),
        ("vp8", "yuv420p", (240, 320), "do not take that"),
    ],
)
def test_what_a_gpu_is_not_given(codec, form, size, says):
    stream = replace(H264, codec=codec, pixel_format=form, height=size[0], width=size[1])
    engines = {
        ("h264", 8): EngineLimits(is_taken=True, engines=7, least=(16, 48), most=(4096, 4096)),
        ("hevc", 10): EngineLimits(is_taken=True, macroblocks=128000),
        ("vp9", 10): EngineLimits(is_taken=False),
    }
    machine = replace(GPU, engines=engines)
    reason = refusal(stream, "cuda", machine)
    assert says in reason
    assert bool(says) == bool(reason)
    choice = choose(DecoderRequest(None, "auto"), stream, machine, LONG)
    assert (choice.backend == "ffmpeg") == bool(reason)
    assert reason in choice.reason


@given(st.sampled_from(["h264", "hevc", "vp8", "vp9", "mjpeg", "av1", "prores"]))
def test_the_cpu_takes_three_codecs(codec):
    assert (refusal(replace(H264, codec=codec), "cpu", BARE) == "") == (codec in CPU_CODECS)


@given(st.integers(1, 10**6), st.integers(1, 500), st.integers(1, 64))
def test_more_work_never_turns_the_gpu_down(pictures, slices, threads):
    jobs = [Workload(count, 2.0, slices, threads) for count in (pictures, 4 * pictures)]
    fewer, more = (choose(DecoderRequest(None, "auto"), H264, GPU, job).backend for job in jobs)
    assert (fewer, more) != ("dali", "ffmpeg")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"backend": "vaapi"}, "backend='vaapi' is not known; backends: ffmpeg, dali, nvdec"),
        ({"backend": "nvdec"}, "not on device='cpu'; pass device='cuda' or 'auto'"),
        ({"device": "gpu"}, "device='gpu' is not known; pass 'cpu', 'cuda' or 'auto'"),
        ({"backend": "ffmpeg", "device": "cuda"}, "decodes on the CPU"),
    ],
)
def test_names_that_do_not_exist_are_refused(films, tmp_path, how, says):
    with pytest.raises(ValueError, match=says):
        fewframes.read(films("x264_pyramid"), frames=[0], **how)
    with pytest.raises(ValueError, match=says):
        fewframes.index(films("x264_pyramid"), tmp_path / "store.zarr", **how)


def test_a_backend_on_a_device_it_does_not_know_is_refused():
    with pytest.raises(ValueError, match="pass 'cpu', or backend='dali' or 'nvdec'"):
        decoder("ffmpeg", "cuda")
    with pytest.raises(ValueError, match="pass 'cuda', or backend="):
        decoder("nvdec")


def test_auto_says_who_decoded_and_why(films, monkeypatch):
    from fewframes.bindings.dali import capabilities as dali_capabilities

    monkeypatch.setattr(dali_capabilities, "gpu_facts", lambda: ((0, 0), "there is no NVIDIA GPU"))
    monkeypatch.setattr(dali_capabilities, "machine_facts", lambda: 1 / 0)  # DALI is not looked for
    batch = fewframes.read(films("x264_pyramid"), frames=[3], device="auto")
    assert batch.report["decoder"] == "ffmpeg on cpu"
    assert batch.report["chosen_because"] == "ffmpeg on cpu: there is no NVIDIA GPU"


@pytest.mark.slow
def test_what_is_not_there_is_an_error_that_says_what_to_do(films, monkeypatch):
    from fewframes.bindings.dali import capabilities as dali_capabilities

    monkeypatch.setattr(dali_capabilities, "machine_facts", lambda: BARE)
    with pytest.raises(fewframes.errors.MissingBackendError, match="DALI is not installed"):
        fewframes.read(films("vp9"), frames=[3], backend="dali")
    monkeypatch.setattr(dali_capabilities, "machine_facts", lambda: NO_GPU)
    with pytest.raises(fewframes.errors.MissingBackendError, match="no NVIDIA GPU; use device="):
        fewframes.read(films("vp9"), frames=[3], device="cuda")


def test_what_each_library_would_take_is_in_the_reason():
    choice = choose(DecoderRequest(None, "auto"), H264, BOTH, Workload(100_000, 2.0, 400))
    assert choice.reason == (
        "predicted 800.00 s on the CPU, on the GPU 29.57 s by nvdec and 59.14 s by dali"
    )


def test_a_library_that_is_named_is_the_only_one_looked_for(films, monkeypatch):
    from fewframes.bindings.dali import capabilities as dali_capabilities
    from fewframes.bindings.nvcodec import capabilities as nvcodec_capabilities

    monkeypatch.setattr(nvcodec_capabilities, "facts", lambda: ("", "it is not there"))
    monkeypatch.setattr(dali_capabilities, "machine_facts", lambda: 1 / 0)
    batch = fewframes.read(films("x264_pyramid"), frames=[3], backend="nvdec", device="auto")
    assert batch.report["chosen_because"] == "ffmpeg on cpu: it is not there"
    monkeypatch.setattr(nvcodec_capabilities, "facts", lambda: 1 / 0)
    monkeypatch.setattr(dali_capabilities, "machine_facts", lambda: BARE)
    batch = fewframes.read(films("x264_pyramid"), frames=[3], backend="dali", device="auto")
    assert batch.report["chosen_because"] == "ffmpeg on cpu: DALI is not installed"


def test_costs_are_remembered_by_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("FEWFRAMES_CACHE", str(tmp_path))
    assert costs.load("a") is None
    costs.save("a", GPU.costs)
    costs.save("b", Costs(1.0, 1.0, 1.0, 1))
    assert (costs.load("a"), costs.load("b")) == (GPU.costs, Costs(1.0, 1.0, 1.0, 1))
    (tmp_path / "costs.json").write_text("{")
    assert costs.load("a") is None
    monkeypatch.setenv("FEWFRAMES_CACHE", "off")
    costs.save("a", GPU.costs)
    assert costs.load("a") is None


def test_without_costs_the_cpu_decodes():
    choice = choose(DecoderRequest(None, "auto"), H264, replace(GPU, costs=None), LONG)
    assert choice == Choice("ffmpeg", "cpu", "what a GPU would take is not measured yet")


def test_what_is_settled_looks_nothing_up(films, monkeypatch):
    from fewframes.bindings.dali import capabilities as dali_capabilities

    monkeypatch.setattr(dali_capabilities, "machine_facts", lambda: 1 / 0)
    assert np.all(fewframes.read(films("x264_pyramid"), frames=[3]).frame_numbers == 3)
