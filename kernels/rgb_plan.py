"""How do planes of one form become RGB of one size? Weights and a matrix, all whole numbers."""

from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from fewframes.kernels.kernel import I32, U8, U16
from fewframes.kernels.taps import axis_taps
from fewframes.kernels.ycc import rgb_from_ycc

Siting: TypeAlias = Literal["left", "center", "topleft"]
Plane: TypeAlias = U8 | U16
Size: TypeAlias = tuple[int, int]
"""Height and width."""


class RgbPlan(NamedTuple):
    """How planes of one form become RGB of one size; `rgb_plan` makes it."""

    bits: int
    """Significant bits of a sample, 8 to 16."""
    coefficients: I32
    """`[3, 4]`: what Y, Cb and Cr of 16 bits and the number 1 add to R, G and B, in 2**-21."""
    luma_rows: I32
    """`[1 + k, height]`, see `axis_taps`; the next three likewise."""
    luma_columns: I32
    chroma_rows: I32
    chroma_columns: I32
    doubles: bool
    """Whether each chroma sample makes two columns, with the same weights all over but at the ends:
    a matter of speed, not of meaning."""


@lru_cache(maxsize=64)
def rgb_plan(
    size: Size,
    target: Size | None = None,
    *,
    steps: tuple[int, int] = (2, 2),
    siting: Siting = "left",
    matrix: str = "bt601",
    is_full: bool = False,
    bits: int = 8,
) -> RgbPlan:
    """Plans the way from planes of a `size` to RGB of a `target` size (None: the same).

    `steps` is how many luma samples share a chroma sample, down and across: (2, 2) is 4:2:0, (1, 2)
    4:2:2, (2, 1) 4:4:0, (1, 4) 4:1:1, (1, 1) 4:4:4, and (0, 0) grey, whose chroma planes are one
    neutral sample. `siting` says where the first chroma sample lies: `left`, level with the first
    column and between the first rows (MPEG-2, H.264); `center`, between columns and rows (JPEG,
    MPEG-1); `topleft`, on the first sample. `is_full` is the range of samples, the rest of which is
    Rec. ITU-T H.273, 8.3, equations 20 to 31 and 38 to 43. Plans are remembered.

    Raises:
        ValueError: A size, matrix or number of bits that cannot be.

    >>> rgb_plan((2, 2), is_full=True).coefficients[0, :3] / 2**13  # R = Y + 1.402 Cr
    array([1.        , 0.        , 1.40197754])
    """
    if not 8 <= bits <= 16:
        raise ValueError(f"bits={bits} is no depth of samples here; pass bits from 8 to 16")
    (height, width), (rows, columns) = size, size if target is None else target
    down, across = steps
    behind = {"left": (down - 1, 0), "center": (down - 1, across - 1), "topleft": (0, 0)}[siting]
    chroma_rows, chroma_columns = (
        axis_taps(cells, parts, samples=-(-cells // step), step=step, shift=shift)
        if step
        else axis_taps(1, parts)
        for cells, parts, step, shift in zip(size, (rows, columns), steps, behind, strict=True)
    )
    return RgbPlan(
        bits,
        _coefficients(matrix, bits, is_full=is_full),
        axis_taps(height, rows),
        axis_taps(width, columns),
        chroma_rows,
        chroma_columns,
        doubles=across == 2 and columns == width and width > 8,
    )


def _coefficients(matrix: str, bits: int, *, is_full: bool) -> I32:
    """Matrix, range and rounding as one `[3, 4] i32` in 2**-21 of a level; grey stays grey."""
    most = (2**bits - 1) << (16 - bits)
    luma_range, chroma_range = (most, most) if is_full else (219 << 8, 224 << 8)
    black = 0 if is_full else 16 << 8
    exact = rgb_from_ycc(matrix) * (255 << 21) / [luma_range, chroma_range, chroma_range]
    scale = np.floor(exact + 0.5).astype(np.int64)
    constant = (1 << 20) - scale @ [black, 1 << 15, 1 << 15]
    fixed = np.column_stack([scale, constant]).astype(np.int32)
    fixed.flags.writeable = False  # it is handed out again
    return fixed
