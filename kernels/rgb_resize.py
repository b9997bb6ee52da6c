"""RGB to RGB of another size, and of another colour matrix where the first was the wrong one.

1. Samples are brought to 16 bits. Rows are combined, then columns, by the weights of `taps.py`.
2. A matrix in fixed point, 14 bits after the point, gives levels; they are clipped to 0..255.
3. A picture that is to be flipped has its weights in the other order; one that is to be turned by
   a quarter is written column by column.

Both of the first steps are linear, so averaging RGB is averaging the planes it was made of.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import I32, U8, Kernel, require
from fewframes.kernels.taps import ONE, axis_taps, combined
from fewframes.kernels.ycc import rgb_from_ycc

Size = tuple[int, int]
"""Height and width."""
SHIFT = 14 + 8
"""Bits after the point: 14 of the matrix, 8 of the samples."""


class ResizePlan(NamedTuple):
    """How RGB of one size becomes RGB of another; `resize_plan` makes it."""

    rows: I32
    """`[1 + k, height]`, see `axis_taps`."""
    columns: I32
    coefficients: I32
    """What R, G and B add to R, G and B, `[3, 3]`, in 1 / 16384."""
    is_turned: bool
    """Whether rows become columns."""


@lru_cache(maxsize=64)
def resize_plan(
    size: Size,
    target: Size | None = None,
    *,
    corner: Size = (0, 0),
    taken_for: str = "bt601",
    matrix: str = "bt601",
    rotation: int = 0,
    is_mirrored: bool = False,
) -> ResizePlan:
    """Plans the way from RGB of a `size` to RGB of a `target` size (None: the same).

    `taken_for` is the matrix by which the RGB was made of planes, `matrix` the one by which it
    should have been; where they are the same, colours stay. The result is mirrored left to right,
    then turned clockwise by `rotation` degrees; `target` is its size before. Where the picture of
    that `size` is part of a larger one, `corner` is its first row and column. Plans are remembered.

    Raises:
        ValueError: A size, corner, matrix or rotation that cannot be.

    >>> resize_plan((4, 4), (2, 2)).coefficients.diagonal().tolist()
    [16384, 16384, 16384]
    """
    (height, width), (rows, columns) = size, size if target is None else target
    exact = rgb_from_ycc(matrix) @ np.linalg.inv(rgb_from_ycc(taken_for))
    fixed = np.floor(exact * 2**14 + 0.5).astype(np.int32)
    fixed.flags.writeable = False  # it is handed out again
    if rotation not in (0, 90, 180, 270):
        raise ValueError(f"rotation={rotation} is no quarter turn; pass 0, 90, 180 or 270")
    if min(corner) < 0:
        raise ValueError(f"corner={corner} is outside of the picture; pass a row and column >= 0")
    is_mirrored ^= rotation in (180, 270)
    return ResizePlan(
        _placed(axis_taps(height, rows), corner[0], is_flipped=rotation in (90, 180)),
        _placed(axis_taps(width, columns), corner[1], is_flipped=is_mirrored),
        fixed,
        rotation in (90, 270),
    )


def _placed(taps: I32, first: int, *, is_flipped: bool) -> I32:
    """The weights of samples that begin at the `first` one, from the last one back if flipped."""
    if not is_flipped and not first:
        return taps
    moved = (taps[:, ::-1] if is_flipped else taps).copy()
    moved[0] += first
    moved.flags.writeable = False
    return moved


@Kernel
def resize_rgb(pixels: U8, plan: ResizePlan) -> U8:
    """RGB of the size that a plan says, `[h, w, 3] u8 -> [height, width, 3] u8`.

    A plan that turns by a quarter gives `[width, height, 3]`.

    Raises:
        TypeError: The pixels are not `[h, w, 3] u8`.
        ValueError: The plan reaches beyond them.

    >>> resize_rgb(np.array([[[0, 0, 0], [200, 100, 4]]], np.uint8), resize_plan((1, 2), (1, 1)))
    array([[[100,  50,   2]]], dtype=uint8)
    """
    levels = pixels.astype(np.float64) * 256
    levels = combined(levels, plan.rows)
    levels = combined(levels.swapaxes(0, 1), plan.columns).swapaxes(0, 1)
    sums = levels @ plan.coefficients.T.astype(np.float64)
    rgb: U8 = np.clip(np.floor(sums / 2**SHIFT + 0.5), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(rgb.swapaxes(0, 1) if plan.is_turned else rgb)


@resize_rgb.check
def _is_reached(pixels: U8, plan: ResizePlan) -> None:
    require("pixels", pixels, "[h, w, c] u8")
    reach = [int(taps[0].max()) + len(taps) - 1 for taps in plan[:2]]
    if pixels.shape[2] != 3 or pixels.shape[0] < reach[0] or pixels.shape[1] < reach[1]:
        raise ValueError(
            f"pixels are {list(pixels.shape)}, but the plan reaches {[*reach, 3]}; "
            "pass their size to resize_plan"
        )


@resize_rgb.cpu
def _resize_rgb_cpu(pixels: U8, plan: ResizePlan) -> U8:
    rows, columns, c = plan.rows, plan.columns, plan.coefficients.astype(np.int64)
    height, width, samples = rows.shape[1], columns.shape[1], 3 * pixels.shape[1]
    flat = pixels.reshape(pixels.shape[0], samples)
    shape = (width, height) if plan.is_turned else (height, width)
    out, line = np.empty((shape[0], shape[1], 3), np.uint8), np.empty(samples, np.uint32)
    rgb, half = np.empty(3, np.int64), np.uint32(ONE >> 1)
    for y in range(height):
        line[:] = half
        for k in range(1, len(rows)):
            row, weight = flat[rows[0, y] + k - 1], np.uint32(np.uint32(rows[k, y]) << 8)
            for x in range(samples):
                line[x] = np.uint32(line[x] + np.uint32(weight * np.uint32(row[x])))
        for x in range(samples):
            line[x] = line[x] >> np.uint32(16)
        for x in range(width):
            at, to = (x, y) if plan.is_turned else (y, x)
            for channel in range(3):
                total = np.int64(ONE >> 1)
                for k in range(1, len(columns)):
                    sample = line[3 * (columns[0, x] + k - 1) + channel]
                    total += np.int64(columns[k, x]) * np.int64(sample)
                rgb[channel] = total >> 16
            for channel in range(3):
                total = c[channel, 0] * rgb[0] + c[channel, 1] * rgb[1] + c[channel, 2] * rgb[2]
                level = (total + (1 << (SHIFT - 1))) >> SHIFT
                out[at, to, channel] = min(max(level, np.int64(0)), np.int64(255))
    return out


@resize_rgb.cuda_each(1)
def _resize_rgb_cuda(pixels: U8, plan: ResizePlan) -> gpu.DeviceArray:
    """One launch, whatever the number of pictures."""
    count, (height, width) = len(pixels), (plan.rows.shape[1], plan.columns.shape[1])
    shape = (width, height) if plan.is_turned else (height, width)
    weights, out = map(gpu.constant, plan[:3]), gpu.empty((count, *shape, 3), np.uint8)
    gpu.launch(_one_pixel, (count * height, width), pixels, *weights, plan.is_turned, out)
    return out


def _one_pixel(
    pixels: U8, rows: I32, columns: I32, coefficients: I32, is_turned: bool, out: U8
) -> None:
    column, at = cuda.grid(2)
    picture, row = at // rows.shape[1], at % rows.shape[1]
    if picture >= out.shape[0] or column >= columns.shape[1]:
        return
    red, green, blue = np.int64(ONE >> 1), np.int64(ONE >> 1), np.int64(ONE >> 1)
    for j in range(columns.shape[0] - 1):
        x, share = columns[0, column] + j, np.int64(columns[1 + j, column])
        r, g, b = np.int64(ONE >> 1), np.int64(ONE >> 1), np.int64(ONE >> 1)
        for k in range(rows.shape[0] - 1):
            y, weight = rows[0, row] + k, np.int64(rows[1 + k, row]) << 8
            r += weight * np.int64(pixels[picture, y, x, 0])
            g += weight * np.int64(pixels[picture, y, x, 1])
            b += weight * np.int64(pixels[picture, y, x, 2])
        red += share * (r >> 16)
        green += share * (g >> 16)
        blue += share * (b >> 16)
    for channel in range(3):
        total = np.int64(1 << (SHIFT - 1))
        total += np.int64(coefficients[channel, 0]) * (red >> 16)
        total += np.int64(coefficients[channel, 1]) * (green >> 16)
        total += np.int64(coefficients[channel, 2]) * (blue >> 16)
        level = min(max(total >> SHIFT, np.int64(0)), np.int64(255))
        if is_turned:
            out[picture, column, row, channel] = level
        else:
            out[picture, row, column, channel] = level
