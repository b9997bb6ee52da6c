"""A video engine's surface as planes: luma above, and below it both kinds of chroma in turn.

NV12 has samples of 8 bits, P016 those of up to 16 bits in the high bits of two bytes. What comes
out is what a decoder in memory gives: three planes, with the bits of a sample at the low end.
"""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import Kernel
from fewframes.kernels.rgb_plan import Plane


@Kernel
def surface_planes(surface: Plane, height: int, bits: int) -> tuple[Plane, Plane, Plane]:
    """Planes of 4:2:0 of a surface: luma `[height, w]`, Cb and Cr `[ceil(height / 2), w / 2]`.

    Takes `[height + ceil(height / 2), w]` of u8, or of u16 whose high `bits` count, and gives
    planes of the same type.

    Raises:
        TypeError: The surface is not 2-D of u8 or u16.
        ValueError: It has not as many rows, its width is odd, or its samples have no such bits.

    >>> surface = np.array([[1, 2], [3, 4], [5, 6]], np.uint8)
    >>> [plane.tolist() for plane in surface_planes(surface, 2, 8)]
    [[[1, 2], [3, 4]], [[5]], [[6]]]
    """
    shift = 8 * surface.dtype.itemsize - bits
    samples: Plane = np.right_shift(surface, shift, dtype=surface.dtype)
    chroma = samples[height:]
    return samples[:height], chroma[:, ::2].copy(), chroma[:, 1::2].copy()


@surface_planes.check
def _is_surface(surface: Plane, height: int, bits: int) -> None:
    dtype = getattr(surface, "dtype", None)
    if dtype not in (np.uint8, np.uint16) or surface.ndim != 2:
        got = type(surface).__name__ if dtype is None else f"{list(surface.shape)} {dtype}"
        raise TypeError(f"surface must be [h, w] u8 or u16, got {got}; pass NV12 or P016")
    rows, width = surface.shape
    if height < 1 or rows != height + -(-height // 2) or width % 2:
        raise ValueError(
            f"surface is {[rows, width]}, which is no picture of {height} rows in 4:2:0; "
            "pass half as many rows of chroma below the luma, and an even width"
        )
    if not (bits == 8 if dtype == np.uint8 else 8 < bits <= 16):
        raise ValueError(f"bits={bits} do not fit {dtype}; pass 8 for u8, and 9 to 16 for u16")


@surface_planes.cpu
def _surface_planes_cpu(surface: Plane, height: int, bits: int) -> tuple[Plane, Plane, Plane]:
    rows, width = surface.shape
    luma = np.empty((height, width), surface.dtype)
    blue = np.empty((rows - height, width // 2), surface.dtype)
    red = np.empty((rows - height, width // 2), surface.dtype)
    shift = 8 * surface.itemsize - bits
    for y in range(height):
        for x in range(width):
            luma[y, x] = surface[y, x] >> shift
    for y in range(rows - height):
        for x in range(width // 2):
            blue[y, x] = surface[height + y, 2 * x] >> shift
            red[y, x] = surface[height + y, 2 * x + 1] >> shift
    return luma, blue, red  # pyright: ignore[reportReturnType] (of one type, that of the surface)


@surface_planes.cuda_each(1)
def _surface_planes_cuda(surface: Plane, height: int, bits: int) -> gpu.Planes:
    """One launch, whatever the number of pictures."""
    count, rows, width = surface.shape
    half = count, rows - height, width // 2
    luma = gpu.empty((count, height, width), surface.dtype)
    blue, red = gpu.empty(half, surface.dtype), gpu.empty(half, surface.dtype)
    shift = 8 * surface.dtype.itemsize - bits
    gpu.launch(_two_columns, (count * half[1], half[2]), surface, shift, luma, blue, red)
    return luma, blue, red


def _two_columns(surface: Plane, shift: int, luma: Plane, blue: Plane, red: Plane) -> None:
    """Both chroma samples of a place, and the luma of the two columns and rows they cover."""
    column, at = cuda.grid(2)
    picture, row = at // blue.shape[1], at % blue.shape[1]
    if picture >= blue.shape[0] or column >= blue.shape[2]:
        return
    below, x = luma.shape[1] + row, 2 * column
    blue[picture, row, column] = surface[picture, below, x] >> shift
    red[picture, row, column] = surface[picture, below, x + 1] >> shift
    for y in range(2 * row, min(2 * row + 2, luma.shape[1])):
        luma[picture, y, x] = surface[picture, y, x] >> shift
        luma[picture, y, x + 1] = surface[picture, y, x + 1] >> shift
