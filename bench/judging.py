"""Judging: are these the right pictures? Whoever gives others is not timed.

1. Plain PyAV decodes the film in order, once, and keeps a thumbnail of every frame.
2. A reader's picture is shrunk in the same way. It is right where none of the 30 frames around the
   wanted one is clearly more like it: matrices, rounding and chroma differ from library to library,
   by about the same on all frames, and times that stand still cannot be told apart.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fewframes.arrays import F32, I64, U8

HEIGHT, WIDTH = 18, 32
AROUND = 15
"""Frames before and after that a picture may be mistaken for."""
MARGIN_LEVELS, FAR_LEVELS = 0.25, 24.0
"""How much nearer another frame has to be, and how far any right picture may be."""


def thumbnail(picture: U8) -> F32:
    """Means of ``[18, 32]`` blocks, ``[18, 32, 3] f32``; what is left over at the edges is cut.

    >>> thumbnail(np.full((40, 70, 3), 7, np.uint8)).max().item()
    7.0
    """
    high, wide = picture.shape[0] // HEIGHT, picture.shape[1] // WIDTH
    kept = picture[: high * HEIGHT, : wide * WIDTH]
    blocks = kept.reshape(HEIGHT, high, WIDTH, wide, 3)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def in_order(film: str | Path, *, count: int) -> F32:
    """Thumbnails of the first frames, decoded in order by plain PyAV, ``[n, 18, 32, 3] f32``."""
    import av

    found = []
    with av.open(str(film)) as container:
        stream: Any = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            found.append(thumbnail(frame.to_ndarray(format="rgb24")))
            if len(found) == count:
                break
    return np.stack(found)


def wrong_words(given: F32, numbers: I64, truth: F32) -> str | None:
    """Says what is wrong with the thumbnails of wanted frames; None where all are right.

    >>> film = np.arange(20, dtype=np.float32)[:, None, None, None] * 8
    >>> wrong_words(film[[3, 4]], np.array([3, 4]), film)
    >>> wrong_words(film[[3, 5]], np.array([3, 4]), film)
    '1 of 2 pictures are wrong: for frame 4 comes one like frame 5'
    """
    if len(given) != len(numbers):
        return f"{len(given)} pictures came, {len(numbers)} were asked for"
    wrong = [pair for pair in _nearest(given, numbers, truth) if pair[0] != pair[1]]
    if not wrong:
        return None
    number, other = wrong[0]
    like = "one like no frame near it" if other < 0 else f"one like frame {other}"
    return f"{len(wrong)} of {len(numbers)} pictures are wrong: for frame {number} comes {like}"


def _nearest(given: F32, numbers: I64, truth: F32) -> Iterator[tuple[int, int]]:
    """Each wanted frame, and the frame that its picture is of (-1: none near)."""
    for picture, number in zip(given, numbers.tolist(), strict=True):
        first = max(number - AROUND, 0)
        away = np.abs(truth[first : number + AROUND + 1] - picture).mean(axis=(1, 2, 3))
        mine, best = float(away[number - first]), int(np.argmin(away))
        if mine > FAR_LEVELS and float(away[best]) > FAR_LEVELS:
            yield number, -1
        else:
            is_other = float(away[best]) < 0.9 * mine - MARGIN_LEVELS
            yield number, first + best if is_other else number
