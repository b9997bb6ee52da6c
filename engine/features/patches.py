"""changed_patches: which patches of a model's input show something new, frame by frame?

1. Each frame is averaged by area to a grid of 4 x 4 cells for each patch.
2. A patch has changed where a cell of it differs by more than a tolerance, in red, green or blue,
   from what the patch showed when it was last marked: slow drift adds up and is seen.
3. A model that reuses the tokens of unmarked patches sees nothing older than the tolerance.
"""

import numpy as np

from fewframes.arrays import F32, U8, Mask
from fewframes.decode.batch import FrameBatch
from fewframes.kernels.taps import area_weights

CELLS = 4
"""Cells along each side of a patch; what is smaller than one is averaged away."""


def changed_patches(
    frames: FrameBatch | U8,
    *,
    patch: int,
    size: tuple[int, int] | None = None,
    tolerance: float = 0.04,
) -> Mask:
    """Marks the patches that changed since they were last marked, ``-> [n, gh, gw] bool``.

    ``frames`` is a batch of RGB frames, or ``[n, h, w, 3] u8``; ``patch`` the side of a patch (or
    of a merged group of them, whichever becomes a token) in samples of the model's input; ``size``
    the height and width of that input where it is not that of the frames: they are then taken as
    stretched to it. Both sides round to whole patches, as models round them: ``gh`` is
    ``max(1, round(height / patch))``. ``tolerance`` is a share of the full range, 0 to 1. All
    patches of the first frame are marked. O(n * h * w * gh).

    Raises:
        TypeError: The frames are not ``[n, h, w, 3] u8``.
        ValueError: A number is out of its range, or a frame has no sample.

    >>> frames = np.zeros((3, 28, 56, 3), np.uint8)
    >>> frames[1:, :14, :14] = 90
    >>> changed_patches(frames, patch=28).tolist()
    [[[True, True]], [[True, False]], [[False, False]]]
    """
    pixels = frames.frames if isinstance(frames, FrameBatch) else frames
    _check(pixels, patch, tolerance)
    sides = size or (pixels.shape[1], pixels.shape[2])
    gh, gw = (max(1, round(side / patch)) for side in sides)
    marks = np.ones((len(pixels), gh, gw), np.bool_)
    if not len(pixels):
        return marks
    shown = _cells(pixels[0], gh, gw)
    for row in range(1, len(pixels)):
        cells = _cells(pixels[row], gh, gw)
        moved = np.abs(cells - shown) > tolerance * 255
        marks[row] = moved.any(axis=(1, 3, 4))
        shown = np.where(marks[row][:, None, :, None, None], cells, shown)
    return marks


def _cells(pixels: U8, gh: int, gw: int) -> F32:
    """Area means of a frame, ``[h, w, 3] u8 -> [gh, CELLS, gw, CELLS, 3] f32``."""
    h, w = pixels.shape[:2]
    down = (area_weights(h, gh * CELLS) / h).astype(np.float32)
    across = (area_weights(w, gw * CELLS) / w).astype(np.float32)
    rows = down @ pixels.reshape(h, w * 3).astype(np.float32)
    cells: F32 = np.einsum("xw,ywc->yxc", across, rows.reshape(-1, w, 3), optimize=True)
    return cells.reshape(gh, CELLS, gw, CELLS, 3)


def _check(pixels: U8, patch: int, tolerance: float) -> None:
    """Refuses what has no patches."""
    if getattr(pixels, "dtype", None) != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
        got = f"{list(np.shape(pixels))} {getattr(pixels, 'dtype', type(pixels).__name__)}"
        raise TypeError(f"frames must be [n, h, w, 3] u8, got {got}; pass RGB frames")
    if len(pixels) and not pixels.size:
        raise ValueError(f"frames {list(pixels.shape)} have no sample; pass pictures")
    if patch < 1:
        raise ValueError(f"patch={patch} is no side of a patch; pass 14, 16, 28 or another size")
    if not 0 <= tolerance <= 1:
        raise ValueError(f"tolerance={tolerance} is no share of the range; pass 0 to 1")
