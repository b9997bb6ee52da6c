"""Launching loops on a GPU: compiled by Numba when they are first used, one thread an output.

Loops are plain functions that say `cuda.grid(2)` and the like; the name `cuda` gets its meaning
when they are compiled, so that a page of kernels imports no Numba. Memory is Numba's own device
arrays, which CuPy, PyTorch and DLPack take without a copy. With NUMBA_ENABLE_CUDASIM=1 in the
environment the same code runs in Numba's simulator, without a GPU.
"""

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fewframes.kernels.kernel import with_names
from fewframes.kernels.memory import ONE_AT_A_TIME, cupy, is_on_gpu, numba_cuda

Loops: TypeAlias = Callable[..., None]
DeviceArray: TypeAlias = Any
"""An array of Numba's on the GPU."""
Planes: TypeAlias = tuple[DeviceArray, DeviceArray, DeviceArray]
cuda: Any = None
"""What loops call `cuda`: Numba's module of this name, once they are compiled."""
MOST_BLOCKS = 65535
"""Blocks of a grid's second axis (CUDA C++ Programming Guide, compute capabilities)."""
MOST_CONSTANTS = 256
_CONSTANTS: dict[int, tuple[Any, DeviceArray]] = {}
"""Arrays that never change, by identity, which is theirs while they are kept here."""


def launch(loops: Loops, outputs: tuple[int, int], *arguments: Any) -> None:  # noqa: ANN401
    """Runs one thread for each of `rows x columns` outputs; `cuda.grid(2)` is (column, row).

    Threads beyond the last row or column run too: loops return where there is no output. Loops
    call no functions of their own: Numba compiles such only where there is a GPU.
    """
    rows, columns = outputs
    if rows and columns:
        lines = min(8, rows)
        while -(-rows // lines) > MOST_BLOCKS and lines < 256:
            lines *= 2
        threads = (min(32 if rows > 1 else 128, columns, 1024 // lines), lines)
        blocks = (-(-columns // threads[0]), -(-rows // threads[1]))
        configured(loops, blocks, threads)(*arguments)


def configured(loops: Loops, blocks: tuple[int, int], threads: tuple[int, int]) -> Any:  # noqa: ANN401
    """The loops on a grid; the simulator's are one object, whatever the grid."""
    kernel = compiled(loops)
    is_simulated = hasattr(kernel, "grid_dim")
    return kernel[blocks, threads] if is_simulated else _on_grid(kernel, blocks, threads)


@functools.lru_cache(4096)
def _on_grid(kernel: Any, blocks: tuple[int, int], threads: tuple[int, int]) -> Any:  # noqa: ANN401
    """A kernel on a grid. Numba warns of a small one when it is made; ours are meant so."""
    with ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\W*(1m)?Grid size")  # it may be in bold
        return kernel[blocks, threads]


@functools.cache
def compiled(loops: Loops) -> Any:  # noqa: ANN401 (Numba's)
    """The loops as a kernel that can be launched."""
    return numba_cuda().jit(bound(loops), cache=True)


def bound(loops: Loops) -> Loops:
    """The loops with a meaning for the name `cuda`."""
    return with_names(loops, {"cuda": numba_cuda()})


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> DeviceArray:
    """Room on the GPU."""
    return numba_cuda().device_array(shape, np.dtype(dtype))


def to_device(array: Any) -> DeviceArray:  # noqa: ANN401 (any array library's)
    """The array on the GPU: itself, or a copy of one that is not there.

    A side of one may have a stride of 0, which Numba takes for one that repeats: so it is copied.
    """
    if is_on_gpu(array):
        return array
    packed = np.ascontiguousarray(array)
    return numba_cuda().to_device(packed.copy() if 0 in packed.strides else packed)


def pinned(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Room in memory that the GPU copies from without help of the CPU; what it holds is open.

    It comes from CuPy's pool, and goes back there once no array views it: to pin 22 MB takes 7 ms
    (H200), to copy them one. Copies from it must be over by then, as `to_device` sees to.
    """
    if is_simulated():
        room: npt.NDArray[Any] = numba_cuda().pinned_array(shape, np.dtype(dtype))
        return room
    count = math.prod(shape)
    if not count:
        return np.empty(shape, dtype)
    memory = cupy().cuda.alloc_pinned_memory(count * np.dtype(dtype).itemsize)
    return np.frombuffer(memory, dtype, count).reshape(shape)


def is_simulated() -> bool:
    """Whether Numba's simulator plays the GPU."""
    from numba.core import config

    return bool(config.ENABLE_CUDASIM)  # pyright: ignore[reportAttributeAccessIssue] (set by name)


def constant(array: Any) -> DeviceArray:  # noqa: ANN401 (any array library's)
    """The same for an array that never changes, such as a plan's: copied once and remembered."""
    if is_on_gpu(array):
        return array
    known = _CONSTANTS.get(id(array))
    if known is None:
        if len(_CONSTANTS) >= MOST_CONSTANTS:
            _CONSTANTS.clear()
        known = _CONSTANTS[id(array)] = array, to_device(array)
    return known[1]


def finish() -> None:
    """Waits until what was launched is done, so that memory it reads may be used again."""
    numba_cuda().synchronize()
