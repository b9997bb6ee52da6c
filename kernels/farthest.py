"""Which rows differ most from everything taken so far? Greedy k-centre over signatures."""

import numpy as np

from fewframes.kernels.kernel import F32, F64, I64, Kernel, require


@Kernel
def farthest_first(signatures: F32, count: int, chosen: I64) -> tuple[I64, F32]:
    """Picks `count` rows, each the farthest from all taken before it, ties to the lowest row.

    Greedy k-centre, within a factor two of the best cover (Gonzalez, "Clustering to minimize the
    maximum intercluster distance", 1985). Takes `signatures [n, d] f32` and `chosen [m] i64`, the
    row numbers already taken. Returns `(rows [count] i64 in the order picked, gaps [count] f32)`.
    A gap is the Euclidean distance of the pick to the nearest row taken before it, so gaps never
    grow. With nothing chosen the first pick is the row farthest from the mean, and its gap is inf.
    No row is picked twice, nor one in `chosen`: copies of a taken row have gap 0 and come last.
    Values that are not finite count as 0. O((m + count) * n * d).

    Every device adds the squares in float64, first column first, so picks agree to the last tie.

    Raises:
        TypeError: An array has another form.
        ValueError: `chosen` is out of range, or fewer than `count` rows are left.

    >>> line = np.array([[0], [1], [5], [9]], np.float32)
    >>> rows, gaps = farthest_first(line, 2, chosen=np.array([0]))
    >>> rows.tolist(), gaps.tolist()
    ([3, 2], [9.0, 4.0])
    """
    points = np.where(np.isfinite(signatures), signatures, 0).astype(np.float64)
    nearest = np.full(len(points), np.inf)
    nearest[chosen] = -1.0
    for row in chosen:
        nearest = np.minimum(nearest, _squared_distances(points, points[row]))
    rows, gaps = np.empty(count, np.int64), np.empty(count, np.float32)
    for i in range(count):
        scores = nearest
        if i == 0 and len(chosen) == 0:
            mean = np.cumsum(points, axis=0)[-1] / len(points)
            scores = _squared_distances(points, mean.astype(np.float32))
        rows[i] = np.argmax(scores)
        gaps[i] = np.sqrt(nearest[rows[i]])
        nearest[rows[i]] = -1.0
        nearest = np.minimum(nearest, _squared_distances(points, points[rows[i]]))
    return rows, gaps


def _squared_distances(points: F64, centre: F32 | F64) -> F64:
    """Squared distances of rows to a centre; a loop, because `sum` leaves its order open."""
    total = np.zeros(len(points))
    for column, origin in zip(points.T, centre, strict=True):
        total += (column - origin) ** 2
    return total


@farthest_first.check
def _leave_enough(signatures: F32, count: int, chosen: I64) -> None:
    require("signatures", signatures, "[n, d] f32")
    require("chosen", chosen, "[m] i64")
    n = len(signatures)
    taken = np.unique(chosen)
    if len(taken) and not 0 <= taken[0] <= taken[-1] < n:
        raise ValueError(
            f"chosen has rows from {taken[0]} to {taken[-1]}, but signatures has {n} rows; "
            f"pass row numbers from 0 to {n - 1}"
        )
    if not 0 <= count <= n - len(taken):
        raise ValueError(
            f"count={count} rows cannot be picked: {n} rows, {len(taken)} already chosen; "
            f"pass count from 0 to {n - len(taken)}"
        )


@farthest_first.cpu
def _farthest_first_cpu(signatures: F32, count: int, chosen: I64) -> tuple[I64, F32]:
    (n, d), before = signatures.shape, max(len(chosen), 1)
    columns = np.zeros((d, n + 1), np.float32)  # turned, so that rows fill the vector registers
    sums = np.zeros(d, np.float64)
    for row in range(n):
        for k in range(d):
            value = signatures[row, k]
            columns[k, row] = value if np.isfinite(value) else np.float32(0)
            sums[k] += columns[k, row]
    for k in range(d):
        columns[k, n] = sums[k] / max(n, 1)  # the mean stands behind the rows
    taken = np.full(before + count, n)  # the chosen rows, or else the mean; then the picks
    nearest = np.full(n, np.inf)
    for i in range(len(chosen)):
        taken[i] = chosen[i]
        nearest[chosen[i]] = -1.0
    scores, gaps = np.empty(n, np.float64), np.empty(count, np.float32)
    for step in range(before + count - 1):
        scores[:] = 0.0
        for k in range(d):
            column, origin = columns[k], np.float64(columns[k, taken[step]])
            for row in range(n):
                delta = np.float64(column[row]) - origin
                scores[row] += delta * delta
        best, best_score = 0, -1.0
        for row in range(n):
            if taken[step] < n:
                scores[row] = nearest[row] = min(nearest[row], scores[row])
            if scores[row] > best_score:
                best, best_score = row, scores[row]
        if step >= before - 1:
            taken[step + 1] = best
            gaps[step + 1 - before] = np.sqrt(nearest[best])
            nearest[best] = -1.0
    return taken[before:], gaps
