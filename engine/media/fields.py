"""Which packets hold the second field of a picture that the packet before began?

H.264 may code the two fields of a frame as pictures of their own (Rec. ITU-T H.264, 7.4.3,
field_pic_flag), and MPEG-TS gives each a packet. A decoder gives one picture when it has both.
Two fields are of one frame if they follow each other, have opposite parity and the same frame_num.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fewframes.media.bitstream import Buffer, unit_reader
from fewframes.media.parameter_sets import Bits, h264_parameters

HEADER_BYTES = 32
SLICES = (1, 2, 5)


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
    if codec != "h264":
        return None
    try:
        number_bits, has_fields = h264_parameters(extradata)
    except (ValueError, LookupError):
        return None
    if not has_fields:
        return None
    return _Pairs(unit_reader(codec, extradata), number_bits).is_second


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
