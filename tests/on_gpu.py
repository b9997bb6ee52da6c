"""Arrays to a GPU and back, on a real one or on the one that Numba's simulator plays."""

import os

import numpy as np
import pytest

from fewframes.kernels import gpu


def to_device(value, body):
    """Arrays where the body wants them; plans and numbers as they are."""
    is_moved = body == "cuda" and isinstance(value, np.ndarray)
    return gpu.numba_cuda().to_device(np.ascontiguousarray(value)) if is_moved else value


def to_host(value):
    return value.copy_to_host() if hasattr(value, "copy_to_host") else value


def need_gpu():
    """Skips where there is neither a GPU nor the simulator; fails there under REQUIRE_GPU=1."""
    if not gpu.numba_cuda().is_available():
        outcome = pytest.fail if os.environ.get("REQUIRE_GPU") == "1" else pytest.skip
        outcome("no CUDA GPU here; without one, `make sim` runs these bodies in the simulator")
