"""Which entries of each row are the smallest, but for a stretch of it?"""

import numpy as np

from fewframes.kernels.kernel import F32, I64, Kernel, require
from fewframes.kernels.memory import array_module, cupy
from fewframes.kernels.raw import THREADS, CupyArray, Source

MOST_NEAR = 5120
"""Keys that a block of a GPU holds in its shared memory."""


@Kernel
def smallest(values: F32, skipped: I64, count: int) -> I64:
    """Finds the `count` smallest entries of each row, in order, ties to the lowest column.

    Takes `values [n, m] f32` without NaN and `skipped [n, 2] i64`, the first column of each row
    that is left out and the one after the last. Returns columns `[n, count] i64`, -1 where there
    are no more. O(n * m) where few of the columns are smaller than all before them, as of
    distances, and O(n * m * count) at worst: each row keeps a sorted list of the smallest so far,
    and most columns are passed by with one comparison.

    Raises:
        TypeError: An array has another form.
        ValueError: The arrays do not fit together, a stretch is none, or `count` is not positive.

    >>> values = np.array([[5, 1, 9, 1, 0]], np.float32)
    >>> smallest(values, np.array([[4, 5]]), 3).tolist()
    [[1, 3, 0]]
    """
    found = np.full((len(values), count), -1, np.int64)
    for row, (first, end) in enumerate(skipped):
        columns = np.delete(np.arange(values.shape[1]), slice(first, end))
        best = columns[np.argsort(values[row, columns], kind="stable")][:count]
        found[row, : len(best)] = best
    return found


@smallest.check
def _are_rows(values: F32, skipped: I64, count: int) -> None:
    require("values", values, "[n, m] f32")
    require("skipped", skipped, "[n, k] i64")
    if skipped.shape != (len(values), 2):
        raise ValueError(f"skipped is {list(skipped.shape)}; pass [{len(values)}, 2]")
    if skipped.size:
        first, end = skipped.T
        if first.min() < 0 or end.max() > values.shape[1] or (first > end).any():
            raise ValueError(
                f"skipped names columns {first.min()} to {end.max()}; pass first <= end, within "
                f"0 and {values.shape[1]}"
            )
    if count < 1:
        raise ValueError(f"count={count} finds nothing; pass a positive number")


@smallest.cpu
def _smallest_cpu(values: F32, skipped: I64, count: int) -> I64:
    n, m = values.shape
    found = np.full((n, count), -1, np.int64)
    kept = np.empty(count, np.float32)
    for row in range(n):
        have = 0
        for part in range(2):
            start = 0 if part == 0 else skipped[row, 1]
            stop = skipped[row, 0] if part == 0 else m
            for column in range(start, stop):
                value = values[row, column]
                if have == count and value >= kept[count - 1]:
                    continue
                place = min(have, count - 1)
                while place > 0 and kept[place - 1] > value:
                    kept[place] = kept[place - 1]
                    found[row, place] = found[row, place - 1]
                    place -= 1
                kept[place], found[row, place] = value, column
                have = min(have + 1, count)
    return found


SOURCE = Source(
    r"""
// Value, then column: keys in the order of values, ties to the lowest column, no two alike.
__device__ u64 key_of(float value, i64 column) {
  const unsigned bits = __float_as_uint(value + 0.0f);  // -0 is 0
  const unsigned ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return (u64)ordered << 32 | (u64)column;
}

// A block a row. Of the threads' least keys the count-th is no less than the row's count-th key:
// what is at most that bound is gathered, and each key's rank is the number of lesser ones.
extern "C" __global__ void smallest(
    const float* values, const i64* skipped, i64 m, i64 count, i64* found) {
  __shared__ u64 least[THREADS];
  __shared__ u64 bound;
  __shared__ unsigned have;
  extern __shared__ u64 near[];
  const i64 row = blockIdx.x, first = skipped[2 * row], end = skipped[2 * row + 1];
  const float* mine = values + row * m;
  const u64 none = ~0ull;
  u64 top = none;
  for (i64 column = threadIdx.x; column < m; column += THREADS) {
    if (column >= first && column < end) continue;
    const u64 key = key_of(mine[column], column);
    if (key < top) top = key;
  }
  least[threadIdx.x] = top;
  if (threadIdx.x == 0) {
    bound = none;
    have = 0;
  }
  __syncthreads();
  if (top != none) {
    int rank = 0;
    for (int other = 0; other < THREADS; other++) rank += least[other] < top;
    if (rank == count - 1) bound = top;
  }
  __syncthreads();
  for (i64 column = threadIdx.x; column < m; column += THREADS) {
    if (column >= first && column < end) continue;
    const u64 key = key_of(mine[column], column);
    if (key <= bound) near[atomicAdd(&have, 1u)] = key;
  }
  __syncthreads();
  for (unsigned at = threadIdx.x; at < have; at += THREADS) {
    i64 rank = 0;
    for (unsigned other = 0; other < have; other++) rank += near[other] < near[at];
    if (rank < count) found[row * count + rank] = (i64)(near[at] & 0xffffffffull);
  }
  for (i64 at = have + threadIdx.x; at < count; at += THREADS) found[row * count + at] = -1;
}
"""
)


@smallest.cupy
def _smallest_cupy(values: F32, skipped: I64, count: int) -> CupyArray:
    xp, (n, m) = cupy(), values.shape
    near = count * -(-m // THREADS) + 2 * count  # most keys that can be at most the bound
    if count > THREADS or near > MOST_NEAR:
        return sorted_columns(values, xp.asarray(skipped), count)
    found = xp.empty((n, count), np.int64)
    stretches = xp.ascontiguousarray(xp.asarray(skipped))
    what = (xp.ascontiguousarray(values), stretches, m, count, found)
    SOURCE.launch("smallest", n, *what, bytes_shared=8 * near)
    return found


def sorted_columns(values: F32, skipped: I64, count: int) -> I64:
    """The same for any count, by sorting whole rows, on NumPy's arrays or CuPy's."""
    xp, (n, m) = array_module(values), values.shape
    columns = xp.arange(m)
    is_left_out = (columns >= skipped[:, :1]) & (columns < skipped[:, 1:])
    order = xp.argsort(xp.where(is_left_out, np.float32(np.inf), values), axis=1, kind="stable")
    has_turn = xp.take_along_axis(~is_left_out, order, axis=1)
    order = xp.take_along_axis(order, xp.argsort(~has_turn, axis=1, kind="stable"), axis=1)
    room = (m - (skipped[:, 1:] - skipped[:, :1]))[:, :1]
    found: I64 = xp.full((n, count), -1, np.int64)
    wide = min(m, count)
    found[:, :wide] = xp.where(xp.arange(wide) < room, order[:, :wide], -1)
    return found
