"""`farthest_first` on a GPU, through CuPy: a launch a pick, squares added as on the CPU."""

import numpy as np

from fewframes.kernels.kernel import F32, F64, I64
from fewframes.kernels.memory import cupy, on_host
from fewframes.kernels.picking import BEST_OF_ALL, columns_of, room_for_best
from fewframes.kernels.raw import CupyArray, Source, blocks_for

SOURCE = Source(
    BEST_OF_ALL
    + r"""
// The mean of each column, rows added in order. A block has 32 columns: all its threads fetch the
// next rows while 32 of them add those that were fetched before.
#define ROWS 128
#define LANES (THREADS / 32)
extern "C" __global__ void mean_of_rows(const float* rows, i64 n, i64 d, float* mean) {
  __shared__ float fetched[ROWS][32];
  const int column = threadIdx.x % 32, lane = threadIdx.x / 32;
  const i64 k = (i64)blockIdx.x * 32 + column;
  float next[ROWS / LANES];
  double total = 0;
  for (i64 start = -ROWS; start < n; start += ROWS) {
    __syncthreads();
    if (start >= 0)
      for (int i = 0; i < ROWS / LANES; i++) fetched[i * LANES + lane][column] = next[i];
    __syncthreads();
    #pragma unroll
    for (int i = 0; i < ROWS / LANES; i++) {
      const i64 row = start + ROWS + i * LANES + lane;
      const float value = row < n && k < d ? rows[row * d + k] : 0.0f;
      next[i] = fabsf(value) < INF ? value : 0.0f;
    }
    const int count = n - start < ROWS ? (int)(n - start) : ROWS;
    if (lane == 0 && start >= 0)
      for (int i = 0; i < count; i++) total += (double)fetched[i][column];
  }
  if (lane == 0 && k < d) mean[k] = (float)(total / (double)n);
}

// Brings rows nearer to centres rows[first:stop], or to the mean, and picks the farthest.
extern "C" __global__ void pick_farthest(
    const float* points, i64 n, i64 d, const float* mean, i64 is_by_mean, i64 first, i64 stop,
    const double* stretch, double* nearest, double* tops, i64* top_rows, unsigned* done,
    i64* rows, float* gaps) {
  __shared__ float centre[TILE];
  const i64 row = (i64)blockIdx.x * THREADS + threadIdx.x;
  const bool is_row = row < n;
  double near = is_row ? nearest[row] : -INF, squares = 0;
  for (i64 i = first; i < stop; i++) {
    squares = 0;
    for (i64 start = 0; start < d; start += TILE) {
      const int wide = d - start < TILE ? (int)(d - start) : TILE;
      __syncthreads();
      for (int k = threadIdx.x; k < wide; k += THREADS)
        centre[k] = is_by_mean ? mean[start + k] : points[(start + k) * n + rows[i]];
      __syncthreads();
      if (is_row) {
        const float* mine = points + start * n + row;
        #pragma unroll 16
        for (int k = 0; k < wide; k++) {
          const double delta = (double)mine[k * n] - (double)centre[k];
          squares += delta * delta;
        }
      }
    }
    if (!is_by_mean && squares < near) near = squares;
  }
  if (is_row) nearest[row] = near;
  double score = is_row ? (is_by_mean ? squares : near) * stretch[row] : -INF;
  i64 best = row;
  if (best_of_all<double>(score, best, tops, top_rows, done)) {
    volatile double* left = nearest;
    rows[stop - is_by_mean] = best;
    gaps[stop - is_by_mean] = (float)sqrt(left[best] * stretch[best]);
    left[best] = -INF;
  }
}
"""
)


def farthest_there(
    signatures: F32, count: int, chosen: I64, pull: F64
) -> tuple[CupyArray, CupyArray]:
    """Picks where the signatures lie; what `farthest_first` means, tie by tie."""
    xp, (n, d) = cupy(), signatures.shape
    taken = on_host(chosen)
    known = len(taken)
    rows, gaps = xp.empty(known + count, np.int64), xp.empty(known + count, np.float32)
    if not count:
        return rows[known:], gaps[known:]
    rows[:known] = xp.asarray(taken)
    nearest, mean = xp.full(n, np.inf), xp.empty(d, np.float32)
    nearest[rows[:known]] = -np.inf
    stretch = xp.asarray(pull) ** 2 if len(pull) else xp.ones(n)
    points, room = columns_of(signatures), room_for_best(n, np.float64)
    how = (stretch, nearest, *room, rows, gaps)
    if not known:
        packed = xp.ascontiguousarray(signatures)
        SOURCE.launch("mean_of_rows", -(-d // 32), packed, n, d, mean)
    for step in range(count):
        is_by_mean = int(not known and not step)
        first = 0 if step == 0 else known + step - 1
        span = (is_by_mean, first, known + step + is_by_mean)
        SOURCE.launch("pick_farthest", blocks_for(n), points, n, d, mean, *span, *how)
    return rows[known:], gaps[known:]
