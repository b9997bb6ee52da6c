"""YUV planes to RGB at any size, in one pass, with the film's own matrix, range and chroma siting.

1. Samples are brought to 16 bits. Rows are combined, then columns, by the weights of `taps.py`,
   each step rounded to 16 bits: luma by area, chroma by interpolation and area in one.
2. One matrix in fixed point, 21 bits after the point, gives levels; they are clipped to 0..255.

All of it is whole numbers below 2**32, so NumPy, Numba and CUDA give the same levels. Against the
same formulas in unrounded float64, a level is at most 1 off, and only next to a half.
"""

from collections.abc import Sequence

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import I32, U8, U32, Kernel
from fewframes.kernels.rgb_plan import Plane, RgbPlan
from fewframes.kernels.taps import ONE, combined

STRIP_SAMPLES = 1 << 16
"""Samples that the light body works on at a time, so that they stay in a core's cache."""


@Kernel
def planes_to_rgb(luma: Plane, blue: Plane, red: Plane, plan: RgbPlan) -> U8:
    """RGB of the size that a plan says, `-> [height, width, 3] u8`.

    Takes `luma`, `blue` (Cb) and `red` (Cr), each `[h, w]` of u8, or u16 for more than 8 bits. They
    may be larger than the plan reaches: a decoder's padding is not looked at. Samples have no bits
    above `plan.bits`. Only matrix and range are converted: primaries and transfer curve stay, so
    HDR is not tone-mapped.

    Raises:
        TypeError: A plane is not 2-D of u8 or u16, or the three differ in type.
        ValueError: The plan reaches beyond a plane.

    >>> from fewframes.kernels import rgb_plan
    >>> luma, neutral = np.array([[16, 235], [126, 0]], np.uint8), np.array([[128]], np.uint8)
    >>> planes_to_rgb(luma, neutral, neutral, rgb_plan((2, 2)))[:, :, 0]
    array([[  0, 255],
           [128,   0]], dtype=uint8)
    """
    luma_taps, chroma_taps = plan[2:4], plan[4:6]
    levels = [
        combined(combined(plane.astype(np.float64) * 2 ** (16 - plan.bits), rows).T, columns).T
        for plane, (rows, columns) in zip(
            (luma, blue, red), (luma_taps, chroma_taps, chroma_taps), strict=True
        )
    ]
    factors = plan.coefficients.astype(np.float64)
    sums = np.tensordot(factors[:, :3], levels, axes=1) + factors[:, 3, None, None]
    rgb: U8 = np.clip(np.floor(sums / 2**21), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(rgb, 0, 2))


@planes_to_rgb.check
def _is_reached(luma: Plane, blue: Plane, red: Plane, plan: RgbPlan) -> None:
    taps = (plan.luma_rows, plan.luma_columns), plan[4:6], plan[4:6]
    for name, plane, axes in zip(("luma", "blue", "red"), (luma, blue, red), taps, strict=True):
        dtype = getattr(plane, "dtype", None)
        if dtype not in (np.uint8, np.uint16) or plane.ndim != 2 or dtype != luma.dtype:
            got = type(plane).__name__ if dtype is None else f"{list(plane.shape)} {dtype}"
            raise TypeError(
                f"{name} must be [h, w] u8 or u16, like the other planes, got {got}; "
                "pass 2-D arrays of one of the two"
            )
        reach = [int(table[0].max()) + len(table) - 1 for table in axes]
        if plane.shape[0] < reach[0] or plane.shape[1] < reach[1]:
            raise ValueError(
                f"{name} is {list(plane.shape)}, but the plan reaches {reach}; "
                "pass the size and steps of these planes to rgb_plan"
            )


@planes_to_rgb.cpu
def _planes_to_rgb_cpu(luma: Plane, blue: Plane, red: Plane, plan: RgbPlan) -> U8:
    height, width = plan.luma_rows.shape[1], plan.luma_columns.shape[1]
    out = np.empty((height, 3 * width), np.uint8)
    lines = np.empty((3, max(luma.shape[1], blue.shape[1], red.shape[1])), np.uint32)
    levels = np.empty((3, width), np.uint32)
    rows, columns, twice = plan.chroma_rows, plan.chroma_columns, plan.doubles
    for row in range(height):
        _mix_rows(luma, plan.bits, plan.luma_rows, row, lines[0])
        _mix_rows(blue, plan.bits, rows, row, lines[1])
        _mix_rows(red, plan.bits, rows, row, lines[2])
        y = _mix_columns(lines[0], plan.luma_columns, levels[0], False)  # noqa: FBT003
        cb = _mix_columns(lines[1], columns, levels[1], twice)
        cr = _mix_columns(lines[2], columns, levels[2], twice)
        _recolour(y, cb, cr, plan.coefficients, out[row])
    return out.reshape(height, width, 3)


