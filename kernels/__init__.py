"""The numerical loops: one page each holds a meaning in NumPy and a body of loops per device.

To add a kernel: write `kernels/<name>.py` with `@Kernel` on the NumPy reference (its docstring is
the meaning, with an example), `@<name>.check` where arguments can be wrong, and `@<name>.cpu` on
one self-contained function of loops; name it in this file; and give it a row in ARGUMENTS of
`tests/kernel_arguments.py` and in SIZES of `bench/suite/bench_kernels.py`. For a GPU, put
`@<name>.cuda` on the host function that launches its loops (`kernels/gpu.py`); for a few arrays
without Numba, `@<name>.light` on a function of NumPy calls.
Importing this package does not import Numba; the first call of a kernel does.
"""

from typing import Any

from fewframes.kernels.change import grid_change
from fewframes.kernels.cholesky import pivoted_cholesky
from fewframes.kernels.dhash import dhash64, hamming64
from fewframes.kernels.exposure import exposure
from fewframes.kernels.farthest import farthest_first
from fewframes.kernels.grid import block_means
from fewframes.kernels.kernel import Kernel
from fewframes.kernels.representatives import representatives
from fewframes.kernels.rgb import planes_to_rgb
from fewframes.kernels.rgb_plan import RgbPlan, Siting, rgb_plan
from fewframes.kernels.rgb_resize import ResizePlan, resize_plan, resize_rgb
from fewframes.kernels.rgb_ycc import rgb_to_ycc
from fewframes.kernels.signature import signature
from fewframes.kernels.sweep import luma_sweep
from fewframes.kernels.tones import grid_tones
from fewframes.kernels.ycc import matrix_between, ycc_matrix

__all__ = [
    "KERNELS",
    "Kernel",
    "ResizePlan",
    "RgbPlan",
    "Siting",
    "block_means",
    "dhash64",
    "exposure",
    "farthest_first",
    "grid_change",
    "grid_tones",
    "hamming64",
    "luma_sweep",
    "matrix_between",
    "pivoted_cholesky",
    "planes_to_rgb",
    "representatives",
    "resize_plan",
    "resize_rgb",
    "rgb_plan",
    "rgb_to_ycc",
    "signature",
    "ycc_matrix",
]

KERNELS: dict[str, Kernel[..., Any]] = {
    kernel.__name__: kernel
    for kernel in (
        block_means,
        dhash64,
        exposure,
        farthest_first,
        grid_change,
        grid_tones,
        hamming64,
        pivoted_cholesky,
        representatives,
        luma_sweep,
        planes_to_rgb,
        resize_rgb,
        rgb_to_ycc,
        signature,
        ycc_matrix,
    )
}
"""Every kernel by name: tests and benchmarks run over this table."""
