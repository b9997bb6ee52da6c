"""PyAV: exactly the frames of a plan, each matched by its packet, never by counting.

1. A `Cursor` seeks to the first packet of a run and proves where it landed; that packet must give
   an intra picture.
2. Each packet is tagged with its row in the timeline in place of its pts, and the decoder carries
   the tag to the picture: a match is certain even where pts are missing or there twice.
3. Each wanted packet must give one picture. If one is missing, or touched by an anomaly, or the
   packets around withheld ones are not in their coded order, the run is decoded again with nothing
   withheld, then from one keyframe further back, then from the start of the file; what is still
   missing is reported.
4. AV1 is decoded strictly first (`STRICT`). A packet that only a strict decoder refuses is doubted:
   on the next rungs, less strict, it counts as damage; in a decode from the start of the file it
   does not, since that is what everybody sees.
5. An error that FFmpeg raises or logs touches every picture up to the next keyframe; what it still
   touches on the last try is marked as damaged.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
from av.video.frame import PictureType, VideoFrame

from fewframes.arrays import I64, Mask
from fewframes.bindings.ffmpeg.cursor import STRICT, Cursor, LandingError, OutOfOrderError
from fewframes.bindings.ffmpeg.log import drain_log, is_harmless
from fewframes.bindings.ffmpeg.pixels import Pixels
from fewframes.bindings.ffmpeg.second_look import Unfinished
from fewframes.bindings.ffmpeg.stale_memory import SILENT, UNFINISHED_WORDS
from fewframes.decode.batch import Format, FrameBatch
from fewframes.decode.decoder import FFMPEG_ON_CPU, DecodeReport, Event
from fewframes.decode.plan import ENDED_BY_NEXT, GopRun, start_packets
from fewframes.media.bitstream import SAYS_UNREFERENCED
from fewframes.media.timeline import Timeline

ENDED_WITHIN = 3
"""Packets from a picture's own on that may complete it: its second field, and the next picture."""
LINEAR_TRIES = 2
"""After so many decodes from the start of the file that brought nothing, no more are made: a long
film with many damaged stretches would be decoded again and again. After so many that accepted
what a strict decoder refuses, no more strict decodes are made: the encoder was not strict."""


def decode(
    timeline: Timeline,
    runs: Sequence[GopRun],
    *,
    format: Format,
    size: tuple[int, int] | None,
    report: DecodeReport,
) -> Iterator[FrameBatch]:
    """Decodes runs one after the other; the contract is `fewframes.decode.decoder.Decoder`'s."""
    codec, count = timeline.stream.codec, sum(len(run.requested) for run in runs)
    pixels = Pixels(timeline.stream, format, size, report, count)
    number_of = np.full(len(timeline.packets), -1)
    number_of[timeline.order] = np.arange(len(timeline))
    cursor = Cursor(timeline, is_strict=codec in STRICT)
    report[Event.DECODER, FFMPEG_ON_CPU] += 1
    if codec not in SAYS_UNREFERENCED:
        report[Event.NOTHING_WITHHELD, f"{codec} does not say what may be"] += 1
    try:
        for run in runs if cursor.starts_anywhere() else _in_one(runs):
            for row, picture, is_damaged in _decode_run(cursor, run, report):
                yield FrameBatch(
                    tuple(plane[None] for plane in pixels.planes(picture)),
                    format,
                    *timeline.stamped(number_of[row : row + 1]),
                    **pixels.hashes(picture),
                    is_damaged=np.array([is_damaged]),
                )
    finally:
        cursor.close()


def _in_one(runs: Sequence[GopRun]) -> list[GopRun]:
    """The same wanted packets, in one run from the start of the file."""
    requested = np.concatenate([run.requested for run in runs] or [np.empty(0, np.int64)])
    last = max((int(run.feed[-1]) for run in runs), default=-1)
    return [GopRun(np.arange(last + 1), requested)] if requested.size else []


def _decode_run(
    cursor: "Cursor", run: GopRun, report: DecodeReport
) -> Iterator[tuple[int, VideoFrame, bool]]:
    """Climbs the ladder until every wanted packet has given its picture, sound or marked.

    A picture is marked on the last rung alone: what a seek has done, a start further back undoes.
    """
    requested, rung, doubted = set(run.requested.tolist()), None, set[int]()
    codec = cursor.timeline.stream.codec
    is_strict = codec in STRICT and report[Event.STRICT_IN_VAIN] < LINEAR_TRIES
    while requested and (
        rungs := _rungs_after(cursor.timeline, run, requested, report, rung, is_strict)
    ):
        rung, feed = next(iter(rungs.items()))
        cursor.be_strict(is_strict and rung is Event.PLANNED)
        report[rung] += 1
        before, is_last, has_sound = len(report.anomalies), len(rungs) == 1, False
        for row, picture, is_damaged in _attempt(cursor, feed, requested, report, doubted):
            if is_last or not is_damaged:
                has_sound |= not is_damaged
                requested.remove(row)
                yield row, picture, is_damaged
        report[Event.LINEAR_IN_VAIN] += rung is Event.FROM_START and not has_sound
        if len(report.anomalies) > before:
            cursor.close()  # a decoder that has met damage is not used again
        elif doubted and not requested and not feed[0]:
            report[Event.STRICT_IN_VAIN] += 1
        if cursor.is_strict:
            doubted = {row for row, _ in report.anomalies[before:]}
        if requested and not is_last:
            del report.anomalies[before:]
    report.missing.extend(sorted(requested))


