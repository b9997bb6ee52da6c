"""Signals: what is measured of each scanned picture, in one pass over its luma and chroma.

1. The planes (full range, 4:2:0, at the size that is stored) become grids of blocks: the mean of
   luma and of both chroma planes, and the spread of luma within the block. There are about
   `BLOCKS` blocks along the longer side, whatever the size, so signals of two sizes compare.
2. The grids are compared with those of the picture before, and of the last `KEPT` kept pictures.
3. A picture repeats the most similar kept one if their difference is at most ``dedup``. It is the
   largest local one: the largest mean over any 2 x 2 blocks of any grid, or half the largest of
   a single block, whichever is more, as a share of the full range. Two blocks square average the
   noise of coding away; a single block that changes twice as much is still seen.

Step 1 looks at one picture alone, so `picture_stats` may be done in any process and any order, and
it is where devices part: planes on a GPU are swept there, a batch at a time, and their grids, a
sixth of their bytes, come to memory. Steps 2 and 3 are one serial pass over what it gives.

Pictures are fed in presentation order. One that comes late, because its first decoding failed, is
measured for itself: nothing is compared with it, and its own changes are not known (NaN).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fewframes.arrays import F32, F64, U8, Samples
from fewframes.kernels import block_stats, grid_descriptors, nearest_change, on_host
from fewframes.kernels.memory import is_on_gpu

BLOCKS = 56
"""Blocks along the longer side, more or less: 8 samples each at the usual size of 448."""
KEPT = 8
"""How many of the pictures kept last a new one is compared with, so that A B A is a return."""
CHANGED_LEVELS = 6.0
"""A block counts as changed where its mean moves by more than this (of 255)."""
FROZEN_LEVELS = 1.0
"""A picture is frozen where no block moves by more than this."""
DARK, BRIGHT = 16, 239
"""Luma of samples that count as dark (at most this) and as bright (at least this), of 0 to 255."""
BLACK_SHARE = 0.98
"""A picture is black where at least this share of its samples is dark."""
LUMA, SPREAD, BLUE, RED = range(4)
"""The grids of a picture, in order."""
MEAN, PEAK, _, AREA = range(4)
"""What `nearest_change` says of each grid, in order."""

SIGNALS: dict[str, str] = {
    "brightness": "mean luma, 0 to 255",
    "contrast": "standard deviation of the block means of luma, in levels",
    "detail": "mean spread of luma within a block, in levels",
    "sharpness": "mean absolute Laplacian of luma, over every eighth row, in levels",
    "dark": f"share of luma samples at or below {DARK} of 255, over every eighth row, 0 to 1",
    "bright": f"share of luma samples at or above {BRIGHT} of 255, over every eighth row, 0 to 1",
    "black": f"1 where at least {BLACK_SHARE:.0%} of those samples are dark, else 0",
    "change": "mean absolute change of luma blocks since the scanned frame before, in levels",
    "change_peak": "largest such change",
    "changed_area": f"share of blocks that changed by more than {CHANGED_LEVELS:g} levels, in luma "
    "or in a chroma plane, whichever changed more, 0 to 1",
    "colour_change": "mean absolute change of both chroma planes since the frame before, in levels",
    "kept_change": f"smallest mean change of luma blocks from any of the {KEPT} pictures kept last "
    "before it, in levels: low where a view returns",
    "frozen": f"1 where no block changed by more than {FROZEN_LEVELS:g} level since the scanned "
    "frame before, else 0",
    "tone_change": "mean distance in level that blocks, wherever they are, must move to be those "
    "of the frame before, luma plus both chroma planes: what motion alone hardly changes",
    "similarity": f"likeness to the most similar of the {KEPT} pictures kept last before it: 1 "
    "minus the largest local difference, as a share of the full range, 0 to 1",
    "repeats": "row of the frame whose picture it shares, -1 for a picture of its own",
    "familiarity": "likeness of its signature to the nearest kept picture of the whole film so "
    "far, 0 to 1",
    "rarity": "distance of its signature to the 17th most similar frame of the film more than "
    "8.5 s away: high for a scene that is hardly ever seen",
    "oddity": "largest local difference in luma or chroma that none of the 40 most similar frames "
    "more than 8.5 s away explains, beside what is usual in that place",
    "shot_start": "1 where a shot begins: the film's first frame, the first one after a cut or in "
    "the midst of a fade, else 0; its running sum numbers the shots from 1",
    "dhash64": "perceptual difference hash of luma, for similarity",
    "luma_xxh64": "hash of the decoded luma at native depth, for integrity, never for similarity; "
    "0 where it is not known, because the decoder gives no luma (DALI)",
    "picture_xxh64": "the same of all decoded planes, alpha and palette included, which sees a "
    "change of colour, too; not in stores made before it",
}
"""Every column that is measured, and what it means. Where there is no frame before, changes are 0;
where it is not known, NaN."""

OF_PAIRS = (
    "change",
    "change_peak",
    "changed_area",
    "colour_change",
    "tone_change",
    "frozen",
    "kept_change",
    "similarity",
)
"""Signals that compare a picture with those before it."""
_UNKNOWN = dict.fromkeys(OF_PAIRS, float("nan"))
OF_ALL_ROWS = (
    "repeats",
    "familiarity",
    "rarity",
    "oddity",
    "shot_start",
    "luma_xxh64",
    "picture_xxh64",
)
"""Signals that the pass does not measure: they follow from all rows, or from the decoder."""


class PictureStats(NamedTuple):
    """All that is measured of a picture's samples; the rest follows from it, in any process."""

    grids: F32
    """Block means of luma, spread within the blocks, block means of chroma, ``[4, gh, gw] f32``."""
    scalars: F64
    """Sharpness, share of dark and of bright samples, ``[3] f64``."""


