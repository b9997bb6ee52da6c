"""How did a picture change since the one before, and which of those kept is it most like?"""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.change import grid_change
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import F32, F64, I32, Kernel, require


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

    The CPU measures the mean and the largest change of the first grid from all, and windows and
    further grids only from kept pictures that may still be the nearest: a local difference only
    grows with what is looked at.

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
    now = np.ascontiguousarray(grids).reshape((c, cells))
    then = np.ascontiguousarray(others).reshape((m, c, cells))
    totals, tops = np.empty(64, np.float32), np.empty(64, np.int32)
    is_window = np.ones((max(1, gh - 1), gw), np.float32)
    is_window[:, max(1, gw - 1) :] = 0
    windows = is_window.reshape(is_window.size)
    pairs = np.zeros(len(windows) + (1 if gw > 1 else len(windows)), np.float32)
    changes, found = np.empty((c, 4), np.float32), np.empty(3)
    for k in range(c):
        here, there = now[k], then[0, k]
        changes[k, 0], changes[k, 1] = _compare(here, there, totals, tops)
        changes[k, 2] = _largest_window(here, there, windows, pairs, gw)
        changes[k, 3] = _count_above(here, there, limit) / cells
    local, least, best, row = np.empty(m - 1, np.float32), np.inf, np.float32(np.inf), m
    for i in range(m - 1):
        mean, top = _compare(now[0], then[1 + i, 0], totals, tops)
        least, local[i] = min(least, float(mean)), top / np.float32(2)
    for _ in range(m - 1):
        i = int(np.argmin(local))
        if local[i] > best:
            break
        difference = local[i]
        for k in range(c):
            if difference <= best:
                here, there = now[k], then[1 + i, k]
                if k > 0:
                    _, top = _compare(here, there, totals, tops)
                    difference = max(difference, top / np.float32(2))
                window = _largest_window(here, there, windows, pairs, gw)
                difference = max(difference, window)
        if difference < best or (difference == best and i < row):
            best, row = difference, i
        local[i] = np.inf
    found[0], found[1], found[2] = row, best, least
    return changes, found


@nearest_change.helper
def _compare(here: F32, there: F32, totals: F32, tops: I32) -> tuple[np.float32, np.float32]:
    """The mean and the largest difference, in lanes, as registers do.

    The bits of numbers from 0 up are ordered as they are, and whole numbers have a vector maximum.
    """
    totals[:], tops[:] = 0, 0
    for start in range(0, len(here), 64):
        a, b = here[start : start + 64], there[start : start + 64]
        if len(a) == 64:
            for lane in range(64):
                away = np.float32(abs(a[lane] - b[lane]))
                totals[lane] += away
                tops[lane] = max(tops[lane], away.view(np.int32))
        else:
            for lane in range(len(a)):
                away = np.float32(abs(a[lane] - b[lane]))
                totals[lane] += away
                tops[lane] = max(tops[lane], away.view(np.int32))
    return np.float32(totals.sum() / len(here)), np.int32(tops.max()).view(np.float32)


@nearest_change.helper
def _count_above(here: F32, there: F32, limit: np.float32) -> np.int32:
    count = np.int32(0)
    for at in range(len(here)):
        count += np.int32(abs(here[at] - there[at]) > limit)
    return count


@nearest_change.helper
def _largest_window(here: F32, there: F32, windows: F32, pairs: F32, gw: int) -> np.float32:
    """The largest mean over 2 x 2 cells, grids taken as one line: short rows fill no registers.

    Where a window begins, `windows` is 1, else 0; behind as many cells, `pairs` is 0.
    """
    n, cells, top = len(windows), len(here), np.int32(0)
    for at in range(n):
        pairs[at] = here[at] - there[at]
    if cells > gw:
        below, under = here[gw:], there[gw:]
        for at in range(n):
            pairs[at] += below[at] - under[at]
    beside = pairs[1 if gw > 1 else n :]
    for at in range(n):
        top = max(top, np.float32(abs(pairs[at] + beside[at]) * windows[at]).view(np.int32))
    return np.int32(top).view(np.float32) / np.float32(min(cells // gw, 2) * min(gw, 2))


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
