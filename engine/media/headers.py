"""Which headers does a decoder need to start at a packet that does not bring them along?

Some streams say a thing once: a parameter set in front of one picture, a palette beside one packet.
A decoder that starts later must be given what is in force there. So the packets are followed from
the first on:

1. H.264 and HEVC (Rec. ITU-T H.264, 7.4.1.2.1, and H.265, 7.4.2.4): the parameter sets by kind and
   number; a later one takes the place of an earlier one.
2. MPEG-1 and MPEG-2 video (Rec. ITU-T H.262, 6.1.1), MPEG-4 (ISO/IEC 14496-2, 6.2), VC-1 (SMPTE
   421M, annex E) and AV1 (its specification, 7.5): the last header, unless the packet has one.
3. Side data of the container: a palette, and a header that takes the place of the stream's own.
   They count for the packet that they come with.

Each state is listed once (`Headers`); the first is that of the stream's own header.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from fewframes.media.bitstream import SEQUENCE_HEADERS, Buffer, length_bytes, unit_kind, unit_starts
from fewframes.media.parameter_sets import HEADER_BYTES, Bits, skip_profile, units_of
from fewframes.media.start_headers import VOP_MARK, mpeg4_header, mpeg4_layer

PALETTE, EXTRADATA = "palette", "new_extradata"
LASTING = (PALETTE, EXTRADATA, "param_change")
"""Kinds of side data that count until another one comes."""
SETS = {"h264": (7, 8, 13, 15), "hevc": (32, 33, 34)}
"""NAL unit types of parameter sets, in the order in which they need each other."""
PICTURE = {"mpeg1video": b"\xb8\x00", "mpeg2video": b"\xb8\x00", "vc1": b"\x0d"}
"""Start codes that end a sequence header."""
NOTHING = -1
"""State of a packet that brings along all that its decoder needs."""


@dataclass(frozen=True, slots=True)
class Headers:
    """What a decoder that starts at a packet must be given in front of it."""

    prefix: bytes = b""
    """Bytes in front of the packet's own."""
    side_data: tuple[tuple[str, bytes], ...] = ()
    """Kind and bytes of each piece of side data."""


class HeaderTracker:
    """Follows the packets of one stream.

    >>> tracker = HeaderTracker("rawvideo", b"")
    >>> tracker.state(b"", {"palette": b"red"}), tracker.state(b"", {}), len(tracker.states)
    (1, 1, 2)
    """

    def __init__(self, codec: str, extradata: bytes) -> None:
        self._sets = _SETS.get(codec, _NoSets)(codec, extradata)
        self._side: dict[str, bytes] = {}
        self._known = {Headers(self._sets.prefix()): 0}
        self.now = 0
        """The state that counts behind the last packet."""

    @property
    def states(self) -> tuple[Headers, ...]:
        """Every state so far; of a stream with one, nobody need be given anything."""
        return tuple(self._known)

    def state(self, data: Buffer | bytes, side: Mapping[str, bytes]) -> int:
        """Says which state a decoder needs that starts at a packet, and takes in its headers.

        To be called for every packet that has headers or side data; the others are in the state
        `now`.
        """
        if side:
            self._side |= side
            if EXTRADATA in side:
                self._sets.take_extradata(side[EXTRADATA])
            self.now = self._index()
        needed = NOTHING if self._sets.brings_all(data) and not self._side else self.now
        if self._sets.take(data):
            self.now = self._index()
        return needed

    def _index(self) -> int:
        left_out = () if self._sets.keeps_extradata else (EXTRADATA,)
        side = sorted(one for one in self._side.items() if one[0] not in left_out)
        headers = Headers(self._sets.prefix(), tuple(side))
        return self._known.setdefault(headers, len(self._known))


class _NoSets:
    """A codec whose packets bring no headers that last."""

    keeps_extradata = True
    """Whether a new header of the stream is given to the decoder as it is."""

    def __init__(self, codec: str, extradata: bytes) -> None:
        pass

    def prefix(self) -> bytes:
        """What is put in front of a packet."""
        return b""

    def brings_all(self, data: Buffer | bytes) -> bool:
        """Whether a packet has all that its decoder needs."""
        return False

    def take_extradata(self, extradata: bytes) -> None:
        """Takes in a new header of the stream."""

    def take(self, data: Buffer | bytes) -> bool:
        """Takes in the headers of a packet, and says whether there were any."""
        return False


