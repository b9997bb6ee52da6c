"""Which entries of each row are the smallest, but for a stretch of it?"""

import numpy as np

from fewframes.kernels.kernel import F32, I64, Kernel, require


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
