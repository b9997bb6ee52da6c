"""Resolutions: a few frames large and many small, for models that take images of any size.

1. Q-Frame (Zhang et al., 2025) shows the best frames at full size, the next ones at half the
   sides, the rest at a quarter: `sides_by_score`.
2. ``batch.to(runtime, sides=…)`` sends each frame with its own longest side.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fewframes.arrays import I64, U8
from fewframes.kernels import axis_taps, resize


def sides_by_score(
    scores: npt.ArrayLike, side: int, counts: Sequence[int] = (4, 8), shares: int = 2
) -> I64:
    """Gives each frame a longest side by its rank, ``[n] -> [n] i64``.

    The first ``counts[0]`` frames by score get ``side``, the next ``counts[1]`` that divided by
    ``shares``, and so on; the rest is smaller once more. Of equal scores, and of such that are no
    numbers, the earlier frame is first.

    >>> sides_by_score([0.1, 0.9, 0.3, 0.5], 448, counts=(1, 2)).tolist()
    [112, 448, 224, 224]
    """
    values = np.nan_to_num(np.asarray(scores, np.float64), nan=-np.inf)
    steps = np.searchsorted(np.cumsum(counts), np.arange(len(values)), side="right")
    sides = np.empty(len(values), np.int64)
    sides[np.argsort(-values, kind="stable")] = np.maximum(1, side // shares**steps)
    return sides


def shrink_to(picture: U8, side: int | None) -> U8:
    """Shrinks a picture ``[h, w, 3] u8`` to a longest side by area; it is never enlarged.

    >>> shrink_to(np.zeros((30, 60, 3), np.uint8), 20).shape
    (10, 20, 3)
    """
    height, width = picture.shape[:2]
    if side is None or max(height, width) <= side:
        return picture
    small = [max(1, round(length * side / max(height, width))) for length in (height, width)]
    return resize(picture, axis_taps(height, small[0]), axis_taps(width, small[1]))


def resize_each(frames: U8, sides: npt.ArrayLike | None) -> list[U8]:
    """Shrinks each frame to its own longest side, ``[n, h, w, 3] u8``; None leaves all.

    Raises ValueError where there is not one side a frame, or one is below 1.
    """
    if sides is None:
        return list(frames)
    requested = np.asarray(sides)
    if requested.shape != (len(frames),) or not (requested >= 1).all():
        raise ValueError(
            f"sides must be one a frame ({len(frames)}), each of 1 pixel or more; got "
            f"{requested.tolist()}"
        )
    return [shrink_to(frame, int(side)) for frame, side in zip(frames, requested, strict=True)]
