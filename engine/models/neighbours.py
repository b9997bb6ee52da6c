"""Neighbours: the picture just behind a frame, for models that fuse every two of them.

1. A frame without a neighbour in its batch would be sent twice (see `fewframes.models.pairing`).
2. Its true neighbour is fetched in place of that, from the store or from the film: the model then
   sees what moves there, for the same number of tokens.
3. The time that it is told is the mean of both, so at most half of ``near_seconds`` off.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from fewframes.arrays import F64, I64, Mask
from fewframes.decode.batch import FrameBatch, marks_or_none
from fewframes.files.probing import probe
from fewframes.files.reading import read
from fewframes.media.timeline import Timeline
from fewframes.models.pairing import NEAR_SECONDS, paired_rows
from fewframes.store.video import Video


def with_neighbours(
    batch: FrameBatch,
    source: Video | Timeline | str | Path,
    *,
    near_seconds: float = NEAR_SECONDS,
) -> FrameBatch:
    """Gives the batch with the next frame behind each one that has no neighbour in it.

    The next frame is that of ``source``, the indexed video or the film of the batch, which begins
    nearest to half of ``near_seconds`` later, and at most ``near_seconds``. Where there is none the
    frame stays alone. ``report["neighbours"]`` counts those fetched; scores are dropped.

    Raises:
        ValueError: The times go back, or the source is not that of the batch.

    >>> import fewframes as ff
    >>> video = ff.open("corpus.zarr")["film"]
    >>> batch = video.read(seconds=[1, 6])
    >>> with_neighbours(batch, video).seconds.tolist()
    [1.0, 1.48, 6.0, 6.48]
    """
    pairs = paired_rows(batch.seconds, "neighbour", near_seconds=near_seconds).reshape(-1, 2)
    alone = pairs[pairs[:, 0] == pairs[:, 1], 0]
    if isinstance(source, str | Path):
        source = probe(source)
    if isinstance(source, Timeline):
        times, numbers = source.seconds, np.arange(len(source))
    else:
        times, numbers = source.table.seconds, source.table.frame_numbers
    _check(batch, numbers, times)
    found = np.array([_next(times, float(at), near_seconds) for at in batch.seconds[alone]], int)
    fetched, after = numbers[found[found >= 0]], alone[found >= 0]
    if not len(fetched):
        return replace(batch, scores=None, report={**batch.report, "neighbours": 0})
    size = (batch.frames.shape[1], batch.frames.shape[2])
    if isinstance(source, Timeline):
        more = read(source, frames=fetched, size=size)
    else:
        more = source.read(frames=fetched, size=size)
    return _merged(batch, more, after + 1)


def _next(times: F64, at: float, near: float) -> int:
    """Position of the neighbour of the frame at a time; -1 where there is none."""
    first, end = np.searchsorted(times, [at + 1e-6, at + near + 1e-6], side="right")
    if first == end:
        return -1
    return int(first + np.abs(times[first:end] - at - near / 2).argmin())


def _merged(batch: FrameBatch, more: FrameBatch, places: I64) -> FrameBatch:
    def merged(first: Mask | None, second: Mask | None) -> Mask | None:
        marks = [
            np.zeros(len(one), bool) if own is None else own
            for one, own in ((batch, first), (more, second))
        ]
        return marks_or_none(np.insert(marks[0], places, marks[1]))

    return replace(
        batch,
        planes=(np.insert(batch.frames, places, more.frames, axis=0),),
        frame_numbers=np.insert(batch.frame_numbers, places, more.frame_numbers),
        pts=np.insert(batch.pts, places, more.pts),
        scores=None,
        luma_xxh64=None,
        picture_xxh64=None,
        is_damaged=merged(batch.is_damaged, more.is_damaged),
        is_repaired=merged(batch.is_repaired, more.is_repaired),
        report={**batch.report, "neighbours": len(more)},
    )


def _check(batch: FrameBatch, numbers: I64, times: F64) -> None:
    """Refuses a source that has other times for the frames of the batch."""
    at = np.minimum(np.searchsorted(numbers, batch.frame_numbers), len(numbers) - 1)
    same = (numbers[at] == batch.frame_numbers) & (np.abs(times[at] - batch.seconds) < 1e-6)
    if not same.all():
        number = int(batch.frame_numbers[np.flatnonzero(~same)[0]])
        raise ValueError(
            f"frame {number} of the batch is not in the source, or at another time; pass the video "
            f"or film of {batch.source!r}"
        )
