"""What the slice headers of a stream need to be read: a few fields of its parameter sets.

Source: Rec. ITU-T H.264, 7.3.2.1, and H.265, 7.3.2.2 and 7.3.2.3; ISO/IEC 14496-15 for avcC and
hvcC.
"""

from collections.abc import Generator, Iterator
from typing import NamedTuple

from fewframes.media.bitstream import unit_kind, unit_starts
from fewframes.media.cropping import Crop

HEADER_BYTES = {"h264": 1, "hevc": 2}
"""Of a NAL unit."""
SEQUENCE = {"h264": 7, "hevc": 33}
"""NAL unit type of a sequence parameter set."""


class Bits:
    """Reads the bits of a unit, emulation prevention removed unless ``is_plain``.

    >>> bits = Bits(bytes([0b1_010_0110, 0xFF]))
    >>> bits.ue(), bits.ue(), bits.u(4)
    (0, 1, 6)
    """

    def __init__(self, payload: bytes, *, is_plain: bool = False) -> None:
        if not is_plain and b"\0\0\3" in payload:
            payload = payload.replace(b"\0\0\3", b"\0\0")
        self.value, self.left = int.from_bytes(payload, "big"), 8 * len(payload)

    def u(self, count: int) -> int:
        """Reads an unsigned number of ``count`` bits; raises ValueError past the end."""
        self.left -= count
        if self.left < 0:
            raise ValueError(f"{-self.left} bits past the end of a header")
        return self.value >> self.left & ((1 << count) - 1)

    def ue(self) -> int:
        """Reads an Exp-Golomb number (Rec. ITU-T H.264, 9.1)."""
        zeros = self.left - (self.value & ((1 << self.left) - 1)).bit_length()
        return self.u(2 * zeros + 1) - 1

    def skip(self, count: int) -> None:
        """Skips Exp-Golomb numbers."""
        for _ in range(count):
            self.ue()


class Window(NamedTuple):
    """The part of a coded picture that a sequence parameter set wants shown."""

    size: tuple[int, int]
    """Height and width of what is coded, in luma samples."""
    crop: Crop
    """What is not shown of it."""
    fields: int
    """In how many fields a picture may be coded."""
    flag_at: int
    """Bits in front of the flag that says whether anything is cropped."""
    end: int
    """Bits up to what follows the flag and its offsets."""

    @property
    def shown(self) -> tuple[int, int]:
        """Height and width of what is shown."""
        left, right, top, bottom = self.crop
        return self.size[0] - top - bottom, self.size[1] - left - right


def h264_parameters(extradata: bytes) -> tuple[int, bool]:
    """Gives the bits of frame_num, and whether pictures may be coded as fields.

    Raises ValueError or LookupError where there is no sequence parameter set that says so.
    """
    bits = _sets_of("h264", extradata)[7]
    number_bits, _ = _h264_sequence(bits)
    bits.skip(2)  # width and height
    return number_bits, not bits.u(1)


def _sets_of(codec: str, extradata: bytes) -> dict[int, Bits]:
    """The parameter sets of a stream's own header, by NAL unit type, without the unit's header."""
    units, head = units_of(codec, extradata), HEADER_BYTES[codec]
    return {unit_kind(codec, unit[0]): Bits(unit[head:]) for unit in units if unit}


def _h264_sequence(bits: Bits) -> tuple[int, int]:
    """Reads up to the size of pictures; gives the bits of frame_num, and chroma_format_idc."""
    profile = bits.u(24) >> 16
    bits.ue()
    chroma = _skip_high_profile(bits) if profile in HIGH_PROFILES else 1
    number_bits = bits.ue() + 4
    kind = bits.ue()
    if kind == 1:
        raise ValueError("pic_order_cnt_type 1 is not read")
    bits.skip(2 if kind == 0 else 1)  # up to max_num_ref_frames
    bits.u(1)
    return number_bits, chroma


def sequence_window(codec: str, unit: bytes) -> Window:
    """Reads the window of a sequence parameter set (H.264, 7.4.2.1.1, and H.265, 7.4.3.2.1).

    ``unit`` is a whole NAL unit. Raises ValueError where it is cut off, or not read.
    """
    bits = Bits(unit[HEADER_BYTES[codec] :])
    whole, fields = bits.left, 1
    if codec == "h264":
        _, chroma = _h264_sequence(bits)
        columns, rows = bits.ue() + 1, bits.ue() + 1
        fields = 2 - bits.u(1)  # frame_mbs_only_flag
        bits.u(fields)  # mb_adaptive_frame_field_flag, direct_8x8_inference_flag
        size = 16 * rows * fields, 16 * columns
    else:
        chroma, size = _hevc_sequence(bits)
    flag_at = whole - bits.left
    down, across = SUBSAMPLING[chroma]
    steps = across, across, down * fields, down * fields
    sides = [bits.ue() for _ in steps] if bits.u(1) else [0, 0, 0, 0]
    crop = Crop(*(side * step for side, step in zip(sides, steps, strict=True)))
    return Window(size, crop, fields, flag_at, whole - bits.left)


