"""Which rows span the most volume? Greedy MAP of a determinantal point process, linear kernel."""

import numpy as np

from fewframes.kernels.cholesky_gpu import SPANNED, cholesky_there
from fewframes.kernels.kernel import F32, F64, I64, Kernel, require, require_rows
from fewframes.kernels.memory import on_host


@Kernel
def pivoted_cholesky(features: F32, weights: F64, count: int, chosen: I64) -> tuple[I64, F32]:
    """Picks up to `count` rows, each the one with most of it outside the span of those before.

    Partial Cholesky of the kernel W F Fᵀ W with diagonal pivoting, by Gram-Schmidt on its factor
    W F, so the kernel is never made: greedy maximisation of log det (Chen et al., "Fast greedy MAP
    inference for determinantal point processes", 2018). Takes `features [n, d] f32`,
    `weights [n] f64`, and `chosen [m] i64`, rows already taken. Returns `(rows [k] i64 in the order
    picked, lengths [k] f32)`: the length of what a row, times its weight, adds to the span, so
    lengths never grow. Ties go to the lowest row. k is less than `count` where every row lies in
    the span: what is left of it is below a 1e-6th of the longest row.
    Values that are not finite count as 0. O((m + count) * n * d).

    Every device adds in float64, first column first, so picks agree to the last tie. The CPU works
    lazily: what is left of a row only shrinks, so a tile of rows whose old lengths are all below
    the best one found is not measured again yet.

    Raises:
        TypeError: An array has another form.
        ValueError: There is no column, `chosen` is out of range, `count` is not 0 to n, or
            `weights` has another length or one that is not a positive number.

    >>> plane = np.array([[3, 0], [9, 0], [0, 1]], np.float32)
    >>> rows, lengths = pivoted_cholesky(plane, np.ones(3), 3, np.empty(0, np.int64))
    >>> rows.tolist(), lengths.tolist()
    ([1, 2], [9.0, 1.0])
    """
    points = np.where(np.isfinite(features), features, 0).astype(np.float64)
    left = _products(points, points) * weights**2
    least = SPANNED * left.max(initial=0)
    basis: list[F64] = []
    rows: list[int] = []
    lengths: list[float] = []
    for step in range(len(chosen) + count):
        row = int(chosen[step] if step < len(chosen) else np.argmax(left))
        if step >= len(chosen):
            if not left[row] > least:
                break
            rows.append(row)
            lengths.append(np.sqrt(left[row]))
        left[row] = -np.inf
        rest = weights[row] * points[row]
        for direction in basis + basis:  # twice, because once leaves rounding behind
            rest = rest - _products(rest[np.newaxis], direction)[0] * direction
        length = _products(rest[np.newaxis], rest)[0]
        if length > least:
            basis.append(rest / np.sqrt(length))
            left = left - (weights * _products(points, basis[-1])) ** 2
    return np.array(rows, np.int64), np.array(lengths, np.float32)


def _products(points: F64, other: F64) -> F64:
    """Dot products of rows; a loop, because `sum` leaves its order open."""
    total = np.zeros(len(points))
    for k in range(points.shape[1]):
        total += points[:, k] * (other[:, k] if other.ndim == 2 else other[k])
    return total


@pivoted_cholesky.check
def _fit(features: F32, weights: F64, count: int, chosen: I64) -> None:
    require("features", features, "[n, d] f32")
    require("weights", weights, "[n] f64")
    require("chosen", chosen, "[m] i64")
    n, weights = len(features), on_host(weights)
    require_rows(on_host(chosen), "features", n)
    if not 0 <= count <= n:
        raise ValueError(f"count={count} rows cannot be picked of {n}; pass count from 0 to {n}")
    if not features.shape[1]:
        raise ValueError("features has rows of no columns, which span nothing; pass d >= 1")
    if len(weights) != n or not ((weights > 0) & (weights < np.inf)).all():
        raise ValueError(
            f"weights has {len(weights)} values, the smallest {weights.min(initial=np.inf)}, for "
            f"{n} rows; pass one positive number a row"
        )


@pivoted_cholesky.cpu
def _pivoted_cholesky_cpu(features: F32, weights: F64, count: int, chosen: I64) -> tuple[I64, F32]:
    (n, d), wide, steps = features.shape, 64, len(chosen) + count
    tiles = np.zeros(((n + wide - 1) // wide, d, wide), np.float32)  # rows fill the registers
    left, dots = np.empty(n), np.empty(wide)
    for row in range(n):
        clean = np.where(np.isfinite(features[row]), features[row], np.float32(0))
        tiles[row // wide, :, row % wide] = clean
        left[row] = (clean.astype(np.float64) ** 2).cumsum()[-1] * weights[row] ** 2
    least, basis, known = SPANNED * left.max() if n else 0.0, np.empty((steps, d)), 0
    measured, tops = np.zeros(len(tiles), np.int64), np.full(len(tiles), np.inf)
    rows, lengths, found = np.empty(steps, np.int64), np.empty(steps, np.float32), 0
    for step in range(steps):
        best, best_row, likely = -1.0, n, np.argmax(tops)
        for turn in range(-1, len(tiles) if step >= len(chosen) else -1):
            tile = int(likely) if turn < 0 else turn
            if tops[tile] < best or (tops[tile] == best and tile * wide > best_row):
                continue
            rest, weight = left[tile * wide :][:wide], weights[tile * wide :][:wide]
            for i in range(measured[tile], known):
                dots[:] = 0.0
                for k in range(d):
                    for lane in range(wide):
                        dots[lane] += np.float64(tiles[tile, k, lane]) * basis[i, k]
                rest -= (weight * dots[: len(rest)]) ** 2
            row = tile * wide + int(np.argmax(rest))
            measured[tile], tops[tile] = known, left[row]
            if left[row] > best or (left[row] == best and row < best_row):
                best, best_row = left[row], row
        if step < len(chosen):
            best, best_row = np.inf, chosen[step]
        if not best > least:
            break
        rows[step], lengths[step], found = best_row, np.sqrt(best), step + 1
        left[best_row] = -np.inf
        part = weights[best_row] * tiles[best_row // wide, :, best_row % wide].astype(np.float64)
        for i in range(2 * known):  # twice, because once leaves rounding behind
            part -= (part * basis[i % known]).cumsum()[-1] * basis[i % known]
        length = (part * part).cumsum()[-1]
        if length > least:
            basis[known], known = part / np.sqrt(length), known + 1
    return rows[len(chosen) : found], lengths[len(chosen) : found]


pivoted_cholesky.cupy(cholesky_there)
