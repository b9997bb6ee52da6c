"""Indexing one film: the whole flow on one page.

probe ─▶ frames at a rate ─▶ plan ─▶ decode ─▶ signals ─▶ pictures ─▶ table ─▶ publish

Of a long film, `index_range` does the first half for each of its ranges, in any process and order,
and `index_film` the second half once: the rows are the same as in one go.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fewframes.arrays import I64
from fewframes.decode.backend_choice import DecoderRequest
from fewframes.decode.decoder import FFMPEG_ON_CPU, DecodeReport, Event
from fewframes.errors import DamagedFrameError, StaleIndexError, UnreadableMediaError
from fewframes.features.scan import TableBuilder, frames_at_rate, scan, scan_frames
from fewframes.features.scan_result import ScanResult
from fewframes.features.signal_pass import SignalPass
from fewframes.files.probing import identify, probe
from fewframes.indexing.cost_model import PredictedCost, effort_of
from fewframes.indexing.range_results import Parts, PartWriter, read_part
from fewframes.indexing.ranges import RANGE_SECONDS, ranges_of
from fewframes.indexing.results import RangeResult
from fewframes.media.sizes import output_size
from fewframes.media.timeline import Timeline
from fewframes.store.codecs import PictureCodec, picture_codec
from fewframes.store.object_store import ObjectStore
from fewframes.store.object_writer import ensure_store, staging_dir
from fewframes.store.recipes import Recipe
from fewframes.store.results import Outcome, stored_status
from fewframes.store.standing import what_stands
from fewframes.store.writer import VideoWriter


@dataclass(frozen=True, slots=True)
class Scan:
    """What is to be scanned of a film, and how."""

    timeline: Timeline
    recipe: Recipe
    request: DecoderRequest
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
        return cls(timeline, recipe, request, numbers, size, ranges)

    @property
    def picture_size(self) -> tuple[int, int]:
        """Height and width of the stored pictures."""
        return self.size or self.timeline.stream.display_size

    @property
    def codec(self) -> PictureCodec:
        """What encodes the stored pictures."""
        return picture_codec(self.recipe.codec, self.recipe.quality)

    @property
    def effort(self) -> PredictedCost:
        """What it will take, as predicted."""
        return effort_of(self.timeline, self.numbers, self.size)

    def parts(self, home: Path, video_id: str) -> Parts:
        """Where the parts of the ranges are, below the folder for unfinished work."""
        return Parts.of(home, video_id, self.recipe, self.timeline.source, self.ranges)


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
    height, width = film.picture_size
    parts = film.parts(staging_dir(store), video_id) if len(film.ranges) > 1 else None
    files = parts.find_all() if parts else None
    report_progress = progress or (lambda _done, _all: None)
    with VideoWriter(store, video_id=video_id, recipe=recipe, height=height, width=width) as out:
        scanned = (
            merge(film, files, out, report_progress)
            if files
            else decode(film, out, report_progress)
        )
        check_usable(scanned, is_strict=is_strict)
        count = len(film.numbers)
        out.commit(scanned, report_progress=partial(report_progress, count, count))
    if parts:
        parts.remove()
    return _outcome(video_id, scanned, out.stored_bytes)


def decode(film: Scan, out: VideoWriter, report_progress: Callable[[int, int], None]) -> ScanResult:
    """Decodes a film in one go; encodes the pictures that are no repeats."""
    codec = film.codec
    rows, report = scan(
        film.timeline,
        film.numbers,
        size=film.size,
        dedup=film.recipe.dedup,
        format=codec.format,
        keep=lambda planes: out.append(codec.encode(planes)),
        progress=lambda done: report_progress(done, len(film.numbers)),
        request=film.request,
    )
    return ScanResult.of(film.timeline, film.numbers, rows, report)


def merge(
    film: Scan, files: list[Path], out: VideoWriter, report_progress: Callable[[int, int], None]
) -> ScanResult:
    """Makes the rows of a film from its parts; copies the pictures that are no repeats.

    The same as `decode`, since parts are those of ranges that decoded cleanly.
    """
    rows = TableBuilder(SignalPass(film.recipe.dedup), out.append)
    for file, numbers in zip(files, film.ranges, strict=True):
        for frame in read_part(file, numbers):
            rows.add(frame)
            report_progress(len(rows.numbers), len(film.numbers))
    report = DecodeReport()
    report[Event.DECODER, FFMPEG_ON_CPU] += 1
    return ScanResult.of(film.timeline, film.numbers, rows, report)


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
    parts = film.parts(ensure_store(store), video_id)
    if at >= len(film.ranges):
        raise StaleIndexError(f"{path.name!r} changed while it was indexed; index it again")
    if parts.unsplittable_reason or parts.find(at):
        return RangeResult(video_id, unsplittable_reason=parts.unsplittable_reason)
    report_progress = progress or (lambda _done, _all: None)
    report = _leave_part(film, parts, at, report_progress)
    rows, reason = len(film.ranges[at]), parts.unsplittable_reason
    return RangeResult(video_id, rows, report[Event.PICTURES], reason)


def _leave_part(
    film: Scan, parts: Parts, at: int, report_progress: Callable[[int, int], None]
) -> DecodeReport:
    """Decodes a range into its part, or notes that the film has to be decoded in one go."""
    numbers, report, codec = film.ranges[at], DecodeReport(), film.codec
    how: dict[str, Any] = {"size": film.size, "format": codec.format, "request": film.request}
    with PartWriter(parts, at) as out:
        for frame in scan_frames(film.timeline, numbers, report=report, **how):
            out.append(frame, codec.encode(frame.picture))
            report_progress(len(out.numbers), len(numbers))
            if is_unclean(report) or report.entries(Event.FITTED):
                break
        if report.entries(Event.FITTED):
            parts.refuse("its pictures change their size")
        elif is_unclean(report) or out.numbers != numbers.tolist():
            parts.refuse("not all of it decodes cleanly")
        else:
            out.publish()
    return report


def is_unclean(report: DecodeReport) -> bool:
    """Whether decoding a range has met anything that another cut might meet otherwise."""
    retries = (Event.PREVIOUS_KEYFRAME, Event.FROM_START, Event.STRICT_IN_VAIN)
    return bool(report.anomalies or report.missing or any(report[event] for event in retries))


def _outcome(video_id: str, scanned: ScanResult, stored_bytes: int) -> Outcome:
    timeline = scanned.timeline
    return Outcome(
        video_id,
        stored_status(is_whole=scanned.is_whole),
        scanned.reason,
        len(scanned.table),
        scanned.kept,
        timeline.duration_seconds,
        scanned.pictures,
        stored_bytes,
        notes="; ".join(timeline.notes),
    )


def check_usable(scanned: ScanResult, *, is_strict: bool) -> None:
    """Refuses a film of which nothing decodes, and with ``is_strict`` a damaged one."""
    name = scanned.timeline.source.name
    if not len(scanned.table):
        raise UnreadableMediaError(f"no frame of {name!r} can be decoded; {scanned.reason}")
    if is_strict and not scanned.is_whole:
        raise DamagedFrameError(f"{name!r} is damaged, which strict refuses: {scanned.reason}")
