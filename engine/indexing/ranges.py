"""Ranges: how is a long film cut so that several processes can decode it?

1. A cut lies where the next frame's decoding starts at a keyframe that no frame before it needs:
   what is decoded twice is that keyframe and, in an open GOP, its leading pictures.
2. The cuts share the predicted effort out evenly. They follow from the timeline and the recipe
   alone, never from the number of workers, so every run of a film has the same ranges.
3. Films that are short, or whose decoding depends on more than the last keyframe, have one range.

The rows of a film are the same however it is cut, because decoding is exact and because all that
depends on other rows is left to one serial pass. Where a range does not decode cleanly, that is no
longer certain, and the film is decoded in one go (`parts`).
"""

import numpy as np

from fewframes.arrays import I64
from fewframes.decode.backend_choice import DecoderRequest
from fewframes.decode.plan import start_packets
from fewframes.indexing.cost_model import fed_seconds, packet_seconds, row_seconds
from fewframes.media.timeline import Timeline

RANGE_SECONDS = 12.0
"""Least CPU time of a range: opening the film and its timeline for one takes a few percent of it,
and it is what a killed worker loses at most."""
MOST_RANGES = 128
"""A very long film is cut into so many at most."""
IN_ONE_GO = ("mpeg4",)
"""Codecs of which FFmpeg learns from all pictures so far how the encoder pads."""


def is_cuttable(timeline: Timeline, request: DecoderRequest) -> bool:
    """Whether a film may be decoded in ranges: by FFmpeg, and with nothing wrong with it so far."""
    return (
        request in (DecoderRequest(), DecoderRequest("ffmpeg"))
        and timeline.stream.codec not in IN_ONE_GO
        and timeline.timing == "pts"
        and not timeline.damage
        and not timeline.packets.is_corrupt.any()
    )


def ranges_of(
    timeline: Timeline,
    numbers: I64,
    *,
    size: tuple[int, int] | None,
    request: DecoderRequest = DecoderRequest(),  # noqa: B008 (frozen)
    range_seconds: float = RANGE_SECONDS,
) -> list[I64]:
    """Cuts sorted frame numbers, ``[n]``, into ranges of about the same effort.

    ``size`` is that of the stored pictures, ``range_seconds`` the least effort of a range.

    >>> from fewframes.media.timeline import example_timeline
    >>> ranges_of(example_timeline(), np.arange(4), size=None, range_seconds=1e-9)
    [array([0, 1, 2, 3])]
    """
    if not is_cuttable(timeline, request) or not len(numbers):
        return [numbers]
    rows = row_seconds(timeline, size)
    if packet_seconds(timeline).sum() + rows * len(numbers) < 2 * range_seconds:
        return [numbers]  # without a plan
    starts = start_packets(timeline, timeline.order[numbers])
    effort = np.concatenate([[0.0], np.cumsum(fed_seconds(timeline, numbers))])
    total = float(effort[-1]) + rows * len(numbers)
    count = min(MOST_RANGES, int(total / range_seconds))
    needed = np.maximum.accumulate(starts)
    cuts = np.flatnonzero(starts[1:] > needed[:-1]) + 1
    done = effort[starts[cuts]] + rows * cuts
    goals = total * np.arange(1, count) / max(1, count)
    chosen = np.unique(np.searchsorted(done, goals))
    return np.split(numbers, cuts[chosen[chosen < len(cuts)]])