class _ParameterSets(_NoSets):
    """H.264 and HEVC: parameter sets by kind and number."""

    keeps_extradata = False

    def __init__(self, codec: str, extradata: bytes) -> None:
        self._codec = codec
        self._kinds = SETS[codec]
        self._length_bytes = length_bytes(codec, extradata)
        self._sets: dict[tuple[int, int], bytes] = {}
        self.take_extradata(extradata)

    def prefix(self) -> bytes:
        kinds = self._kinds
        ordered = sorted(self._sets, key=lambda key: (kinds.index(key[0]), key[1]))
        return b"".join(self._framed(self._sets[key]) for key in ordered)

    def take_extradata(self, extradata: bytes) -> None:
        try:
            for unit in units_of(self._codec, extradata):
                self._put(unit)
        except (IndexError, ValueError):
            return  # a header that says nothing: the packets do, or nothing decodes

    def take(self, data: Buffer | bytes) -> bool:
        view, before = memoryview(data), dict(self._sets)
        gap = self._length_bytes or 3  # between two units: a length, or a start code
        starts = unit_starts(view, self._length_bytes)
        for start, after in pairwise([*starts, len(view) + gap]):
            if unit_kind(self._codec, view[start]) in self._kinds:
                self._put(bytes(view[start : after - gap]))
        return self._sets != before

    def _put(self, unit: bytes) -> None:
        unit = unit.rstrip(b"\0")
        if not unit:
            return
        kind = unit_kind(self._codec, unit[0])
        if kind in self._kinds:
            self._sets[kind, _number(self._codec, kind, unit)] = unit

    def _framed(self, unit: bytes) -> bytes:
        if self._length_bytes:
            return len(unit).to_bytes(self._length_bytes, "big") + unit
        return b"\0\0\0\1" + unit


def _number(codec: str, kind: int, unit: bytes) -> int:
    """The number of a parameter set; -1 where it is too short to say."""
    try:
        bits = Bits(unit[HEADER_BYTES[codec] : 128])
        if kind == 32:
            return bits.u(4)
        if kind in (7, 15):
            bits.u(24)
        if kind == 33:
            skip_profile(bits)
        return bits.ue()
    except ValueError:
        return -1


class _SequenceHeader(_NoSets):
    """One header in front of some pictures, which the others share."""

    def __init__(self, codec: str, extradata: bytes) -> None:
        own: dict[str, Callable[[bytes], bytes]] = {"av1": _av1_header, "mpeg4": _mpeg4_header}
        self._find = own.get(codec, partial(_marked_header, codec))
        self._header = b""
        self.take_extradata(extradata)

    def prefix(self) -> bytes:
        return self._header

    def brings_all(self, data: Buffer | bytes) -> bool:
        return bool(self._find(bytes(data)))

    def take_extradata(self, extradata: bytes) -> None:
        self._header = self._find(extradata[4:] if extradata[:1] == b"\x81" else extradata)

    def take(self, data: Buffer | bytes) -> bool:
        header = self._find(bytes(data))
        is_new = bool(header) and header != self._header
        self._header = header or self._header
        return is_new


def _marked_header(codec: str, data: bytes) -> bytes:
    """The sequence header, with its extensions, in front of a picture; nothing if there is none."""
    first = data.find(b"\0\0\1" + SEQUENCE_HEADERS[codec])
    if first < 0:
        return b""
    ends = [data.find(b"\0\0\1" + bytes([code]), first + 4) for code in PICTURE[codec]]
    return data[first : min((end for end in ends if end >= 0), default=len(data))]


def _mpeg4_header(data: bytes) -> bytes:
    """What stands before a picture, where there is a video object layer (14496-2, 6.2.3)."""
    header = mpeg4_header(data if VOP_MARK in data else data + VOP_MARK)
    return header if mpeg4_layer(header) else b""


def _av1_header(data: bytes) -> bytes:
    """The OBU of type 1 (AV1 specification, 5.3 and 5.5) in a temporal unit, with its size."""
    for kind, start, end in _obus(data):
        if kind == 1:
            return data[start:end]
    return b""


def _obus(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Type, first byte and end of each OBU that says its size."""
    at = 0
    while at < len(data):
        start, header = at, data[at]
        at += 1 + (header >> 2 & 1)
        if not header & 2:
            return
        size = shift = 0
        while at < len(data) and shift < 56:
            byte = data[at]
            size, shift, at = size | (byte & 127) << shift, shift + 7, at + 1
            if byte < 128:
                break
        at += size
        yield header >> 3 & 15, start, min(at, len(data))


_SETS: dict[str, Callable[[str, bytes], _NoSets]] = {
    **dict.fromkeys(SETS, _ParameterSets),
    **dict.fromkeys((*SEQUENCE_HEADERS, "av1", "mpeg4"), _SequenceHeader),
}
