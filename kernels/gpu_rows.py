"""Loops for picking rows one after the other on a GPU, shared by the greedy kernels.

1. `best_rows` lets every lane find the best of its own rows, every `LANES`-th one.
2. One thread then takes the best of those, the lowest row on a tie, so picks do not depend on the
   order in which threads run, and nothing comes back to the host between two picks.

A product is rounded on its own, by `cuda.fma(a, b, 0.0)`: a compiler for GPUs would fuse it with
the sum, and picks would not agree with the other devices' to the last tie.
"""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import F32, F64, I64

LANES = 256
"""Threads that look for the best row."""


def lanes_for(n: int, dtype: type[np.float64] | type[np.int64]) -> tuple[gpu.DeviceArray, ...]:
    """Room for the best values and rows of all lanes, for n rows."""
    return gpu.empty((min(LANES, n),), dtype), gpu.empty((min(LANES, n),), np.int64)


def finite(points: F32) -> gpu.DeviceArray:
    """The rows on the GPU, `[n, d] f32`, where values that are not finite are 0."""
    out = gpu.empty(points.shape, np.float32)
    gpu.launch(_one_finite, points.shape, points, out)
    return out


def best_rows(values: F64 | I64, tops: F64 | I64, rows: I64) -> None:
    """Finds the best row of each lane, the lowest on a tie."""
    gpu.launch(_one_lane, (1, len(tops)), values, tops, rows)


def _one_finite(points: F32, out: F32) -> None:
    col, row = cuda.grid(2)
    if row < out.shape[0] and col < out.shape[1]:
        value = points[row, col]
        out[row, col] = value if abs(value) < np.inf else np.float32(0)


def _one_lane(values: F64 | I64, tops: F64 | I64, rows: I64) -> None:
    lane, _ = cuda.grid(2)
    if lane >= tops.shape[0]:
        return
    tops[lane], rows[lane] = values[lane], lane
    for row in range(lane + tops.shape[0], values.shape[0], tops.shape[0]):
        if values[row] > tops[lane]:
            tops[lane], rows[lane] = values[row], row
