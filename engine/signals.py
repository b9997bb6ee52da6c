"""Signals: what is measured of each scanned picture, in one pass over its luma and chroma.

1. The planes (full range, 4:2:0, at the size that is stored) become grids of 8x8 block means.
2. Each grid is compared with the picture before it, and with the last picture that was kept.
3. A picture repeats the kept one if no block differs from it by more than ``dedup`` levels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fewframes.arrays import F32, U8
from fewframes.kernels import block_means, dhash64, grid_change, sharpness, signature

BLOCK = 8
CHANGED_LEVELS = 6.0
"""A block counts as changed where its mean luma moves by more than this (of 255)."""


class Grids(NamedTuple):
    """Block means of the three planes, on one grid ``[gh, gw] f32``."""

    luma: F32
    blue: F32
    red: F32


class Measured(NamedTuple):
    """One picture's row of the table."""

    is_repeat: bool
    """No block differs from the last kept picture by more than ``dedup`` levels."""
    signature: F32
    """Unit-length description, ``[432] f32``."""
    values: Mapping[str, Any]


SIGNALS: dict[str, str] = {
    "brightness": "mean luma, 0 to 255",
    "contrast": "standard deviation of the block means of luma, in levels",
    "sharpness": "mean absolute Laplacian of luma, in levels",
    "change": "mean absolute change of luma blocks since the scanned frame before, in levels",
    "change_peak": "largest such change",
    "changed_area": f"share of blocks that changed by more than {CHANGED_LEVELS:g} levels, 0 to 1",
    "colour_change": "mean absolute change of both chroma planes since the frame before, in levels",
    "dhash64": "perceptual difference hash of luma, for similarity",
}
"""Every column that is measured, and what it means."""


@dataclass(slots=True)
class SignalPass:
    """Measures pictures one after the other.

    >>> measure, grey = SignalPass(), np.full((16, 16), 128, np.uint8)
    >>> first, second = (measure(grey, grey[:8, :8], grey[:8, :8]) for _ in range(2))
    >>> first.is_repeat, second.is_repeat, first.values["brightness"]
    (False, True, 128.0)
    """

    dedup: float = 2.0
    """Largest difference of a block mean, in levels, for which a picture is a repeat; 0 = never."""
    before: Grids | None = field(default=None, init=False)
    kept: Grids | None = field(default=None, init=False)

    def __call__(self, luma: U8, blue: U8, red: U8) -> Measured:
        """Measures ``[h, w] u8`` luma and ``[ceil(h/2), ceil(w/2)] u8`` chroma, full range."""
        grids = Grids(
            block_means(luma, BLOCK), block_means(blue, BLOCK // 2), block_means(red, BLOCK // 2)
        )
        is_repeat = self._is_repeat(grids)
        change = self._change(grids)
        self.before = grids
        if not is_repeat:
            self.kept = grids
        levels = grids.luma.ravel().astype(np.float64)
        brightness = float(levels.mean())
        values = {
            "brightness": brightness,
            "contrast": max(0.0, float(levels @ levels) / levels.size - brightness**2) ** 0.5,
            "sharpness": sharpness(luma),
            **change,
            "dhash64": dhash64(grids.luma),
        }
        return Measured(is_repeat, signature(*grids), values)

    def _is_repeat(self, grids: Grids) -> bool:
        if self.kept is None or self.dedup <= 0:
            return False
        pairs = zip(grids, self.kept, strict=True)
        return all(grid_change(now, kept, CHANGED_LEVELS)[1] <= self.dedup for now, kept in pairs)

    def _change(self, grids: Grids) -> dict[str, float]:
        if self.before is None:
            return dict.fromkeys(("change", "change_peak", "changed_area", "colour_change"), 0.0)
        luma, blue, red = (
            grid_change(now, before, CHANGED_LEVELS)
            for now, before in zip(grids, self.before, strict=True)
        )
        return {
            "change": float(luma[0]),
            "change_peak": float(luma[1]),
            "changed_area": float(luma[2]),
            "colour_change": float(blue[0] + red[0]) / 2,
        }
