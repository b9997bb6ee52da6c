"""`pivoted_cholesky` on a GPU, through CuPy: two launches a pick, sums in the CPU's order.

1. `next_direction` is one block: what a picked row adds to the span. Its products are made side by
   side and added by one thread, first column first: that order is what makes picks agree.
2. `pick_longest` takes from every row what lies along that direction, a thread a row, and picks the
   row with most left.
"""

import numpy as np

from fewframes.kernels.kernel import F32, F64, I64
from fewframes.kernels.memory import cupy, on_host
from fewframes.kernels.picking import BEST_OF_ALL, columns_of, room_for_best
from fewframes.kernels.raw import CupyArray, Source, blocks_for

SPANNED = 1e-12
"""What is left of a row counts as nothing below this share of the longest row's square."""
SOURCE = Source(
    BEST_OF_ALL
    + r"""
// state: least, the square below which a row counts as nothing
// known: [0] directions, [1] whether the last row gave one
extern "C" __global__ void pick_longest(
    const float* points, i64 n, i64 d, const double* weights, const double* basis, double spanned,
    i64 step, i64 steps, double* left, double* least, const i64* known,
    double* tops, i64* top_rows, unsigned* done, i64* rows, float* lengths) {
  __shared__ double direction[TILE];
  const i64 row = (i64)blockIdx.x * THREADS + threadIdx.x;
  const bool is_row = row < n, is_first = step == 0;
  double mine = -INF;
  if (is_first || known[1]) {
    double total = 0;
    for (i64 start = 0; start < d; start += TILE) {
      const int wide = d - start < TILE ? (int)(d - start) : TILE;
      __syncthreads();
      if (!is_first)
        for (int k = threadIdx.x; k < wide; k += THREADS)
          direction[k] = basis[(known[0] - 1) * d + start + k];
      __syncthreads();
      if (is_row) {
        const float* point = points + start * n + row;
        #pragma unroll 16
        for (int k = 0; k < wide; k++) {
          const double value = (double)point[k * n];
          total += value * (is_first ? value : direction[k]);
        }
      }
    }
    if (is_row && is_first) {
      left[row] = mine = total * (weights[row] * weights[row]);
    } else if (is_row) {
      const double share = weights[row] * total;
      left[row] = mine = left[row] - share * share;
    }
  } else if (is_row) {
    mine = left[row];
  }
  i64 best = row;
  if (best_of_all<double>(mine, best, tops, top_rows, done)) {
    if (is_first) least[0] = spanned * (mine > 0 ? mine : 0);
    if (step < steps) {
      volatile double* rest = left;
      if (rows[step] < 0 && mine > least[0]) {
        rows[step] = best;
        lengths[step] = (float)sqrt(mine);
      }
      if (rows[step] >= 0) rest[rows[step]] = -INF;
    }
  }
}

__device__ double sum_in_order(const double* products, int wide, double total) {
  #pragma unroll 16
  for (int k = 0; k < wide; k++) total += products[k];
  return total;
}

// One block. basis[known[0]] becomes the direction of rows[step], if it has one.
extern "C" __global__ void next_direction(
    const float* points, i64 n, i64 d, const double* weights, i64 step, const i64* rows,
    const double* least, double* basis, i64* known) {
  __shared__ double products[TILE];
  __shared__ double total;
  const i64 row = rows[step], at = known[0];
  double* rest = basis + at * d;
  if (row < 0) {
    if (threadIdx.x == 0) known[1] = 0;
    return;
  }
  for (i64 k = threadIdx.x; k < d; k += THREADS)
    rest[k] = weights[row] * (double)points[k * n + row];
  for (i64 i = 0; i <= 2 * at; i++) {  // twice, because once leaves rounding behind
    const double* other = i < 2 * at ? basis + (i % at) * d : rest;
    double sum = 0;
    for (i64 start = 0; start < d; start += TILE) {
      const int wide = d - start < TILE ? (int)(d - start) : TILE;
      __syncthreads();
      for (int k = threadIdx.x; k < wide; k += THREADS)
        products[k] = rest[start + k] * other[start + k];
      __syncthreads();
      if (threadIdx.x == 0) sum = sum_in_order(products, wide, sum);
    }
    if (threadIdx.x == 0) total = sum;
    __syncthreads();
    const double dot = total;
    if (i < 2 * at) {
      for (i64 k = threadIdx.x; k < d; k += THREADS) rest[k] -= dot * other[k];
    } else if (dot > least[0]) {
      for (i64 k = threadIdx.x; k < d; k += THREADS) rest[k] /= sqrt(dot);
    }
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    known[1] = total > least[0];
    known[0] = at + known[1];
  }
}
"""
)


def cholesky_there(
    features: F32, weights: F64, count: int, chosen: I64
) -> tuple[CupyArray, CupyArray]:
    """Picks where the features lie; what `pivoted_cholesky` means, tie by tie."""
    xp, (n, d) = cupy(), features.shape
    taken = on_host(chosen)
    steps = len(taken) + count
    rows, lengths = xp.full(steps, -1, np.int64), xp.zeros(steps, np.float32)
    if not steps:
        return rows, lengths
    rows[: len(taken)] = xp.asarray(taken)
    points, factors, room = columns_of(features), xp.asarray(weights), room_for_best(n, np.float64)
    basis, left, least = xp.empty((steps, d)), xp.empty(n), xp.empty(1)
    known = xp.zeros(2, np.int64)
    for step in range(steps):
        if step:
            added = (points, n, d, factors, step - 1, rows, least, basis, known)
            SOURCE.launch("next_direction", 1, *added)
        what = (points, n, d, factors, basis, SPANNED, step, steps, left, least, known)
        SOURCE.launch("pick_longest", blocks_for(n), *what, *room, rows, lengths)
    end = int((rows >= 0).sum())  # behind it no row had anything left
    return rows[len(taken) : end], lengths[len(taken) : end]
