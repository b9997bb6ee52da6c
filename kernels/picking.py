"""Picks of rows one after the other on a GPU, in CUDA C++: one launch a pick.

1. Rows are transposed, `[d, n]`: a thread has a row, and its neighbours read beside it.
2. A row that was taken is read once a block into shared memory, `TILE` columns at a time.
3. `best_of_all` finds the best row: of each block first; the block that ends last compares those of
   all, the lowest row on a tie. So picks do not depend on the order in which blocks run.

The pattern of the last block is CUDA's threadFenceReduction example.
"""

import numpy as np
import numpy.typing as npt

from fewframes.kernels.memory import cupy
from fewframes.kernels.raw import CupyArray, blocks_for

BEST_OF_ALL = r"""
template <class T> __device__ void best_of_block(T& value, i64& row) {
  __shared__ T values[THREADS];
  __shared__ i64 rows[THREADS];
  const int lane = threadIdx.x;
  values[lane] = value;
  rows[lane] = row;
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (lane < half) {
      const T other = values[lane + half];
      if (other > values[lane] || (other == values[lane] && rows[lane + half] < rows[lane])) {
        values[lane] = other;
        rows[lane] = rows[lane + half];
      }
    }
  }
  __syncthreads();
  value = values[0];
  row = rows[0];
  __syncthreads();
}

// True in one thread of one block, which then has the best row of all blocks.
template <class T> __device__ bool best_of_all(
    T& value, i64& row, volatile T* tops, volatile i64* top_rows, unsigned* done) {
  __shared__ bool is_last;
  __threadfence();
  best_of_block(value, row);
  if (threadIdx.x == 0) {
    tops[blockIdx.x] = value;
    top_rows[blockIdx.x] = row;
    __threadfence();
    is_last = atomicAdd(done, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last) return false;
  __threadfence();
  value = tops[0];
  row = top_rows[0];
  for (unsigned block = threadIdx.x; block < gridDim.x; block += THREADS) {
    const T other = tops[block];
    const i64 other_row = top_rows[block];
    if (other > value || (other == value && other_row < row)) {
      value = other;
      row = other_row;
    }
  }
  best_of_block(value, row);
  if (threadIdx.x == 0) *done = 0;
  return threadIdx.x == 0;
}
"""


def room_for_best(n: int, dtype: npt.DTypeLike) -> tuple[CupyArray, CupyArray, CupyArray]:
    """What `best_of_all` keeps between blocks, for n rows: tops, their rows, blocks that ended."""
    xp, blocks = cupy(), blocks_for(n)
    return xp.empty(blocks, dtype), xp.empty(blocks, np.int64), xp.zeros(1, np.uint32)


def columns_of(points: CupyArray) -> CupyArray:
    """Rows transposed, `[n, d] -> [d, n] f32`; values that are not finite are 0."""
    xp = cupy()
    return xp.ascontiguousarray(xp.where(xp.isfinite(points), points, np.float32(0)).T)
