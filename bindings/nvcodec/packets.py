"""PyAV: the packets of a slice as a video engine takes them, each with its rank as a tag.

1. H.264 and HEVC come with start codes (Annex B of either), whatever the container has; units of
   other layers than the base layer are left out, as FFmpeg decodes none of them.
2. In front of the first packet stand the parameter sets in force there. All else is as the
   container has it.
3. The tag is the rank by presentation time within the slice. PyNvVideoCodec gives time stamps in
   rising order, whatever the order of pictures: only of ranks is that the order they belong to.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fewframes.bindings.ffmpeg.cursor import Cursor
from fewframes.bindings.ffmpeg.slice_streams import SlicePackets, UnfitError
from fewframes.decode.decoder import DecodeReport
from fewframes.decode.slices import CHANGED, Slice
from fewframes.media import bitstream
from fewframes.media.bitstream import Buffer, is_other_layer, unit_kind
from fewframes.media.headers import NOTHING
from fewframes.media.slice_checks import engine_fitness

MARKER = b"\0\0\0\1"
"""A start code; the long form, which may begin an access unit."""
CUT_OFF = "NAL units that do not end where their lengths say"


@dataclass(frozen=True, slots=True)
class Fed:
    """A slice, and what a decoder is fed for it."""

    part: Slice
    packets: list[bytes]
    start: int
    """Of what kind the first picture is: of H.264 and HEVC the type of its NAL units."""

    @property
    def size_bytes(self) -> int:
        """Of all packets."""
        return sum(map(len, self.packets))

    def tagged(self) -> Iterator[tuple[int, bytes]]:
        """Each packet with its rank."""
        return zip(self.part.ranks.tolist(), self.packets, strict=True)


class EnginePackets:
    """Reads slices of one film, one after the other."""

    def __init__(self, cursor: Cursor, report: DecodeReport) -> None:
        self.timeline = timeline = cursor.timeline
        info = timeline.stream
        extradata = bytes(cursor.stream.codec_context.extradata or b"")
        self.fits = engine_fitness(info.codec, extradata, (info.height, info.width))
        self.codec, has_units = info.codec, info.codec in bitstream.LENGTH_AT
        self.length_bytes = bitstream.length_bytes(info.codec, extradata) if has_units else 0
        self.units = bitstream.unit_reader(info.codec, extradata) if has_units else None
        waived = CHANGED if has_units else ""
        self.packets = SlicePackets(cursor, report, self.fits, waived=waived)

    def read(self, part: Slice) -> Fed:
        """Gives what a decoder is fed for a slice, or raises `UnfitError`."""
        part, packets = self.packets.read(part)
        start = self._start(memoryview(packets[0]))
        state = int(self.timeline.packets.header_state[part.feed[0]])
        if state != NOTHING:
            prefix = self.timeline.headers[state].prefix
            reason = self.fits(memoryview(prefix), 0) if prefix else ""
            if reason:
                raise UnfitError(reason)
            packets[0] = prefix + packets[0]
        if self.length_bytes:
            is_hevc = self.codec == "hevc"
            packets = [marked(one, self.length_bytes, is_hevc=is_hevc) for one in packets]
        return Fed(part, packets, start)

    def _start(self, data: Buffer) -> int:
        """The type of the first coded slice of a packet; 0 where there are no NAL units."""
        starts = self.units(data) if self.units else iter(())
        kinds = (unit_kind(self.codec, data[start]) for start in starts)
        slices = range(1, 6) if self.codec == "h264" else range(32)
        return next((kind for kind in kinds if kind in slices), 0)


def marked(data: bytes, length_bytes: int, *, is_hevc: bool) -> bytes:
    r"""Gives NAL units start codes in place of their lengths (ISO/IEC 14496-15, 5.3.4.2).

    Raises `UnfitError` where lengths and units do not end together.

    >>> marked(bytes([0, 2, 0x65, 7, 0, 1, 0x41]), 2, is_hevc=False)
    b'\x00\x00\x00\x01e\x07\x00\x00\x00\x01A'
    """
    units, at = [], 0
    while at < len(data):
        start = at + length_bytes
        at = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or at > len(data):
            raise UnfitError(CUT_OFF)
        if at > start and not (is_hevc and is_other_layer(data[start : start + 2])):
            units += [MARKER, data[start:at]]
    return b"".join(units)
