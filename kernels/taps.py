"""Which samples of an axis make each output sample, and with what weights?

1. Shrinking averages by exact area; enlarging interpolates linearly between sample centres.
2. Chroma of fewer samples is interpolated linearly to the luma samples first, where its siting puts
   it; both steps are one set of weights.
3. Weights are whole numbers of 1 / 65536 that add up to exactly 65536: their running sum is
   rounded, so no error adds up along the axis.

`area_weights` are those of grids, of which few parts are made: exact, in float64.
"""

from functools import lru_cache

import numpy as np

from fewframes.kernels.kernel import F64, I32, I64

ONE = 1 << 16
"""The weight 1."""


@lru_cache(maxsize=256)
def axis_taps(
    size: int,
    parts: int,
    *,
    samples: int | None = None,
    step: int = 1,
    shift: int = 0,
    block: int = 1,
) -> I32:
    """Weights that turn an axis of `size` luma samples into `parts`, `-> [1 + k, parts] i32`.

    A column is the first sample that a part takes, and its k weights, some of them 0; the samples
    it takes are always there. For chroma, `samples` are on the axis, one for `step` luma samples,
    and the first lies `shift` / 2 luma samples behind the first luma sample. Of an axis that is
    shrunk already, a sample is the mean of a `block`, of which the last may be cut short.

    Raises:
        ValueError: A size is not positive.

    >>> axis_taps(3, 2)
    array([[    0,     1],
           [43691, 21845],
           [21845, 43691]], dtype=int32)
    >>> axis_taps(4, 4, samples=2, step=2)[1:] / ONE  # every other luma sample has its own
    array([[1. , 0.5, 0. , 0. ],
           [0. , 0.5, 1. , 1. ]])
    >>> axis_taps(6, 1, block=4)[1:].tolist()
    [[43691], [21845]]
    """
    samples = -(-size // block) if samples is None else samples
    if min(size, parts, samples, step, block) < 1:
        raise ValueError(
            f"size={size}, parts={parts}, samples={samples}, step={step} make no axis; pass >= 1"
        )
    cells, weights = _area(size, parts, block) if parts <= size else _between(size, parts)
    if step > 1:
        low, part = np.divmod(2 * cells - shift, 2 * step)
        cells = np.hstack([low, low + 1])
        weights = np.hstack([weights * (2 * step - part), weights * part])
    taps = _packed(np.clip(cells, 0, samples - 1), weights, samples)
    taps.flags.writeable = False  # it is handed out again
    return taps


def _area(size: int, parts: int, block: int) -> tuple[I64, I64]:
    """Overlap of equal parts with blocks, in 1 / parts of a sample: both `[parts, k] i64`."""
    start, cell = np.arange(parts)[:, None] * size, parts * block
    cells = start // cell + np.arange(-(-size // cell) + 1)
    end = np.minimum((cells + 1) * cell, start + size)
    return cells, np.maximum(end - np.maximum(cells * cell, start), 0)


def _between(size: int, parts: int) -> tuple[I64, I64]:
    """The two samples around the centre of each part, in 1 / (2 * parts): both `[parts, 2] i64`."""
    low, part = np.divmod((2 * np.arange(parts) + 1) * size - parts, 2 * parts)
    cells = np.clip(np.stack([low, low + 1], axis=1), 0, size - 1)
    return cells, np.stack([2 * parts - part, part], axis=1)


def _packed(cells: I64, weights: I64, samples: int) -> I32:
    """Adds up what falls on one sample, drops what weighs nothing, rounds to 1 / 65536."""
    is_taken = weights > 0
    first = np.where(is_taken, cells, samples).min(axis=1)
    count = int((np.where(is_taken, cells, 0).max(axis=1) - first).max()) + 1
    first = np.minimum(first, samples - count)
    table = np.zeros((len(cells), count), np.int64)
    rows, columns = np.nonzero(is_taken)
    np.add.at(table, (rows, cells[rows, columns] - first[rows]), weights[rows, columns])
    running = np.cumsum(table, axis=1)
    total = running[:, -1:]
    rounded = (2 * ONE * running + total) // (2 * total)
    return np.vstack([first, np.diff(rounded, prepend=0).T]).astype(np.int32)


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


def combined(samples: F64, taps: I32) -> F64:
    """Weighted sums along the first axis, rounded: `[n, ...] -> [parts, ...] f64`.

    The meaning that every kernel with `axis_taps` refers to.

    >>> combined(np.array([[0.0], [90.0], [255.0]]), axis_taps(3, 1)).tolist()
    [[115.0]]
    """
    parts = np.arange(taps.shape[1])
    weights = np.zeros((len(parts), len(samples)))
    for k, column in enumerate(taps[1:]):
        weights[parts, taps[0] + k] = column
    sums: F64 = np.floor(np.tensordot(weights, samples, axes=1) / ONE + 0.5)
    return sums
