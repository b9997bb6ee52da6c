"""Pictures of another size: averaged by area to shrink, interpolated to enlarge.

Rows are combined, then columns, by the weights of `taps.py`, each step rounded to 16 bits; then
levels are rounded to 8. All of it is whole numbers below 2**32, so that every body gives the same.
"""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import I32, U8, U32, Kernel, require
from fewframes.kernels.memory import on_host
from fewframes.kernels.taps import ONE, combined


@Kernel
def resize(pixels: U8, rows: I32, columns: I32) -> U8:
    """Another size of a picture `[h, w, c] u8`, `-> [height, width, c] u8`.

    `rows` and `columns` say what each row and column is made of, see `axis_taps`.

    Raises:
        TypeError: An array of another form.
        ValueError: The weights reach beyond the picture.

    >>> from fewframes.kernels import axis_taps
    >>> resize(np.array([[[0], [90], [255]]], np.uint8), axis_taps(1, 1), axis_taps(3, 1))
    array([[[115]]], dtype=uint8)
    """
    levels = pixels.astype(np.float64) * 256
    for taps in (rows, columns):
        levels = combined(levels, taps).swapaxes(0, 1)
    return np.ascontiguousarray(np.floor(levels / 256 + 0.5).astype(np.uint8))


@resize.check
def _is_reached(pixels: U8, rows: I32, columns: I32) -> None:
    require("pixels", pixels, "[h, w, c] u8")
    for name, taps, size in zip(("rows", "columns"), (rows, columns), pixels.shape, strict=False):
        require(name, taps, "[1 + k, n] i32")
        first = on_host(taps[0])
        reach = int(first.max()) + len(taps) - 1 if taps.shape[1] else 0
        if reach > size or first.min(initial=0) < 0:
            raise ValueError(
                f"{name} reaches {reach} samples of a picture {list(pixels.shape)}; "
                "make the weights with axis_taps from its own size"
            )


@resize.cpu
def _resize_cpu(pixels: U8, rows: I32, columns: I32) -> U8:
    height, width, channels = pixels.shape
    flat = np.ascontiguousarray(pixels).reshape(height, width * channels)
    out = np.empty((rows.shape[1], columns.shape[1] * channels), np.uint8)
    line, levels = np.empty(width * channels, np.uint32), np.empty(out.shape[1], np.uint32)
    weights = np.empty((len(columns) - 1, out.shape[1]), np.uint32)
    first = np.empty(out.shape[1], np.uint32)
    for i in range(out.shape[1]):
        first[i] = columns[0, i // channels] * channels + i % channels
        for k in range(1, len(columns)):
            weights[k - 1, i] = columns[k, i // channels]
    half, shift = np.uint32(ONE >> 1), np.uint32(16)
    for y in range(rows.shape[1]):
        line[:] = half
        for k in range(1, len(rows)):
            weight, row = np.uint32(np.uint32(rows[k, y]) << 8), flat[rows[0, y] + k - 1]
            for i in range(len(line)):
                line[i] = np.uint32(line[i] + np.uint32(weight * np.uint32(row[i])))
        for i in range(len(line)):
            line[i] = line[i] >> shift
        levels[:] = half
        for k in range(1, len(columns)):
            for i in range(len(levels)):
                sample = line[np.uint32(first[i] + np.uint32((k - 1) * channels))]
                levels[i] = np.uint32(levels[i] + np.uint32(weights[k - 1, i] * sample))
        for i in range(len(levels)):
            out[y, i] = np.uint32((levels[i] >> shift) + np.uint32(128)) >> np.uint32(8)
    return out.reshape(rows.shape[1], columns.shape[1], channels)


@resize.numpy
def _resize_light(pixels: U8, rows: I32, columns: I32) -> U8:
    lines = _weighted(pixels, rows, 0, 8)
    levels = _weighted(lines, columns, 1, 0)
    levels += np.uint32(128)
    levels >>= np.uint32(8)
    return levels.astype(np.uint8)


def _weighted(samples: U8 | U32, taps: I32, axis: int, shift: int) -> U32:
    """Weighted sums along an axis, rounded to 16 bits."""
    weights = taps[1:].astype(np.uint32) << np.uint32(shift)
    shape = (-1, 1, 1) if axis == 0 else (-1, 1)
    total = np.full((), ONE >> 1, np.uint32)
    for k, weight in enumerate(weights):
        total = total + samples.take(taps[0] + k, axis=axis) * weight.reshape(shape)
    total >>= np.uint32(16)
    return total


@resize.cuda
def _resize_cuda(pixels: U8, rows: I32, columns: I32) -> gpu.DeviceArray:
    out = gpu.empty((rows.shape[1], columns.shape[1], pixels.shape[2]), np.uint8)
    gpu.launch(_one_pixel, out.shape[:2], pixels, gpu.to_device(rows), gpu.to_device(columns), out)
    return out


def _one_pixel(pixels: U8, rows: I32, columns: I32, out: U8) -> None:
    column, row = cuda.grid(2)
    if row >= out.shape[0] or column >= out.shape[1]:
        return
    for channel in range(out.shape[2]):
        total = np.int64(ONE >> 1)
        for j in range(columns.shape[0] - 1):
            mixed, x = np.int64(ONE >> 1), columns[0, column] + j
            for k in range(rows.shape[0] - 1):
                sample = np.int64(pixels[rows[0, row] + k, x, channel]) << 8
                mixed += np.int64(rows[1 + k, row]) * sample
            total += np.int64(columns[1 + j, column]) * (mixed >> 16)
        out[row, column, channel] = ((total >> 16) + 128) >> 8