def _hevc_sequence(bits: Bits) -> tuple[int, tuple[int, int]]:
    """Reads up to the window; gives chroma_format_idc, and height and width of what is coded."""
    skip_profile(bits)
    bits.ue()
    chroma = _chroma(bits)
    width, height = bits.ue(), bits.ue()
    return chroma, (height, width)


def _chroma(bits: Bits) -> int:
    """Reads chroma_format_idc, and whether colour planes are separate."""
    chroma = bits.ue()
    if chroma > 3:
        raise ValueError(f"chroma_format_idc {chroma} does not exist")
    if chroma == 3 and bits.u(1):
        raise ValueError("separate colour planes are not read")
    return chroma


SUBSAMPLING = ((1, 1), (2, 2), (1, 2), (1, 1))
"""Luma samples for each chroma sample, down and across, by chroma_format_idc."""


def hevc_parameters(extradata: bytes) -> tuple[int, int, int]:
    """Gives extra slice header bits, the bits of pic_output_flag (0 or 1), and of the order count.

    Raises ValueError or LookupError where there are no parameter sets that say so.
    """
    sets = _sets_of("hevc", extradata)
    sequence, picture = sets[33], sets[34]
    picture.skip(2)
    picture.u(1)
    has_output_flag, extra_bits = picture.u(1), picture.u(3)
    _hevc_sequence(sequence)
    sequence.skip(6 if sequence.u(1) else 2)  # a conformance window has four sides
    return extra_bits, has_output_flag, sequence.ue() + 4


HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))


def _skip_high_profile(bits: Bits) -> int:
    """Gives chroma_format_idc."""
    chroma = _chroma(bits)
    bits.skip(2)
    bits.u(1)
    lists = (8 if chroma != 3 else 12) if bits.u(1) else 0
    for number in range(lists):
        if bits.u(1):
            _skip_scaling_list(bits, 16 if number < 6 else 64)
    return chroma


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            code = bits.ue()
            following = (last + (code + 1 >> 1 if code % 2 else -(code >> 1))) % 256
        last = following or last


def skip_profile(bits: Bits) -> None:
    """Skips what stands before the number of a sequence parameter set (H.265, 7.3.2.2, 7.3.3)."""
    bits.u(4)
    sub_layers = bits.u(3)
    bits.u(1 + 96)
    present = [bits.u(2) for _ in range(sub_layers)]
    if sub_layers:
        bits.u(2 * (8 - sub_layers))
    for flags in present:
        bits.u(88 * (flags >> 1) + 8 * (flags & 1))


def units_of(codec: str, extradata: bytes) -> Iterator[bytes]:
    r"""The NAL units of a stream's own header, avcC and hvcC or with start codes (Annex B).

    >>> list(units_of("h264", bytes([0, 0, 1, 0x68, 1])))
    [b'h\x01']
    """
    for start, end in unit_spans(codec, extradata):
        yield extradata[start:end]


def unit_spans(codec: str, extradata: bytes) -> Iterator[tuple[int, int]]:
    """Where each of those units begins and ends in the header."""
    if extradata[:1] != b"\1":
        return marked_spans(extradata)
    return _avcc_spans(extradata) if codec == "h264" else _hvcc_spans(extradata)


def _avcc_spans(extradata: bytes) -> Iterator[tuple[int, int]]:
    position = 5
    for mask in (31, 255):  # sequence parameter sets, then picture parameter sets
        count = extradata[position] & mask if position < len(extradata) else 0
        position = yield from _sized_spans(extradata, position + 1, count)


def _hvcc_spans(extradata: bytes) -> Iterator[tuple[int, int]]:
    position = 23
    for _ in range(extradata[22]):
        count = int.from_bytes(extradata[position + 1 : position + 3], "big")
        position = yield from _sized_spans(extradata, position + 3, count)


def _sized_spans(data: bytes, position: int, count: int) -> Generator[tuple[int, int], None, int]:
    """So many units, each behind its length of two bytes; returns where the last one ends."""
    for _ in range(count):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        yield start, position
    return position


def marked_spans(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each unit behind a start code begins and ends; zeros in front of the next are its."""
    starts = list(unit_starts(memoryview(data), 0))
    return zip(starts, [*(start - 3 for start in starts[1:]), len(data)], strict=True)
