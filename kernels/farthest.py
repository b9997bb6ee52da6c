"""Which rows differ most from everything taken so far? Greedy k-centre over signatures."""

import numpy as np

from fewframes.kernels.farthest_gpu import farthest_there
from fewframes.kernels.kernel import F32, F64, I64, Kernel, require, require_rows, require_unchosen
from fewframes.kernels.memory import on_host

EVEN = np.empty(0, np.float64)
"""No pull: every row counts alike."""


@Kernel
def farthest_first(signatures: F32, count: int, chosen: I64, pull: F64 = EVEN) -> tuple[I64, F32]:
    """Picks `count` rows, each the farthest from all taken before it, ties to the lowest row.

    Greedy k-centre, within a factor two of the best cover (Gonzalez, "Clustering to minimize the
    maximum intercluster distance", 1985). Takes `signatures [n, d] f32`, `chosen [m] i64`, the
    row numbers already taken, and `pull [n] f64`, factors that stretch the distances of a row
    (empty: all 1). Returns `(rows [count] i64 in the order picked, gaps [count] f32)`.
    A gap is the Euclidean distance of the pick to the nearest row taken before it, times its pull,
    so gaps never grow. With nothing chosen the first pick is the row farthest from the mean, and
    its gap is inf. No row is picked twice, nor one in `chosen`: copies of a taken row have gap 0
    and come last. Values that are not finite count as 0. O((m + count) * n * d).

    Every device adds the squares in float64, first column first, so picks agree to the last tie.
    The CPU works lazily: gaps only shrink, so a tile of rows whose old gaps are all below the best
    one found is not measured again yet.

    Raises:
        TypeError: An array has another form.
        ValueError: `chosen` is out of range, fewer than `count` rows are left, or `pull` has
            another length or a factor that is not a positive number.

    >>> line = np.array([[0], [1], [5], [9]], np.float32)
    >>> rows, gaps = farthest_first(line, 2, chosen=np.array([0]))
    >>> rows.tolist(), gaps.tolist()
    ([3, 2], [9.0, 4.0])
    """
    points = np.where(np.isfinite(signatures), signatures, 0).astype(np.float64)
    stretch = pull**2 if len(pull) else np.ones(len(points))
    nearest = np.full(len(points), np.inf)
    nearest[chosen] = -np.inf
    for row in chosen:
        nearest = np.minimum(nearest, _squared_distances(points, points[row]))
    rows, gaps = np.empty(count, np.int64), np.empty(count, np.float32)
    for i in range(count):
        scores = nearest
        if i == 0 and len(chosen) == 0:
            mean = np.cumsum(points, axis=0)[-1] / len(points)
            scores = _squared_distances(points, mean.astype(np.float32))
        rows[i] = np.argmax(scores * stretch)
        gaps[i] = np.sqrt(nearest[rows[i]] * stretch[rows[i]])
        nearest[rows[i]] = -np.inf
        nearest = np.minimum(nearest, _squared_distances(points, points[rows[i]]))
    return rows, gaps


def _squared_distances(points: F64, centre: F32 | F64) -> F64:
    """Squared distances of rows to a centre; a loop, because `sum` leaves its order open."""
    total = np.zeros(len(points))
    for column, origin in zip(points.T, centre, strict=True):
        total += (column - origin) ** 2
    return total


@farthest_first.check
def _leave_enough(signatures: F32, count: int, chosen: I64, pull: F64) -> None:
    require("signatures", signatures, "[n, d] f32")
    require("chosen", chosen, "[m] i64")
    require("pull", pull, "[n] f64")
    n, chosen, pull = len(signatures), on_host(chosen), on_host(pull)
    require_rows(chosen, "signatures", n)
    require_unchosen(count, chosen, n)
    if len(pull) not in (0, n) or not ((pull > 0) & (pull < np.inf)).all():
        raise ValueError(
            f"pull has {len(pull)} factors, the smallest {pull.min(initial=np.inf)}, for {n} rows; "
            "pass one positive number a row"
        )


@farthest_first.cpu
def _farthest_first_cpu(signatures: F32, count: int, chosen: I64, pull: F64) -> tuple[I64, F32]:
    (n, d), wide = signatures.shape, 64
    tiles = np.zeros((n // wide + 1, d, wide), np.float32)  # its rows fill the vector registers
    mean, squares = np.zeros(d), np.empty(wide)
    for row in range(n):
        clean = np.where(np.isfinite(signatures[row]), signatures[row], np.float32(0))
        tiles[row // wide, :, row % wide] = clean
        mean += clean
    nearest, stretch = np.full(n, np.inf), pull**2 if len(pull) else np.ones(n)
    centres, known = np.empty((len(chosen) + count + 1, d), np.float32), len(chosen)
    for i in range(known):
        centres[i], nearest[chosen[i]] = tiles[chosen[i] // wide, :, chosen[i] % wide], -np.inf
    if len(chosen) == 0:
        centres[0], known = (mean / max(n, 1)).astype(np.float32), 1
    measured, tops = np.zeros(len(tiles), np.int64), np.full(len(tiles), np.inf)
    rows, gaps = np.empty(count, np.int64), np.empty(count, np.float32)
    for step in range(count):
        best, best_row, likely = -1.0, n, np.argmax(tops[: (n - 1) // wide + 1])
        for turn in range(-1, (n - 1) // wide + 1):
            tile = int(likely) if turn < 0 else turn
            if tops[tile] < best or (tops[tile] == best and tile * wide > best_row):
                continue
            near = nearest[tile * wide : tile * wide + wide]
            for i in range(measured[tile], known):
                squares[:] = 0.0
                for k in range(d):
                    for lane in range(wide):
                        delta = np.float64(tiles[tile, k, lane]) - np.float64(centres[i, k])
                        squares[lane] += delta * delta
                near[:] = np.minimum(near, squares[: len(near)])
            scores = near * stretch[tile * wide : tile * wide + wide]
            row = tile * wide + int(np.argmax(scores))
            measured[tile], tops[tile] = known, scores[row - tile * wide]
            if tops[tile] > best or (tops[tile] == best and row < best_row):
                best, best_row = tops[tile], row
        if step == 0 and len(chosen) == 0:  # the mean is no row: forget it
            nearest[:], measured[:], tops[:], known = np.inf, 0, np.inf, 0
        rows[step], gaps[step] = best_row, np.sqrt(nearest[best_row] * stretch[best_row])
        nearest[best_row], centres[known] = -np.inf, tiles[best_row // wide, :, best_row % wide]
        known += 1
    return rows, gaps


farthest_first.cupy(farthest_there)
