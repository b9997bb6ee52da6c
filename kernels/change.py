"""How much did the picture change from others, on average, at most, and over which area?"""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import F32, F64, Kernel, require


@Kernel
def grid_change(grids: F32, references: F32, threshold: float) -> F32:
    """Change from each reference to a picture, a picture being `c` grids of one shape.

    `[c, gh, gw] f32, [m, c, gh, gw] f32 -> [m, c, 4] f32`. For every reference and grid the four
    are the mean absolute difference, the largest one, the largest mean difference over a window of
    2 x 2 cells (1 along a side that has only one), all in the grids' levels, and the fraction of
    cells, 0..1, that differ by more than `threshold` levels. Levels are finite.

    Raises:
        TypeError: The arrays are not `[c, gh, gw] f32` and `[m, c, gh, gw] f32`.
        ValueError: The grids differ in shape, or have no cell.

    >>> now, before = np.array([[[10, 20]]], np.float32), np.array([[[[10, 26]]]], np.float32)
    >>> grid_change(now, before, threshold=4.0)
    array([[[3. , 6. , 3. , 0.5]]], dtype=float32)
    """
    difference = grids - references
    away, cells = np.abs(difference), (2, 3)
    windows = difference
    if difference.shape[2] > 1:
        windows = windows[:, :, :-1] + windows[:, :, 1:]
    if difference.shape[3] > 1:
        windows = windows[..., :-1] + windows[..., 1:]
    share = difference[0, 0].size if len(difference) else 1
    window_size = min(2, difference.shape[2]) * min(2, difference.shape[3])
    parts = [
        away.sum(cells, np.float64) / share,
        away.max(cells),
        np.abs(windows).max(cells) / window_size,
        (away > np.float32(threshold)).sum(cells) / share,
    ]
    return np.stack(parts, axis=2).astype(np.float32)


@grid_change.check
def _are_comparable(grids: F32, references: F32, threshold: float) -> None:
    require("grids", grids, "[c, gh, gw] f32")
    require("references", references, "[m, c, gh, gw] f32")
    if grids.shape != references.shape[1:] or grids.size == 0:
        raise ValueError(
            f"grids is {list(grids.shape)} and references {list(references.shape)}; "
            "pass grids of one shape with at least one cell"
        )


@grid_change.cpu
def _grid_change_cpu(grids: F32, references: F32, threshold: float) -> F32:
    (m, c), (gh, gw) = references.shape[:2], references.shape[2:]
    limit, out = np.float32(threshold), np.empty((m, c, 4), np.float32)
    totals, tops, wide = np.empty((3, gw), np.float32)
    above, pair = np.empty(gw, np.float32), np.zeros(gw + 1, np.float32)  # pair's last stays 0
    down, across = min(gh, 2), min(gw, 2)
    for i in range(m):
        for k in range(c):
            totals[:], tops[:], wide[:], above[:] = 0, 0, 0, 0
            changed = np.int64(0)
            for row in range(gh):
                here, there, count = grids[k, row], references[i, k, row], np.int32(0)
                for col in range(gw):  # by column, so that sums and maxima fill vector registers
                    difference = here[col] - there[col]
                    away = abs(difference)
                    totals[col] += away
                    tops[col] = away if away > tops[col] else tops[col]
                    count += np.int32(away > limit)
                    pair[col] = above[col] + difference
                    above[col] = difference
                changed += np.int64(count)
                if row >= down - 1:
                    for col in range(gw + 1 - across):
                        window = abs(pair[col] + pair[col + 1])
                        wide[col] = window if window > wide[col] else wide[col]
            out[i, k, 0] = totals.sum() / (gh * gw)
            out[i, k, 1] = tops.max()
            out[i, k, 2] = wide.max() / (down * across)
            out[i, k, 3] = changed / (gh * gw)
    return out


@grid_change.cuda
def _grid_change_cuda(grids: F32, references: F32, threshold: float) -> gpu.DeviceArray:
    m, c, gh, _ = references.shape
    rows, out = gpu.empty((m, c, gh, 4), np.float64), gpu.empty((m, c, 4), np.float32)
    gpu.launch(_one_row, (m * c, gh), grids, references, np.float32(threshold), rows)
    gpu.launch(_one_change, (m, c), rows, references.shape[3], out)
    return out


def _one_row(grids: F32, references: F32, limit: float, rows: F64) -> None:
    row, at = cuda.grid(2)
    c, gh, gw = grids.shape
    if at >= references.shape[0] * c or row >= gh:
        return
    i, k = at // c, at % c
    total, top, wide, count = np.float64(0), np.float32(0), np.float32(0), np.float64(0)
    below, has_window = min(row + 1, gh - 1), row + 1 < gh or gh == 1
    before = np.float32(0)
    for col in range(gw):
        difference = grids[k, row, col] - references[i, k, row, col]
        away, pair = abs(difference), difference
        if below > row:
            pair += grids[k, below, col] - references[i, k, below, col]
        total += np.float64(away)
        top = max(top, away)
        if away > limit:
            count += 1.0
        if has_window and (col > 0 or gw == 1):
            wide = max(wide, abs(before + pair))
        before = pair
    rows[i, k, row, 0] = total
    rows[i, k, row, 1] = top
    rows[i, k, row, 2] = wide
    rows[i, k, row, 3] = count


def _one_change(rows: F64, gw: int, out: F32) -> None:
    k, i = cuda.grid(2)
    if i >= out.shape[0] or k >= out.shape[1]:
        return
    gh = rows.shape[2]
    total, top, wide, count = 0.0, 0.0, 0.0, 0.0
    for row in range(gh):
        total += rows[i, k, row, 0]
        top = max(top, rows[i, k, row, 1])
        wide = max(wide, rows[i, k, row, 2])
        count += rows[i, k, row, 3]
    out[i, k, 0] = total / (gh * gw)
    out[i, k, 1] = top
    out[i, k, 2] = wide / (min(gh, 2) * min(gw, 2))
    out[i, k, 3] = count / (gh * gw)
