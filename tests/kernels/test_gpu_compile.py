"""GPU bodies are compiled for real GPUs, on machines without one: types and calls are right."""

import os
import subprocess
import sys
import warnings
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

import fewframes.kernels as kernels
from fewframes.kernels import KERNELS, Kernel, different, gpu
from fewframes.kernels.memory import numba_cuda

U8, F32 = np.zeros((9, 9), np.uint8), np.zeros((4, 3, 5), np.float32)
HALF = np.zeros((5, 5), np.uint8)
GPU_ARGUMENTS = {
    "block_means": (U8, 4),
    "count_different": (np.zeros((9, 7, 3), np.uint8), np.ones((9, 7, 3), np.uint8)),
    "grid_change": (F32, np.stack([F32, F32]), 6.0),
    "grid_descriptors": (F32, np.zeros((4, 256), np.float32)),
    "nearest_change": (F32, np.stack([F32, F32]), 6.0),
    "block_stats": (U8, HALF, HALF, 2, 16, 239),
    "resize": (
        np.zeros((8, 8, 3), np.uint8),
        kernels.axis_taps(8, 5),
        kernels.axis_taps(8, 3),
    ),
    "ycc_matrix": (U8, HALF, HALF, kernels.matrix_between("bt709", "bt601")),
    "planes_to_rgb": (*[np.zeros((8, 8), np.uint16)] * 3, kernels.rgb_plan((8, 8), bits=10)),
    "resize_rgb": (np.zeros((8, 8, 3), np.uint8), kernels.resize_plan((8, 8), (5, 3))),
    "surface_planes": (np.zeros((9, 8), np.uint16), 6, 10),
    "rgb_to_ycc": (np.zeros((9, 7, 3), np.uint8),),
}


MISSING = (ImportError, OSError, RuntimeError)
"""What numba-cuda raises where the compiler's library is not there; all else is a fault."""


@pytest.mark.usefixtures("cuda_compiler")
@pytest.mark.parametrize("capability", [(8, 0), (9, 0)])
@pytest.mark.parametrize("name", [name for name, k in KERNELS.items() if "cuda" in k.bodies])
def test_gpu_bodies_compile_without_a_gpu(name, capability, monkeypatch):
    launched = []
    monkeypatch.setattr(gpu, "launch", lambda *what: launched.append(what))
    monkeypatch.setattr(gpu, "empty", OnHost)
    monkeypatch.setattr(gpu, "to_device", lambda array: array.view(OnHost))
    monkeypatch.setattr(gpu, "constant", lambda array: array.view(OnHost))
    call = KERNELS[name].bodies["cuda"]
    monkeypatch.setattr(Kernel, "_body_for", lambda kernel, _: kernel.bodies["cuda"])
    there = [a.view(OnHost) if isinstance(a, np.ndarray) else a for a in GPU_ARGUMENTS[name]]
    call(*there)
    assert launched
    for loops, _, *arguments in launched:
        assert all(type(a) is not np.ndarray for a in arguments), (
            "not on the GPU: copied in silence"
        )
        ptx = ptx_of(gpu.bound(loops), arguments, capability)
        assert f".target sm_{capability[0]}{capability[1]}" in ptx


@pytest.mark.usefixtures("cuda_compiler")
def test_a_small_grid_is_no_reason_to_warn():
    """Numba does, for fewer than 128 blocks, which a batch of small pictures has not."""
    gpu._on_grid.cache_clear()
    gpu.compiled.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            assert gpu.configured(different._one_place, (1, 3), (8, 8))


@pytest.mark.parametrize("rows", [1, 8, 524_280, 524_281, 16_000_000])
def test_a_grid_has_no_more_blocks_than_cuda_takes(rows, monkeypatch):
    request = []
    monkeypatch.setattr(gpu, "configured", lambda *grid: request.append(grid[1:]) or print)
    gpu.launch(different._one_place, (rows, 40))
    ((blocks, threads),) = request
    assert blocks[1] <= gpu.MOST_BLOCKS
    assert blocks[1] * threads[1] >= rows
    assert blocks[0] * threads[0] >= 40
    assert threads[0] * threads[1] <= 1024


SHIM = """
import warnings
warnings.simplefilter("error")
import numpy as np
vars(np).pop("row_stack", None)
from fewframes.kernels.memory import numba_cuda
numba_cuda()
assert np.row_stack is np.vstack
"""


@pytest.mark.slow
def test_what_numpy_lacks_is_there_before_numba_asks_for_it_and_nothing_is_warned_of():
    subprocess.run([sys.executable, "-c", SHIM], check=True)


@pytest.mark.parametrize("style", ["\x1b[1mGrid size 2 will", "Grid size 2 will"])
def test_a_warning_of_a_small_grid_is_known_in_bold_too(style):
    class Small:
        def __getitem__(self, grid):
            warnings.warn(style, RuntimeWarning, stacklevel=1)
            return grid

    assert gpu._on_grid(Small(), (1, 2), (3, 4)) == ((1, 2), (3, 4))


@pytest.mark.parametrize("strides", [(0, 4), (4, 0), (0, 0)])
def test_a_side_of_one_goes_to_the_gpu_whatever_its_stride(strides, monkeypatch):
    sent = []
    there = SimpleNamespace(to_device=sent.append)
    monkeypatch.setattr(gpu, "numba_cuda", lambda: there)
    gpu.to_device(np.lib.stride_tricks.as_strided(np.array([[7]], np.int32), (1, 1), strides))
    assert 0 not in sent[0].strides
    assert sent[0].tolist() == [[7]]


class OnHost(np.ndarray):
    """Room that takes the place of a GPU's where nothing is launched."""

    def __new__(cls, shape, dtype):
        return np.zeros(shape, dtype).view(cls)

    def copy_to_host(self):
        return np.asarray(self)


def ptx_of(loops, arguments, capability):
    """The GPU's assembly of loops, as Numba's compiler writes it for a GPU of a capability."""
    from numba import typeof

    arrays = (np.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments)
    ptx, _ = numba_cuda().compile_ptx(loops, tuple(map(typeof, arrays)), cc=capability)
    return ptx


@pytest.fixture(scope="session")
def cuda_compiler():
    """Skips where even loops that do nothing are not compiled."""
    why = "numba-cuda is not installed, and Numba's own cuda compiles little without a GPU"
    if find_spec("numba_cuda"):
        try:
            ptx_of(lambda array: None, [np.zeros(1)], (8, 0))
        except MISSING as error:
            why = f"{type(error).__name__}: {error}".splitlines()[0]
        else:
            return
    outcome = pytest.fail if os.environ.get("REQUIRE_GPU") == "1" else pytest.skip
    outcome(f"no CUDA compiler here: {why}; pip install 'fewframes[gpu]'")
