"""`representatives` on a GPU, through CuPy: a launch a pick, sums of whole numbers."""

import numpy as np

from fewframes.kernels.kernel import F32, I64, U16
from fewframes.kernels.memory import cupy, on_host
from fewframes.kernels.picking import BEST_OF_ALL, room_for_best
from fewframes.kernels.raw import CupyArray, Source, blocks_for

SOURCE = Source(
    BEST_OF_ALL
    + r"""
// Adds the row taken last to what anchors have (`best` -> `better`) and picks the one worth most.
extern "C" __global__ void pick_worthiest(
    const unsigned short* alike, i64 n, i64 a, const float* unit, i64 d, const i64* bonus,
    double penalty, i64 step, i64 given, const int* best, int* better, double* nearest,
    bool* is_taken, i64* tops, i64* top_rows, unsigned* done, i64* rows, i64* values) {
  __shared__ int had[TILE];
  __shared__ float taken[TILE];
  const i64 row = (i64)blockIdx.x * THREADS + threadIdx.x;
  const bool is_row = row < n;
  const i64 last = step ? rows[step - 1] : -1;
  i64 worth = 0;
  for (i64 start = 0; start < a; start += TILE) {
    const int wide = a - start < TILE ? (int)(a - start) : TILE;
    __syncthreads();
    for (int k = threadIdx.x; k < wide; k += THREADS) {
      int most = best[start + k];
      if (last >= 0) {
        const int now = alike[(start + k) * n + last];
        most = now > most ? now : most;
      }
      had[k] = most;
      if (blockIdx.x == 0) better[start + k] = most;
    }
    __syncthreads();
    if (is_row) {
      const unsigned short* mine = alike + start * n + row;
      int gains = 0;
      #pragma unroll 16
      for (int k = 0; k < wide; k++) {
        const int gain = (int)mine[k * n] - had[k];
        gains += gain > 0 ? gain : 0;
      }
      worth += gains;
    }
  }
  if (penalty > 0 && last >= 0) {
    double product = 0;
    for (i64 start = 0; start < d; start += TILE) {
      const int wide = d - start < TILE ? (int)(d - start) : TILE;
      __syncthreads();
      for (int k = threadIdx.x; k < wide; k += THREADS)
        taken[k] = unit[(start + k) * n + last];
      __syncthreads();
      if (is_row) {
        const float* mine = unit + start * n + row;
        #pragma unroll 16
        for (int k = 0; k < wide; k++) product += (double)mine[k * n] * (double)taken[k];
      }
    }
    if (is_row && product > nearest[row]) nearest[row] = product;
  }
  if (step < given) {
    if (is_row && rows[step] == row) is_taken[row] = true;
    return;
  }
  const i64 none = -0x7fffffffffffffffLL - 1;
  if (is_row) worth += bonus[row] - (i64)rint(penalty * nearest[row]);
  worth = is_row && !is_taken[row] ? worth : none;
  i64 top = row;
  if (best_of_all<i64>(worth, top, tops, top_rows, done)) {
    rows[step] = top;
    values[step] = worth;
    is_taken[top] = true;
  }
}
"""
)


def representatives_there(
    alike: U16, unit: F32, bonus: I64, penalty: float, count: int, chosen: I64
) -> tuple[CupyArray, CupyArray]:
    """Picks where the similarities lie; what `representatives` means, to the bit."""
    xp, (n, a), d = cupy(), alike.shape, unit.shape[1]
    taken = on_host(chosen)
    given, steps = len(taken), len(taken) + count
    rows, values = xp.full(steps, -1, np.int64), xp.zeros(steps, np.int64)
    rows[:given] = xp.asarray(taken)
    anchors = xp.ascontiguousarray(xp.asarray(alike).T)
    looks = xp.ascontiguousarray(xp.asarray(unit).T) if penalty else xp.empty(0, np.float32)
    best, extra = xp.zeros((2, a), np.int32), xp.asarray(bonus)
    nearest, is_taken = xp.zeros(n), xp.zeros(n, bool)
    room = room_for_best(n, np.int64)
    for step in range(steps):
        what = (anchors, n, a, looks, d, extra, float(penalty), step, given)
        state = (best[step % 2], best[1 - step % 2], nearest, is_taken)
        SOURCE.launch("pick_worthiest", blocks_for(n), *what, *state, *room, rows, values)
    return rows[given:], values[given:]
