"""What does a picture look like, as a whole? Levels, tones, a signature and a perceptual hash."""

import math

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import F32, F64, Kernel, require
from fewframes.kernels.memory import on_host
from fewframes.kernels.taps import area_weights


@Kernel
def grid_descriptors(grids: F32, before: F32) -> tuple[F64, F32, F32, int]:
    """Describes the four grids of a picture that `block_stats` gives, finite levels 0..255.

    Takes `grids [4, gh, gw] f32` and `before [4, 256] f32`, the tones of another picture. Returns

    1. numbers `[4, 3] f64`: of each grid the mean and the standard deviation over its cells, and
       how far its tones moved from `before`: the sum of the absolute differences, which is the mean
       distance, in levels, by which cells must move to turn the one grid's levels into the other's
       (the earth mover's distance in one dimension; Rubner, Tomasi and Guibas, ICCV 1998);
    2. tones `[4, 256] f32`: the share of cells at or below each whole level, rounded half up;
    3. the signature `[432] f32`, of length 1, so that likeness is a dot product: luma, blue and red
       averaged by exact area to 12 x 12, also where they are smaller, and centred on its own mean,
       so that a change of exposure weighs little. What is left of chroma counts three times: in
       endoscopy everything is red, luma alone goes blind, and a change of hue within the red is
       small beside the red itself. The mean of chroma, as it differs from the neutral 128, is added
       once: the tint of all of it tells scenes apart, but must not drown what is in them. A picture
       without any contrast or colour keeps the zero vector;
    4. `dhash64`, a difference hash of luma: averaged by exact area to 8 rows x 9 columns, a bit is
       set where a cell is darker than its right neighbour, row by row, most significant bit first
       (N. Krawetz, "Kind of like that", 2013). The averages compare as sums with whole weights, so
       equal levels never set a bit by rounding. It serves similarity only, never integrity.

    Raises:
        TypeError: The arrays are not `[4, gh, gw] f32` and `[4, 256] f32`.
        ValueError: There are not four grids of at least one cell, or not 256 tones of each.

    >>> ramp, grey = np.arange(36, dtype=np.float32).reshape(1, 6, 6), np.full((2, 6, 6), 128)
    >>> grids = np.concatenate([ramp, ramp, grey]).astype(np.float32)
    >>> numbers, tones, signature, dhash = grid_descriptors(grids, np.zeros((4, 256), np.float32))
    >>> numbers[0].round(2).tolist(), signature.shape, hex(dhash)
    ([17.5, 10.39, 238.5], (432,), '0xffffffffffffffff')
    """
    flat = grids.reshape(4, -1).astype(np.float64)
    levels = np.clip(np.floor(flat + 0.5), 0, 255).astype(np.int64)
    counts = [np.bincount(grid, minlength=256) for grid in levels]
    tones = (np.cumsum(counts, axis=1) / flat.shape[1]).astype(np.float32)
    moved = np.abs(tones - before).sum(axis=1, dtype=np.float64)
    numbers = np.stack([flat.mean(axis=1), flat.std(axis=1), moved], axis=1)
    return numbers, tones, _signature(grids), _dhash64(grids[0])


def _signature(grids: F32) -> F32:
    down, across = (area_weights(size, 12) for size in grids.shape[1:])
    cells = [down @ grids[k] @ across.T / grids[k].size for k in (0, 2, 3)]
    means = [cell.mean() for cell in cells]
    colours = [3.0 * (cells[i] - means[i]) + (means[i] - 128.0) for i in (1, 2)]
    vector = np.concatenate((cells[0] - means[0], *colours), axis=None)
    length = np.linalg.norm(vector)
    return (vector / (length if length > 0 else 1.0)).astype(np.float32)


def _dhash64(grid: F32) -> int:
    down, across = area_weights(grid.shape[0], 8), area_weights(grid.shape[1], 9)
    sums = down @ grid.astype(np.float64) @ across.T
    return int.from_bytes(np.packbits(sums[:, :-1] < sums[:, 1:]).tobytes(), "big")


@grid_descriptors.check
def _are_four(grids: F32, before: F32) -> None:
    require("grids", grids, "[c, gh, gw] f32")
    require("before", before, "[c, 256] f32")
    if len(grids) != 4 or grids.size == 0 or before.shape != (4, 256):
        raise ValueError(
            f"grids is {list(grids.shape)} and before {list(before.shape)}; "
            "pass four grids with at least one cell, and tones [4, 256]"
        )


