"""Arrays to a GPU and back, on a real one or on the one that Numba's simulator plays."""

import os
import sys

import numpy as np
import pytest

from fewframes.kernels import gpu
from fewframes.kernels.memory import numba_cuda


def to_device(value, body):
    """Arrays where the body wants them; plans and numbers as they are."""
    is_moved = body == "cuda" and isinstance(value, np.ndarray)
    return gpu.to_device(value) if is_moved else value


def to_host(value):
    return value.copy_to_host() if hasattr(value, "copy_to_host") else value


OF_REAL_ONES = {
    *("shape", "strides", "dtype", "ndim", "size", "nbytes", "flags", "T", "is_c_contiguous"),
    *("stream", "alloc_size", "gpu_data", "bind", "split", "view", "reshape", "ravel", "squeeze"),
    *("copy_to_host", "copy_to_device", "transpose", "is_f_contiguous"),
}
"""What Numba's arrays on a GPU offer; those of its simulator are NumPy's and offer all of that."""


def be_strict():
    """Takes from the simulator's arrays what real ones have not."""
    kind = type(numba_cuda().to_device(np.zeros(1)))
    given = kind.__getattr__

    def strictly(array, name):
        outside = sys._getframe(1).f_globals["__name__"].startswith("fewframes.")
        if outside and name not in OF_REAL_ONES:
            raise AttributeError(f"an array on a GPU has no {name!r}")
        return given(array, name)

    if given.__name__ != "strictly":
        kind.__getattr__ = strictly


def need_gpu():
    """Skips where there is neither a GPU nor the simulator; fails there under REQUIRE_GPU=1."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        be_strict()
    if not numba_cuda().is_available():
        outcome = pytest.fail if os.environ.get("REQUIRE_GPU") == "1" else pytest.skip
        outcome("no CUDA GPU here; without one, `make sim` runs these bodies in the simulator")
