"""What runs on a GPU through CuPy is right, also on machines without one.

1. CUDA C++ is run on the CPU (`cuda_on_cpu.py`) beside each kernel's NumPy meaning, ties included,
   and so is all that is dispatched to a GPU. On a real one (marker `gpu`) the same tests run there.
2. The sources are compiled for real GPUs by NVRTC, where that is installed.
"""

import importlib
import math
import os
import pkgutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from cuda_on_cpu import Array, RawModule, there
from hypothesis import HealthCheck, given, settings
from kernel_arguments import ARGUMENTS, same

from fewframes import chunks, kernels
from fewframes.decode.batch import example_batch
from fewframes.features import anomaly, scan
from fewframes.features.anomaly import rarity_and_anomaly
from fewframes.features.picture_stats import picture_stats
from fewframes.features.redundancy import familiarity
from fewframes.features.signal_pass import SignalPass
from fewframes.features.table import FrameTable
from fewframes.kernels import KERNELS, gpu, on_host
from fewframes.kernels.memory import is_on_real_gpu
from fewframes.kernels.raw import OPTIONS, Source
from fewframes.media.timeline import example_timeline
from fewframes.selection.facility import anchor_rows, similarities, unit_rows
from fewframes.selection.selection import select

NAMES = [name for name, kernel in KERNELS.items() if "cupy" in kernel.bodies]
PAGES = [page.name for page in pkgutil.iter_modules(kernels.__path__, "fewframes.kernels.")]
SOURCES = {
    name: source
    for name in PAGES
    if (source := getattr(importlib.import_module(name), "SOURCE", None))
}
EXACT = settings(
    derandomize=True,
    deadline=None,
    max_examples=20,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def to_host(value):
    return tuple(map(on_host, value)) if isinstance(value, tuple) else on_host(value)


def agrees_with_numpy(put, name, arguments):
    got, wanted = KERNELS[name](*map(put, arguments)), KERNELS[name].reference(*arguments)
    several = isinstance(wanted, tuple)
    for one, other in zip(*((got, wanted) if several else ([got], [wanted])), strict=True):
        assert is_on_real_gpu(one)
        same(to_host(one), other)
        np.testing.assert_array_equal(to_host(one), other)  # to the bit


@pytest.mark.slow
@pytest.mark.parametrize("order", ["first to last", "last to first"])
@pytest.mark.parametrize("name", NAMES)
def test_cuda_sources_say_what_numpy_says(name, order, put, monkeypatch):
    monkeypatch.setattr(RawModule, "is_reversed", order == "last to first")

    @EXACT
    @given(ARGUMENTS[name])
    def agrees(arguments):
        agrees_with_numpy(put, name, arguments)

    agrees()


def test_many_columns_or_few_are_searched_alike(put):
    """With more nearest columns than a block of a GPU holds, whole rows are sorted."""
    values = np.random.default_rng(5).integers(0, 40, (3, 700)).astype(np.float32)
    values[1], values[2, ::2] = np.inf, -0.0
    skipped = np.array([[0, 700], [3, 9], [650, 700]])
    for count in (40, 256, 257, 900):
        agrees_with_numpy(put, "smallest", [values, skipped, count])


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("page", SOURCES)
def test_cuda_sources_compile_without_a_gpu(page, architecture, nvrtc):
    code, log = compiled(nvrtc, SOURCES[page].whole, architecture)
    assert code == 0, log
    assert "error" not in log


@pytest.fixture(scope="session")
def nvrtc():
    """NVIDIA's compiler of CUDA C++; skips where it is missing, fails there under REQUIRE_GPU=1."""
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()
    except (ImportError, RuntimeError) as error:
        outcome = pytest.fail if os.environ.get("REQUIRE_GPU") == "1" else pytest.skip
        outcome(f"no NVRTC here: {error}; pip install 'fewframes[gpu]'")
    return nvrtc


def compiled(nvrtc, text, architecture):
    """NVRTC's status and log for a source."""
    _, program = nvrtc.nvrtcCreateProgram(text.encode(), b"page.cu", 0, [], [])
    options = [word.encode() for word in (*OPTIONS, f"--gpu-architecture={architecture}")]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    return int(status), log.decode()


def film_of(n, d=6, grid=(4, 6)):
    """Cells, signatures and times of a film of a few views that return."""
    rng = np.random.default_rng(n)
    view = rng.integers(0, 5, n // 9 + 1).repeat(9)[:n]
    looks = rng.standard_normal((5, d))[view] + 0.2 * rng.standard_normal((n, d))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    levels = rng.integers(20, 230, (5, 3, *grid))[view] + rng.normal(0, 3, (n, 3, *grid))
    return levels.astype(np.float16), looks.astype(np.float32), np.arange(n) * 0.5


@pytest.mark.parametrize("n", [1, 30, 300])
def test_columns_of_a_film_are_computed_where_it_lies(n, put, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_THERE", 64)
    monkeypatch.setattr(anomaly, "MOST", 40)
    cells, looks, seconds = film_of(n)
    is_kept = np.arange(n) % 3 > 0
    made = rarity_and_anomaly(put(cells), put(looks), seconds)
    made = (*made, familiarity(put(looks), is_kept))
    assert all(is_on_real_gpu(column) for column in made)
    assert Array.copies == 0
    wanted = (*rarity_and_anomaly(cells, looks, seconds), familiarity(looks, is_kept))
    for column, other, most in zip(made, wanted, (1e-3, 1e-2, 1e-5), strict=True):
        assert on_host(column).dtype == other.dtype
        np.testing.assert_allclose(on_host(column), other, rtol=0, atol=most)


def test_similarities_are_computed_where_signatures_lie(put):
    looks = film_of(300)[1]
    looks[7] = 0
    anchors = anchor_rows(300, count=40)
    made, wanted = (similarities(unit_rows(rows), anchors=anchors) for rows in (put(looks), looks))
    assert on_host(made).dtype == np.uint16
    assert np.abs(on_host(made).astype(int) - wanted).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["adaptive", "kcenter", "dpp", "facility", "query", "maxvol"])
@pytest.mark.parametrize("span", [None, (1.0, 7.0)])
def test_signatures_on_a_gpu_select_what_those_in_memory_do(policy, span, put, monkeypatch):
    launched, launch = [], Source.launch

    def noted(page, name, *rest, **how):
        launched.append(name)
        launch(page, name, *rest, **how)

    monkeypatch.setattr(Source, "launch", noted)
    points = np.random.default_rng(3).standard_normal((9, 4)).astype(np.float32)
    points[4], points[5, 1] = points[1], np.nan
    ours = FrameTable.from_seconds(range(9), signatures=points)
    theirs = replace(ours, signatures=put(points))
    how = {"budget": 4, "policy": policy, "span": span}
    how |= {"relevance": np.arange(9.0) % 4} if policy == "query" else {}
    picks = [select(table, **how) for table in (ours, theirs)]
    assert picks[0].rows.tolist() == picks[1].rows.tolist()
    np.testing.assert_allclose(picks[0].scores, picks[1].scores, rtol=1e-4)
    names = {"dpp": "pick_longest", "facility": "pick_worthiest", "query": "pick_worthiest"}
    assert (names.get(policy, "pick_farthest") in launched) == (policy != "maxvol")


@pytest.mark.parametrize("lies_there", [True, False])
def test_a_long_film_whose_pictures_lay_on_a_gpu_is_compared_with_itself_there(
    lies_there, put, monkeypatch
):
    monkeypatch.setattr(scan, "THERE_FROM", 4)
    request, was_asked = [], scan.familiarity
    monkeypatch.setattr(
        scan,
        "familiarity",
        lambda *what: request.append(is_on_real_gpu(what[0])) or was_asked(*what),
    )
    timeline, tables = example_timeline(), []
    for where in (put if lies_there else np.asarray, np.asarray):
        rows, rng = scan.TableBuilder(SignalPass(dedup=0), None), np.random.default_rng(1)
        for number, plane in enumerate(rng.integers(0, 255, (4, 64, 64), np.uint8)):
            chroma = [plane[None, at::2, at::2].copy() for at in (0, 1)]
            (swept,) = picture_stats((plane[None], *chroma), [0])
            rows.add(scan.ScannedFrame(number, 0, swept, (where(plane),)))
        tables.append(rows.table(timeline)[0])
    assert request == [lies_there, False]
    freed = getattr(sys.modules["cupy"], "freed", None)
    assert freed in (None, [0] if lies_there else [])  # nothing of it lay there any more
    for name, column in tables[1].signals.items():
        assert type(tables[0].signals[name]) is np.ndarray
        np.testing.assert_allclose(tables[0].signals[name], column, rtol=1e-4, atol=1e-3)


def test_frames_on_a_gpu_go_out_by_dlpack(stand_in):
    pixels = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    batch = replace(example_batch(), planes=(stand_in(pixels),))
    assert batch.device == "cuda"
    assert batch.__dlpack__().__class__.__name__ == "PyCapsule"


@pytest.mark.parametrize("shape", [(2, 3, 4), (0, 3)])
def test_pinned_memory_comes_from_a_pool(shape, stand_in, monkeypatch):
    request = []
    pool = SimpleNamespace(alloc_pinned_memory=lambda size: request.append(size) or bytearray(512))
    monkeypatch.setattr(sys.modules["cupy"], "cuda", pool, raising=False)
    room = gpu.pinned(shape, np.uint16)
    room[:] = 7
    wanted = [2 * math.prod(shape)] if 0 not in shape else []
    assert (room.shape, room.dtype, request) == (shape, np.uint16, wanted)


@pytest.mark.gpu
def test_frames_on_a_real_gpu_are_those_that_pytorch_sees(real_gpu):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pixels = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    for lies in (gpu.to_device(pixels), real_gpu(pixels)):
        batch = replace(example_batch(), planes=(lies,))
        tensor = torch.from_dlpack(batch)
        assert np.array_equal(tensor.cpu().numpy(), pixels)
        tensor[0, 0, 0, 0] = 77
        torch.cuda.synchronize()
        assert on_host(lies)[0, 0, 0, 0] == 77


def test_a_gpu_without_cupy_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"arrays on a GPU need CuPy.*fewframes\[gpu\]"):
        KERNELS["smallest"](there(np.zeros((1, 2), np.float32)), np.array([[0, 0]]), 1)
