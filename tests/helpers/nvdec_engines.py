"""Video engines for tests: a stand-in in memory, or a real GPU."""

import os
from dataclasses import replace

import fake_nvdec
import numpy as np
import pytest
from kernel_arguments import IN_SIMULATOR
from on_gpu import need_gpu

from fewframes.bench.research.films import RECIPES
from fewframes.bindings.nvcodec import capabilities as nvcodec_capabilities
from fewframes.bindings.nvcodec import core as nvcodec_core
from fewframes.bindings.nvcodec import decode as nvcodec_decode
from fewframes.decode.decoder import DecodeReport
from fewframes.decode.plan import plan_frames
from fewframes.kernels import Kernel, gpu

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
    monkeypatch.setattr(nvcodec_capabilities, "facts", lambda: (nvc.__version__, ""))
    monkeypatch.setattr(nvcodec_capabilities, "library", lambda: nvc)
    monkeypatch.setattr(nvcodec_core, "library", lambda: nvc)
    monkeypatch.setattr(nvcodec_core, "Stream", fake_nvdec.Stream)
    nvcodec_capabilities.caps_of.cache_clear()
    return nvc


@pytest.fixture
def engines(monkeypatch):
    """The stand-in, and memory in the place of a GPU's: kernels run their CPU bodies."""

    def batch(kernel, *values):
        pictures, rest = values[: kernel.pictures], values[kernel.pictures :]
        made = [kernel(*one, *rest) for one in zip(*pictures, strict=True)]
        if isinstance(made[0], tuple):
            return tuple(map(np.stack, zip(*made, strict=True)))
        return np.stack(made)

    monkeypatch.setattr(Kernel, "batch", batch)
    monkeypatch.setattr(gpu, "empty", np.empty)
    monkeypatch.setattr(gpu, "finish", lambda: None)
    before = fake_nvdec.Stream.alive
    yield put_in_place(monkeypatch)
    nvcodec_capabilities.caps_of.cache_clear()
    assert fake_nvdec.Stream.alive == before, "a decoder was not given back"


@pytest.fixture
def on_gpu(monkeypatch):
    """A real GPU, or the simulator with the stand-in."""
    need_gpu()
    if IN_SIMULATOR:
        yield put_in_place(monkeypatch)
        nvcodec_capabilities.caps_of.cache_clear()
        return
    if missing := nvcodec_capabilities.facts()[1]:
        (pytest.fail if os.environ.get("REQUIRE_GPU") == "1" else pytest.skip)(missing)
    yield None


def given_by(timeline, numbers, format="rgb", size=None, **how):
    """The batches of some frames, by the engines."""
    runs, report = plan_frames(timeline, numbers).runs, DecodeReport()
    made = nvcodec_decode.decode(timeline, runs, format=format, size=size, report=report, **how)
    return list(made), report
