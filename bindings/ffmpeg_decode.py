"""PyAV: exactly the frames of a plan, each matched by its packet, never by counting.

1. A `Cursor` seeks to the first packet of a run and proves where it landed: position, size and
   pts must be those of the timeline. Every following packet is checked as well.
2. Each packet is tagged with its row in the timeline in place of its pts, and the decoder carries
   the tag to the picture: a match is certain even where pts are missing or there twice.
3. Each wanted packet must give one picture. If one is missing, the run is decoded again from one
   keyframe further back, then from the start of the file; what is still missing is reported.
4. An error that FFmpeg raises or logs marks every picture up to the next keyframe as damaged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fewframes.arrays import I64
from fewframes.bindings.ffmpeg import complaints, open_container
from fewframes.bindings.ffmpeg_pixels import Pixels
from fewframes.decoding import DecodeReport
from fewframes.frames import Format, FrameBatch
from fewframes.plan import Run
from fewframes.timeline import NO_PTS, Timeline

READ_THROUGH_PACKETS = 48
"""A gap up to this long is read over, a longer one sought over: a packet takes 4 µs, a seek of MP4
16 µs, but one of MPEG-TS about a millisecond."""
LOST_AFTER_PACKETS = 4096
"""How many packets may pass after a seek before the landing counts as failed."""
SEEKS_BY_PTS = ("matroska",)
"""Containers whose index holds presentation times; the others are sought by decode time."""


class LandingError(Exception):
    """The packets read are not those that the timeline promised."""


def decode(
    timeline: Timeline,
    runs: Sequence[Run],
    *,
    format: Format,  # noqa: A002 (the word of the public API)
    size: tuple[int, int] | None,
    report: DecodeReport,
) -> Iterator[FrameBatch]:
    """Decodes runs one after the other; the contract is `fewframes.decoding.Decoder`'s."""
    pixels = Pixels(timeline.stream, format, size)
    number_of = np.full(len(timeline.packets), -1)
    number_of[timeline.order] = np.arange(len(timeline))
    cursor = Cursor(timeline)
    try:
        for run in runs:
            report.runs += 1
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
                    is_damaged=np.array([is_damaged]),
                )
    finally:
        cursor.close()


def _decode_run(
    cursor: "Cursor", run: Run, report: DecodeReport
) -> Iterator[tuple[int, VideoFrame, bool]]:
    """Climbs the ladder until every wanted packet has given its picture."""
    wanted = set(run.wanted.tolist())
    for attempt, feed in enumerate(_ladder(cursor.timeline, run)):
        if attempt:
            report.retries += 1
            report.linear += int(feed[0] == 0)
        try:
            yield from _feed(cursor, feed, wanted, report)
        except LandingError:
            cursor.close()
        if not wanted:
            return
    report.missing.extend(sorted(wanted))


def _ladder(timeline: Timeline, run: Run) -> Iterator[I64]:
    """What to feed: as planned, from one keyframe further back, from the start of the file."""
    yield run.feed
    first, end = int(run.feed[0]), int(run.wanted[-1]) + 1
    earlier = np.flatnonzero(timeline.packets.can_start[:first])
    if earlier.size and earlier[-1] > 0:
        yield np.arange(earlier[-1], end)
    if first > 0:
        yield np.arange(end)


def _feed(
    cursor: "Cursor", feed: I64, wanted: set[int], report: DecodeReport
) -> Iterator[tuple[int, VideoFrame, bool]]:
    """Gives each wanted picture once, with its row and whether it may be damaged."""
    damage = _Damage(cursor.timeline, int(feed[0]))
    for row, pictures in cursor.decoded(feed):
        if row >= 0:
            report.pictures += 1
        if damage.log or pictures is None:
            damage.begin(row, report)
        for picture in pictures or ():
            if picture.pts in wanted:
                wanted.remove(picture.pts)
                yield picture.pts, picture, damage.touches(picture)


class _Damage:
    """Which pictures of a run may have been touched by a decode anomaly."""

    def __init__(self, timeline: Timeline, start: int) -> None:
        self.packets = timeline.packets
        self.log = complaints()
        self.log.clear()
        self.first = self.end = -1
        self.settled = self._next_start(start) if start else 0

    def _next_start(self, row: int) -> int:
        later = np.flatnonzero(self.packets.can_start[row + 1 :])
        return row + 1 + int(later[0]) if later.size else len(self.packets)

    def begin(self, row: int, report: DecodeReport) -> None:
        """Notes an anomaly at a packet; it lasts until the next packet where decoding can start."""
        row = len(self.packets) - 1 if row < 0 else row
        if self.log and row < self.settled and all(map(_is_harmless, self.log)):
            self.log.clear()
            return
        report.anomalies.append((row, self.log[0] if self.log else "packet refused"))
        self.log.clear()
        if row >= self.end:
            self.first = row
        self.end = self._next_start(row)

    def touches(self, picture: VideoFrame) -> bool:
        """Whether a picture is flagged by the decoder or lies in the damaged stretch."""
        return picture.is_corrupt or self.first <= (picture.pts or 0) < self.end


def _is_harmless(message: str) -> bool:
    """Whether a complaint is only about letting go of a picture from before an open-GOP start."""
    return message.endswith("mmco: unref short failure")


@dataclass(slots=True)
class _Open:
    """An open file, its stream, and the packets still to be read."""

    container: InputContainer
    stream: VideoStream
    packets: Iterator[Packet]


