"""How bright is each block of a plane? The grid that every other signal is read from."""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import F32, I64, U8, Kernel, require


@Kernel
def block_means(plane: U8, block: int = 8) -> F32:
    """Mean of every tile of block x block samples, `[h, w] u8 -> [rows, cols] f32`, levels 0..255.

    `rows` is h / block rounded up, `cols` likewise; a tile on the lower or right edge averages the
    samples it covers. Sums are whole numbers, so every device gives the same bits.

    Raises:
        TypeError: The plane is not `[h, w] u8`.
        ValueError: `block` is not from 1 to 4096.

    >>> block_means(np.array([[0, 2, 9], [4, 6, 11]], np.uint8), block=2)
    array([[ 3., 10.]], dtype=float32)
    """
    means: F32 = (tile_sums(plane, block) / tile_sums(plane**0, block)).astype(np.float32)
    return means


def tile_sums(plane: I64 | U8, side: int) -> I64:
    """Sums over tiles of side x side samples, `[h, w] -> [rows, cols] i64`; of an empty plane none.

    >>> tile_sums(np.array([[0, 2, 9], [4, 6, 11]], np.uint8), 2).tolist()
    [[12, 20]]
    """
    tops, lefts = (np.arange(0, size, side) for size in plane.shape)
    if plane.size == 0:
        return np.zeros((len(tops), len(lefts)), np.int64)
    sums: I64 = np.add.reduceat(np.add.reduceat(plane, tops, axis=0, dtype=np.int64), lefts, axis=1)
    return sums


@block_means.check
def _is_tileable(plane: U8, block: int) -> None:
    require("plane", plane, "[h, w] u8")
    if not 1 <= block <= 4096:
        raise ValueError(f"block={block} cannot tile a plane; pass block from 1 to 4096")


@block_means.cpu
def _block_means_cpu(plane: U8, block: int) -> F32:
    h, w = plane.shape
    rows, cols = -(-h // block), -(-w // block)
    out = np.empty((rows, cols), np.float32)
    column_sums, upto = np.empty(w, np.uint32), np.zeros(w + 1, np.uint64)
    for row in range(rows):
        top, bottom = row * block, min(h, (row + 1) * block)
        column_sums[:] = 0
        for y in range(top, bottom):  # contiguous, so that it becomes vector adds
            for x in range(w):
                column_sums[x] += plane[y, x]
        for x in range(w):
            upto[x + 1] = upto[x] + np.uint64(column_sums[x])
        for col in range(cols):
            left, right = col * block, min(w, (col + 1) * block)
            out[row, col] = (upto[right] - upto[left]) / ((bottom - top) * (right - left))
    return out


@block_means.cuda
def _block_means_cuda(plane: U8, block: int) -> gpu.DeviceArray:
    h, w = plane.shape
    out = gpu.empty((-(-h // block), -(-w // block)), np.float32)
    gpu.launch(_one_tile, out.shape, plane, block, out)
    return out


def _one_tile(plane: U8, block: int, out: F32) -> None:
    col, row = cuda.grid(2)
    if row >= out.shape[0] or col >= out.shape[1]:
        return
    bottom = min(plane.shape[0], (row + 1) * block)
    right = min(plane.shape[1], (col + 1) * block)
    total = np.int64(0)
    for y in range(row * block, bottom):
        for x in range(col * block, right):
            total += np.int64(plane[y, x])
    count = (bottom - row * block) * (right - col * block)
    out[row, col] = np.float64(total) / np.float64(count)
