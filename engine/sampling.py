"""sample: K frames straight from a video file, without a store."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fewframes.frames import FrameBatch
from fewframes.policies import POLICIES
from fewframes.probing import probe
from fewframes.reading import read
from fewframes.scanning import frames_at_rate, scan
from fewframes.selection import Selection, select
from fewframes.sizes import Size, output_size
from fewframes.table import FrameTable
from fewframes.timeline import Timeline

SCAN_SIZE = 448
"""Longer side of the pictures that a scan measures; a store's default."""


def sample(
    path: str | Path,
    *,
    budget: int,
    policy: str = "adaptive",
    span: tuple[float | None, float | None] | None = None,
    min_gap_seconds: float = 0.0,
    coverage: float = 0.5,
    relevance: npt.ArrayLike | None = None,
    fps: float | None = None,
    scan_fps: float | None = 2.0,
    size: Size = None,
    stream: int | None = None,
) -> FrameBatch:
    """Selects ``budget`` frames of a video file by a policy and reads them, in order of time.

    Policies that need only times choose among all frames. Policies that need pictures choose among
    the frames of a scan at ``scan_fps`` (None: every frame), which decodes the span once. The other
    arguments are those of `select` and `read`. To ask more than once, index the film into a store.

    >>> import fewframes as ff
    >>> ff.sample("film.mp4", budget=4, policy="uniform").seconds.round(2).tolist()
    [0.0, 3.32, 6.64, 9.96]
    """
    timeline = probe(path, stream=stream)
    if policy in POLICIES and POLICIES[policy].needs_pictures:
        low, high = span or (None, None)
        table = scan_table(timeline, scan_fps, start_seconds=low, end_seconds=high)
    else:
        table = time_table(timeline)
    chosen = select(
        table,
        budget=budget,
        policy=policy,
        span=span,
        min_gap_seconds=min_gap_seconds,
        coverage=coverage,
        relevance=relevance,
        fps=fps,
    )
    return with_scores(read(timeline, frames=chosen.frame_numbers, size=size), chosen)


def time_table(timeline: Timeline) -> FrameTable:
    """Makes a table of every frame of a timeline, without signals."""
    return FrameTable(
        np.arange(len(timeline)),
        timeline.pts,
        timeline.time_base,
        timeline.start_pts,
        timeline.is_keyframe,
    )


def scan_table(
    timeline: Timeline,
    fps: float | None,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> FrameTable:
    """Decodes a film at a rate and measures its frames; nothing is stored."""
    numbers = frames_at_rate(timeline, fps, start_seconds=start_seconds, end_seconds=end_seconds)
    rows, _ = scan(timeline, numbers, size=output_size(timeline.stream, SCAN_SIZE), dedup=0.0)
    return rows.table(timeline)[0]


def with_scores(batch: FrameBatch, chosen: Selection) -> FrameBatch:
    """Puts what the policy thought of each frame into a batch."""
    report = {**batch.report, "policy": chosen.policy, "budget": chosen.budget}
    return dataclasses.replace(
        batch, scores=chosen.scores, report={**report, "reasons": chosen.reasons}
    )
