"""Which pictures look alike? A perceptual hash of 64 bits, and how many bits two hashes differ.

The hash serves similarity only; it says nothing about whether two pictures are the same bits.
"""

import numpy as np

from fewframes.kernels.area import area_weights
from fewframes.kernels.kernel import F32, U8, U64, Kernel, require


@Kernel
def dhash64(grid: F32) -> int:
    """Difference hash of a grid, `[gh, gw] f32 -> int` of 64 bits.

    The grid is averaged by exact area to 8 rows x 9 columns, also when it has fewer; a bit is set
    where a cell is darker than its right neighbour, row by row, most significant bit first
    (N. Krawetz, "Kind of like that", 2013). Levels are finite. The averages compare as whole-number
    weighted sums, so equal levels never set a bit by rounding.

    Raises:
        TypeError: The grid is not `[gh, gw] f32`.
        ValueError: The grid has no cell.

    >>> ramp = np.tile(np.arange(9, dtype=np.float32), (8, 1))
    >>> hex(dhash64(ramp)), dhash64(ramp[:, ::-1])
    ('0xffffffffffffffff', 0)
    """
    gh, gw = grid.shape
    sums = area_weights(gh, 8) @ grid.astype(np.float64) @ area_weights(gw, 9).T
    rises = sums[:, :-1] < sums[:, 1:]
    return int.from_bytes(np.packbits(rises).tobytes(), "big")


@dhash64.check
def _has_cells(grid: F32) -> None:
    require("grid", grid, "[gh, gw] f32")
    if grid.size == 0:
        raise ValueError(f"grid {list(grid.shape)} has no cell to hash; pass at least [1, 1]")


@dhash64.cpu
def _dhash64_cpu(grid: F32) -> int:
    gh, gw = grid.shape
    columns = np.empty(gw, np.float64)
    bits = np.uint64(0)
    for row in range(8):
        columns[:] = 0.0
        for y in range(row * gh // 8, -(-(row + 1) * gh // 8)):
            weight = min((y + 1) * 8, (row + 1) * gh) - max(y * 8, row * gh)
            for x in range(gw):
                columns[x] += weight * np.float64(grid[y, x])
        left = 0.0
        for col in range(9):
            right = 0.0
            for x in range(col * gw // 9, -(-(col + 1) * gw // 9)):
                weight = min((x + 1) * 9, (col + 1) * gw) - max(x * 9, col * gw)
                right += weight * columns[x]
            if col > 0:
                bits = (bits << np.uint64(1)) | np.uint64(left < right)
            left = right
    return bits  # type: ignore[return-value]  # Numba hands it over as an int


@Kernel
def hamming64(a: U64, b: U64) -> U8:
    """Number of bits in which hashes differ, every one against every other, `-> [n, m] u8`, 0..64.

    Takes `[n] u64, [m] u64`.

    Raises:
        TypeError: An argument is not `[n] u64`.

    >>> hamming64(np.array([0, 7], np.uint64), np.array([1, 2**64 - 1], np.uint64))
    array([[ 1, 64],
           [ 2, 61]], dtype=uint8)
    """
    counts: U8 = np.bitwise_count(a[:, None] ^ b[None, :])
    return counts


@hamming64.check
def _are_hashes(a: U64, b: U64) -> None:
    require("a", a, "[n] u64")
    require("b", b, "[m] u64")


@hamming64.cpu
def _hamming64_cpu(a: U64, b: U64) -> U8:
    pairs, quads, bytes_ = (  # Warren, Hacker's Delight, 5-1: add bits in pairs, fours, bytes
        np.uint64(0x5555555555555555),
        np.uint64(0x3333333333333333),
        np.uint64(0x0F0F0F0F0F0F0F0F),
    )
    one, two, four, top = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)
    ones = np.uint64(0x0101010101010101)
    out = np.empty((len(a), len(b)), np.uint8)
    for i in range(len(a)):
        for j in range(len(b)):
            bits = a[i] ^ b[j]
            bits = bits - ((bits >> one) & pairs)
            bits = (bits & quads) + ((bits >> two) & quads)
            bits = (bits + (bits >> four)) & bytes_
            out[i, j] = (bits * ones) >> top
    return out
