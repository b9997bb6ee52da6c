"""What does a picture show that pictures like it do not show, in that place or beside it?"""

import numpy as np

from fewframes.kernels.kernel import F32, I64, Kernel, require
from fewframes.kernels.memory import cupy
from fewframes.kernels.raw import CupyArray, Source


@Kernel
def residual(cells: F32, low: F32, high: F32, alike: I64) -> F32:
    """How far each cell is from what any picture alike shows there, at least, `-> [n, d] f32`.

    Takes `cells [n, d] f32`, the least and the largest value that each of m pictures allows in
    each cell, `low` and `high [m, d] f32`, and `alike [n, k] i64`, rows of those, -1 for none. A
    cell within the bounds of one picture alike is explained: 0, else the least distance to
    bounds. A picture that has none alike has 0. Bounds that are minima and maxima over
    neighbouring cells forgive small movements. O(n * k * d).

    Raises:
        TypeError: An array has another form.
        ValueError: The arrays do not fit together, or `alike` names a row that is not there.

    >>> cells, shown = np.array([[5, 9]], np.float32), np.array([[5, 5], [1, 6]], np.float32)
    >>> residual(cells, shown, shown + 1, np.array([[0, 1, -1]])).tolist()
    [[0.0, 2.0]]
    """
    away = np.zeros_like(cells)
    for i, rows in enumerate(alike):
        rows = rows[rows >= 0]
        if len(rows):
            beyond = np.maximum(cells[i] - high[rows], low[rows] - cells[i])
            away[i] = np.maximum(beyond, np.float32(0)).min(axis=0)
    return away


@residual.check
def _fit_together(cells: F32, low: F32, high: F32, alike: I64) -> None:
    require("cells", cells, "[n, d] f32")
    require("low", low, "[m, d] f32")
    require("high", high, "[m, d] f32")
    require("alike", alike, "[n, k] i64")
    if low.shape != high.shape or cells.shape[1] != low.shape[1] or len(alike) != len(cells):
        raise ValueError(
            f"cells is {list(cells.shape)}, low {list(low.shape)}, high {list(high.shape)}, alike "
            f"{list(alike.shape)}; pass [n, d], [m, d], [m, d] and [n, k]"
        )
    if alike.size and not -1 <= alike.min() <= alike.max() < len(low):
        raise ValueError(
            f"alike names rows {alike.min()} to {alike.max()}; pass rows 0 to {len(low) - 1} of "
            "low and high, or -1"
        )


@residual.cpu
def _residual_cpu(cells: F32, low: F32, high: F32, alike: I64) -> F32:
    (n, d), none = cells.shape, np.float32(0)
    out = np.zeros((n, d), np.float32)
    for i in range(n):
        here, away, is_first = cells[i], out[i], True
        for j in range(alike.shape[1]):
            row = alike[i, j]
            if row < 0:
                continue
            least, most = low[row], high[row]
            for x in range(d):
                beyond = max(max(here[x] - most[x], least[x] - here[x]), none)
                away[x] = beyond if is_first else min(away[x], beyond)
            is_first = False
    return out


SOURCE = Source(
    r"""
// A block a picture, a thread a cell and every THREADS-th one behind it.
extern "C" __global__ void residual(
    const float* cells, const float* low, const float* high, const i64* alike, i64 d, i64 k,
    float* out) {
  const i64 row = blockIdx.x;
  const i64* rows = alike + row * k;
  for (i64 cell = threadIdx.x; cell < d; cell += THREADS) {
    const float here = cells[row * d + cell];
    float away = (float)INF;
    bool is_known = false;
    #pragma unroll 8
    for (i64 j = 0; j < k; j++) {
      const i64 other = rows[j];
      if (other < 0) continue;
      const float most = high[other * d + cell], least = low[other * d + cell];
      away = fminf(away, fmaxf(fmaxf(here - most, least - here), 0.0f));
      is_known = true;
    }
    out[row * d + cell] = is_known ? away : 0.0f;
  }
}
"""
)


@residual.cupy
def _residual_cupy(cells: F32, low: F32, high: F32, alike: I64) -> CupyArray:
    xp, (n, d) = cupy(), cells.shape
    out = xp.empty((n, d), np.float32)
    packed = (xp.ascontiguousarray(xp.asarray(array)) for array in (cells, low, high, alike))
    SOURCE.launch("residual", n, *packed, d, alike.shape[1], out)
    return out
