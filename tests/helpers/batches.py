"""Batches of noise at any times, to be handed over."""

from fractions import Fraction

import numpy as np

from fewframes.decode.batch import FrameBatch

UNEVEN = (0.0, 0.4, 3.123, 65.9, 66.2, 200.05, 3601.7)


def batch_at(seconds, height: int = 48, width: int = 80) -> FrameBatch:
    pixels = np.random.default_rng(0).integers(0, 255, (len(seconds), height, width, 3), np.uint8)
    pts = np.round(np.array(seconds) * 90000).astype(np.int64)
    numbers = np.arange(len(seconds)) * 7
    return FrameBatch((pixels,), "rgb", numbers, pts, Fraction(1, 90000), 0, "film")
