"""A timeline that a decode of the whole film has confirmed, or corrected."""

from dataclasses import replace

import numpy as np

from fewframes.arrays import I64
from fewframes.decode.decoder import DecodeReport, Event, decoder
from fewframes.decode.plan import plan_frames
from fewframes.media.clocks import repaired_times
from fewframes.media.order import merged
from fewframes.media.timeline import Timeline

SMALL = (16, 16)
"""The size at which pictures are looked at."""


def verified(timeline: Timeline) -> Timeline:
    """Decodes every frame once: says which do not come out, and what the decoder complains of.

    Frames that come out in another order than predicted are put in that.

    It is the decode that reading and indexing do, so all agree on what is damaged.
    """
    report, runs = DecodeReport(), plan_frames(timeline, np.arange(len(timeline))).runs
    marked, numbers = 0, []
    for batch in decoder()(timeline, runs, format="jpeg", size=SMALL, report=report):
        marked += 0 if batch.is_damaged is None else int(batch.is_damaged.sum())
        numbers.append(batch.frame_numbers)
    again = (Event.NO_DROP, Event.PREVIOUS_KEYFRAME, Event.FROM_START)
    if not any(report[event] for event in again):
        timeline = in_order_of(timeline, np.concatenate([*numbers, np.empty(0, np.int64)]))
    missing = np.flatnonzero(np.isin(timeline.order, report.missing))
    damage = list(timeline.damage)
    if missing.size:
        damage.append(f"{missing.size} of {len(timeline)} frames cannot be decoded")
    if marked:
        damage.append(f"{marked} of {len(timeline)} frames may be damaged")
    if report.anomalies:
        damage.append(report.first_anomaly(timeline))
    return replace(timeline, state="verified", damage=tuple(damage), undecodable=missing)


def in_order_of(timeline: Timeline, numbers: I64) -> Timeline:
    """Puts frames in the order in which a decoder gave them, ``[n] i64``, where that is another."""
    if (np.diff(numbers) > 0).all():
        return timeline
    order = merged(timeline.order, timeline.order[numbers.astype(np.int64)])
    unknown = np.zeros(len(order), np.int64)
    times = repaired_times(timeline.packets.pts[order], unknown, timeline.stream.time_base)
    return replace(
        timeline,
        order=order,
        pts=times.pts,
        duration_pts=timeline.duration_pts * times.ticks_per_stamp // timeline.ticks_per_stamp,
        timing="repaired",
        repaired=times.repaired,
        ticks_per_stamp=times.ticks_per_stamp,
        notes=(*timeline.notes, "frames come out in another order than the packets say"),
    )
