"""How much of each cell of a grid falls into each part, when an axis is cut into equal parts."""

import numpy as np

from fewframes.kernels.kernel import F64


def area_weights(size: int, parts: int) -> F64:
    """Overlap of `parts` equal parts with `size` equal cells on one axis, `-> [parts, size] f64`.

    The unit is 1 / parts of a cell, which makes every weight a whole number and every row add up
    to `size`; sums of grid levels then carry no rounding, and equal averages compare as equal.
    Works for more parts than cells, too.

    >>> area_weights(3, 2)
    array([[2., 1., 0.],
           [0., 1., 2.]])
    """
    cell, part = np.arange(size), np.arange(parts)[:, None]
    end = np.minimum((cell + 1) * parts, (part + 1) * size)
    start = np.maximum(cell * parts, part * size)
    weights: F64 = np.maximum(end - start, 0).astype(np.float64)
    return weights
