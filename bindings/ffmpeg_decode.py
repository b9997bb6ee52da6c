"""PyAV: exactly the frames of a plan, each matched by its packet, never by counting.

1. A `Cursor` seeks to the first packet of a run and proves where it landed; that packet must give
   an intra picture.
2. Each packet is tagged with its row in the timeline in place of its pts, and the decoder carries
   the tag to the picture: a match is certain even where pts are missing or there twice.
3. Each wanted packet must give one picture. If one is missing, or the packets around withheld
   ones are not in their coded order, the run is decoded again with nothing withheld, then from one
   keyframe further back, then from the start of the file; what is still missing is reported.
4. An error that FFmpeg raises or logs marks every picture up to the next keyframe as damaged.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from av.video.frame import PictureType, VideoFrame

from fewframes.arrays import I64, Mask
from fewframes.bindings.ffmpeg import READING_ERRORS, choose_stream, open_container
from fewframes.bindings.ffmpeg_cursor import Cursor, LandingError, OutOfOrderError, pictures_of
from fewframes.bindings.ffmpeg_log import complaints
from fewframes.bindings.ffmpeg_pixels import Pixels
from fewframes.bindings.ffmpeg_unwritten import SILENT, UNFINISHED_WORDS, Unfinished
from fewframes.decode.decoding import FFMPEG_ON_CPU, DecodeReport, Rung
from fewframes.decode.frames import Format, FrameBatch
from fewframes.decode.plan import ENDED_BY_NEXT, Run, start_packets
from fewframes.media.bitstream import SAYS_UNREFERENCED
from fewframes.media.timeline import NO_PTS, Timeline

LINEAR_TRIES = 2
"""After so many decodes from the start of the file that brought nothing, no more are made: a long
film with many damaged stretches would be decoded again and again."""


def decode(
    timeline: Timeline,
    runs: Sequence[Run],
    *,
    format: Format,
    size: tuple[int, int] | None,
    report: DecodeReport,
) -> Iterator[FrameBatch]:
    """Decodes runs one after the other; the contract is `fewframes.decode.decoding.Decoder`'s."""
    count = sum(len(run.wanted) for run in runs)
    pixels = Pixels(timeline.stream, format, size, report, count)
    number_of = np.full(len(timeline.packets), -1)
    number_of[timeline.order] = np.arange(len(timeline))
    cursor = Cursor(timeline)
    report.decoders.add(FFMPEG_ON_CPU)
    if timeline.stream.codec not in SAYS_UNREFERENCED:
        report.nothing_withheld.add(f"{timeline.stream.codec} does not say what may be")
    try:
        for run in runs if cursor.starts_anywhere() else _in_one(runs):
            for row, picture, is_damaged in _decode_run(cursor, run, report):
                numbers = number_of[row : row + 1]
                yield FrameBatch(
                    tuple(plane[None] for plane in pixels.planes(picture)),
                    format,
                    numbers,
                    timeline.pts[numbers],
                    timeline.time_base,
                    timeline.start_pts,
                    timeline.source.name,
                    **pixels.hashes(picture),
                    is_damaged=np.array([is_damaged]),
                )
    finally:
        cursor.close()


def _in_one(runs: Sequence[Run]) -> list[Run]:
    """The same wanted packets, in one run from the start of the file."""
    wanted = np.concatenate([run.wanted for run in runs] or [np.empty(0, np.int64)])
    last = max((int(run.feed[-1]) for run in runs), default=-1)
    return [Run(np.arange(last + 1), wanted)] if wanted.size else []


def _decode_run(
    cursor: "Cursor", run: Run, report: DecodeReport
) -> Iterator[tuple[int, VideoFrame, bool]]:
    """Climbs the ladder until every wanted packet has given its picture."""
    wanted, complaints_before = set(run.wanted.tolist()), len(report.anomalies)
    for rung, feed in _ladder(cursor.timeline, run, wanted):
        if rung == "linear" and report.linear_in_vain >= LINEAR_TRIES:
            break
        before = len(wanted)
        report.count(rung)
        try:
            yield from _feed(cursor, feed, wanted, report)
        except (LandingError, OutOfOrderError) as error:
            cursor.close()
            if isinstance(error, OutOfOrderError):
                report.nothing_withheld.add(str(error))
        if len(report.anomalies) > complaints_before:
            cursor.close()  # a decoder that has met damage is not used again
        if not wanted:
            return
        report.linear_in_vain += rung == "linear" and len(wanted) == before
    report.missing.extend(sorted(wanted))


