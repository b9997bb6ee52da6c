"""SignalPass: how does each scanned picture differ from those before it?

1. The grids of a picture are compared with those of the picture before, and of the last `KEPT` kept
   pictures.
2. A picture repeats the most similar kept one if their difference is at most ``dedup``. It is the
   largest local one: the largest mean over any 2 x 2 blocks of any grid, or half the largest of
   a single block, whichever is more, as a share of the full range. Two blocks square average the
   noise of coding away; a single block that changes twice as much is still seen.
3. The functions of `SIGNALS` make one value each of that; scope ``film`` waits for all rows.

It is one serial pass over what `picture_stats` gives. Pictures are fed in presentation order. One
that comes late, because its first decoding failed, is measured for itself: nothing is compared with
it, and its own changes are not known (NaN).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fewframes.arrays import F32, U8
from fewframes.features.picture_stats import (
    BLUE,
    CHANGED_LEVELS,
    KEPT,
    LUMA,
    MOVED,
    RED,
    FrameStats,
    PairStats,
    PictureStats,
    picture_stats,
)
from fewframes.features.signals import Signal, of_scope
from fewframes.kernels import grid_descriptors, nearest_change


class Measured(NamedTuple):
    """One picture's row of the table."""

    repeats: int
    """Which picture it repeats, counted from 0 as they were fed; -1 for none."""
    signature: F32
    """Unit-length description, ``[432] f32``."""
    values: Mapping[str, float]
    """The signals of scope ``frame`` and ``pair``."""


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
    of_frames: list[Signal] = field(default_factory=lambda: of_scope("frame"), init=False)
    of_pairs: list[Signal] = field(default_factory=lambda: of_scope("pair"), init=False)

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
        moments = numbers.tolist()
        repeats, pairs = -1, dict.fromkeys((row.name for row in self.of_pairs), float("nan"))
        if not is_out_of_order:
            moved = sum(moments[grid][MOVED] for grid in (LUMA, BLUE, RED))
            repeats, pairs = self._compare(grids, moved)
            self._remember(grids, tones, is_kept=repeats < 0)
        self.fed += 1
        sharpness, dark, bright = scalars.tolist()
        frame = FrameStats(grids, moments, sharpness, dark, bright, dhash)
        return Measured(
            repeats, look, {row.name: row.value(frame) for row in self.of_frames} | pairs
        )

    def _compare(self, grids: F32, moved: float) -> tuple[int, dict[str, float]]:
        """Finds which kept picture this one repeats, and how it differs from those before it."""
        if self.grids is None:
            return -1, dict.fromkeys((row.name for row in self.of_pairs), 0.0)
        others = self.grids[: 1 + len(self.kept)]
        changes, nearest = nearest_change(grids, others, CHANGED_LEVELS)
        row, local, kept_change = nearest.tolist()
        pair = PairStats(changes.tolist(), moved, kept_change, local / 255)
        is_repeat = self.dedup > 0 and pair.difference <= self.dedup
        values = {signal.name: signal.value(pair) for signal in self.of_pairs}
        return self.kept[int(row)] if is_repeat else -1, values

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
