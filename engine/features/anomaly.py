"""How unusual is each frame of a film? Two columns that follow from all rows, for any length.

1. A frame is compared with the film at other times: with at most `MOST` rows, evenly spread, that
   are more than `APART_SECONDS`, or a quarter of the film, away, so that an event is not explained
   by its own frames. Views that return are found wherever they are.
2. `rarity` is the distance of its signature to the `RARE`-th most similar of them. A scene that is
   seen for less than so many rows is rare, also where it comes twice.
3. `anomaly` looks into the picture. The grids of luma (on a logarithmic scale) and chroma, each
   without its median, are halved; each cell is compared with its 3 x 3 surroundings in the `ALIKE`
   most similar frames, and what the best of them leaves of it counts (`residual`). That
   forgives exposure, small movements and returns. Windows of 2 x 2 cells are divided by what is
   usual in their place, the 97 % quantile over the film, so that a clock or a restless corner
   counts little. The largest window, less half of the 90 % quantile over the picture, is the
   anomaly: a change of the whole picture, as by a blur, is not odd in one place.

`fewframes.features.anomaly_score` makes one score of both. A per-cell minimum over
references is the idea of ViBe (O. Barnich and M. Van Droogenbroeck, IEEE TIP 2011);
distance to the k-th nearest neighbour as a measure of outliers is from S. Ramaswamy et al., SIGMOD
2000.
"""

import numpy as np

from fewframes.arrays import F16, F32, F64, I64
from fewframes.chunks import in_chunks
from fewframes.kernels import residual, smallest
from fewframes.kernels.memory import array_module

APART_SECONDS = 8.5
"""Frames nearer in time are not compared: evidence as long as this is not explained by itself."""
MOST = 4096
"""Rows that frames are compared with; of more, this many, evenly spread, stand for all."""
RARE, ALIKE = 17, 40
"""How many of the most similar frames are looked at, for rarity and for anomaly."""
CHUNK = 256
"""Frames compared at a time by a thread, which bounds the memory."""
DARKEST = 24.0
"""Added to luma before its logarithm, in levels, so that noise in the dark counts little."""
LIGHT_WEIGHT = 0.5
"""Of luma, in hundredths of its logarithm, beside levels of chroma."""
RARITY, ANOMALY = "rarity", "anomaly"
"""Names of both columns."""


