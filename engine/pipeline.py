"""Indexing one film: the whole flow on one page.

probe ─▶ frames at a rate ─▶ plan ─▶ decode ─▶ signals ─▶ pictures ─▶ table ─▶ publish
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from fewframes.arrays import I64
from fewframes.choosing import Asked
from fewframes.decoding import DecodeReport
from fewframes.errors import DamagedFrameError, UnreadableMediaError
from fewframes.objects import Objects
from fewframes.outcomes import Outcome
from fewframes.pictures import picture_codec
from fewframes.probing import identify, probe
from fewframes.publishing import VideoWriter, has_same_source
from fewframes.recipes import Recipe
from fewframes.scanning import frames_at_rate, scan
from fewframes.sizes import output_size
from fewframes.table import FrameTable
from fewframes.timeline import Timeline


def index_film(
    path: Path,
    store: Path | Objects,
    *,
    video_id: str,
    recipe: Recipe,
    is_strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
    asked: Asked = Asked(),  # noqa: B008 (frozen)
) -> Outcome:
    """Indexes one film into a store, unless the store has it already under the same recipe.

    ``progress`` is told frames done and frames in all. Raises `UnreadableMediaError` where nothing
    can be decoded, and with ``is_strict`` `DamagedFrameError` where not everything can.
    """
    if has_same_source(store, video_id, recipe, identify(path)):
        return Outcome(video_id, "done")
    timeline = probe(path, stream=recipe.stream)
    numbers = frames_at_rate(timeline, recipe.fps)
    size = output_size(timeline.stream, None if recipe.size == "native" else recipe.size)
    height, width = size or timeline.stream.display_size
    tell = progress or (lambda _done, _all: None)
    with VideoWriter(store, video_id=video_id, recipe=recipe, height=height, width=width) as out:
        codec = picture_codec(recipe.codec, recipe.quality)
        rows, report = scan(
            timeline,
            numbers,
            size=size,
            dedup=recipe.dedup,
            format=codec.format,
            keep=lambda planes: out.append(codec.encode(planes)),
            progress=lambda done: tell(done, len(numbers)),
            asked=asked,
        )
        table, slots = rows.table(timeline)
        reason = what_is_wrong(timeline, numbers, table, report)
        check_usable(path.name, table, reason, is_strict=is_strict)
        done = partial(tell, len(numbers), len(numbers))
        publish(out, timeline, numbers, table, slots, reason, report.provenance(), done)
    return _outcome(video_id, timeline, table, slots, reason, report)


def _outcome(
    video_id: str,
    timeline: Timeline,
    table: FrameTable,
    slots: I64,
    reason: str,
    report: DecodeReport,
) -> Outcome:
    seconds, stored = timeline.duration_seconds, int(slots.max()) + 1
    status = "damaged" if reason else "ok"
    return Outcome(video_id, status, reason, len(table), stored, seconds, report.pictures)


def publish(
    out: VideoWriter,
    timeline: Timeline,
    numbers: I64,
    table: FrameTable,
    slots: I64,
    reason: str,
    decoding: Mapping[str, str],
    tell: Callable[[], None],
) -> None:
    """Commits what was scanned, with the ranges that are missing, and who decoded it."""
    out.commit(
        table,
        slots=slots,
        gop=timeline.gop[table.frame_numbers],
        timeline=timeline,
        status="damaged" if reason else "ok",
        bad_ranges=bad_ranges(numbers, table.frame_numbers),
        reason=reason,
        decoding=decoding,
        tell=tell,
    )


def check_usable(name: str, table: FrameTable, reason: str, *, is_strict: bool) -> None:
    """Refuses a film of which nothing decodes, and with ``is_strict`` a damaged one."""
    if not len(table):
        raise UnreadableMediaError(f"no frame of {name!r} can be decoded; {reason}")
    if reason and is_strict:
        raise DamagedFrameError(f"{name!r} is damaged, which strict refuses: {reason}")


def bad_ranges(wanted: I64, there: I64) -> list[list[int]]:
    """Gives the stretches of wanted frames that are not there, as first and last frame number.

    >>> bad_ranges(np.array([0, 5, 10, 15, 20]), np.array([0, 15]))
    [[5, 10], [20, 20]]
    """
    is_missing = ~np.isin(wanted, there)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_missing, [False]]).astype(int)))
    pairs = edges.reshape(-1, 2)
    return [[int(wanted[first]), int(wanted[end - 1])] for first, end in pairs]


def what_is_wrong(timeline: Timeline, numbers: I64, table: FrameTable, report: DecodeReport) -> str:
    """Says in one sentence what is wrong with a film, or nothing."""
    parts = list(timeline.damage)
    lost = len(numbers) - len(table)
    if lost:
        parts.append(f"{lost} of {len(numbers)} scanned frames do not decode cleanly")
    if report.anomalies:
        row, words = report.anomalies[0]
        time = timeline.packet_seconds(row)
        parts.append(f"{len(report.anomalies)} decode errors, the first near {time:.2f} s: {words}")
    return "; ".join(parts)
