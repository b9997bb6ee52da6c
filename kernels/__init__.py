"""The numerical loops: one page each holds a meaning in NumPy and a body of loops per device.

To add a kernel: write `kernels/<name>.py` with `@Kernel` on the NumPy reference (its docstring is
the meaning, with an example), `@<name>.check` where arguments can be wrong, and `@<name>.cpu` on
one self-contained function of loops; and import it in this file under its own name, which is its
row of `KERNELS`. Its tests are a row in ARGUMENTS of `tests/helpers/kernel_arguments.py`, its
benchmark one in SIZES of `bench/suite/bench_kernels.py`. For a GPU, put `@<name>.cuda` on the host
function that launches its loops (`kernels/gpu.py`), or `.cuda_each` on one that takes many pictures
in the launches of one; where CuPy's calls or CUDA C++ are faster, `@<name>.cupy` on a function of
those (`kernels/raw.py`), which `tests/kernels/test_cupy.py` runs on a CPU. For a few arrays without
Numba, put `@<name>.numpy` on a function of NumPy calls.
Importing this package does not import Numba; the first call of a kernel does.
"""

from typing import Any

from fewframes.kernels.block_stats import block_stats as block_stats
from fewframes.kernels.change import grid_change as grid_change
from fewframes.kernels.cholesky import pivoted_cholesky as pivoted_cholesky
from fewframes.kernels.descriptors import grid_descriptors as grid_descriptors
from fewframes.kernels.different import count_different as count_different
from fewframes.kernels.farthest import farthest_first as farthest_first
from fewframes.kernels.grid import block_means as block_means
from fewframes.kernels.kernel import Kernel as Kernel
from fewframes.kernels.memory import on_host as on_host
from fewframes.kernels.nearest import nearest_change as nearest_change
from fewframes.kernels.representatives import representatives as representatives
from fewframes.kernels.residual import residual as residual
from fewframes.kernels.resize import resize as resize
from fewframes.kernels.rgb import planes_to_rgb as planes_to_rgb
from fewframes.kernels.rgb_plan import RgbPlan as RgbPlan
from fewframes.kernels.rgb_plan import Siting as Siting
from fewframes.kernels.rgb_plan import rgb_plan as rgb_plan
from fewframes.kernels.rgb_resize import ResizePlan as ResizePlan
from fewframes.kernels.rgb_resize import resize_plan as resize_plan
from fewframes.kernels.rgb_resize import resize_rgb as resize_rgb
from fewframes.kernels.rgb_ycc import rgb_to_ycc as rgb_to_ycc
from fewframes.kernels.smallest import smallest as smallest
from fewframes.kernels.surface import surface_planes as surface_planes
from fewframes.kernels.taps import axis_taps as axis_taps
from fewframes.kernels.ycc import matrix_between as matrix_between
from fewframes.kernels.ycc import ycc_matrix as ycc_matrix

KERNELS: dict[str, Kernel[..., Any]] = {
    name: kernel for name, kernel in list(globals().items()) if isinstance(kernel, Kernel)
}
"""Every kernel that is imported above, by name: tests and benchmarks run over this table."""
