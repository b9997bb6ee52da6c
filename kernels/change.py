"""How much did the picture change from others, on average, at most, and over which area?"""

import numpy as np

from fewframes.kernels.kernel import F32, Kernel, require


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
    """Takes a grid as one line, with zeros behind it: a short row would not fill registers."""
    (m, c), (gh, gw), lanes = references.shape[:2], references.shape[2:], 64
    cells, right = gh * gw, 1 if gw > 1 else gh
    now, others = np.ascontiguousarray(grids), np.ascontiguousarray(references)
    padded = cells + lanes
    line, has_window = np.zeros(padded + gw + right, np.float32), np.zeros(padded, np.float32)
    pairs = np.zeros(padded + right, np.float32)
    has_window[: (gh - 1) * gw if gh > 1 else gw] = 1
    if gw > 1:
        has_window[gw - 1 :: gw] = 0
    totals, tops = np.empty(lanes, np.float32), np.empty(lanes, np.float32)
    wide, counts = np.empty(lanes, np.float32), np.empty(lanes, np.int32)
    limit, out = np.float32(threshold), np.empty((m, c, 4), np.float32)
    for i in range(m):
        for k in range(c):
            here, there, below = now[k].reshape(cells), others[i, k].reshape(cells), line[gw:]
            for at in range(cells):
                line[at] = here[at] - there[at]
            for at in range(cells):
                pairs[at] = line[at] + below[at]
            totals[:], tops[:], wide[:], counts[:] = 0, 0, 0, 0
            for start in range(0, cells, lanes):
                one, left, other = line[start:], pairs[start:], pairs[start + right :]
                is_whole = has_window[start:]
                for lane in range(lanes):
                    away = abs(one[lane])
                    totals[lane] += away
                    tops[lane] = away if away > tops[lane] else tops[lane]
                for lane in range(lanes):
                    counts[lane] += np.int32(abs(one[lane]) > limit)
                for lane in range(lanes):
                    window = abs(left[lane] + other[lane]) * is_whole[lane]
                    wide[lane] = window if window > wide[lane] else wide[lane]
            out[i, k, 0], out[i, k, 1] = totals.sum() / cells, tops.max()
            out[i, k, 2] = wide.max() / (min(gh, 2) * min(gw, 2))
            out[i, k, 3] = counts.sum() / cells
    return out