def coarse_cells(grids: F32) -> F16:
    """Halves the grids of luma and chroma, ``[n, 4, gh, gw] -> [n, 3, h, w] f16`` levels.

    >>> coarse_cells(np.full((1, 4, 5, 2), 9, np.float32)).shape
    (1, 3, 2, 1)
    """
    cells = grids[:, (0, 2, 3)]
    if min(cells.shape[2:]) > 1:
        h, w = (size // 2 * 2 for size in cells.shape[2:])
        pairs = cells[:, :, 0:h:2, :w] + cells[:, :, 1:h:2, :w]
        cells = (pairs[..., 0::2] + pairs[..., 1::2]) * np.float32(0.25)
    coarse: F16 = cells.astype(np.float16)
    return coarse


def rarity_and_anomaly(cells: F16, signatures: F32, seconds: F64) -> tuple[F32, F32]:
    """Gives both columns, ``[n] f32``, of n times cells, signatures ``[n, d]`` and times.

    0 for both where a film has nothing at other times. O(n * min(n, MOST) * d). Cells and
    signatures may both lie on a GPU, as CuPy's arrays: all is done there, and so come the columns.
    Products are then rounded in another order (float32, no TF32): rarity may differ by 0.001, and
    where two rows are that much alike, another one of them may explain a cell.

    >>> looks = np.eye(2, dtype=np.float32)[[0, 0, 0, 1, 0, 0]]
    >>> cells = np.zeros((6, 3, 2, 2), np.float16)
    >>> rarity, anomaly = rarity_and_anomaly(cells, looks, np.arange(6) * 10.0)
    >>> rarity.round(1).astype(str).tolist(), anomaly.max().item()
    (['1.4', '1.4', '1.4', '1.4', '1.4', '1.4'], 0.0)
    """
    if not len(seconds):
        return np.empty(0, np.float32), np.empty(0, np.float32)
    bank = np.arange(len(seconds))
    if len(bank) > MOST:
        bank = np.linspace(0, len(seconds) - 1, MOST).round().astype(np.int64)
    apart = min(APART_SECONDS, float(seconds[-1] - seconds[0]) / 4)
    alike, rarity = _alike_rows(signatures, seconds, bank, apart)
    return rarity, _anomaly(_windows(cells, bank, alike))


def _alike_rows(signatures: F32, seconds: F64, bank: I64, apart: float) -> tuple[I64, F32]:
    """Which of the bank's rows are most similar to each row, and the rarity of each."""
    xp = array_module(signatures)
    others = _for_distances(signatures[xp.asarray(bank)])
    near = [np.searchsorted(seconds[bank], seconds - apart, "left")]
    near.append(np.searchsorted(seconds[bank], seconds + apart, "right"))
    stretches = xp.asarray(np.stack(near, axis=1))
    parts = in_chunks(
        lambda rows: _alike(signatures[rows], others, stretches[rows]),
        len(seconds),
        chunk=CHUNK,
        there=signatures,
    )
    alike, rarity = map(xp.concatenate, zip(*parts, strict=True))
    return alike, rarity


def _windows(cells: F16, bank: I64, alike: I64) -> F16:
    """What the rows alike do not explain of each row's cells, ``[n, windows] f16``."""
    xp = array_module(cells)
    bank = xp.asarray(bank)
    low, high = xp.empty((2, len(bank), cells[0].size), np.float32)

    def bound(rows: slice) -> None:
        low[rows], high[rows] = _bounds(_normalised(cells[bank[rows]]))

    in_chunks(bound, len(bank), chunk=CHUNK, there=cells)
    parts = in_chunks(
        lambda rows: _left_over(_normalised(cells[rows]), low, high, alike[rows]),
        len(alike),
        chunk=CHUNK,
        there=cells,
    )
    windows: F16 = xp.concatenate(parts)
    return windows


def _for_distances(others: F32) -> F32:
    """What rows with a 1 behind are multiplied by to know which others are near, ``[d + 1, m]``."""
    squares = (others * others).sum(axis=1)
    behind: F32 = array_module(others).concatenate([-2 * others, squares[:, None]], axis=1).T
    return behind


def _alike(mine: F32, others: F32, near: I64) -> tuple[I64, F32]:
    """The most similar frames of other times, -1 for none, and the distance of the RARE-th."""
    xp = array_module(mine)
    wide = xp.concatenate([mine, xp.ones((len(mine), 1), np.float32)], axis=1)
    squares = wide @ others  # less each row's own square, which is the same for all others
    nearest = smallest(squares, near, ALIKE)
    known = (nearest[:, :RARE] >= 0).sum(axis=1)
    at = xp.arange(len(mine))
    last = squares[at, nearest[at, xp.maximum(known, 1) - 1]] + (mine * mine).sum(axis=1)
    distance: F32 = xp.sqrt(xp.maximum(0, xp.where(known > 0, last, 0)))
    return nearest, distance.astype(np.float32, copy=False)


def _normalised(cells: F16) -> F32:
    """Cells where exposure only adds, without the median of each plane, ``[n, 3, h, w]``."""
    xp, levels = array_module(cells), cells.astype(np.float32)
    levels[:, 0] = LIGHT_WEIGHT * 100 * xp.log(DARKEST + levels[:, 0])
    levels -= xp.median(levels, axis=(2, 3), keepdims=True)
    return levels


def _bounds(cells: F32) -> tuple[F32, F32]:
    """The least and the largest value in the 3 x 3 surroundings of each cell, ``[n, 3 h w]``."""
    xp = array_module(cells)
    wide = xp.pad(cells, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    (h, w), low, high = cells.shape[2:], cells.copy(), cells.copy()
    for down in range(3):
        for right in range(3):
            part = wide[:, :, down : down + h, right : right + w]
            xp.minimum(low, part, out=low)
            xp.maximum(high, part, out=high)
    return low.reshape(len(cells), -1), high.reshape(len(cells), -1)


def _left_over(cells: F32, low: F32, high: F32, alike: I64) -> F16:
    """What no picture alike explains, over windows of 2 x 2 cells, ``[n, windows] f16``."""
    left = residual(cells.reshape(len(cells), -1), low, high, alike)
    places = left.reshape(cells.shape).sum(axis=1)
    if places.shape[1] > 1:
        places = (places[:, 1:] + places[:, :-1]) / 2
    if places.shape[2] > 1:
        places = (places[:, :, 1:] + places[:, :, :-1]) / 2
    windows: F16 = places.reshape(len(cells), -1).astype(np.float16)
    return windows


def _anomaly(left: F16) -> F32:
    """The largest window beside what is usual there, less half of the picture's 90 % quantile."""
    xp, every = array_module(left), -(-len(left) // MOST)
    usual = xp.quantile(left[::every].astype(np.float32), 0.97, axis=0) + 1

    def stands_out(rows: slice) -> F32:
        part = left[rows] / usual
        odd: F32 = part.max(axis=1) - 0.5 * xp.quantile(part, 0.9, axis=1)
        return odd.astype(np.float32, copy=False)

    column: F32 = xp.concatenate(in_chunks(stands_out, len(left), chunk=CHUNK, there=left))
    return column
