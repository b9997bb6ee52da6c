"""One short vector for the look of a picture, so that likeness is a dot product."""

import numpy as np

from fewframes.kernels.area import area_weights
from fewframes.kernels.kernel import F32, Kernel, require


@Kernel
def signature(luma: F32, blue: F32, red: F32) -> F32:
    """Signature of a picture from the block means of its three planes, `-> [432] f32`, length 1.

    Takes three grids `[gh, gw] f32` of any sizes, finite levels 0..255.
    1. Each grid is averaged by exact area to 12 x 12, also when it is smaller.
    2. Each is centred on its own mean, so that a change of exposure weighs little. What is left of
       chroma (Cb, Cr) counts three times: in endoscopy everything is red, luma alone goes blind,
       and a change of hue within the red is small beside the red itself.
    3. The mean of chroma, as it differs from the neutral 128, is added to it, once: the tint of the
       whole picture tells scenes apart, but must not drown what is in them.
    4. The three, row by row one after the other, are divided by their common length. A picture
       without any contrast or colour keeps the zero vector.

    Raises:
        TypeError: A grid is not `[gh, gw] f32`.
        ValueError: A grid has no cell.

    >>> grey, reddish = np.full((4, 4), 128, np.float32), np.full((4, 4), 160, np.float32)
    >>> vector = signature(grey, grey, reddish)
    >>> vector.shape, vector[287:290].round(4)
    ((432,), array([0.    , 0.0833, 0.0833], dtype=float32))
    """
    cells = [
        area_weights(grid.shape[0], 12) @ grid @ area_weights(grid.shape[1], 12).T / grid.size
        for grid in (luma, blue, red)
    ]
    means = [cell.mean() for cell in cells]
    colours = [3.0 * (cells[i] - means[i]) + (means[i] - 128.0) for i in (1, 2)]
    vector = np.concatenate((cells[0] - means[0], *colours), axis=None)
    length = np.linalg.norm(vector)
    return (vector / (length if length > 0 else 1.0)).astype(np.float32)


@signature.check
def _have_cells(luma: F32, blue: F32, red: F32) -> None:
    for name, grid in (("luma", luma), ("blue", blue), ("red", red)):
        require(name, grid, "[gh, gw] f32")
        if grid.size == 0:
            raise ValueError(f"{name} {list(grid.shape)} has no cell; pass at least [1, 1]")


@signature.cpu
def _signature_cpu(luma: F32, blue: F32, red: F32) -> F32:
    vector = np.empty(432, np.float64)
    squares = 0.0
    for part in range(3):
        grid = luma if part == 0 else blue if part == 1 else red
        gh, gw = grid.shape
        columns = np.empty(gw, np.float64)
        total = 0.0
        for row in range(12):
            columns[:] = 0.0
            for y in range(row * gh // 12, -(-(row + 1) * gh // 12)):
                weight = min((y + 1) * 12, (row + 1) * gh) - max(y * 12, row * gh)
                for x in range(gw):
                    columns[x] += weight * np.float64(grid[y, x])
            for col in range(12):
                cell = 0.0
                for x in range(col * gw // 12, -(-(col + 1) * gw // 12)):
                    weight = min((x + 1) * 12, (col + 1) * gw) - max(x * 12, col * gw)
                    cell += weight * columns[x]
                vector[part * 144 + row * 12 + col] = cell / (gh * gw)
                total += cell / (gh * gw)
        mean = total / 144.0
        gain, tint = (1.0, 0.0) if part == 0 else (3.0, mean - 128.0)
        for i in range(part * 144, part * 144 + 144):
            vector[i] = gain * (vector[i] - mean) + tint
            squares += vector[i] * vector[i]
    length = np.sqrt(squares) if squares > 0.0 else 1.0
    out = np.empty(432, np.float32)
    for i in range(432):
        out[i] = vector[i] / length
    return out
