"""A contact sheet: the frames of a batch in one picture, each with its time below it."""

import math

import numpy as np

from fewframes.arrays import U8, Mask
from fewframes.decode.batch import FrameBatch

GAP = 4
BAR = 13
BACKGROUND = 24
# Digits, colon and point as 3 x 5 dots, one row of three bits after the other.
GLYPHS = {
    "0": 0o75557,
    "1": 0o26227,
    "2": 0o71747,
    "3": 0o71717,
    "4": 0o55711,
    "5": 0o74717,
    "6": 0o74757,
    "7": 0o71111,
    "8": 0o75757,
    "9": 0o75717,
    ":": 0o02020,
    ".": 0o00002,
}


def contact_sheet(batch: FrameBatch, *, columns: int = 4) -> U8:
    """Lays frames out in rows, ``[n, h, w, 3] u8 -> [H, W, 3] u8``, with times as h:mm:ss.t.

    >>> from fewframes.decode.batch import example_batch
    >>> contact_sheet(example_batch()).shape
    (25, 24, 3)
    """
    if not len(batch):
        raise ValueError("a contact sheet needs at least one frame, got none")
    frames = batch.frames
    n, height, width, _ = frames.shape
    columns = min(columns, n)
    cell_h, cell_w = height + BAR + GAP, width + GAP
    rows = math.ceil(n / columns)
    sheet = np.full((rows * cell_h + GAP, columns * cell_w + GAP, 3), BACKGROUND, np.uint8)
    for i, (frame, seconds) in enumerate(zip(frames, batch.seconds.tolist(), strict=True)):
        top, left = GAP + i // columns * cell_h, GAP + i % columns * cell_w
        sheet[top : top + height, left : left + width] = frame
        label = clock_label(seconds)[:, :width]
        below = top + height + 2
        sheet[below : below + len(label), left : left + label.shape[1]][label] = 235
    return sheet


def clock_label(seconds: float) -> Mask:
    """Draws a time as dots, ``[10, w] bool``.

    >>> clock_label(61.5).shape
    (10, 72)
    """
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    words = f"{minutes // 60}:{minutes % 60:02d}:{rest // 10:02d}.{rest % 10}"
    return np.concatenate([_glyph(letter) for letter in words], axis=1)


def _glyph(letter: str) -> Mask:
    bits = [(GLYPHS[letter] >> shift) & 1 for shift in range(14, -1, -1)]
    dots = np.pad(np.array(bits, bool).reshape(5, 3), ((0, 0), (0, 1)))
    return dots.repeat(2, axis=0).repeat(2, axis=1)
