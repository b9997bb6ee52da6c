"""How much of the picture changed between two grids, and how strongly?"""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import F32, F64, Kernel, require


@Kernel
def grid_change(grid: F32, reference: F32, threshold: float) -> F32:
    """Change from one grid to another, `[gh, gw] f32, [gh, gw] f32 -> [3] f32`.

    The three are the mean absolute difference, the largest one (both in the grids' levels), and
    the fraction of cells, 0..1, that differ by more than `threshold` levels. Levels are finite.

    Raises:
        TypeError: A grid is not `[gh, gw] f32`.
        ValueError: The grids differ in shape, or have no cell.

    >>> now, before = np.array([[10, 20]], np.float32), np.array([[10, 26]], np.float32)
    >>> grid_change(now, before, threshold=4.0)
    array([3. , 6. , 0.5], dtype=float32)
    """
    difference = np.abs(grid - reference)
    changed = difference > np.float32(threshold)
    mean = difference.mean(dtype=np.float64)
    return np.array([mean, difference.max(), changed.mean()], np.float32)


@grid_change.check
def _are_comparable(grid: F32, reference: F32, threshold: float) -> None:
    require("grid", grid, "[gh, gw] f32")
    require("reference", reference, "[gh, gw] f32")
    if grid.shape != reference.shape or grid.size == 0:
        raise ValueError(
            f"grid is {list(grid.shape)} and reference {list(reference.shape)}; "
            "pass two grids of one shape with at least one cell"
        )


@grid_change.cpu
def _grid_change_cpu(grid: F32, reference: F32, threshold: float) -> F32:
    gh, gw = grid.shape
    limit = np.float32(threshold)
    total = 0.0
    largest = np.float32(0)
    changed = 0
    for row in range(gh):
        for col in range(gw):
            difference = abs(grid[row, col] - reference[row, col])
            total += difference
            largest = max(largest, difference)
            changed += difference > limit
    out = np.empty(3, np.float32)
    out[0], out[1], out[2] = total / grid.size, largest, changed / grid.size
    return out


@grid_change.cuda
def _grid_change_cuda(grid: F32, reference: F32, threshold: float) -> gpu.DeviceArray:
    rows = gpu.empty((grid.shape[0], 3), np.float64)
    out = gpu.empty((3,), np.float32)
    gpu.launch(_one_row, (1, grid.shape[0]), grid, reference, np.float32(threshold), rows)
    gpu.launch(_all_rows, (1, 1), rows, grid.shape[1], out)
    return out


def _one_row(grid: F32, reference: F32, limit: float, rows: F64) -> None:
    row, _ = cuda.grid(2)
    if row >= rows.shape[0]:
        return
    total, largest, changed = 0.0, 0.0, 0.0
    for col in range(grid.shape[1]):
        difference = abs(grid[row, col] - reference[row, col])
        total += difference
        largest = max(largest, np.float64(difference))
        changed += difference > limit
    rows[row, 0], rows[row, 1], rows[row, 2] = total, largest, changed


def _all_rows(rows: F64, columns: int, out: F32) -> None:
    total, largest, changed = 0.0, 0.0, 0.0
    for row in range(rows.shape[0]):
        total += rows[row, 0]
        largest = max(largest, rows[row, 1])
        changed += rows[row, 2]
    cells = np.float64(rows.shape[0] * columns)
    out[0], out[1], out[2] = total / cells, largest, changed / cells
