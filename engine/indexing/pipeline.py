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
from fewframes.decode.decoder import FFMPEG_ON_CPU, DecodeReport, Event
from fewframes.errors import DamagedFrameError, StaleIndexError, UnreadableMediaError
from fewframes.features.scan import TableBuilder, frames_at_rate, scan, scan_frames
from fewframes.features.scan_result import ScanResult
from fewframes.features.signal_pass import SignalPass
from fewframes.files.probing import identify, probe
from fewframes.indexing.cost_model import PredictedCost, effort_of
from fewframes.indexing.options import FilmTask
from fewframes.indexing.range_results import Parts, PartWriter, read_part
from fewframes.indexing.ranges import ranges_of
from fewframes.indexing.results import RangeResult
from fewframes.media.sizes import output_size
from fewframes.media.source import Source
from fewframes.media.timeline import Timeline
from fewframes.store.codecs import PictureCodec, picture_codec
from fewframes.store.results import Outcome, Status, stored_status
from fewframes.store.standing import what_stands
from fewframes.store.writer import VideoWriter, ensure_store


@dataclass(frozen=True, slots=True)
class Scan:
    """What is to be scanned of a film, and how."""

    timeline: Timeline
    task: FilmTask
    numbers: I64
    """The frames, sorted."""
    size: tuple[int, int] | None
    """Height and width of the stored pictures; None for the film's own."""
    ranges: list[I64]
    """The frames of each range; one of a film that is decoded in one go."""

    @classmethod
    def of(cls, timeline: Timeline, task: FilmTask) -> "Scan":
        """Says what a task wants of a film."""
        recipe, request, seconds = task.recipe, task.request, task.range_seconds
        numbers = frames_at_rate(timeline, recipe.fps)
        size = output_size(timeline.stream, None if recipe.size == "native" else recipe.size)
        ranges = ranges_of(timeline, numbers, size=size, request=request, range_seconds=seconds)
        return cls(timeline, task, numbers, size, ranges)

    @property
    def picture_size(self) -> tuple[int, int]:
        """Height and width of the stored pictures."""
        return self.size or self.timeline.stream.display_size

    @property
    def codec(self) -> PictureCodec:
        """What encodes the stored pictures."""
        return picture_codec(self.task.recipe.codec, self.task.recipe.quality)

    @property
    def effort(self) -> PredictedCost:
        """What it will take, as predicted."""
        return effort_of(self.timeline, self.numbers, self.size)

    def parts(self, home: Path) -> Parts:
        """Where the parts of the ranges are, below the folder for unfinished work."""
        task = self.task
        return Parts.of(home, task.video_id, task.recipe, self.timeline.source, self.ranges)


def standing(task: FilmTask, source: Source, *, is_dry: bool = False) -> Outcome | None:
    """Gives the outcome of a film that the store has already; see `what_stands`."""
    how = {"is_strict": task.is_strict, "replaces_content": task.replaces_content}
    return what_stands(task.files, task.video_id, task.recipe, source, is_dry=is_dry, **how)


def index_film(
    task: FilmTask, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Outcome:
    """Indexes one film, on disk, unless the store has it already, or another one under its id.

    Where `index_range` has left the parts of all its ranges, they are merged; else the film is
    decoded. ``progress`` is told frames done and frames in all. Raises `UnreadableMediaError` where
    nothing can be decoded, and where the task is strict `DamagedFrameError` if not everything can.
    """
    path, video_id, recipe = Path(task.path), task.video_id, task.recipe
    there = None if task.is_repair else standing(task, identify(path))
    if there is not None:
        return there
    film = Scan.of(probe(path, stream=recipe.stream), task)
    height, width = film.picture_size
    parts = film.parts(task.files.workspace) if len(film.ranges) > 1 else None
    files = parts.find_all() if parts else None
    about: dict[str, Any] = {"video_id": video_id, "recipe": recipe, "is_repair": task.is_repair}
    about["replaces_content"] = task.replaces_content
    with VideoWriter(task.files, height=height, width=width, **about) as out:
        scanned = merge(film, files, out, progress) if files else decode(film, out, progress)
        check_usable(scanned, is_strict=task.is_strict)
        there = None if task.is_repair else standing(task, film.timeline.source)
        if there is not None and there.status == Status.FAILED:
            return there  # another film came under this id meanwhile
        count = len(film.numbers)
        out.commit(scanned, report_progress=partial(progress, count, count))
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
        dedup=film.task.recipe.dedup,
        format=codec.format,
        keep=lambda planes: out.append(codec.encode(planes)),
        progress=lambda done: report_progress(done, len(film.numbers)),
        request=film.task.request,
    )
    return ScanResult.of(film.timeline, film.numbers, rows, report)


def merge(
    film: Scan, files: list[Path], out: VideoWriter, report_progress: Callable[[int, int], None]
) -> ScanResult:
    """Makes the rows of a film from its parts; copies the pictures that are no repeats.

    The same as `decode`, since parts are those of ranges that decoded cleanly.
    """
    rows = TableBuilder(SignalPass(film.task.recipe.dedup), out.append)
    for file, numbers in zip(files, film.ranges, strict=True):
        for frame in read_part(file, numbers):
            rows.add(frame)
            report_progress(len(rows.numbers), len(film.numbers))
    report = DecodeReport()
    report[Event.DECODER, FFMPEG_ON_CPU] += 1
    return ScanResult.of(film.timeline, film.numbers, rows, report)


def index_range(
    task: FilmTask, at: int, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> RangeResult:
    """Decodes one range of a long film and leaves its part, unless it is there."""
    path, video_id = Path(task.path), task.video_id
    film = Scan.of(probe(path, stream=task.recipe.stream), task)
    parts = film.parts(ensure_store(task.files).workspace)
    if at >= len(film.ranges):
        raise StaleIndexError(f"{path.name!r} changed while it was indexed; index it again")
    if parts.unsplittable_reason or parts.find(at):
        return RangeResult(video_id, unsplittable_reason=parts.unsplittable_reason)
    report = _leave_part(film, parts, at, progress)
    return RangeResult(video_id, report[Event.PICTURES], parts.unsplittable_reason)


def _leave_part(
    film: Scan, parts: Parts, at: int, report_progress: Callable[[int, int], None]
) -> DecodeReport:
    """Decodes a range into its part, or notes that the film has to be decoded in one go."""
    numbers, report, codec = film.ranges[at], DecodeReport(), film.codec
    how: dict[str, Any] = {"size": film.size, "format": codec.format, "request": film.task.request}
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