def _attempt(
    cursor: "Cursor", feed: I64, requested: set[int], report: DecodeReport, doubted: set[int]
) -> Iterator[tuple[int, VideoFrame, bool]]:
    """Feeds packets, and ends early where they are not what the timeline promised."""
    try:
        yield from _feed(cursor, feed, requested, report, doubted if feed[0] else set())
    except LandingError:
        cursor.close()
    except OutOfOrderError as error:
        cursor.close()
        report[Event.NOTHING_WITHHELD, str(error)] += 1


def _rungs_after(
    timeline: Timeline,
    run: GopRun,
    requested: set[int],
    report: DecodeReport,
    last: Event | None,
    is_strict: bool,
) -> dict[Event, I64]:
    """What may still be fed for the packets that are wanted, the least first."""
    rungs = {Event.PLANNED: run.feed} if last is None else {}
    targets = np.array(sorted(requested))
    first, end = int(start_packets(timeline, targets).min()), int(targets[-1]) + ENDED_WITHIN
    end = min(end, int(run.feed[-1]) + 1)
    if last in (None, Event.PLANNED) and len(run.feed) <= run.feed[-1] - run.feed[0]:
        rungs[Event.NO_DROP] = np.arange(first, end)
    earlier = np.flatnonzero(timeline.packets.is_random_access[:first])
    if last in (None, Event.PLANNED, Event.NO_DROP) and earlier.size and earlier[-1] > 0:
        rungs[Event.PREVIOUS_KEYFRAME] = np.arange(earlier[-1], end)
    if last is not Event.FROM_START and first > 0 and report[Event.LINEAR_IN_VAIN] < LINEAR_TRIES:
        rungs[Event.FROM_START] = np.arange(end)
    if last in (None, Event.PLANNED) and is_strict and not rungs.keys() - {Event.PLANNED}:
        rungs[Event.NO_DROP] = np.arange(first, end)
    return rungs


def _feed(
    cursor: "Cursor", feed: I64, requested: set[int], report: DecodeReport, doubted: set[int]
) -> Iterator[tuple[int, VideoFrame, bool]]:
    """Gives each picture that is wanted, with its row and whether it may be damaged.

    Packets that are doubted count as damage, whatever the decoder says.
    """
    start, second = int(feed[0]), cursor.timeline.packets.is_second_field
    damage = _Damage(cursor, start)
    is_landed = start == 0 or bool(second[start + 1 : start + 2].any())
    broken, is_silent = cursor.timeline.packets.is_corrupt, cursor.timeline.stream.codec in SILENT
    unfinished = Unfinished(cursor, feed) if is_silent else None
    for row, pictures, is_fed in cursor.decoded(feed):
        report[Event.PICTURES] += is_fed
        if unfinished and unfinished.has(pictures or ()):
            damage.log.append(UNFINISHED_WORDS)
        if damage.log or pictures is None or (is_fed and (broken[row] or row in doubted)):
            damage.begin(row, report)
        for picture in pictures or ():
            is_landed |= picture.pts == start and picture.pict_type == PictureType.I
            damage.see(picture, report)
            if picture.pts in requested:
                if not is_landed:
                    raise LandingError(f"packet {start} is no keyframe, whatever the file says")
                yield picture.pts, picture, damage.touches(picture)


class _Damage:
    """Which pictures of a run may have been touched by a decode anomaly.

    An anomaly lasts up to the next packet where decoding can start, and over the leading pictures
    of that packet, which are shown before it and may refer to what came before it.
    """

    def __init__(self, cursor: Cursor, start: int) -> None:
        self.timeline, self.packets = cursor.timeline, cursor.timeline.packets
        self.log = drain_log()
        self.log.clear()
        self.start, self.starts, self.times = start, cursor.starts, cursor.times
        self.settled = self._next_start(start)
        self.is_touched: Mask | None = None
        self.given: set[int] = set()
        self.proven: set[int] = set()

    def _next_start(self, row: int) -> int:
        at = bisect_right(self.starts, row)
        return self.starts[at] if at < len(self.starts) else len(self.packets)

    def begin(self, row: int, report: DecodeReport) -> None:
        """Notes an anomaly at a packet."""
        if self.log and row < self.settled and all(map(is_harmless, self.log)):
            self.log.clear()
            return
        refused = "packet is broken" if self.packets.is_corrupt[row] else "packet refused"
        report.anomalies.append((row, self.log[0] if self.log else refused))
        self.log.clear()
        if self.is_touched is None:
            self.is_touched = np.zeros(len(self.packets), bool)
        end = self._next_start(row)
        is_before_too = self.timeline.stream.codec in ENDED_BY_NEXT
        self.is_touched[max(0, row - is_before_too) : end] = True
        if end < len(self.packets):
            leading = slice(end, self._next_start(end))
            times = self.timeline.packet_times
            self.is_touched[leading] |= times[leading] < times[end]

    def see(self, picture: VideoFrame, report: DecodeReport) -> None:
        """Notes a start that gave no picture before those that follow it, or none that is intra.

        No damage ends there, and where there was none, it begins.
        """
        row, touched = picture.pts or 0, self.is_touched
        self.given.add(row)
        if picture.pict_type == PictureType.I:
            self.proven.add(row)
        at = bisect_right(self.starts, row)
        start = max(self.start, self.starts[at - 1] if at else 0)
        if start in self.proven or self.times[row] <= self.times[start]:
            return
        if start not in self.given and self.packets.is_frame[start]:
            self.proven.add(start)
            self.log.append("a keyframe gives no picture")
            self.begin(start, report)
        elif touched is not None and start and touched[start - 1]:
            touched[start : self._next_start(start)] = True

    def touches(self, picture: VideoFrame) -> bool:
        """Whether a picture is flagged by the decoder or lies in a damaged stretch."""
        is_touched = self.is_touched is not None and bool(self.is_touched[picture.pts or 0])
        return picture.is_corrupt or is_touched
