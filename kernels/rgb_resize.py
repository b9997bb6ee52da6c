"""RGB to RGB of another size, and of another colour matrix where the first was the wrong one.

1. Samples are brought to 16 bits. Rows are combined, then columns, by the weights of `taps.py`.
2. A matrix in fixed point, 14 bits after the point, gives levels; they are clipped to 0..255.

Both steps are linear, so averaging RGB is averaging the planes it was made of.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import I32, U8, U16, Kernel, require
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


@lru_cache(maxsize=64)
def resize_plan(
    size: Size, target: Size | None = None, *, taken_for: str = "bt601", matrix: str = "bt601"
) -> ResizePlan:
    """Plans the way from RGB of a `size` to RGB of a `target` size (None: the same).

    `taken_for` is the matrix by which the RGB was made of planes, `matrix` the one by which it
    should have been; where they are the same, colours stay. Plans are remembered.

    Raises:
        ValueError: A size or matrix that cannot be.

    >>> resize_plan((4, 4), (2, 2)).coefficients.diagonal().tolist()
    [16384, 16384, 16384]
    """
    (height, width), (rows, columns) = size, size if target is None else target
    exact = rgb_from_ycc(matrix) @ np.linalg.inv(rgb_from_ycc(taken_for))
    fixed = np.floor(exact * 2**14 + 0.5).astype(np.int32)
    fixed.flags.writeable = False  # it is handed out again
    return ResizePlan(axis_taps(height, rows), axis_taps(width, columns), fixed)


@Kernel
def resize_rgb(pixels: U8, plan: ResizePlan) -> U8:
    """RGB of the size that a plan says, `[h, w, 3] u8 -> [height, width, 3] u8`.

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
    return np.ascontiguousarray(rgb)


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
    out, line = np.empty((height, width, 3), np.uint8), np.empty(samples, np.uint32)
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
            for channel in range(3):
                total = np.int64(ONE >> 1)
                for k in range(1, len(columns)):
                    at = 3 * (columns[0, x] + k - 1) + channel
                    total += np.int64(columns[k, x]) * np.int64(line[at])
                rgb[channel] = total >> 16
            for channel in range(3):
                total = c[channel, 0] * rgb[0] + c[channel, 1] * rgb[1] + c[channel, 2] * rgb[2]
                level = (total + (1 << (SHIFT - 1))) >> SHIFT
                out[y, x, channel] = min(max(level, np.int64(0)), np.int64(255))
    return out


@resize_rgb.cuda
def _resize_rgb_cuda(pixels: U8, plan: ResizePlan) -> gpu.DeviceArray:
    shape = plan.rows.shape[1], plan.columns.shape[1]
    rows, columns, coefficients = map(gpu.there, plan)
    lines = gpu.empty((shape[0], pixels.shape[1], 3), np.uint16)
    out = gpu.empty((*shape, 3), np.uint8)
    gpu.launch(_one_line_sample, (shape[0], 3 * pixels.shape[1]), pixels, rows, lines)
    gpu.launch(_one_pixel, shape, lines, columns, coefficients, out)
    return out


def _one_line_sample(pixels: U8, rows: I32, lines: U16) -> None:
    at, row = cuda.grid(2)
    if row >= lines.shape[0] or at >= 3 * lines.shape[1]:
        return
    column, channel = at // 3, at % 3
    total = np.int64(ONE >> 1)
    for k in range(rows.shape[0] - 1):
        sample = np.int64(pixels[rows[0, row] + k, column, channel]) << 8
        total += np.int64(rows[1 + k, row]) * sample
    lines[row, column, channel] = total >> 16


def _one_pixel(lines: U16, columns: I32, coefficients: I32, out: U8) -> None:
    column, row = cuda.grid(2)
    if row >= out.shape[0] or column >= out.shape[1]:
        return
    red, green, blue = np.int64(ONE >> 1), np.int64(ONE >> 1), np.int64(ONE >> 1)
    for k in range(columns.shape[0] - 1):
        at, weight = columns[0, column] + k, np.int64(columns[1 + k, column])
        red += weight * np.int64(lines[row, at, 0])
        green += weight * np.int64(lines[row, at, 1])
        blue += weight * np.int64(lines[row, at, 2])
    for channel in range(3):
        total = np.int64(1 << (SHIFT - 1))
        total += np.int64(coefficients[channel, 0]) * (red >> 16)
        total += np.int64(coefficients[channel, 1]) * (green >> 16)
        total += np.int64(coefficients[channel, 2]) * (blue >> 16)
        out[row, column, channel] = min(max(total >> SHIFT, np.int64(0)), np.int64(255))