def _ladder(timeline: Timeline, run: Run, wanted: set[int]) -> Iterator[tuple[Rung, I64]]:
    """What to feed next for the packets that are still wanted, while there are any."""
    yield "planned", run.feed
    targets = np.array(sorted(wanted))
    first, end = int(start_packets(timeline, targets).min()), int(run.feed[-1]) + 1
    if len(run.feed) <= run.feed[-1] - run.feed[0]:
        yield "whole", np.arange(first, end)
    earlier = np.flatnonzero(timeline.packets.can_start[:first])
    if earlier.size and earlier[-1] > 0:
        yield "earlier", np.arange(earlier[-1], end)
    if first > 0:
        yield "linear", np.arange(end)


def _feed(
    cursor: "Cursor", feed: I64, wanted: set[int], report: DecodeReport
) -> Iterator[tuple[int, VideoFrame, bool]]:
    """Gives each wanted picture once, with its row and whether it may be damaged."""
    start = int(feed[0])
    damage, is_landed = _Damage(cursor.timeline, start), start == 0
    broken, is_silent = cursor.timeline.packets.is_corrupt, cursor.timeline.stream.codec in SILENT
    unfinished = Unfinished(cursor, feed) if is_silent else None
    for row, pictures, is_fed in cursor.decoded(feed):
        report.pictures += is_fed
        if unfinished and unfinished.has(pictures or ()):
            damage.log.append(UNFINISHED_WORDS)
        if damage.log or pictures is None or (is_fed and broken[row]):
            damage.begin(row, report)
        for picture in pictures or ():
            is_landed |= picture.pts == start and picture.pict_type == PictureType.I
            if picture.pts in wanted:
                if not is_landed:
                    raise LandingError(f"packet {start} is no keyframe, whatever the file says")
                wanted.remove(picture.pts)
                yield picture.pts, picture, damage.touches(picture)


class _Damage:
    """Which pictures of a run may have been touched by a decode anomaly.

    An anomaly lasts up to the next packet where decoding can start, and over the leading pictures
    of that packet, which are shown before it and may refer to what came before it.
    """

    def __init__(self, timeline: Timeline, start: int) -> None:
        self.timeline, self.packets = timeline, timeline.packets
        self.log = complaints()
        self.log.clear()
        self.settled = self._next_start(start) if start else 0
        self.is_touched: Mask | None = None

    def _next_start(self, row: int) -> int:
        later = np.flatnonzero(self.packets.can_start[row + 1 :])
        return row + 1 + int(later[0]) if later.size else len(self.packets)

    def begin(self, row: int, report: DecodeReport) -> None:
        """Notes an anomaly at a packet."""
        if self.log and row < self.settled and all(map(_is_harmless, self.log)):
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

    def touches(self, picture: VideoFrame) -> bool:
        """Whether a picture is flagged by the decoder or lies in a damaged stretch."""
        is_touched = self.is_touched is not None and bool(self.is_touched[picture.pts or 0])
        return picture.is_corrupt or is_touched


def _is_harmless(message: str) -> bool:
    """Whether a complaint is only about letting go of a picture from before an open-GOP start."""
    return message.endswith("mmco: unref short failure")


def presentation(path: Path, stream: int, *, limit: int | None = None) -> tuple[I64, I64]:
    """Decodes a file from its start and gives what comes out, in the decoder's order.

    Returns the packet of each picture and the decode time that came with it, both ``[n] i64``.
    ``limit`` stops after so many packets.
    """
    with open_container(path) as container:
        video = choose_stream(container, path, stream)
        context = video.codec_context
        context.thread_count = 1
        shown = []
        packets = (packet for packet in container.demux(video) if packet.size)
        try:
            for row, packet in enumerate(islice(packets, limit)):
                packet.pts = row
                shown += [(p.pts, p.dts) for p in pictures_of(context, packet) or ()]
        except READING_ERRORS:
            pass  # the file breaks off here, which its timeline says
        shown += [(p.pts, p.dts) for p in pictures_of(context, None) or ()]
    complaints().clear()
    table = [(row, NO_PTS if dts is None else dts) for row, dts in shown]
    rows, times = np.array(table, np.int64).reshape(-1, 2).T
    return rows, times