@planes_to_rgb.helper
def _mix_rows(plane: Plane, bits: int, taps: I32, at: int, line: U32) -> None:
    """Combines the rows that make one row of the result, brought to 16 bits."""
    first, width = taps[0, at], plane.shape[1]
    shift, half = np.uint32(16 - bits), np.uint32(ONE >> 1)
    row, weight = plane[first], np.uint32(np.uint32(taps[1, at]) << shift)
    if len(taps) == 2:
        for x in range(width):
            line[x] = np.uint32(row[x]) << shift
    elif len(taps) == 3:  # what 4:2:0 at full size takes: once over the line
        other, rest = plane[first + 1], np.uint32(np.uint32(taps[2, at]) << shift)
        for x in range(width):
            total = weight * np.uint32(row[x]) + rest * np.uint32(other[x]) + half
            line[x] = np.uint32(total) >> np.uint32(16)
    else:
        for x in range(width):
            line[x] = np.uint32(weight * np.uint32(row[x]) + half)
        for k in range(2, len(taps)):
            other, rest = plane[first + k - 1], np.uint32(np.uint32(taps[k, at]) << shift)
            for x in range(width):
                line[x] = np.uint32(line[x] + np.uint32(rest * np.uint32(other[x])))
        for x in range(width):
            line[x] = line[x] >> np.uint32(16)


@planes_to_rgb.helper
def _mix_between(line: U32, taps: I32, start: int, stop: int, levels: U32) -> None:
    """Combines columns, for the outputs from `start` to `stop`; unsigned indices become gathers."""
    for x in range(start, stop):
        levels[x] = ONE >> 1
    for k in range(1, len(taps)):
        for x in range(start, stop):
            sample = line[np.uint32(taps[0, x] + k - 1)]
            levels[x] = np.uint32(levels[x] + np.uint32(np.uint32(taps[k, x]) * sample))
    for x in range(start, stop):
        levels[x] = levels[x] >> np.uint32(16)


@planes_to_rgb.helper
def _mix_columns(line: U32, taps: I32, levels: U32, doubles: bool) -> U32:
    """Combines the columns of a line; doubled ones take two samples, alike but at the ends."""
    width = taps.shape[1]
    if len(taps) == 2 and taps[0, -1] == width - 1:
        return line
    if not doubles:
        _mix_between(line, taps, 0, width, levels)
        return levels
    even, odd = line[taps[0, 2] :], line[taps[0, 3] :]
    a, b = np.uint32(taps[1, 2]), np.uint32(taps[2, 2])
    c, d = np.uint32(taps[1, 3]), np.uint32(taps[2, 3])
    half, pairs = np.uint32(ONE >> 1), (width - 3) // 2
    for i in range(pairs):
        levels[2 * i + 2] = np.uint32(a * even[i] + b * even[i + 1] + half) >> np.uint32(16)
        levels[2 * i + 3] = np.uint32(c * odd[i] + d * odd[i + 1] + half) >> np.uint32(16)
    _mix_between(line, taps, 0, 2, levels)
    _mix_between(line, taps, 2 * pairs + 2, width, levels)
    return levels


