"""Which shares of a plane are nearly black and nearly white? Under-exposed, over-exposed, blank."""

import numpy as np

from fewframes.kernels.kernel import F64, U8, Kernel, require


@Kernel
def exposure(plane: U8, dark: int, bright: int) -> F64:
    """Shares of samples <= `dark` and of samples >= `bright`, `[h, w] u8 -> [2] f64`, 0..1 each.

    An empty plane has 0 of both. Counts are whole numbers, so every device gives the same bits.

    Raises:
        TypeError: The plane is not `[h, w] u8`.
        ValueError: A level is not from 0 to 255.

    >>> exposure(np.array([[0, 2], [4, 250]], np.uint8), dark=3, bright=250)
    array([0.5 , 0.25])
    """
    counts = np.array([np.count_nonzero(plane <= dark), np.count_nonzero(plane >= bright)])
    return counts / max(1, plane.size)


@exposure.check
def _are_levels(plane: U8, dark: int, bright: int) -> None:
    require("plane", plane, "[h, w] u8")
    for name, level in (("dark", dark), ("bright", bright)):
        if not 0 <= level <= 255:
            raise ValueError(f"{name}={level} is no level of a sample; pass 0 to 255")


@exposure.cpu
def _exposure_cpu(plane: U8, dark: int, bright: int) -> F64:
    (h, w), low, high = plane.shape, np.uint8(dark), np.uint8(bright)
    darks, brights = np.empty((2, w), np.uint8)
    total, total_2 = np.int64(0), np.int64(0)
    for top in range(0, h, 255):  # as many rows as a byte can count, a count a column
        darks[:], brights[:] = 0, 0
        for y in range(top, min(h, top + 255)):
            here = plane[y]
            for x in range(w):
                darks[x] += np.uint8(here[x] <= low)
                brights[x] += np.uint8(here[x] >= high)
        for x in range(w):
            total += np.int64(darks[x])
            total_2 += np.int64(brights[x])
    out = np.empty(2, np.float64)
    out[0], out[1] = total / max(1, h * w), total_2 / max(1, h * w)
    return out
