"""Indexing one film: the whole flow on one page.

probe ─▶ frames at a rate ─▶ plan ─▶ decode ─▶ signals ─▶ pictures ─▶ table ─▶ publish

Of a long film, `index_range` does the first half for each of its ranges, in any process and order,
and `index_film` the second half once: the rows are the same as in one go.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fewframes.arrays import I64
from fewframes.decode.backend_choice import DecoderRequest
from fewframes.decode.decoder import FFMPEG_ON_CPU, DecodeReport
from fewframes.errors import DamagedFrameError, StaleIndexError, UnreadableMediaError
from fewframes.features.scan import TableBuilder, frames_at_rate, scan, scan_frames
from fewframes.features.signals import SignalPass
from fewframes.features.table import FrameTable
from fewframes.files.probing import identify, probe
from fewframes.indexing.cost_model import PredictedCost, effort_of
from fewframes.indexing.range_results import Parts, PartWriter, read_part
from fewframes.indexing.ranges import RANGE_SECONDS, ranges_of
from fewframes.indexing.results import RangeResult
from fewframes.media.sizes import output_size
from fewframes.media.timeline import Timeline
from fewframes.store.codecs import picture_codec
from fewframes.store.object_store import ObjectStore
from fewframes.store.object_writer import ensure_store, staging_dir
from fewframes.store.recipes import Recipe
from fewframes.store.results import Outcome
from fewframes.store.standing import what_stands
from fewframes.store.writer import VideoWriter


@dataclass(frozen=True, slots=True)
class Scan:
    """What is to be scanned of a film."""

    timeline: Timeline
    numbers: I64
    """The frames, sorted."""
    size: tuple[int, int] | None
    """Height and width of the stored pictures; None for the film's own."""
    ranges: list[I64]
    """The frames of each range; one of a film that is decoded in one go."""

    @classmethod
    def of(
        cls, timeline: Timeline, recipe: Recipe, request: DecoderRequest, range_seconds: float
    ) -> "Scan":
        """Says what a recipe wants of a film."""
        numbers = frames_at_rate(timeline, recipe.fps)
        size = output_size(timeline.stream, None if recipe.size == "native" else recipe.size)
        ranges = ranges_of(
            timeline, numbers, size=size, request=request, range_seconds=range_seconds
        )
        return cls(timeline, numbers, size, ranges)

    @property
    def effort(self) -> PredictedCost:
        """What it will take, as predicted."""
        return effort_of(self.timeline, self.numbers, self.size)

    def parts(self, home: Path, video_id: str, recipe: Recipe) -> Parts:
        """Where the parts of the ranges are, below the folder for unfinished work."""
        return Parts.of(home, video_id, recipe, self.timeline.source, self.ranges)


def index_film(
    path: Path,
    store: Path | ObjectStore,
    *,
    video_id: str,
    recipe: Recipe,
    is_strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
    request: DecoderRequest = DecoderRequest(),  # noqa: B008 (frozen)
    range_seconds: float = RANGE_SECONDS,
) -> Outcome:
    """Indexes one film into a store, unless the store has it already under the same recipe.

    Where `index_range` has left the parts of all its ranges, they are merged; else the film is
    decoded. ``progress`` is told frames done and frames in all. Raises `UnreadableMediaError` where
    nothing can be decoded, and with ``is_strict`` `DamagedFrameError` where not everything can.
    """
    there = what_stands(store, video_id, recipe, identify(path), is_strict=is_strict)
    if there is not None:
        return there
    film = Scan.of(probe(path, stream=recipe.stream), recipe, request, range_seconds)
    timeline, numbers = film.timeline, film.numbers
    height, width = film.size or timeline.stream.display_size
    parts = film.parts(staging_dir(store), video_id, recipe) if len(film.ranges) > 1 else None
    files = parts.find_all() if parts else None
    report_progress = progress or (lambda _done, _all: None)
    with VideoWriter(store, video_id=video_id, recipe=recipe, height=height, width=width) as out:
        rows, report = (
            merge(film, files, recipe, out, report_progress)
            if files
            else decode(film, recipe, out, report_progress, request)
        )
        timeline = with_notes(timeline, report)
        table, slots = rows.table(timeline)
        reason = what_is_wrong(timeline, numbers, table, report)
        check_usable(path.name, table, reason, is_strict=is_strict)
        done = partial(report_progress, len(numbers), len(numbers))
        publish(out, timeline, numbers, table, slots, reason, report.provenance(), done)
    if parts:
        parts.remove()
    outcome = _outcome(video_id, timeline, table, slots, reason, report)
    return replace(outcome, stored_bytes=out.stored_bytes)


def decode(
    film: Scan,
    recipe: Recipe,
    out: VideoWriter,
    report_progress: Callable[[int, int], None],
    request: DecoderRequest,
) -> tuple[TableBuilder, DecodeReport]:
    """Decodes a film in one go; encodes the pictures that are no repeats."""
    codec = picture_codec(recipe.codec, recipe.quality)
    return scan(
        film.timeline,
        film.numbers,
        size=film.size,
        dedup=recipe.dedup,
        format=codec.format,
        keep=lambda planes: out.append(codec.encode(planes)),
        progress=lambda done: report_progress(done, len(film.numbers)),
        request=request,
    )