@planes_to_rgb.helper
def _recolour(y: U32, cb: U32, cr: U32, coefficients: I32, out: U8) -> None:
    """Levels of one row, `[3 * w]`: a flat row becomes vector stores, `[w, 3]` does not."""
    low, high, c = np.int32(0), np.int32(255), coefficients
    gain, r1, r2, r3 = c[0, 0], c[0, 1], c[0, 2], c[0, 3]
    g1, g2, g3, b1, b2, b3 = c[1, 1], c[1, 2], c[1, 3], c[2, 1], c[2, 2], c[2, 3]
    for x in range(len(out) // 3):
        grey, blue, red = np.int32(gain * np.int32(y[x])), np.int32(cb[x]), np.int32(cr[x])
        r = np.int32(np.int32(grey + r1 * blue + r2 * red + r3) >> 21)
        g = np.int32(np.int32(grey + g1 * blue + g2 * red + g3) >> 21)
        b = np.int32(np.int32(grey + b1 * blue + b2 * red + b3) >> 21)
        out[3 * x] = min(max(r, low), high)
        out[3 * x + 1] = min(max(g, low), high)
        out[3 * x + 2] = min(max(b, low), high)


@planes_to_rgb.numpy
def _planes_to_rgb_light(luma: Plane, blue: Plane, red: Plane, plan: RgbPlan) -> U8:
    height, width = plan.luma_rows.shape[1], plan.luma_columns.shape[1]
    out = np.empty((height, width, 3), np.uint8)
    of_chroma = plan.chroma_rows, plan.chroma_columns, plan.doubles
    ways = (luma, *plan[2:4], False), (blue, *of_chroma), (red, *of_chroma)
    step = max(1, STRIP_SAMPLES // width)
    for top in range(0, height, step):
        strip = slice(top, top + step)
        y, *chroma = (
            _columns(_rows(plane, plan.bits, rows[:, strip]), columns, doubles=doubles)
            for plane, rows, columns, doubles in ways
        )
        grey = y * plan.coefficients[0, 0]
        for channel, (_, *factors, constant) in enumerate(plan.coefficients):
            level = grey + constant
            for factor, samples in zip(factors, chroma, strict=True):
                if factor:
                    level += samples * factor
            level >>= 21
            np.clip(level, 0, 255, out=out[strip, :, channel], casting="unsafe")
    return out


def _rows(plane: Plane, bits: int, taps: I32) -> U32:
    """Weighted sums of rows, brought to 16 bits."""
    first, weights = taps[0], taps[1:].astype(np.uint32) << np.uint32(16 - bits)
    if len(weights) == 1:
        shifted: U32 = np.left_shift(plane[first], np.uint32(16 - bits), dtype=np.uint32)
        return shifted
    return _weighted(
        [plane[first + k].astype(np.uint32) for k in range(len(weights))], weights[:, :, None]
    )


def _columns(lines: U32, taps: I32, *, doubles: bool) -> I32:
    """Weighted sums of columns; doubled ones by slices, but for the first and the last."""
    parts, count = taps.shape[1], len(taps) - 1
    if count == 1 and taps[0, -1] == parts - 1:
        return lines[:, :parts].view(np.int32)
    out = np.empty((len(lines), parts), np.int32)
    pairs = (parts - 3) // 2 if doubles else 0
    for at in (2, 3) if doubles else ():
        runs = [lines[:, taps[0, at] + k :][:, :pairs] for k in range(count)]
        out[:, at : at + 2 * pairs : 2] = _weighted(runs, taps[1:, at]).view(np.int32)
    for ends in (slice(0, 2), slice(2 + 2 * pairs, parts)):
        runs = [lines.take(taps[0, ends] + k, axis=1) for k in range(count)]
        out[:, ends] = _weighted(runs, taps[1:, ends]).view(np.int32)
    return out


def _weighted(arrays: Sequence[U32], weights: I32 | U32) -> U32:
    """The sum of arrays, each with its weight (or with one for each row or column), rounded."""
    if weights.ndim == 1 and weights.max() == ONE:
        return arrays[int(weights.argmax())]
    first, *others = zip(arrays, weights.astype(np.uint32), strict=True)
    total: U32 = np.multiply(*first)
    for array, weight in others:
        total += array * weight
    total += np.uint32(ONE >> 1)
    total >>= np.uint32(16)
    return total


@planes_to_rgb.cuda_each(3)
def _planes_to_rgb_cuda(luma: Plane, blue: Plane, red: Plane, plan: RgbPlan) -> gpu.DeviceArray:
    """One launch, whatever the number of pictures."""
    count, (height, width) = len(luma), (plan.luma_rows.shape[1], plan.luma_columns.shape[1])
    weights, out = map(gpu.constant, plan[1:6]), gpu.empty((count, height, width, 3), np.uint8)
    gpu.launch(_one_pixel, (count * height, width), luma, blue, red, plan.bits, *weights, out)
    return out


def _one_pixel(
    luma: Plane,
    blue: Plane,
    red: Plane,
    bits: int,
    factors: I32,
    luma_rows: I32,
    luma_columns: I32,
    rows: I32,
    columns: I32,
    out: U8,
) -> None:
    column, at = cuda.grid(2)
    picture, row = at // out.shape[1], at % out.shape[1]
    if picture >= out.shape[0] or column >= out.shape[2]:
        return
    y, cb, cr = np.int64(ONE >> 1), np.int64(ONE >> 1), np.int64(ONE >> 1)
    for j in range(luma_columns.shape[0] - 1):
        x, mixed = luma_columns[0, column] + j, np.int64(ONE >> 1)
        for k in range(luma_rows.shape[0] - 1):
            sample = np.int64(luma[picture, luma_rows[0, row] + k, x]) << (16 - bits)
            mixed += np.int64(luma_rows[1 + k, row]) * sample
        y += np.int64(luma_columns[1 + j, column]) * (mixed >> 16)
    for j in range(columns.shape[0] - 1):
        x, share = columns[0, column] + j, np.int64(columns[1 + j, column])
        one, other = np.int64(ONE >> 1), np.int64(ONE >> 1)
        for k in range(rows.shape[0] - 1):
            line, weight = rows[0, row] + k, np.int64(rows[1 + k, row]) << (16 - bits)
            one += weight * np.int64(blue[picture, line, x])
            other += weight * np.int64(red[picture, line, x])
        cb, cr = cb + share * (one >> 16), cr + share * (other >> 16)
    for channel in range(3):
        total = np.int64(factors[channel, 3]) + np.int64(factors[channel, 0]) * (y >> 16)
        total += np.int64(factors[channel, 1]) * (cb >> 16)
        total += np.int64(factors[channel, 2]) * (cr >> 16)
        out[picture, row, column, channel] = min(max(total >> 21, np.int64(0)), np.int64(255))
