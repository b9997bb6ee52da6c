"""PyAV: reads and decodes packets of one stream, and knows which row of the timeline each one is.

After a seek the first packet must be the promised one, and every following packet must be the next
row: by position and size where the demuxer tells positions, else by size and pts.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet, PacketSideData, packet_sidedata_type_from_literal
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fewframes.arrays import I64
from fewframes.bindings.ffmpeg import READING_ERRORS, choose_stream, open_container
from fewframes.bindings.ffmpeg_log import complaints
from fewframes.bindings.ffmpeg_unwritten import Corners
from fewframes.media.bitstream import Buffer
from fewframes.media.coded_order import OrderCheck, order_check
from fewframes.media.headers import NOTHING, Headers
from fewframes.media.timeline import NO_PTS, Timeline

if TYPE_CHECKING:
    from av.packet import PktSideDataT

VideoPacket: TypeAlias = "Packet[VideoStream]"
READ_THROUGH_PACKETS = 48
"""A gap up to this long is read over, a longer one sought over: a packet takes 4 µs, a seek of MP4
16 µs, but one of MPEG-TS about a millisecond."""
LOST_AFTER_PACKETS = 4096
"""How many packets may pass after a seek before the landing counts as failed."""
PADDING_PACKETS = 32
"""How many pictures of MPEG-4 show how its encoder pads; two are enough where none is damaged."""
SEEKS_BY_BYTES = ("mpegts", "mpeg")
"""Containers without an index, in which FFmpeg finds a packet by its position. They are sought so
where clocks start again, since a time may be there twice."""
SEEKS_BY_PTS = ("matroska", "mov")
"""Containers that FFmpeg seeks by presentation time; the others are sought by decode time, with
which it would land a GOP early in MP4."""


class LandingError(Exception):
    """The packets read are not those that the timeline promised."""


class OutOfOrderError(Exception):
    """Packets are withheld, but what is around them is not as it was coded."""


@dataclass(slots=True)
class _Open:
    """An open file, its stream, and the packets still to be read."""

    container: InputContainer
    stream: VideoStream
    packets: Iterator[VideoPacket]
    order: OrderCheck | None
    is_clean: bool
    """Whether the decoder was primed without a complaint, or needed no priming."""
    corners: Corners


class Cursor:
    """Reads and decodes packets of one stream, and knows which row of the timeline each one is."""

    def __init__(self, timeline: Timeline) -> None:
        packets = timeline.packets
        self.timeline = timeline
        self._pts, self._dts = packets.pts.tolist(), packets.dts.tolist()
        self._sizes, self._positions = packets.size_bytes.tolist(), packets.position.tolist()
        self._times = timeline.packet_times.tolist()
        self._open: _Open | None = None
        self._next_row = 0
        self._primes = True

    def close(self) -> None:
        """Closes the file; the next use opens it again at its start."""
        if self._open:
            self._open.container.close()
        self._open = None

    def starts_anywhere(self) -> bool:
        """Whether a decoder that begins later knows what it would have learnt up to there.

        It does not where the packets to prime it with are damaged. Then it is primed no more, and
        only decoding from the start of the file is exact.
        """
        is_clean = self._opened().is_clean
        if not is_clean:
            self._primes = False
            self.close()
        return is_clean

    def decoded(self, feed: I64) -> Iterator[tuple[int, list[VideoFrame] | None, bool]]:
        """Decodes these packets with a clean decoder and drains it.

        Gives the row fed, the pictures that came out (None where the decoder refused the packet),
        and True; then the last row again, what was drained, and False. What FFmpeg complains of
        between two steps is about the packet fed, not about what was read. Raises `LandingError`,
        and `OutOfOrderError` where the feed has gaps that these packets do not allow.
        """
        log, context = complaints(), self.stream.codec_context
        for row, packet in self.followed(feed):
            if row == feed[0]:
                packet = self._with_headers(row, packet)
            packet.pts = row
            log.clear()
            yield row, pictures_of(context, packet), True
        yield int(feed[-1]), pictures_of(context, None), False
        context.flush_buffers()

    def _with_headers(self, row: int, packet: VideoPacket) -> VideoPacket:
        """Gives a packet what its decoder would have learnt from those before it."""
        state = int(self.timeline.packets.header_state[row])
        if len(self.timeline.headers) < 2 or state == NOTHING:
            return packet
        return with_headers(packet, self.timeline.headers[state])

    @property
    def stream(self) -> VideoStream:
        """The stream, opened."""
        return self._opened().stream

    @property
    def corners(self) -> Corners:
        """What the decoder's pictures have shown so far, by their memory."""
        return self._opened().corners

    def followed(self, feed: I64, *, is_checked: bool = True) -> Iterator[tuple[int, VideoPacket]]:
        """Reads these packets, with their rows, without decoding.

        Raises `LandingError`, and `OutOfOrderError` where the feed has gaps that the packets around
        them do not allow, unless ``is_checked`` is False.
        """
        rows = feed.tolist()
        packets = self._packets(rows[0])
        has_gaps = is_checked and len(rows) <= rows[-1] - rows[0]
        follows = self._check() if has_gaps else None
        for row in rows:
            at = -1
            while at < row:
                at, packet = next(packets)
                if at < rows[0] or follows is None:
                    continue
                if not follows(memoryview(packet), self._times[at]):
                    raise OutOfOrderError("packets do not follow as they were coded")
            yield row, packet

    def _check(self) -> Callable[[Buffer, int], bool]:
        """What every packet of a run must pass where some are withheld."""
        order = self._opened().order
        if order is None:
            raise OutOfOrderError("parameter sets or times are not understood")
        order.start()
        return order.follows

    def _order_check(self, stream: VideoStream) -> OrderCheck | None:
        info = self.timeline.stream
        is_timed = info.codec == "h264" or self.timeline.timing != "decoded"
        extradata = bytes(stream.codec_context.extradata or b"")
        return order_check(info.codec, extradata) if is_timed else None

    def _packets(self, row: int) -> Iterator[tuple[int, VideoPacket]]:
        """Every packet from a row on; each must be the one that the timeline has there."""
        self._go_to(row)
        with suppress(*READING_ERRORS):
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
        container, is_repaired = self.timeline.stream.container, self.timeline.timing == "repaired"
        where: dict[str, Any] = {"stream": opened.stream}
        target = self._dts[row]
        if is_repaired and container in SEEKS_BY_BYTES and self._positions[row] >= 0:
            target, where = self._positions[row], {"unsupported_byte_offset": True}
        elif target == NO_PTS or container in SEEKS_BY_PTS:
            target = self._pts[row]
        if target == NO_PTS:
            return False
        try:
            opened.container.seek(target, backward=True, **where)
        except av.error.FFmpegError:
            return False
        packets = opened.container.demux(opened.stream)
        for _, packet in zip(range(LOST_AFTER_PACKETS), packets, strict=False):
            if packet.size and self._is_row(packet, row):
                opened.packets = _put_back(packet, packets)
                self._next_row = row
                return True
        return False

    def _is_row(self, packet: VideoPacket, row: int) -> bool:
        """Whether a packet is that of a row: size, and position and pts where both are known."""
        if row >= len(self._sizes) or packet.size != self._sizes[row]:
            return False
        position, pts = self._positions[row], self._pts[row]
        if position >= 0 and packet.pos is not None and packet.pos >= 0:
            return bool(packet.pos == position)
        return pts == NO_PTS or packet.pts is None or packet.pts == pts

    def _opened(self) -> _Open:
        if self._open is None:
            path = self.timeline.source.path
            self.timeline.source.check_unchanged()
            container = open_container(path)
            stream = choose_stream(container, path, self.timeline.stream.index)
            stream.codec_context.thread_count = 1
            stream.codec_context.thread_type = "NONE"
            packets = _priming_packets(self.timeline) if self._primes else 0
            is_clean = _prime(path, stream, packets) if packets else True
            order = self._order_check(stream)
            self._open = _Open(
                container, stream, container.demux(stream), order, is_clean, Corners()
            )
            self._next_row = 0
        return self._open


