"""A timeline that a decode of the whole film has confirmed, or corrected."""

from dataclasses import replace

import numpy as np

from fewframes.decode.decoding import DecodeReport, decoder
from fewframes.decode.plan import plan_frames
from fewframes.media.timeline import Timeline

SMALL = (16, 16)
"""The size at which pictures are looked at."""


def verified(timeline: Timeline) -> Timeline:
    """Decodes every frame once: says which do not come out, and what the decoder complains of.

    It is the decode that reading and indexing do, so all agree on what is damaged.
    """
    report, runs = DecodeReport(), plan_frames(timeline, np.arange(len(timeline))).runs
    marked = 0
    for batch in decoder()(timeline, runs, format="jpeg", size=SMALL, report=report):
        marked += 0 if batch.is_damaged is None else int(batch.is_damaged.sum())
    missing = np.flatnonzero(np.isin(timeline.order, report.missing))
    damage = list(timeline.damage)
    if missing.size:
        damage.append(f"{missing.size} of {len(timeline)} frames cannot be decoded")
    if marked:
        damage.append(f"{marked} of {len(timeline)} frames may be damaged")
    if report.anomalies:
        damage.append(report.first_anomaly(timeline))
    return replace(timeline, state="verified", damage=tuple(damage), undecodable=missing)
