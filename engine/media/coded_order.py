"""Do packets follow each other as their own slice headers say they were coded?

Withholding a picture that nothing refers to changes no other picture, if the stream is what its
encoder wrote. Where packets were lost, swapped or garbled, a header that says "not referred to"
proves nothing, and a decoder that never sees the packet does not complain. So the packets around
withheld ones are checked as they pass:

1. H.264 (Rec. ITU-T H.264, 7.4.3): frame_num goes up by one after every reference picture, and a
   picture that is none has the number of the next reference picture.
2. HEVC (Rec. ITU-T H.265, 8.3.1): the picture order count, most significant bits included, orders
   pictures as their presentation times do.

A stretch that fails is decoded whole. Streams of which the check does not know the parameter sets,
or that change them, fail as well: that costs time, never truth.

The same headers say which packets hold the second field of a picture that the packet before began.
H.264 may code the two fields of a frame as pictures of their own (7.4.3, field_pic_flag), and
MPEG-TS gives each a packet. A decoder gives one picture when it has both. Two fields are of one
frame if they follow each other, have opposite parity and the same frame_num.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from fewframes.media.bitstream import Buffer, unit_reader
from fewframes.media.parameter_sets import Bits, h264_parameters, hevc_parameters

HEADER_BYTES = 32
"""A slice header is read from so many bytes; the fields needed come first."""
SLICES = (1, 2, 5)
"""NAL unit types of H.264 that begin with a slice header."""


class FrameNumbers:
    """The check of H.264."""

    def __init__(self, extradata: bytes) -> None:
        self._units = unit_reader("h264", extradata)
        self._bits, self._has_fields = h264_parameters(extradata)
        self._places: dict[bytes, int] = {}
        self.start()

    def start(self) -> None:
        """Forgets the run before."""
        self._last: int | None = None

    def follows(self, data: Buffer, time: int) -> bool:
        """Whether frame_num is that of the next picture; ``time`` does not matter."""
        for start in self._units(data):
            if data[start] & 31 in (1, 5):
                return self._is_next(data[start], bytes(data[start + 1 : start + HEADER_BYTES]))
        return False  # no slice that we see; FFmpeg may take length for start codes and see one

    def _is_next(self, unit: int, payload: bytes) -> bool:
        try:
            number = self._frame_num(payload)
        except ValueError:
            return False
        is_idr, last = unit & 31 == 5, self._last
        if unit & 0x60:
            self._last = number
        elif last is None:
            return False
        if is_idr or last is None:
            return number == 0 or not is_idr
        is_second_field = self._has_fields and number == last
        return number == (last + 1) % (1 << self._bits) or is_second_field

    def _frame_num(self, payload: bytes) -> int:
        """Reads frame_num; the place of it is remembered for each beginning of two bytes."""
        place = self._places.get(payload[:2], 0)
        if place and payload[1:3] != b"\0\0":  # else an emulation prevention byte may follow
            word = int.from_bytes(payload[:5], "big")
            return word >> (40 - place - self._bits) & ((1 << self._bits) - 1)
        bits = Bits(payload)
        length = bits.left
        bits.skip(3)  # first_mb_in_slice, slice_type, pic_parameter_set_id
        if length - bits.left <= 16:
            self._places[payload[:2]] = length - bits.left
        return bits.u(self._bits)


class OrderCounts:
    """The check of HEVC."""

    def __init__(self, extradata: bytes) -> None:
        self._units = unit_reader("hevc", extradata)
        self._extra_bits, self._has_output_flag, self._bits = hevc_parameters(extradata)
        self.start()

    def start(self) -> None:
        """Forgets the run before."""
        self._anchor: int | None = None
        self._times: list[int] = []
        self._counts: list[int] = []

    def follows(self, data: Buffer, time: int) -> bool:
        """Whether the picture order count of a packet, shown at ``time``, has its place there."""
        for start in self._units(data):
            kind = data[start] >> 1 & 63
            if kind < 32:
                layer = (data[start + 1] & 7) - 1
                return self._fits(kind, layer, bytes(data[start + 2 : start + HEADER_BYTES]), time)
        return False

    def _fits(self, kind: int, layer: int, payload: bytes, time: int) -> bool:
        try:
            lsb = 0 if kind in (19, 20) else self._lsb(kind, payload)
        except ValueError:
            return False
        if kind in range(16, 21):  # IDR and BLA start anew
            self.start()
        count = self._count(lsb)
        if layer == 0 and not (kind < 16 and kind % 2 == 0) and kind not in range(6, 10):
            self._anchor = count
        return self._is_placed(time, count)

    def _lsb(self, kind: int, payload: bytes) -> int:
        bits = Bits(payload)
        if not bits.u(1):  # not the first slice of a picture
            raise ValueError("a packet does not begin with the first slice of a picture")
        if kind >= 16:
            bits.u(1)
        bits.ue()
        bits.u(self._extra_bits)
        bits.ue()
        bits.u(self._has_output_flag)
        return bits.u(self._bits)

    def _count(self, lsb: int) -> int:
        if self._anchor is None:
            return lsb
        whole, before = 1 << self._bits, self._anchor % (1 << self._bits)
        count = self._anchor - before + lsb
        if before - lsb >= whole // 2:
            return count + whole
        return count - whole if lsb - before > whole // 2 else count

    def _is_placed(self, time: int, count: int) -> bool:
        at = bisect_left(self._times, time)
        is_new = at == len(self._times) or self._times[at] != time
        before = self._counts[at - 1] < count if at else True
        after = count < self._counts[at] if at < len(self._counts) else True
        self._times.insert(at, time)
        self._counts.insert(at, count)
        return is_new and before and after


OrderCheck: TypeAlias = FrameNumbers | OrderCounts
"""Follows the packets of one run after the other."""
CHECKS: dict[str, type[OrderCheck]] = {"h264": FrameNumbers, "hevc": OrderCounts}


def order_check(codec: str, extradata: bytes) -> OrderCheck | None:
    """Makes the check of a stream; None where its parameter sets are not understood.

    >>> order_check("vp9", b"") is None
    True
    """
    try:
        return CHECKS[codec](extradata)
    except (ValueError, LookupError):  # another codec, too
        return None


class _Field(NamedTuple):
    """A field whose partner has not come yet."""

    is_bottom: bool
    frame_num: int


def field_pairs(codec: str, extradata: bytes) -> Callable[[Buffer], bool] | None:
    """Makes the test "is this the second field of the packet before?", to be asked in turn.

    Gives None for a stream that has no fields, or whose parameter sets are not understood.

    >>> field_pairs("hevc", b"") is None
    True
    """
    try:
        number_bits, has_fields = h264_parameters(extradata) if codec == "h264" else (0, False)
    except (ValueError, LookupError):
        return None
    return _Pairs(unit_reader(codec, extradata), number_bits).is_second if has_fields else None


class _Pairs:
    """Follows the fields of one stream."""

    def __init__(self, units: Callable[[Buffer], Iterator[int]], number_bits: int) -> None:
        self._units, self._number_bits = units, number_bits
        self._open: _Field | None = None

    def is_second(self, data: Buffer) -> bool:
        """Whether a packet completes the picture of the packet before it."""
        found = set(self._fields(data))
        before, self._open = self._open, None
        if len(found) != 1:
            return False  # a frame, or both fields of one
        field = found.pop()
        if field is None:
            return False
        if before == _Field(not field.is_bottom, field.frame_num):
            return True
        self._open = field
        return False

    def _fields(self, data: Buffer) -> Iterator[_Field | None]:
        """The field of each slice; None for a slice of a frame, which is the only one then."""
        for start in self._units(data):
            if data[start] & 31 not in SLICES:
                continue
            try:
                field = self._field(bytes(data[start + 1 : start + HEADER_BYTES]))
            except ValueError:
                continue
            yield field
            if field is None:
                return

    def _field(self, payload: bytes) -> _Field | None:
        bits = Bits(payload)
        bits.skip(3)  # first_mb_in_slice, slice_type, pic_parameter_set_id
        number = bits.u(self._number_bits)
        return _Field(bool(bits.u(1)), number) if bits.u(1) else None