class Cursor:
    """Reads and decodes packets of one stream, and knows which row of the timeline each one is."""

    def __init__(self, timeline: Timeline) -> None:
        packets = timeline.packets
        self.timeline = timeline
        self._pts, self._dts = packets.pts.tolist(), packets.dts.tolist()
        self._sizes, self._positions = packets.size_bytes.tolist(), packets.position.tolist()
        self._open: _Open | None = None
        self._next_row = 0

    def close(self) -> None:
        """Closes the file; the next use opens it again at its start."""
        if self._open:
            self._open.container.close()
        self._open = None

    def decoded(self, feed: I64) -> Iterator[tuple[int, list[VideoFrame] | None]]:
        """Decodes these packets with a clean decoder and drains it.

        Gives the row fed and the pictures that came out, None where the decoder refused the
        packet; the last row is -1, for what was drained.
        """
        rows = feed.tolist()
        packets = self._packets(rows[0])
        context = self._opened().stream.codec_context
        for row in rows:
            at, packet = next(packets)
            while at < row:
                at, packet = next(packets)
            packet.pts = at
            yield at, _pictures(context, packet)
        yield -1, _pictures(context, None)
        context.flush_buffers()

    def _packets(self, row: int) -> Iterator[tuple[int, Packet]]:
        """Every packet from a row on; each must be the one that the timeline has there."""
        self._go_to(row)
        for packet in self._opened().packets:
            if packet.size == 0:
                continue
            if not self._is_row(packet, self._next_row):
                break
            self._next_row += 1
            yield self._next_row - 1, packet
        raise LandingError(f"packet {self._next_row} is not where the timeline has it")

    def _go_to(self, row: int) -> None:
        """Makes ``row`` the next packet to be read, or at least one a little before it."""
        self._opened()
        if 0 <= row - self._next_row <= READ_THROUGH_PACKETS:
            return
        if row and not self._seek(row):
            self.close()
        if not row:
            self.close()
        self._opened()

    def _seek(self, row: int) -> bool:
        """Seeks to a packet and reads up to it; False where it is not found."""
        opened = self._opened()
        by_pts = self.timeline.stream.container in SEEKS_BY_PTS
        target = self._pts[row] if by_pts else self._dts[row]
        target = self._pts[row] if target == NO_PTS else target
        if target == NO_PTS:
            return False
        try:
            opened.container.seek(target, stream=opened.stream, backward=True)
        except av.error.FFmpegError:
            return False
        packets = opened.container.demux(opened.stream)
        for _, packet in zip(range(LOST_AFTER_PACKETS), packets, strict=False):
            if packet.size and self._is_row(packet, row):
                opened.packets = _put_back(packet, packets)
                self._next_row = row
                return True
        return False

    def _is_row(self, packet: Packet, row: int) -> bool:
        """Whether a packet is that of a row: size, and position and pts where both are known."""
        if row >= len(self._sizes) or packet.size != self._sizes[row]:
            return False
        position, pts = self._positions[row], self._pts[row]
        if position >= 0 and packet.pos is not None and packet.pos >= 0:
            return bool(packet.pos == position)
        return pts == NO_PTS or packet.pts is None or packet.pts == pts

    def _opened(self) -> _Open:
        if self._open is None:
            container = open_container(self.timeline.source.path)
            stream = container.streams[self.timeline.stream.index]
            assert isinstance(stream, VideoStream)
            stream.codec_context.thread_count = 1
            stream.codec_context.thread_type = "NONE"
            if self.timeline.stream.codec == "h264" and "444" in self.timeline.stream.pixel_format:
                _prime(self.timeline.source.path, stream)
            self._open = _Open(container, stream, container.demux(stream))
            self._next_row = 0
        return self._open


def _prime(path: Path, stream: VideoStream) -> None:
    """Shows a decoder the first packet of the file, where x264 says its version.

    FFmpeg decodes 4:4:4 of x264 before version 151 in its own way, and a seek would miss that.
    """
    with open_container(path) as other:
        _pictures(stream.codec_context, next(other.demux(other.streams[stream.index])))
    _pictures(stream.codec_context, None)
    stream.codec_context.flush_buffers()


def _put_back(first: Packet, rest: Iterator[Packet]) -> Iterator[Packet]:
    yield first
    yield from rest


def _pictures(context: "av.VideoCodecContext", packet: Packet | None) -> list[VideoFrame] | None:
    try:
        return context.decode(packet)
    except av.error.EOFError:
        return []
    except av.error.FFmpegError:
        return None


def presentation(path: Path, stream: int, *, limit: int | None = None) -> tuple[I64, I64]:
    """Decodes a file from its start and gives what comes out, in the decoder's order.

    Returns the packet of each picture and the decode time that came with it, both ``[n] i64``.
    ``limit`` stops after so many packets.
    """
    with open_container(path) as container:
        video = container.streams[stream]
        assert isinstance(video, VideoStream)
        context = video.codec_context
        context.thread_count = 1
        shown = []
        packets = (packet for packet in container.demux(video) if packet.size)
        try:
            for row, packet in enumerate(islice(packets, limit)):
                packet.pts = row
                shown += [(p.pts, p.dts) for p in _pictures(context, packet) or ()]
        except av.error.FFmpegError:
            pass  # the file breaks off here, which its timeline says
        shown += [(p.pts, p.dts) for p in _pictures(context, None) or ()]
    complaints().clear()
    table = [(row, NO_PTS if dts is None else dts) for row, dts in shown]
    rows, times = np.array(table, np.int64).reshape(-1, 2).T
    return rows, times