@grid_descriptors.cpu
def _descriptors_cpu(grids: F32, before: F32) -> tuple[F64, F32, F32, int]:
    cells, whole = grids.shape[1] * grids.shape[2], np.ascontiguousarray(grids)
    numbers, tones = np.empty((4, 3), np.float64), np.empty((4, 256), np.float32)
    for k in range(4):
        _tones(whole[k].reshape(cells), before[k], numbers[k], tones[k])
    parts, look = np.empty((3, 12, 12), np.float64), np.empty(432, np.float32)
    for part in range(3):
        _average(whole[part + min(part, 1)], parts[part])
    parts /= cells
    for part in range(3):
        mean = parts[part].sum() / 144.0
        gain, tint = (1.0, 0.0) if part == 0 else (3.0, mean - 128.0)
        parts[part] = gain * (parts[part] - mean) + tint
    vector = parts.reshape(432)
    squares = 0.0
    for i in range(432):
        squares += vector[i] * vector[i]
    length = np.sqrt(squares) if squares > 0.0 else 1.0
    for i in range(432):
        look[i] = vector[i] / length
    sums, bits = np.empty((8, 9), np.float64), np.uint64(0)
    _average(whole[0], sums)
    for row in range(8):
        for col in range(8):
            bits = (bits << np.uint64(1)) | np.uint64(sums[row, col] < sums[row, col + 1])
    return numbers, tones, look, bits  # type: ignore[return-value]  # Numba hands over an int


@grid_descriptors.helper
def _tones(grid: F32, before: F32, numbers: F64, tones: F32) -> None:
    """Moments and tones of one grid; sums in lanes, so that they fill vector registers."""
    lanes, cells, first = 64, len(grid), np.float64(grid[0])  # small numbers' squares lose less
    sums, squares = np.zeros(lanes, np.float64), np.zeros(lanes, np.float64)
    levels, counts = np.empty(lanes, np.uint8), np.zeros((4, 256), np.int32)
    for start in range(0, cells, lanes):
        here = grid[start:]
        stop = min(lanes, cells - start)
        for lane in range(stop):
            away = np.float64(here[lane]) - first
            sums[lane] += away
            squares[lane] += away * away
        for lane in range(stop):
            level = np.floor(here[lane] + np.float32(0.5))
            levels[lane] = np.uint8(min(max(level, np.float32(0)), np.float32(255)))
        for lane in range(stop):  # of equal levels in a row, each would wait for the one before
            counts[lane % 4, levels[lane]] += np.int32(1)
    mean = sums.sum() / cells
    numbers[0], numbers[1] = first + mean, np.sqrt(max(0.0, squares.sum() / cells - mean * mean))
    total, moved = np.int32(0), sums
    for level in range(256):
        total += counts[0, level] + counts[1, level] + counts[2, level] + counts[3, level]
        counts[0, level] = total
    moved[:] = 0.0
    for start in range(0, 256, lanes):
        shares, others, ups = tones[start:], before[start:], counts[0, start:]
        for lane in range(lanes):
            shares[lane] = np.true_divide(np.float64(ups[lane]), np.float64(cells))
            moved[lane] += abs(np.float64(shares[lane]) - np.float64(others[lane]))
    numbers[2] = moved.sum()