def with_headers(packet: VideoPacket, headers: Headers) -> VideoPacket:
    """Gives a packet headers that came with earlier ones."""
    whole: Any = packet
    if headers.prefix:
        whole = Packet(headers.prefix + bytes(packet))
        whole.is_keyframe = packet.is_keyframe
    make: Any = PacketSideData  # its types do not know that it can be made
    for kind, data in headers.side_data:
        side = make(packet_sidedata_type_from_literal(cast("PktSideDataT", kind)), len(data))
        side.update(data)
        whole.set_sidedata(side)
    return cast(VideoPacket, whole)


def _priming_packets(timeline: Timeline) -> int:
    """How many packets from the start of a file decide how later ones are decoded.

    FFmpeg decodes 4:4:4 of x264 before version 151 in its own way; the version is in the first one.
    MPEG-4 may have other headers there than in the container, and FFmpeg learns from its pictures
    how the encoder pads, which decides what counts as an error.
    """
    stream, starts = timeline.stream, np.flatnonzero(timeline.packets.can_start)
    if stream.codec == "mpeg4":
        return min(PADDING_PACKETS, int(starts[-1])) if starts.size else 0
    return int(stream.codec == "h264" and "444" in stream.pixel_format)


def _prime(path: Path, stream: VideoStream, packets: int) -> bool:
    """Shows a decoder the first packets of the file, and makes it forget the pictures.

    Gives whether it had no complaint.
    """
    log, context = complaints(), stream.codec_context
    log.clear()
    with open_container(path) as other:
        same = choose_stream(other, path, stream.index)
        taken = [pictures_of(context, packet) for packet in islice(other.demux(same), packets)]
    is_clean = pictures_of(context, None) is not None and None not in taken and not log
    context.flush_buffers()
    return is_clean


def _put_back(first: VideoPacket, rest: Iterator[VideoPacket]) -> Iterator[VideoPacket]:
    yield first
    yield from rest


def pictures_of(
    context: VideoCodecContext, packet: "VideoPacket | None"
) -> list[VideoFrame] | None:
    """Decodes a packet, or drains (None); None where the decoder refuses it."""
    try:
        return context.decode(packet)
    except av.error.EOFError:
        return []
    except av.error.FFmpegError:
        return None
