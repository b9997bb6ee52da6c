"""Correctness: compares the pictures of each reader; one with other pictures is not timed.

1. Plain PyAV decodes the film in order, once, and keeps a thumbnail of every frame.
2. A reader's picture is shrunk in the same way. Rounding and chroma differ from library to library,
   by about the same on all natural frames and by less on flat ones: up to so much, and at most
   `MOST_OFFSET` levels, is taken off, or in a fade a neighbour would seem nearer.
3. It is right where none of the 30 frames around the wanted one is clearly more like it; times
   that stand still cannot be told apart.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fewframes.arrays import F32, I64, U8

HEIGHT, WIDTH = 18, 32
AROUND = 15
"""Frames before and after that a picture may be mistaken for."""
EXACT = np.zeros(3, np.float32)
MARGIN_LEVELS, FAR_LEVELS = 0.25, 24.0
"""How much nearer another frame has to be, and how far any right picture may be."""
MOST_OFFSET = 2.0
"""How far a library's own conversion may be off in a channel, in levels."""


def thumbnail(picture: U8) -> F32:
    """Means of ``[18, 32]`` blocks, ``[18, 32, 3] f32``; what is left over at the edges is cut.

    >>> thumbnail(np.full((40, 70, 3), 7, np.uint8)).max().item()
    7.0
    """
    high, wide = picture.shape[0] // HEIGHT, picture.shape[1] // WIDTH
    kept = picture[: high * HEIGHT, : wide * WIDTH]
    blocks = kept.reshape(HEIGHT, high, WIDTH, wide, 3)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def in_order(film: str | Path, numbers: I64) -> dict[int, F32]:
    """Thumbnails of some frames and of the 15 to either side of each, decoded in order.

    By plain PyAV: frame number -> ``[18, 32, 3] f32``.
    """
    import av

    wanted = {n for number in numbers.tolist() for n in range(number - AROUND, number + AROUND + 1)}
    found, last = {}, max(wanted)
    with av.open(str(film)) as container:
        stream: Any = container.streams.video[0]
        stream.thread_type = "AUTO"
        for number, frame in enumerate(container.decode(stream)):
            if number in wanted:
                found[number] = thumbnail(frame.to_ndarray(format="rgb24"))
            if number == last:
                break
    return found


def wrong_words(given: F32, numbers: I64, truth: Mapping[int, F32]) -> str | None:
    """Says what is wrong with the thumbnails of wanted frames; None where all are right.

    >>> film = np.arange(20, dtype=np.float32)[:, None, None, None] * 8
    >>> wrong_words(film[[3, 4]], np.array([3, 4]), dict(enumerate(film)))
    >>> wrong_words(film[[3, 5]], np.array([3, 4]), dict(enumerate(film)))
    '1 of 2 pictures are wrong: for frame 4 comes one like frame 5'
    """
    if len(given) != len(numbers):
        return f"{len(given)} pictures came, {len(numbers)} were asked for"
    usual = offsets(given, numbers, truth)
    pairs = zip(given, numbers.tolist(), strict=True)
    shown = [(number, shown_frame(picture, number, truth, usual)) for picture, number in pairs]
    wrong = [(number, other) for number, other in shown if number != other]
    if not wrong:
        return None
    number, other = wrong[0]
    like = "one like no frame near it" if other is None else f"one like frame {other}"
    return f"{len(wrong)} of {len(numbers)} pictures are wrong: for frame {number} comes {like}"


def offsets(given: F32, numbers: I64, truth: Mapping[int, F32]) -> F32:
    """How far a reader's channels usually are off, ``[3] f32``: the median over its pictures."""
    off = [
        (picture - truth[number]).mean(axis=(0, 1))
        for picture, number in zip(given, numbers.tolist(), strict=True)
    ]
    usual: F32 = np.clip(np.median(off, axis=0), -MOST_OFFSET, MOST_OFFSET).astype(np.float32)
    return usual


def shown_frame(
    picture: F32, number: int, truth: Mapping[int, F32], usual: F32 = EXACT
) -> int | None:
    """The frame that a thumbnail is of, where ``number`` was wanted; None: of none near it.

    ``usual`` is what the reader's channels usually are off, of which each picture may have a part.
    """
    near = [n for n in range(number - AROUND, number + AROUND + 1) if n in truth]
    away = {n: _distance(picture - truth[n], usual) for n in near}
    best = min(near, key=lambda n: away[n])
    if away[best] > FAR_LEVELS:
        return None
    return best if away[best] < 0.9 * away[number] - MARGIN_LEVELS else number


def _distance(off: F32, usual: F32) -> float:
    """The mean difference, less what of it a reader usually has in a channel."""
    own = np.clip(off.mean(axis=(0, 1)), np.minimum(usual, 0), np.maximum(usual, 0))
    return float(np.abs(off - own).mean())
