"""How much fine detail does a plane show? Low for motion blur, defocus, fog and liquid."""

import numpy as np

from fewframes.kernels.kernel import U8, Kernel, require


@Kernel
def sharpness(plane: U8) -> float:
    """Mean absolute response of the Laplacian over the interior, `[h, w] u8 -> float`, 0..1020.

    The response is four times a sample minus its four neighbours; the outermost rows and columns
    have none, and a plane without an interior has sharpness 0.0. The Laplacian's variance or
    energy is the usual focus measure (Pech-Pacheco et al., "Diatom autofocusing in brightfield
    microscopy", ICPR 2000). The mean absolute value ranks alike, is a sum of whole numbers, and so
    the same on every device, and does not let a few specular highlights decide.

    Raises:
        TypeError: The plane is not `[h, w] u8`.

    >>> sharpness(np.array([[0, 0, 0], [0, 9, 1], [0, 0, 0]], np.uint8))
    35.0
    """
    if min(plane.shape) < 3:
        return 0.0
    wide = plane.astype(np.int32)
    around = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
    response = np.abs(4 * wide[1:-1, 1:-1] - around)
    return float(response.sum(dtype=np.int64) / response.size)


@sharpness.check
def _is_plane(plane: U8) -> None:
    require("plane", plane, "[h, w] u8")


@sharpness.cpu
def _sharpness_cpu(plane: U8) -> float:
    h, w = plane.shape
    if h < 3 or w < 3:
        return 0.0
    total = np.int64(0)
    for y in range(h - 2):
        above, here, below = plane[y], plane[y + 1], plane[y + 2]
        row_total = np.int32(0)  # holds rows of two million samples; narrow types fill vectors
        for x in range(w - 2):
            here_4 = 4 * np.int64(here[x + 1])
            response = np.int16(here_4 - above[x + 1] - below[x + 1] - here[x] - here[x + 2])
            row_total = np.int32(row_total + max(response, np.int16(-response)))
        total += row_total
    return float(total / ((h - 2) * (w - 2)))
