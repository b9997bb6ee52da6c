"""Where an array lies, the library that computes there, and the way back to NumPy's memory.

CuPy and Numba are imported where arrays lie on a GPU and nowhere else.
"""

import functools
import threading
import warnings
from typing import Any, TypeAlias

import numpy as np

Arrays: TypeAlias = Any
"""The module `numpy` or `cupy`."""
ONE_AT_A_TIME = threading.Lock()
"""Held while filters of warnings are changed, which all threads share."""


def is_on_gpu(array: Any) -> bool:  # noqa: ANN401 (any array library's)
    """Whether an array lies on a GPU, or on the one that Numba's simulator plays."""
    if type(array) is np.ndarray:  # a quick answer: it is asked for each array of a picture
        return False
    return is_on_real_gpu(array) or hasattr(array, "__cuda_ndarray__")


def is_on_real_gpu(array: Any) -> bool:  # noqa: ANN401 (any array library's)
    """Whether CuPy can take an array as it is, which it cannot take from Numba's simulator."""
    return hasattr(array, "__cuda_array_interface__")


def array_module(array: Any) -> Arrays:  # noqa: ANN401 (any array library's)
    """The library that computes where an array lies.

    >>> array_module(np.zeros(3)).__name__
    'numpy'
    """
    return cupy() if is_on_real_gpu(array) else np


def cupy() -> Arrays:
    """CuPy, or an ImportError that says how to get it."""
    try:
        import cupy as module
    except ImportError as error:
        raise ImportError(
            f"arrays on a GPU need CuPy, which does not load ({error}); "
            "pip install 'fewframes[gpu]' for CUDA 13, 'fewframes[gpu12]' for CUDA 12, "
            "or pass arrays in memory"
        ) from error
    return module


def as_cupy(value: Any) -> Any:  # noqa: ANN401 (arrays and numbers)
    """An array on the GPU as CuPy's, which shares its memory; anything else as it is."""
    return cupy().asarray(value) if is_on_real_gpu(value) else value


def on_host(array: Any) -> Any:  # noqa: ANN401 (any array library's)
    """The array in NumPy's memory: itself, or a copy of one that lies on a GPU."""
    if not is_on_gpu(array):
        return array
    if hasattr(array, "get"):  # CuPy's
        return array.get()
    if not hasattr(array, "copy_to_host"):
        array = numba_cuda().as_cuda_array(array)
    return array.copy_to_host()


@functools.cache
def numba_cuda() -> Any:  # noqa: ANN401 (a module)
    """Numba's `cuda`, of the package numba-cuda where that is installed.

    numba-cuda up to 0.30 asks NumPy for `row_stack`, which NumPy 2.5 has no longer: `vstack` is the
    same function. Its import makes NumPy warn of time units that this package does not use.
    """
    if not hasattr(np, "row_stack"):
        setattr(np, "row_stack", np.vstack)  # noqa: B010 (NumPy's stubs may or may not have it)
    with ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The 'generic' unit", category=DeprecationWarning)
        from numba import cuda as module

    return module