@grid_descriptors.helper
def _average(grid: F32, sums: F64) -> None:
    """Sums of a grid over equal parts, with the weights of `area_weights`."""
    (gh, gw), (down, across) = grid.shape, sums.shape
    columns, bounds = np.empty(gw, np.float64), np.empty((2, across), np.int64)
    for col in range(across):  # once, because divisions cost more than sums
        bounds[0, col], bounds[1, col] = col * gw // across, -(-(col + 1) * gw // across)
    for row in range(down):
        columns[:] = 0.0
        for y in range(row * gh // down, -(-(row + 1) * gh // down)):
            weight = np.float64(min((y + 1) * down, (row + 1) * gh) - max(y * down, row * gh))
            for x in range(gw):
                columns[x] += weight * np.float64(grid[y, x])
        for col in range(across):
            total = 0.0
            for x in range(bounds[0, col], bounds[1, col]):
                width = min((x + 1) * across, (col + 1) * gw) - max(x * across, col * gw)
                total += width * columns[x]
            sums[row, col] = total


@grid_descriptors.cuda
def _descriptors_cuda(
    grids: F32, before: F32
) -> tuple[gpu.DeviceArray, gpu.DeviceArray, gpu.DeviceArray, int]:
    rows, numbers = gpu.empty((4, grids.shape[1], 2), np.float64), gpu.empty((4, 3), np.float64)
    tones, look = gpu.empty((4, 256), np.float32), gpu.empty((432,), np.float32)
    parts, sums = gpu.empty((3, 12, 12), np.float64), gpu.empty((1, 8, 9), np.float64)
    gpu.launch(_one_row, (4, grids.shape[1]), grids, rows)
    gpu.launch(_one_tone, tones.shape, grids, tones)
    gpu.launch(_one_moment, (1, 4), grids, rows, tones, gpu.to_device(before), numbers)
    gpu.launch(_one_average, (36, 12), grids, parts)
    gpu.launch(_one_value, (1, 432), parts, grids.shape[1] * grids.shape[2], look)
    gpu.launch(_one_average, (8, 9), grids, sums)
    levels = on_host(sums)[0]
    rises = np.packbits(levels[:, :-1] < levels[:, 1:])
    return numbers, tones, look, int.from_bytes(rises.tobytes(), "big")


def _one_row(grids: F32, rows: F64) -> None:
    row, k = cuda.grid(2)
    if k >= 4 or row >= grids.shape[1]:
        return
    first, total, squares = np.float64(grids[k, 0, 0]), 0.0, 0.0
    for col in range(grids.shape[2]):
        away = np.float64(grids[k, row, col]) - first
        total += away
        squares += away * away
    rows[k, row, 0] = total
    rows[k, row, 1] = squares


def _one_tone(grids: F32, tones: F32) -> None:
    level, k = cuda.grid(2)
    if k >= 4 or level >= 256:
        return
    count, limit = np.int64(0), np.float32(level)
    for row in range(grids.shape[1]):
        for col in range(grids.shape[2]):
            if math.floor(grids[k, row, col] + np.float32(0.5)) <= limit or level == 255:
                count += 1
    tones[k, level] = np.float64(count) / np.float64(grids.shape[1] * grids.shape[2])


def _one_moment(grids: F32, rows: F64, tones: F32, before: F32, numbers: F64) -> None:
    k, _ = cuda.grid(2)
    if k >= 4:
        return
    cells, total, squares, moved = grids.shape[1] * grids.shape[2], 0.0, 0.0, 0.0
    for row in range(grids.shape[1]):
        total += rows[k, row, 0]
        squares += rows[k, row, 1]
    for level in range(256):
        moved += abs(np.float64(tones[k, level]) - np.float64(before[k, level]))
    mean = total / cells
    numbers[k, 0] = np.float64(grids[k, 0, 0]) + mean
    numbers[k, 1] = math.sqrt(max(0.0, squares / cells - mean * mean))
    numbers[k, 2] = moved


def _one_average(grids: F32, sums: F64) -> None:
    """Parts of luma and, where there is room for three, of both chroma grids."""
    col, at = cuda.grid(2)
    (down, across), (gh, gw) = sums.shape[1:], grids.shape[1:]
    part, row = at // down, at % down
    if part >= sums.shape[0] or col >= across:
        return
    total = 0.0
    for y in range(row * gh // down, ((row + 1) * gh + down - 1) // down):
        height = min((y + 1) * down, (row + 1) * gh) - max(y * down, row * gh)
        for x in range(col * gw // across, ((col + 1) * gw + across - 1) // across):
            width = min((x + 1) * across, (col + 1) * gw) - max(x * across, col * gw)
            total += height * width * np.float64(grids[part + min(part, 1), y, x])
    sums[part, row, col] = total


def _one_value(parts: F64, cells: int, look: F32) -> None:
    at, _ = cuda.grid(2)
    if at >= 432:
        return
    squares, mine = 0.0, 0.0
    for part in range(3):
        mean = 0.0
        for i in range(144):
            mean += parts[part, i // 12, i % 12] / cells / 144.0
        for i in range(144):
            value = parts[part, i // 12, i % 12] / cells - mean
            value = value if part == 0 else 3.0 * value + (mean - 128.0)
            squares += value * value
            if part * 144 + i == at:
                mine = value
    look[at] = mine / math.sqrt(squares) if squares > 0.0 else 0.0
