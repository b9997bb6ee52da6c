"""How bright and how rich in detail is each block of luma, and how sharp is the whole plane?

One sweep over the rows answers all three: a row that is there is added up three times at once.
"""

import numpy as np

from fewframes.kernels.kernel import F32, U8, Kernel, require


@Kernel
def luma_sweep(plane: U8, block: int) -> tuple[F32, F32, float]:
    """Measures of one luma plane, `[h, w] u8 -> ([rows, cols] f32, [rows, cols] f32, float)`.

    1. The mean of every tile of block x block samples, as `block_means` gives it.
    2. The standard deviation within each tile, in levels: 0 where it is flat.
    3. The sharpness of the whole plane: the mean absolute response of the Laplacian (four times a
       sample minus its four neighbours) over every second row of the interior, which tells as
       much as all of them do, 0..1020; without an interior 0.

    The Laplacian's variance is the usual focus measure (Pech-Pacheco et al., "Diatom autofocusing
    in brightfield microscopy", ICPR 2000). The mean absolute value ranks alike, is a sum of whole
    numbers, and does not let a few specular highlights decide.

    Raises:
        TypeError: The plane is not `[h, w] u8`.
        ValueError: `block` is not from 1 to 64, which is what 16 bits can add up.

    >>> means, spreads, sharp = luma_sweep(np.array([[1, 3], [5, 7]], np.uint8), block=2)
    >>> float(means[0, 0]), round(float(spreads[0, 0]), 3), sharp
    (4.0, 2.236, 0.0)
    """
    tops, lefts = (np.arange(0, size, block) for size in plane.shape)
    if plane.size == 0:
        none = np.zeros((len(tops), len(lefts)), np.float32)
        return none, none.copy(), 0.0
    wide = plane.astype(np.int64)
    sums, squares, counts = (
        np.add.reduceat(np.add.reduceat(part, tops, axis=0), lefts, axis=1)
        for part in (wide, wide * wide, np.ones_like(wide))
    )
    spreads = (np.sqrt(counts * squares - sums * sums) / counts).astype(np.float32)
    sharpness = 0.0
    if min(plane.shape) > 2:
        around = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
        sharpness = float(np.abs(4 * wide[1:-1, 1:-1] - around)[::2].mean())
    return (sums / counts).astype(np.float32), spreads, sharpness


@luma_sweep.check
def _is_tileable(plane: U8, block: int) -> None:
    require("plane", plane, "[h, w] u8")
    if not 1 <= block <= 64:
        raise ValueError(f"block={block} cannot tile a plane; pass block from 1 to 64")


@luma_sweep.cpu
def _luma_sweep_cpu(plane: U8, block: int) -> tuple[F32, F32, float]:
    h, w = plane.shape
    rows, cols = -(-h // block), -(-w // block)
    means, spreads = np.empty((rows, cols), np.float32), np.empty((rows, cols), np.float32)
    (sums, edges), squares = np.empty((2, w), np.uint16), np.empty(w, np.uint32)
    (upto, upto_2), edge_total = np.zeros((2, w + 1), np.int64), np.int64(0)
    for row in range(rows):
        top, bottom = row * block, min(h, (row + 1) * block)
        sums[:], squares[:], edges[:] = 0, 0, 0
        for y in range(top, bottom):  # adds by column, so that sums fill vector registers
            here = plane[y]
            for x in range(w):
                sums[x] += np.uint16(here[x])
                squares[x] += np.uint32(np.uint16(here[x]) * np.uint16(here[x]))
            if y % 2 == 1 and y < h - 1:
                above, below = plane[y - 1], plane[y + 1]
                for x in range(w - 2):
                    around = np.int64(above[x + 1]) + below[x + 1] + here[x] + here[x + 2]
                    response = np.int16(4 * np.int64(here[x + 1]) - around)
                    edges[x] += np.uint16(max(response, np.int16(-response)))
        for x in range(w):
            edge_total += np.int64(edges[x])
        for x in range(w):
            upto[x + 1] = upto[x] + np.int64(sums[x])
            upto_2[x + 1] = upto_2[x] + np.int64(squares[x])
        for col in range(cols):
            left, right = col * block, min(w, (col + 1) * block)
            total, size = upto[right] - upto[left], (bottom - top) * (right - left)
            variance = size * (upto_2[right] - upto_2[left]) - total * total
            means[row, col] = total / size
            spreads[row, col] = np.sqrt(np.float64(variance)) / size
    interior = max(0, h - 1) // 2 * max(0, w - 2)
    return means, spreads, edge_total / max(1, interior)
