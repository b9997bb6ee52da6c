"""PyAV: reads and decodes packets of one stream, and knows which row of the timeline each one is.

After a seek the first packet must be the promised one, and every following packet must be the next
row: by position and size where the demuxer tells positions, else by size and pts.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fewframes.arrays import I64
from fewframes.bindings.ffmpeg.demux import READING_ERRORS, choose_stream
from fewframes.bindings.ffmpeg.log import drain_log
from fewframes.bindings.ffmpeg.opening import open_container
from fewframes.bindings.ffmpeg.priming import (
    VideoPacket,
    pictures_of,
    prime,
    priming_packets,
    with_headers,
)
from fewframes.bindings.ffmpeg.stale_memory import StaleMemoryCheck
from fewframes.media.bitstream import Buffer
from fewframes.media.coded_order import OrderCheck, order_check
from fewframes.media.headers import NOTHING
from fewframes.media.timeline import NO_PTS, Timeline

READ_THROUGH_PACKETS = 48
"""A gap up to this long is read over, a longer one sought over: a packet takes 4 µs, a seek of MP4
16 µs, but one of MPEG-TS about a millisecond."""
LOST_AFTER_PACKETS = 4096
"""How many packets may pass after a seek before the landing counts as failed."""
SEEKS_BY_BYTES = ("mpegts", "mpeg")
"""Containers without an index, in which FFmpeg finds a packet by its position. They are sought so
where clocks start again, since a time may be there twice."""
SEEKS_BY_PTS = ("matroska", "mov")
"""Containers that FFmpeg seeks by presentation time; the others are sought by decode time, with
which it would land a GOP early in MP4."""
STRICT = {"av1": {"strict": "1"}}
"""Options for decoders that else take garbled packets without a word. dav1d then looks behind the
last symbol of each tile for a 1 and zeroes (AV1 specification, 8.2.4), where nearly no garbled tile
ends. Sound films cost nothing more. The reference decoder, libaom, always looks there."""


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
    corners: StaleMemoryCheck


class Cursor:
    """Reads and decodes packets of one stream, and knows which row of the timeline each one is."""

    def __init__(self, timeline: Timeline, *, is_strict: bool = False) -> None:
        packets = timeline.packets
        self.timeline = timeline
        self._pts, self._dts = packets.pts.tolist(), packets.dts.tolist()
        self._sizes, self._positions = packets.size_bytes.tolist(), packets.position.tolist()
        self.times: list[int] = timeline.packet_times.tolist()
        """When the picture of each packet is shown, in ticks."""
        self.starts: list[int] = np.flatnonzero(packets.is_random_access).tolist()
        """Packets where decoding can start."""
        self._open: _Open | None = None
        self._next_row = 0
        self._primes = True
        self.is_strict = is_strict
        """Whether the decoder refuses what is not coded as the standard says (`STRICT`)."""

    def be_strict(self, is_strict: bool) -> None:
        """Makes the decoder strict, or no longer."""
        if is_strict != self.is_strict:
            self.close()
        self.is_strict = is_strict

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

        A strict decoder that has refused a packet is emptied at the next start, and gives from
        there on what one gives that begins there: dav1d may refuse whole keyframes, too.
        """
        log, context, has_refused = drain_log(), self.stream.codec_context, False
        for row, packet in self.followed(feed):
            begins_anew = has_refused and bool(self.timeline.packets.is_random_access[row])
            if begins_anew:
                context.flush_buffers()
                has_refused = False
            if begins_anew or row == feed[0]:
                packet = self._with_headers(row, packet)
            packet.pts = row
            log.clear()
            pictures = pictures_of(context, packet)
            has_refused |= self.is_strict and pictures is None
            yield row, pictures, True
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
    def corners(self) -> StaleMemoryCheck:
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
                if not follows(memoryview(packet), self.times[at]):
                    raise OutOfOrderError("packets do not follow as they were coded")
            yield row, packet

    def _check(self) -> Callable[[Buffer, int], bool]:
        """What every packet of a run must pass where some are withheld."""
        order = self._opened().order
        if order is None:
            raise OutOfOrderError("parameter sets or times are not understood")
        order.start()
        return order.follows

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
        if not row or not self._seek(row):
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
        except FFmpegError:
            return False
        packets = opened.container.demux(opened.stream)
        for _, packet in zip(range(LOST_AFTER_PACKETS), packets, strict=False):
            if packet.size and self._is_row(packet, row):
                opened.packets = chain([packet], packets)
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
            path, codec = self.timeline.source.path, self.timeline.stream.codec
            self.timeline.source.check_unchanged()
            container = open_container(path)
            stream = choose_stream(container, path, self.timeline.stream.index)
            stream.codec_context.thread_count = 1
            stream.codec_context.thread_type = "NONE"
            if self.is_strict:
                stream.codec_context.options = dict(STRICT[codec])
            packets = priming_packets(self.timeline) if self._primes else 0
            is_clean = prime(path, stream, packets) if packets else True
            is_timed = codec == "h264" or self.timeline.timing != "decoded"
            extradata = bytes(stream.codec_context.extradata or b"")
            order = order_check(codec, extradata) if is_timed else None
            self._open = _Open(
                container, stream, container.demux(stream), order, is_clean, StaleMemoryCheck()
            )
            self._next_row = 0
        return self._open
