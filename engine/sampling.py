"""sample: K frames straight from a video file, without a store."""

import dataclasses
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from fewframes.decode.backend_choice import DecoderRequest
from fewframes.decode.batch import FrameBatch
from fewframes.features.scan import frames_at_rate, scan
from fewframes.features.table import FilmFacts, FrameTable
from fewframes.files.probing import probe
from fewframes.files.reading import read
from fewframes.keywords import keywords_of
from fewframes.media.sizes import SCAN_FPS, SCAN_SIZE, Size, output_size
from fewframes.media.timeline import Timeline
from fewframes.selection.options import SelectOptions
from fewframes.selection.policies import policy_named
from fewframes.selection.selection import Selection, select
from fewframes.times import bounds_of


@keywords_of(select)
def sample(
    path: str | Path,
    *,
    budget: int,
    policy: str = "adaptive",
    scan_fps: float | None = SCAN_FPS,
    size: Size = None,
    stream: int | None = None,
    backend: str | None = None,
    device: str = "cpu",
    allow_damaged: bool = False,
    **options: Unpack[SelectOptions],
) -> FrameBatch:
    """Selects ``budget`` frames of a video file by a policy and reads them, in order of time.

    Policies that need only times choose among all frames. Policies that need pictures or signals
    choose among the frames of a scan at ``scan_fps`` (None: every frame), which decodes the span
    once; so does every policy where ``relevance`` names a signal. ``backend`` and ``device`` say
    who decodes, and where, in the scan and for the frames. The other arguments are those of
    `select` and `read`. To ask more than once, index the film into a store.

    >>> import fewframes as ff
    >>> ff.sample("film.mp4", budget=4, policy="uniform").seconds.round(2).tolist()
    [0.0, 3.32, 6.64, 9.96]
    """
    rule, request = policy_named(policy), DecoderRequest(backend, device)
    timeline = probe(path, stream=stream)
    if rule.needs_pictures or rule.needs_signals or isinstance(options.get("relevance"), str):
        low, high = bounds_of(options.get("span"))
        table = scan_table(timeline, scan_fps, start_seconds=low, end_seconds=high, request=request)
    else:
        table = time_table(timeline)
    chosen = select(table, budget=budget, policy=policy, **options)
    how: dict[str, Any] = {"size": size, "backend": backend, "device": device}
    how["allow_damaged"] = allow_damaged
    return with_scores(read(timeline, frames=chosen.frame_numbers, **how), chosen)


def time_table(timeline: Timeline) -> FrameTable:
    """Makes a table of every frame of a timeline, without signals."""
    return FrameTable(
        np.arange(len(timeline)),
        timeline.pts,
        timeline.time_base,
        timeline.start_pts,
        timeline.is_keyframe,
        film=FilmFacts(len(timeline), timeline.frame_rate),
    )


def scan_table(
    timeline: Timeline,
    fps: float | None,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    request: DecoderRequest = DecoderRequest(),  # noqa: B008 (frozen)
) -> FrameTable:
    """Decodes a film at a rate and measures its frames; nothing is stored."""
    numbers = frames_at_rate(timeline, fps, start_seconds=start_seconds, end_seconds=end_seconds)
    size = output_size(timeline.stream, SCAN_SIZE)
    rows, _ = scan(timeline, numbers, size=size, dedup=0.0, request=request)
    return rows.table(timeline)[0]


def with_scores(batch: FrameBatch, chosen: Selection, *, film_fps: float = 0.0) -> FrameBatch:
    """Puts what the policy thought of each frame into a batch.

    Of a ``runtime:…`` policy, the report says which frames it asked for, and how far from them, in
    frames and in seconds at the film's mean rate, the pictures are.
    """
    report = {**batch.report, "policy": chosen.policy, "budget": chosen.budget}
    if chosen.requested is not None:
        away = np.abs(chosen.frame_numbers - chosen.requested)
        report |= {"asked_frames": chosen.requested.tolist(), "frames_away": away.tolist()}
        report["seconds_away"] = float(away.max(initial=0)) / film_fps if film_fps else 0.0
    return dataclasses.replace(
        batch, scores=chosen.scores, report={**report, "reasons": chosen.reasons}
    )
