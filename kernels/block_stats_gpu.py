"""The loops of `block_stats` for a GPU: many pictures at once, in two launches.

1. A thread adds up a column of a row of tiles, of luma and, in the left half, of chroma.
2. A thread adds up the columns of a tile. What is counted over all tiles of a picture are whole
   numbers, so the order in which threads add them does not matter.
"""

import math

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import F32, I64, U8, U32
from fewframes.kernels.memory import on_host

STEP = 8
"""Every eighth row tells how sharp a picture is and how exposed: as much as all of them do."""


def block_stats_gpu(
    luma: U8, blue: U8, red: U8, half: int, dark: int, bright: int
) -> tuple[gpu.DeviceArray, I64]:
    """Grids `[n, 4, rows, cols] f32` on the GPU, and counts `[n, 3] i64` in memory.

    Takes `luma [n, h, w] u8` and chroma that lie there. The counts are the sums of the Laplacian's
    absolute responses, of dark samples and of bright ones.
    """
    (n, h, w), (ch, cw) = luma.shape, blue.shape[1:]
    rows, cols = -(-ch // half), -(-cw // half)
    lines, chroma = gpu.empty((n, 5, rows, w), np.uint32), gpu.empty((n, 2, rows, cw), np.uint32)
    grids = gpu.empty((n, 4, rows, cols), np.float32)
    counts = gpu.to_device(np.zeros((n, 3), np.int64))
    planes = luma, blue, red
    gpu.launch(_one_column, (n * rows, w), *planes, half, dark, bright, lines, chroma)
    gpu.launch(_one_tile, (n * rows, cols), lines, chroma, (h, ch), half, grids, counts)
    return grids, on_host(counts)


def _one_column(
    luma: U8, blue: U8, red: U8, half: int, dark: int, bright: int, lines: U32, chroma: U32
) -> None:
    x, at = cuda.grid(2)
    picture, row = at // lines.shape[2], at % lines.shape[2]
    h, w = luma.shape[1], luma.shape[2]
    total = squares = edges = darks = brights = np.int64(0)
    if picture >= lines.shape[0] or x >= w:
        return
    for y in range(2 * half * row, min(h, 2 * half * (row + 1))):
        level = np.int64(luma[picture, y, x])
        total += level
        squares += level * level
        if y % STEP == 0:
            darks, brights = darks + (level <= dark), brights + (level >= bright)
        if y % STEP == 1 and y < h - 1 and 0 < x < w - 1:
            around = np.int64(luma[picture, y - 1, x]) + np.int64(luma[picture, y + 1, x])
            around += np.int64(luma[picture, y, x - 1]) + np.int64(luma[picture, y, x + 1])
            edges += abs(4 * level - around)
    lines[picture, 0, row, x], lines[picture, 1, row, x] = total, squares
    lines[picture, 2, row, x], lines[picture, 3, row, x] = edges, darks
    lines[picture, 4, row, x] = brights
    if x < chroma.shape[3]:
        blues, reds = np.int64(0), np.int64(0)
        for y in range(half * row, min(blue.shape[1], half * (row + 1))):
            blues += np.int64(blue[picture, y, x])
            reds += np.int64(red[picture, y, x])
        chroma[picture, 0, row, x], chroma[picture, 1, row, x] = blues, reds


def _one_tile(
    lines: U32, chroma: U32, heights: tuple[int, int], half: int, grids: F32, counts: I64
) -> None:
    col, at = cuda.grid(2)
    picture, row = at // grids.shape[2], at % grids.shape[2]
    if picture >= grids.shape[0] or col >= grids.shape[3]:
        return
    total = squares = blue = red = np.int64(0)
    left, right = 2 * half * col, min(lines.shape[3], 2 * half * (col + 1))
    for x in range(left, right):
        total += np.int64(lines[picture, 0, row, x])
        squares += np.int64(lines[picture, 1, row, x])
    for k in range(3):
        count = np.int64(0)
        for x in range(left, right):
            count += np.int64(lines[picture, 2 + k, row, x])
        if count:
            cuda.atomic.add(counts, (picture, k), count)
    size = (min(heights[0], 2 * half * (row + 1)) - 2 * half * row) * (right - left)
    spread = math.sqrt(np.float64(size * squares - total * total))
    grids[picture, 0, row, col] = np.float64(total) / np.float64(size)
    grids[picture, 1, row, col] = spread / np.float64(size)
    left, right = half * col, min(chroma.shape[3], half * (col + 1))
    for x in range(left, right):
        blue += np.int64(chroma[picture, 0, row, x])
        red += np.int64(chroma[picture, 1, row, x])
    size = (min(heights[1], half * (row + 1)) - half * row) * (right - left)
    grids[picture, 2, row, col] = np.float64(blue) / np.float64(size)
    grids[picture, 3, row, col] = np.float64(red) / np.float64(size)
