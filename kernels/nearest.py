"""How did a picture change since the one before, and which of those kept is it most like?"""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.change import grid_change
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import F32, F64, Kernel, require


@Kernel
def nearest_change(grids: F32, others: F32, threshold: float) -> tuple[F32, F64]:
    """Compares a picture with the one before and with those kept, a picture being `c` grids.

    Takes `grids [c, gh, gw] f32` and `others [1 + m, c, gh, gw] f32`, the picture before and then m
    kept ones, m >= 1. Returns

    1. changes since the picture before, `[c, 4] f32`, the four of `grid_change`: mean, largest,
       largest of windows, and area above `threshold`;
    2. `[3] f64`: which kept picture is nearest (from 0, the lowest on a tie); its local difference,
       that is the largest over its grids of the largest window or of half the largest cell,
       whichever is more; and the smallest mean change of the first grid from any kept one.

    The CPU measures the first grids of all, and further ones only of kept pictures that may still
    be the nearest: a local difference only grows with every grid looked at.

    Raises:
        TypeError: The arrays have other forms.
        ValueError: The grids differ in shape, have no cell, or there are not two others.

    >>> now, others = np.full((1, 2, 2), 9, np.float32), np.zeros((3, 1, 2, 2), np.float32)
    >>> others[2] = 7
    >>> nearest_change(now, others, threshold=4.0)[1].tolist()
    [1.0, 2.0, 2.0]
    """
    changes = grid_change.__wrapped__(grids, others, threshold)
    local = np.maximum(changes[1:, :, 2], changes[1:, :, 1] / 2).max(axis=1)
    nearest = int(local.argmin())
    return changes[0], np.array([nearest, local[nearest], changes[1:, 0, 0].min()], np.float64)


@nearest_change.check
def _are_comparable(grids: F32, others: F32, threshold: float) -> None:
    require("grids", grids, "[c, gh, gw] f32")
    require("others", others, "[m, c, gh, gw] f32")
    if grids.shape != others.shape[1:] or grids.size == 0 or len(others) < 2:
        raise ValueError(
            f"grids is {list(grids.shape)} and others {list(others.shape)}; "
            "pass grids of one shape with at least one cell, of at least two others"
        )


@nearest_change.cpu
def _nearest_change_cpu(grids: F32, others: F32, threshold: float) -> tuple[F32, F64]:
    (m, c), (gh, gw) = others.shape[:2], others.shape[2:]
    cells, limit = gh * gw, np.float32(threshold)
    now, then = np.ascontiguousarray(grids), np.ascontiguousarray(others)
    lines = np.zeros((2, cells + gw + (1 if gw > 1 else cells)), np.float32)
    away = np.zeros(cells + 64, np.float32)
    is_window = np.zeros((gh, gw), np.float32)
    is_window[: max(1, gh - 1), : max(1, gw - 1)] = 1
    kept, changes, found = is_window.reshape(cells), np.empty((c, 4), np.float32), np.empty(3)
    for k in range(c):
        here, there = now[k].reshape(cells), then[0, k].reshape(cells)
        changes[k, 0] = _mean_change(here, there, lines[0], away)
        changes[k, 1] = _largest(away, cells)
        changes[k, 3] = _count_above(away[:cells], limit) / cells
        changes[k, 2] = _largest_window(lines, away, kept, gh, gw)
    local, least, best, row = np.empty(m - 1, np.float32), np.inf, np.float32(np.inf), m
    for i in range(m - 1):
        mean = _mean_change(now[0].reshape(cells), then[1 + i, 0].reshape(cells), lines[0], away)
        least, top = min(least, float(mean)), _largest(away, cells) / np.float32(2)
        local[i] = max(top, _largest_window(lines, away, kept, gh, gw))
    for _ in range(m - 1):
        i = int(np.argmin(local))
        if local[i] > best:
            break
        for k in range(1, c):
            if local[i] <= best:
                _mean_change(now[k].reshape(cells), then[1 + i, k].reshape(cells), lines[0], away)
                top = max(local[i], _largest(away, cells) / np.float32(2))
                local[i] = max(top, _largest_window(lines, away, kept, gh, gw))
        if local[i] < best or (local[i] == best and i < row):
            best, row = local[i], i
        local[i] = np.inf
    found[0], found[1], found[2] = row, best, least
    return changes, found


@nearest_change.helper
def _mean_change(here: F32, there: F32, line: F32, away: F32) -> np.float32:
    """Differences and their size, cell by cell; the mean size, added up in lanes, as registers do.

    Behind the cells, `line` and `away` are 0.
    """
    cells, totals = len(here), np.zeros(64, np.float32)
    for at in range(cells):
        difference = here[at] - there[at]
        line[at] = difference
        away[at] = abs(difference)
    for start in range(0, cells, 64):
        part = away[start:]
        for lane in range(64):
            totals[lane] += part[lane]
    return np.float32(totals.sum() / cells)


@nearest_change.helper
def _largest(away: F32, cells: int) -> np.float32:
    """The largest of numbers from 0 up, whose bits are ordered as they are."""
    bits, top = away.view(np.int32), np.int32(0)
    for at in range(cells):
        top = max(top, bits[at])
    return np.int32(top).view(np.float32)


@nearest_change.helper
def _count_above(away: F32, limit: np.float32) -> np.int32:
    count = np.int32(0)
    for at in range(len(away)):
        count += np.int32(away[at] > limit)
    return count


@nearest_change.helper
def _largest_window(lines: F32, away: F32, kept: F32, gh: int, gw: int) -> np.float32:
    """The largest mean over 2 x 2 cells, grids taken as one line: short rows fill no registers."""
    line, pairs = lines[0], lines[1]
    below, beside, cells = line[gw:], pairs[1 if gw > 1 else len(kept) :], len(kept)
    for at in range(cells):
        pairs[at] = line[at] + below[at]
    for at in range(cells):
        away[at] = abs(pairs[at] + beside[at]) * kept[at]
    return _largest(away, cells) / np.float32(min(gh, 2) * min(gw, 2))


@nearest_change.cuda
def _nearest_change_cuda(
    grids: F32, others: F32, threshold: float
) -> tuple[gpu.DeviceArray, gpu.DeviceArray]:
    changes, found = grid_change(grids, others, threshold), gpu.empty((3,), np.float64)
    gpu.launch(_one_nearest, (1, 1), changes, found)
    return changes[0], found


def _one_nearest(changes: F32, found: F64) -> None:
    column, _ = cuda.grid(2)
    if column > 0:
        return
    found[0], found[1], found[2] = 0.0, np.inf, np.inf
    for i in range(1, changes.shape[0]):
        local = np.float32(0)
        for k in range(changes.shape[1]):
            local = max(local, changes[i, k, 2], changes[i, k, 1] / np.float32(2))
        if local < found[1]:
            found[0], found[1] = i - 1, local
        found[2] = min(found[2], np.float64(changes[i, 0, 0]))
