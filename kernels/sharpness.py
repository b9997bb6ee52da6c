"""How much fine detail does a plane show? Low for motion blur, defocus, fog and liquid."""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import I32, U8, Kernel, require

STRIP = 32
"""Rows that a GPU thread goes down."""


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


@sharpness.cuda
def _sharpness_cuda(plane: U8) -> float:
    h, w = plane.shape
    if h < 3 or w < 3:
        return 0.0
    sums = gpu.empty((-(-(h - 2) // STRIP), w - 2), np.int32)
    gpu.launch(_one_strip, sums.shape, plane, sums)
    return float(sums.copy_to_host().sum(dtype=np.int64) / ((h - 2) * (w - 2)))


def _one_strip(plane: U8, sums: I32) -> None:
    """A column of a strip: neighbouring threads read neighbouring samples."""
    x, strip = cuda.grid(2)
    if strip >= sums.shape[0] or x >= sums.shape[1]:
        return
    total = np.int32(0)
    for y in range(strip * STRIP, min(plane.shape[0] - 2, (strip + 1) * STRIP)):
        around = np.int32(plane[y, x + 1]) + np.int32(plane[y + 2, x + 1])
        around += np.int32(plane[y + 1, x]) + np.int32(plane[y + 1, x + 2])
        response = np.int32(4 * np.int32(plane[y + 1, x + 1]) - around)
        total += np.int32(max(response, -response))
    sums[strip, x] = total
