"""The numerical loops: one page each holds a meaning in NumPy and a body of loops per device.

To add a kernel: write `kernels/<name>.py` with `@Kernel` on the NumPy reference (its docstring is
the meaning, with an example), `@<name>.check` where arguments can be wrong, and `@<name>.cpu` on
one self-contained function of loops; name it in this file; and give it a row in ARGUMENTS of
`tests/kernel_arguments.py` and in SIZES of `bench/suite/bench_kernels.py`. For a GPU, put
`@<name>.cuda` on the host function that launches its loops (`kernels/gpu.py`), or `.cuda_each` on
one that takes many pictures in the launches of one; where CuPy's calls or CUDA C++ are faster,
`@<name>.cupy` on a function of those (`kernels/raw.py`), which `tests/test_cupy.py` runs on a CPU.
For a few arrays without Numba, put `@<name>.numpy` on a function of NumPy calls.
Importing this package does not import Numba; the first call of a kernel does.
"""

from typing import Any

from fewframes.kernels.block_stats import block_stats
from fewframes.kernels.change import grid_change
from fewframes.kernels.cholesky import pivoted_cholesky
from fewframes.kernels.descriptors import grid_descriptors
from fewframes.kernels.different import count_different
from fewframes.kernels.farthest import farthest_first
from fewframes.kernels.grid import block_means
from fewframes.kernels.hamming import hamming64
from fewframes.kernels.kernel import Kernel
from fewframes.kernels.memory import on_host
from fewframes.kernels.nearest import nearest_change
from fewframes.kernels.representatives import representatives
from fewframes.kernels.residual import residual
from fewframes.kernels.resize import resize
from fewframes.kernels.rgb import planes_to_rgb
from fewframes.kernels.rgb_plan import RgbPlan, Siting, rgb_plan
from fewframes.kernels.rgb_resize import ResizePlan, resize_plan, resize_rgb
from fewframes.kernels.rgb_ycc import rgb_to_ycc
from fewframes.kernels.smallest import smallest
from fewframes.kernels.surface import surface_planes
from fewframes.kernels.taps import axis_taps
from fewframes.kernels.ycc import matrix_between, ycc_matrix

__all__ = [
    "KERNELS",
    "Kernel",
    "ResizePlan",
    "RgbPlan",
    "Siting",
    "axis_taps",
    "block_means",
    "block_stats",
    "count_different",
    "farthest_first",
    "grid_change",
    "grid_descriptors",
    "hamming64",
    "matrix_between",
    "nearest_change",
    "on_host",
    "pivoted_cholesky",
    "planes_to_rgb",
    "representatives",
    "residual",
    "resize",
    "resize_plan",
    "resize_rgb",
    "rgb_plan",
    "rgb_to_ycc",
    "smallest",
    "surface_planes",
    "ycc_matrix",
]

KERNELS: dict[str, Kernel[..., Any]] = {
    kernel.__name__: kernel
    for kernel in (
        block_means,
        count_different,
        farthest_first,
        grid_change,
        grid_descriptors,
        hamming64,
        nearest_change,
        block_stats,
        pivoted_cholesky,
        representatives,
        resize,
        planes_to_rgb,
        resize_rgb,
        rgb_to_ycc,
        smallest,
        surface_planes,
        residual,
        ycc_matrix,
    )
}
"""Every kernel by name: tests and benchmarks run over this table."""