class Measured(NamedTuple):
    """One picture's row of the table."""

    repeats: int
    """Which picture it repeats, counted from 0 as they were fed; -1 for none."""
    signature: F32
    """Unit-length description, ``[432] f32``."""
    values: Mapping[str, float]
    """The signals that one pass can tell."""


def picture_stats(planes: tuple[Samples, ...], requested: Iterable[int]) -> Iterator[PictureStats]:
    """Sweeps wanted pictures of a batch where they lie; what comes back is in memory.

    Takes ``[n, h, w] u8`` luma and ``[n, ceil(h/2), ceil(w/2)] u8`` chroma, full range. On a GPU
    all pictures are swept in two launches, and two copies come back.

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


@dataclass(slots=True)
class SignalPass:
    """Measures pictures one after the other.

    >>> measure, grey = SignalPass(0.01), np.full((16, 16), 128, np.uint8)
    >>> first, second = (measure(grey, grey[:8, :8], grey[:8, :8]) for _ in range(2))
    >>> first.repeats, second.repeats, second.values["similarity"]
    (-1, 0, 1.0)
    """

    dedup: float
    """Largest local difference, 0 to 1 of the full range, for which a picture repeats a kept one;
    0 = never."""
    fed: int = field(default=0, init=False)
    """How many pictures were measured."""
    grids: F32 | None = field(default=None, init=False)
    """Grids of the picture before, then of the kept ones, ``[1 + KEPT, 4, gh, gw] f32``."""
    tones: F32 = field(default_factory=lambda: np.zeros((4, 256), np.float32), init=False)
    """Tones of the picture before, as `grid_descriptors` gives them, ``[4, 256] f32``."""
    kept: list[int] = field(default_factory=list, init=False)
    """Which pictures the kept ones are."""

    def __call__(self, luma: U8, blue: U8, red: U8, *, is_out_of_order: bool = False) -> Measured:
        """Measures ``[h, w] u8`` luma and ``[ceil(h/2), ceil(w/2)] u8`` chroma, full range.

        ``is_out_of_order`` says that a picture shown after this one was fed before it.
        """
        (swept,) = picture_stats((luma[None], blue[None], red[None]), [0])
        return self.measure(swept, is_out_of_order=is_out_of_order)

    def measure(self, swept: PictureStats, *, is_out_of_order: bool = False) -> Measured:
        """Measures a picture of which no more is known than what a sweep gave."""
        grids, scalars = swept
        numbers, tones, look, dhash = grid_descriptors(grids, self.tones)
        (brightness, contrast, _), (detail, _, _), *_ = moments = numbers.tolist()
        repeats, pairs = -1, _UNKNOWN
        if not is_out_of_order:
            moved = sum(moments[grid][2] for grid in (LUMA, BLUE, RED))
            repeats, pairs = self._compare(grids, moved)
            self._remember(grids, tones, is_kept=repeats < 0)
        self.fed += 1
        sharpness, dark, bright = scalars.tolist()
        own = {
            "brightness": brightness,
            "contrast": contrast,
            "detail": detail,
            "sharpness": sharpness,
            "dark": dark,
            "bright": bright,
            "black": float(dark >= BLACK_SHARE),
            "dhash64": dhash,
        }
        return Measured(repeats, look, {**own, **pairs})

    def _compare(self, grids: F32, moved: float) -> tuple[int, dict[str, float]]:
        """Finds which kept picture this one repeats, and how it differs from those before it."""
        if self.grids is None:
            return -1, dict.fromkeys(OF_PAIRS, 0.0)
        others = self.grids[: 1 + len(self.kept)]
        changes, nearest = nearest_change(grids, others, CHANGED_LEVELS)
        luma, spread, blue, red = changes.tolist()
        row, local, kept_change = nearest.tolist()
        difference = local / 255
        is_repeat = self.dedup > 0 and difference <= self.dedup
        return self.kept[int(row)] if is_repeat else -1, {
            "change": luma[MEAN],
            "change_peak": luma[PEAK],
            "changed_area": max(luma[AREA], blue[AREA], red[AREA]),
            "colour_change": (blue[MEAN] + red[MEAN]) / 2,
            "tone_change": moved,
            "frozen": float(max(grid[PEAK] for grid in (luma, spread, blue, red)) <= FROZEN_LEVELS),
            "kept_change": kept_change,
            "similarity": 1.0 - difference,
        }

    def _remember(self, grids: F32, tones: F32, *, is_kept: bool) -> None:
        """Puts the picture in the place of the one before, and of the oldest kept one."""
        if self.grids is None:
            self.grids = np.empty((1 + KEPT, *grids.shape), np.float32)
        self.grids[0], self.tones = grids, tones
        if is_kept:
            if len(self.kept) < KEPT:
                self.kept.append(-1)
            place = self.kept.index(min(self.kept))
            self.kept[place] = self.fed
            self.grids[1 + place] = grids
