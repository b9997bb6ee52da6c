"""PictureStats: what is measured of a scanned picture's samples, in one pass over its planes.

1. The planes (full range, 4:2:0, at the size that is stored) become grids of blocks: the mean of
   luma and of both chroma planes, and the spread of luma within the block. There are about
   `BLOCKS` blocks along the longer side, whatever the size, so signals of two sizes compare.
2. Sharpness and the shares of dark and bright samples are counted in the same sweep.

This looks at one picture alone, so it may be done in any process and any order, and it is where
devices part: planes on a GPU are swept there, a batch at a time, and their grids, a sixth of their
bytes, come to memory.

The functions of `fewframes.features.signals.SIGNALS` compute every signal from the three records
here: `FrameStats` of a frame, `PairStats` of a frame and those before it, `FilmStats` of all rows.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fewframes.arrays import F32, F64, I32, U64, Samples
from fewframes.kernels import block_stats, on_host
from fewframes.kernels.memory import is_on_gpu

BLOCKS = 56
"""Blocks along the longer side, more or less: 8 samples each at the usual size of 448."""
DARK, BRIGHT = 16, 239
"""Luma of samples that count as dark (at most this) and as bright (at least this), of 0 to 255."""
KEPT = 8
"""How many of the pictures kept last a new one is compared with, so that A B A is a return."""
CHANGED_LEVELS = 6.0
"""A block counts as changed where its mean moves by more than this (of 255)."""
FROZEN_LEVELS = 1.0
"""A picture is frozen where no block moves by more than this."""
BLACK_SHARE = 0.98
"""A picture is black where at least this share of its samples is dark."""
LUMA, SPREAD, BLUE, RED = range(4)
"""The grids of a picture, in order."""
MEAN, DEVIATION, MOVED = range(3)
"""What `grid_descriptors` gives of each grid, in order."""
PEAK, AREA = 1, 3
"""Where `nearest_change` gives the largest change of a block, and the share that changed; `MEAN` is
where it is above."""


class PictureStats(NamedTuple):
    """All that is measured of a picture's samples; the rest follows from it, in any process."""

    grids: F32
    """Block means of luma, spread within the blocks, block means of chroma, ``[4, gh, gw] f32``."""
    scalars: F64
    """Sharpness, share of dark and of bright samples, ``[3] f64``."""


class FrameStats(NamedTuple):
    """One frame, as a signal of scope ``frame`` sees it."""

    grids: F32
    """As of `PictureStats`."""
    moments: list[list[float]]
    """`MEAN`, `DEVIATION` and `MOVED` of each grid, in levels, ``[4][3]``."""
    sharpness: float
    """Mean absolute Laplacian of luma, in levels."""
    dark: float
    """Share of dark samples, 0 to 1."""
    bright: float
    """Share of bright samples, 0 to 1."""
    dhash64: int
    """Difference hash of luma."""


class PairStats(NamedTuple):
    """A frame and those before it, as a signal of scope ``pair`` sees them."""

    changes: list[list[float]]
    """`MEAN`, `PEAK` and `AREA` of each grid's change since the scanned frame before, in levels
    and as a share, ``[4][4]``."""
    tone_change: float
    """Distance in levels that blocks must move to be those of the frame before, of luma and
    chroma."""
    kept_change: float
    """Smallest mean change of luma from any picture kept last, in levels."""
    difference: float
    """Largest local difference from the most similar picture kept last, 0 to 1."""


@dataclass(frozen=True, slots=True)
class FilmStats:
    """All scanned frames, as a signal of scope ``film`` sees them."""

    columns: Mapping[str, Samples]
    """The signals of the other scopes, each ``[n]``."""
    signatures: F32
    """Unit-length descriptions, ``[n, d] f32``."""
    seconds: F64
    """Times of the rows, ``[n] f64``."""
    repeats: I32
    """Row that each row repeats, or -1, ``[n] i32``."""
    familiarity: F32
    """As `fewframes.features.redundancy.familiarity` gives it, ``[n] f32``."""
    rarity: F32
    anomaly: F32
    """As `fewframes.features.anomaly.rarity_and_anomaly` gives both, ``[n] f32``."""
    luma_xxh64: U64
    picture_xxh64: U64
    """Hashes of the decoded planes, of luma alone and of all, ``[n] u64``."""


def picture_stats(planes: tuple[Samples, ...], requested: Iterable[int]) -> Iterator[PictureStats]:
    """Sweeps wanted pictures of a batch where they lie; what comes back is in memory.

    Takes ``[n, h, w] u8`` luma and ``[n, ceil(h/2), ceil(w/2)] u8`` chroma, full range. On a GPU
    all pictures are swept in two launches, and two copies come back.

    >>> import numpy as np
    >>> grey = np.full((1, 16, 16), 128, np.uint8)
    >>> planes = (grey, grey[:, :8, :8], grey[:, :8, :8])
    >>> [scalars.tolist() for _, scalars in picture_stats(planes, [0])]
    [[0.0, 0.0, 0.0]]
    """
    luma, blue, red = planes[:3]
    half = min(32, max(1, round(max(luma.shape[1:]) / BLOCKS / 2)))
    if is_on_gpu(luma):
        grids, scalars = block_stats.batch(luma, blue, red, half, DARK, BRIGHT)
        grids = on_host(grids)
        yield from (PictureStats(grids[at], scalars[at]) for at in requested)
        return
    for at in requested:
        yield PictureStats(*block_stats(luma[at], blue[at], red[at], half, DARK, BRIGHT))
