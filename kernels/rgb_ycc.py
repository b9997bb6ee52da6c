"""RGB to the planes of a JPEG: full-range BT.601 YCbCr, 4:2:0."""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import U8, Kernel, require

FACTORS = ((19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329))
"""What R, G and B add to Y, Cb and Cr, in 1 / 65536 (Rec. ITU-T T.871, 7); the first row adds up to
65536 and the others to 0, so that grey stays grey."""


@Kernel
def rgb_to_ycc(pixels: U8) -> tuple[U8, U8, U8]:
    """Luma `[h, w] u8` and both chroma planes `[ceil(h / 2), ceil(w / 2)] u8` of `[h, w, 3] u8`.

    A chroma sample is that of the mean of the 2 x 2 pixels it covers; at an odd edge, the last row
    or column counts twice. Results are rounded half up and clipped, alike on every device.

    Raises:
        TypeError: The pixels are not a 3-D array of u8.
        ValueError: They have not three channels.

    >>> [plane.tolist() for plane in rgb_to_ycc(np.array([[[255, 0, 0], [255, 0, 0]]], np.uint8))]
    [[[76, 76]], [[85]], [[255]]]
    """
    wide = pixels.astype(np.int64)
    luma = (wide @ np.array(FACTORS[0]) + 32768) >> 16
    even = np.pad(wide, [(0, side % 2) for side in wide.shape[:2]] + [(0, 0)], mode="edge")
    sums = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    blue, red = (((sums @ np.array(row) + (1 << 17)) >> 18) + 128 for row in FACTORS[1:])
    y, cb, cr = (np.clip(plane, 0, 255).astype(np.uint8) for plane in (luma, blue, red))
    return y, cb, cr


@rgb_to_ycc.check
def _has_three_channels(pixels: U8) -> None:
    require("pixels", pixels, "[h, w, c] u8")
    if pixels.shape[2] != 3:
        raise ValueError(f"pixels are {list(pixels.shape)}; pass [h, w, 3] RGB")


@rgb_to_ycc.cpu
def _rgb_to_ycc_cpu(pixels: U8) -> tuple[U8, U8, U8]:
    h, w = pixels.shape[0], pixels.shape[1]
    luma = np.empty((h, w), np.uint8)
    blue = np.empty(((h + 1) // 2, (w + 1) // 2), np.uint8)
    red = np.empty_like(blue)
    one, low, high = np.int32(1 << 17), np.int32(0), np.int32(255)
    for y in range(h):
        for x in range(w):
            r, g = np.int32(pixels[y, x, 0]), np.int32(pixels[y, x, 1])
            b = np.int32(pixels[y, x, 2])
            luma[y, x] = np.int32(19595 * r + 38470 * g + 7471 * b + 32768) >> 16
    for y in range(blue.shape[0]):
        below = min(2 * y + 1, h - 1)
        for x in range(blue.shape[1]):
            r = g = b = np.int32(0)
            for row in (2 * y, below):
                for col in (2 * x, min(2 * x + 1, w - 1)):
                    r += np.int32(pixels[row, col, 0])
                    g += np.int32(pixels[row, col, 1])
                    b += np.int32(pixels[row, col, 2])
            cb = np.int32(-11059 * r - 21709 * g + 32768 * b + one) >> 18
            cr = np.int32(32768 * r - 27439 * g - 5329 * b + one) >> 18
            blue[y, x] = min(max(np.int32(cb + 128), low), high)
            red[y, x] = min(max(np.int32(cr + 128), low), high)
    return luma, blue, red


@rgb_to_ycc.cuda_each(1)
def _rgb_to_ycc_cuda(pixels: U8) -> gpu.Planes:
    """One launch, whatever the number of pictures."""
    count, h, w = pixels.shape[0], pixels.shape[1], pixels.shape[2]
    half = count, (h + 1) // 2, (w + 1) // 2
    luma, blue, red = (gpu.empty(shape, np.uint8) for shape in ((count, h, w), half, half))
    gpu.launch(_four_pixels, (count * half[1], half[2]), pixels, luma, blue, red)
    return luma, blue, red


def _four_pixels(pixels: U8, luma: U8, blue: U8, red: U8) -> None:
    """Luma of up to 2 x 2 pixels, and the chroma sample that covers them."""
    column, at = cuda.grid(2)
    picture, row = at // blue.shape[1], at % blue.shape[1]
    if picture >= blue.shape[0] or column >= blue.shape[2]:
        return
    r, g, b = np.int64(0), np.int64(0), np.int64(0)
    for k in range(4):
        y = min(2 * row + k // 2, luma.shape[1] - 1)
        x = min(2 * column + k % 2, luma.shape[2] - 1)
        one, two = np.int64(pixels[picture, y, x, 0]), np.int64(pixels[picture, y, x, 1])
        three = np.int64(pixels[picture, y, x, 2])
        luma[picture, y, x] = (19595 * one + 38470 * two + 7471 * three + 32768) >> 16
        r += one
        g += two
        b += three
    cb = ((-11059 * r - 21709 * g + 32768 * b + (1 << 17)) >> 18) + 128
    cr = ((32768 * r - 27439 * g - 5329 * b + (1 << 17)) >> 18) + 128
    blue[picture, row, column] = min(max(cb, np.int64(0)), np.int64(255))
    red[picture, row, column] = min(max(cr, np.int64(0)), np.int64(255))