def merge(
    film: Scan,
    files: list[Path],
    recipe: Recipe,
    out: VideoWriter,
    report_progress: Callable[[int, int], None],
) -> tuple[TableBuilder, DecodeReport]:
    """Makes the rows of a film from its parts; copies the pictures that are no repeats.

    The same as `decode`, since parts are those of ranges that decoded cleanly.
    """
    rows = TableBuilder(SignalPass(recipe.dedup), out.append)
    for file, numbers in zip(files, film.ranges, strict=True):
        for frame in read_part(file, numbers):
            rows.add(frame)
            report_progress(len(rows.numbers), len(film.numbers))
    return rows, DecodeReport(decoders={FFMPEG_ON_CPU})


def index_range(
    path: Path,
    store: Path | ObjectStore,
    *,
    video_id: str,
    recipe: Recipe,
    at: int,
    progress: Callable[[int, int], None] | None = None,
    request: DecoderRequest = DecoderRequest(),  # noqa: B008 (frozen)
    range_seconds: float = RANGE_SECONDS,
) -> RangeResult:
    """Decodes one range of a long film and leaves its part, unless it is there."""
    film = Scan.of(probe(path, stream=recipe.stream), recipe, request, range_seconds)
    parts = film.parts(ensure_store(store), video_id, recipe)
    if at >= len(film.ranges):
        raise StaleIndexError(f"{path.name!r} changed while it was indexed; index it again")
    if parts.unsplittable_reason or parts.find(at):
        return RangeResult(video_id, unsplittable_reason=parts.unsplittable_reason)
    report_progress = progress or (lambda _done, _all: None)
    report = _leave_part(film, parts, at, recipe, request, report_progress)
    rows, reason = len(film.ranges[at]), parts.unsplittable_reason
    return RangeResult(video_id, rows, report.pictures, reason)


def _leave_part(
    film: Scan,
    parts: Parts,
    at: int,
    recipe: Recipe,
    request: DecoderRequest,
    report_progress: Callable[[int, int], None],
) -> DecodeReport:
    """Decodes a range into its part, or notes that the film has to be decoded in one go."""
    numbers, report = film.ranges[at], DecodeReport()
    codec = picture_codec(recipe.codec, recipe.quality)
    how: dict[str, Any] = {"size": film.size, "format": codec.format, "request": request}
    with PartWriter(parts, at) as out:
        for frame in scan_frames(film.timeline, numbers, report=report, **how):
            out.append(frame, codec.encode(frame.picture))
            report_progress(len(out.numbers), len(numbers))
            if is_unclean(report) or report.fitted:
                break
        if report.fitted:
            parts.refuse("its pictures change their size")
        elif is_unclean(report) or out.numbers != numbers.tolist():
            parts.refuse("not all of it decodes cleanly")
        else:
            out.publish()
    return report


def is_unclean(report: DecodeReport) -> bool:
    """Whether decoding a range has met anything that another cut might meet otherwise."""
    retried = report.previous_keyframe or report.from_start or report.strict_in_vain
    return bool(report.anomalies or report.missing or retried)


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
    counts = len(table), stored, seconds, report.pictures
    return Outcome(video_id, status, reason, *counts, notes="; ".join(timeline.notes))


def with_notes(timeline: Timeline, report: DecodeReport) -> Timeline:
    """Adds to a film's notes what decoding did to pictures of another size: they are fitted."""
    fitted = report.provenance().get("fitted", "")
    return replace(timeline, notes=(*timeline.notes, fitted)) if fitted else timeline


def publish(
    out: VideoWriter,
    timeline: Timeline,
    numbers: I64,
    table: FrameTable,
    slots: I64,
    reason: str,
    decoding: Mapping[str, str],
    report_progress: Callable[[], None],
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
        report_progress=report_progress,
    )


def check_usable(name: str, table: FrameTable, reason: str, *, is_strict: bool) -> None:
    """Refuses a film of which nothing decodes, and with ``is_strict`` a damaged one."""
    if not len(table):
        raise UnreadableMediaError(f"no frame of {name!r} can be decoded; {reason}")
    if reason and is_strict:
        raise DamagedFrameError(f"{name!r} is damaged, which strict refuses: {reason}")


def bad_ranges(requested: I64, there: I64) -> list[list[int]]:
    """Gives the stretches of wanted frames that are not there, as first and last frame number.

    >>> bad_ranges(np.array([0, 5, 10, 15, 20]), np.array([0, 15]))
    [[5, 10], [20, 20]]
    """
    is_missing = ~np.isin(requested, there)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_missing, [False]]).astype(int)))
    pairs = edges.reshape(-1, 2)
    return [[int(requested[first]), int(requested[end - 1])] for first, end in pairs]


def what_is_wrong(timeline: Timeline, numbers: I64, table: FrameTable, report: DecodeReport) -> str:
    """Says in one sentence what is wrong with a film, or nothing."""
    parts = list(timeline.damage)
    lost = len(numbers) - len(table)
    if lost:
        parts.append(f"{lost} of {len(numbers)} scanned frames do not decode cleanly")
    if report.anomalies:
        parts.append(report.first_anomaly(timeline))
    return "; ".join(parts)
