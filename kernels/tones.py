"""Which levels does a picture have, wherever they are? What motion alone hardly changes."""

import numpy as np

from fewframes.kernels.kernel import F32, F64, Kernel, require


@Kernel
def grid_tones(grids: F32) -> tuple[F64, F32]:
    """Levels of each grid, `[c, gh, gw] f32 -> ([c, 2] f64, [c, 256] f32)`, finite levels 0..255.

    1. The mean and the standard deviation over the cells of a grid.
    2. The share of its cells at or below each whole level, rounded half up: a cumulated histogram.
       The sum of the absolute differences of two is the mean distance, in levels, by which cells
       must move to turn the one grid's levels into the other's (the earth mover's distance in one
       dimension; Rubner, Tomasi and Guibas, ICCV 1998).

    Raises:
        TypeError: The grids are not `[c, gh, gw] f32`.
        ValueError: The grids have no cell.

    >>> moments, curves = grid_tones(np.array([[[0, 2], [2, 4]]], np.float32))
    >>> moments.round(4).tolist(), curves[0, :5].tolist()
    ([[2.0, 1.4142]], [0.25, 0.25, 0.75, 0.75, 1.0])
    """
    flat = grids.reshape(len(grids), -1).astype(np.float64)
    moments = np.stack([flat.mean(axis=1), flat.std(axis=1)], axis=1)
    levels = np.clip(np.floor(grids + np.float32(0.5)), 0, 255).astype(np.int64)
    counts = [np.bincount(grid.ravel(), minlength=256) for grid in levels]
    return moments, (np.cumsum(counts, axis=1) / flat.shape[1]).astype(np.float32)


@grid_tones.check
def _have_cells(grids: F32) -> None:
    require("grids", grids, "[c, gh, gw] f32")
    if grids.size == 0:
        raise ValueError(f"grids {list(grids.shape)} have no cell; pass at least [1, 1, 1]")


@grid_tones.cpu
def _grid_tones_cpu(grids: F32) -> tuple[F64, F32]:
    c, gh, gw = grids.shape
    moments, curves = np.empty((c, 2), np.float64), np.empty((c, 256), np.float32)
    counts, sums, cells = np.empty(256, np.int64), np.empty((2, gw), np.float64), gh * gw
    for k in range(c):
        counts[:], sums[:] = 0, 0
        first = np.float64(grids[k, 0, 0])  # squares of small numbers lose less
        for row in range(gh):
            here = grids[k, row]
            for col in range(gw):
                away = np.float64(here[col]) - first
                sums[0, col] += away
                sums[1, col] += away * away
            for col in range(gw):
                level = int(np.floor(here[col] + np.float32(0.5)))
                counts[min(max(level, 0), 255)] += 1
        mean = sums[0].sum() / cells
        moments[k, 0] = first + mean
        moments[k, 1] = np.sqrt(max(0.0, sums[1].sum() / cells - mean * mean))
        total = np.int64(0)
        for level in range(256):
            total += counts[level]
            curves[k, level] = total / cells
    return moments, curves
