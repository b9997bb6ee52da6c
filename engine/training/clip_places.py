"""Which moments of a video can a clip be read at?

1. Anchors are ``stride_seconds`` apart, from the first whose past lies in the film to the last
   whose future does. Of a film with a hole of years, those that see a row begin.
2. An anchor is left out where the frame on screen is not indexed: before the first row, and from
   the first frame of a stretch that could not be decoded to the next row.
3. It is left out where a future is due, and no row begins in it.
"""

from typing import NamedTuple

import numpy as np

from fewframes.arrays import F64, I64, Mask
from fewframes.features.table import FrameTable
from fewframes.store.frame_table_io import read_rows
from fewframes.store.results import Status
from fewframes.store.video import Video
from fewframes.times import SAME_SECONDS, rows_at

ANCHORS_A_ROW = 1000
"""A video with more anchors than so many a row has a hole."""


class Windows(NamedTuple):
    """What clips have around their anchors."""

    past_seconds: float
    stride_seconds: float
    future_seconds: float
    needs_future: bool
    """Whether a frame behind the anchor is due."""


def readable_places(video: Video, windows: Windows) -> tuple[I64 | range, int]:
    """Gives the anchors of a video that can be read, and how many others there are.

    Place ``i`` stands for the anchor at ``past_seconds + i * stride_seconds``. A whole video of
    which no future is due is counted by its facts; any other by its table, which is not kept.

    >>> import fewframes as ff
    >>> readable_places(ff.open("corpus.zarr")["film"], Windows(2, 4, 0, False))
    (range(0, 2), 0)
    """
    both = windows.past_seconds + windows.future_seconds
    room = video.duration_seconds - both
    count = 0 if room <= 0 else int(np.ceil(room / windows.stride_seconds - 1e-9))
    rows = video.facts["counts"]["rows"]
    has_hole = count > ANCHORS_A_ROW * rows
    if not count or not rows:
        return range(0), count
    if video.status == Status.OK and not windows.needs_future and not has_hole:
        return range(count), 0
    table = read_rows(video.commit, with_signals=False).table
    places = _near_rows(table, windows, count) if has_hole else np.arange(count)
    anchors = np.asarray(windows.past_seconds + places * windows.stride_seconds, np.float64)
    is_there = is_shown(video, table, anchors)
    if windows.needs_future:
        ends = np.searchsorted(table.seconds, anchors + windows.future_seconds + SAME_SECONDS)
        is_there &= ends > rows_at(table.seconds, anchors) + 1
    return places[is_there], int((~is_there).sum())


def is_shown(video: Video, table: FrameTable, times: F64) -> Mask:
    """Says whether the frame on screen at each time is indexed, ``[n] f64 -> [n] bool``.

    The record of a stretch that could not be decoded has the numbers of its frames; when the first
    of them was due is interpolated between the rows on both sides. ``table`` has one row at least.
    """
    begins, numbers = table.seconds, table.frame_numbers
    frames = max(video.facts["counts"]["frames"], int(numbers[-1]) + 1)
    known, at = np.append(numbers, frames), np.append(begins, video.duration_seconds)
    shown: Mask = rows_at(begins, times) >= 0
    for first, last in video.facts["bad_ranges"]:
        due = np.interp(first, known, at) - SAME_SECONDS
        after = int(np.searchsorted(numbers, last, side="right"))
        until = begins[after] - SAME_SECONDS if after < len(begins) else np.inf
        shown &= (times < due) | (times >= until)
    return shown


def _near_rows(table: FrameTable, windows: Windows, count: int) -> I64:
    """Of far more anchors than rows, those that see a row begin."""
    both, stride = windows.past_seconds + windows.future_seconds, windows.stride_seconds
    begins = table.seconds[:, None]
    seen = np.floor(begins / stride) - np.arange(int(np.ceil(both / stride)) + 1)
    is_seen = (seen >= 0) & (seen < count)
    is_seen &= seen * stride + both >= begins - SAME_SECONDS
    return np.unique(seen[is_seen].astype(np.int64))
