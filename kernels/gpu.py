"""Launching loops on a GPU: compiled by Numba when they are first used, one thread an output.

Loops are plain functions that say `cuda.grid(2)` and the like; the name `cuda` gets its meaning
when they are compiled, so that a page of kernels imports no Numba. Memory is Numba's own device
arrays, which CuPy, PyTorch and DLPack take without a copy. With NUMBA_ENABLE_CUDASIM=1 in the
environment the same code runs in Numba's simulator, without a GPU.
"""

import functools
import threading
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fewframes.kernels.kernel import is_on_gpu, with_names

Loops: TypeAlias = Callable[..., None]
DeviceArray: TypeAlias = Any
"""An array of Numba's on the GPU."""
cuda: Any = None
"""What loops call `cuda`: Numba's module of this name, once they are compiled."""
_GRIDS: set[tuple[Loops, tuple[int, int], tuple[int, int]]] = set()
"""What Numba has been asked for, which it then remembers."""
_one_at_a_time = threading.Lock()
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
        threads = (min(32 if rows > 1 else 128, columns), min(8, rows))
        blocks = (-(-columns // threads[0]), -(-rows // threads[1]))
        configured(loops, blocks, threads)(*arguments)


def configured(loops: Loops, blocks: tuple[int, int], threads: tuple[int, int]) -> Any:  # noqa: ANN401
    """The loops on a grid. Numba warns of a small one when it first sees it; ours are meant so."""
    kernel, grid = compiled(loops), (loops, blocks, threads)
    if grid not in _GRIDS:
        with _one_at_a_time, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Grid size")
            kernel[blocks, threads]
            _GRIDS.add(grid)
    return kernel[blocks, threads]


@functools.cache
def compiled(loops: Loops) -> Any:  # noqa: ANN401 (Numba's)
    """The loops as a kernel that can be launched."""
    return numba_cuda().jit(bound(loops))


def bound(loops: Loops) -> Loops:
    """The loops with a meaning for the name `cuda`."""
    return with_names(loops, {"cuda": numba_cuda()})


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> DeviceArray:
    """Room on the GPU."""
    return numba_cuda().device_array(shape, np.dtype(dtype))


def there(array: Any) -> DeviceArray:  # noqa: ANN401 (any array library's)
    """The array on the GPU: itself, or a copy of one that is not there."""
    return array if is_on_gpu(array) else numba_cuda().to_device(np.ascontiguousarray(array))


def pinned(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Room in memory that the GPU copies from without help of the CPU."""
    room: npt.NDArray[Any] = numba_cuda().pinned_array(shape, np.dtype(dtype))
    return room


def constant(array: Any) -> DeviceArray:  # noqa: ANN401 (any array library's)
    """The same for an array that never changes, such as a plan's: copied once and remembered."""
    if is_on_gpu(array):
        return array
    if id(array) not in _CONSTANTS:
        if len(_CONSTANTS) >= MOST_CONSTANTS:
            _CONSTANTS.clear()
        _CONSTANTS[id(array)] = array, there(array)
    return _CONSTANTS[id(array)][1]


def finish() -> None:
    """Waits until what was launched is done, so that memory it reads may be used again."""
    numba_cuda().synchronize()


def numba_cuda() -> Any:  # noqa: ANN401 (a module)
    """Numba's `cuda`, of the package numba-cuda where that is installed."""
    from numba import cuda as module

    return module
