"""What the slice headers of a stream need to be read: a few fields of its parameter sets.

Source: Rec. ITU-T H.264, 7.3.2.1, and H.265, 7.3.2.2 and 7.3.2.3; ISO/IEC 14496-15 for avcC and
hvcC.
"""

from collections.abc import Iterator
from typing import NamedTuple

from fewframes.media.bitstream import unit_reader


class Bits:
    """Reads the bits of a unit, emulation prevention removed.

    >>> bits = Bits(bytes([0b1_010_0110, 0xFF]))
    >>> bits.ue(), bits.ue(), bits.u(4)
    (0, 1, 6)
    """

    def __init__(self, payload: bytes) -> None:
        if b"\0\0\3" in payload:
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


class Window(NamedTuple):
    """The part of a coded picture that a sequence parameter set wants shown, in luma samples."""

    height: int
    width: int
    top: int
    left: int


def h264_parameters(extradata: bytes) -> tuple[int, bool]:
    """Gives the bits of frame_num, and whether pictures may be coded as fields.

    Raises ValueError or LookupError where there is no sequence parameter set that says so.
    """
    units = units_of(extradata, is_hevc=False)
    bits = {unit[0] & 31: Bits(unit[1:]) for unit in units if unit}[7]
    number_bits, _ = h264_sequence(bits)
    bits.ue()  # width and height
    bits.ue()
    return number_bits, not bits.u(1)


def h264_sequence(bits: Bits) -> tuple[int, int]:
    """Reads up to the size of pictures; gives the bits of frame_num, and chroma_format_idc."""
    profile = bits.u(24) >> 16
    bits.ue()
    chroma = _skip_high_profile(bits) if profile in HIGH_PROFILES else 1
    number_bits = bits.ue() + 4
    kind = bits.ue()
    if kind == 1:
        raise ValueError("pic_order_cnt_type 1 is not read")
    if kind == 0:
        bits.ue()
    bits.ue()  # max_num_ref_frames, gaps
    bits.u(1)
    return number_bits, chroma


def h264_window(unit: bytes) -> Window:
    """Gives the window of a sequence parameter set, which is a whole NAL unit (H.264, 7.4.2.1.1).

    Raises ValueError where it is cut off, or not read.
    """
    bits = Bits(unit[1:])
    _, chroma = h264_sequence(bits)
    width, rows, is_whole = 16 * (bits.ue() + 1), 16 * (bits.ue() + 1), bits.u(1)
    bits.u(1 if is_whole else 2)
    height = rows * (2 - is_whole)
    steps = SUBSAMPLING[chroma]
    return _window(bits, (height, width), (steps[0] * (2 - is_whole), steps[1]))


def hevc_window(unit: bytes) -> Window:
    """The same of HEVC (H.265, 7.4.3.2.1)."""
    bits = Bits(unit[2:])
    chroma, size = hevc_sequence(bits)
    return _window(bits, size, SUBSAMPLING[chroma])


def hevc_sequence(bits: Bits) -> tuple[int, tuple[int, int]]:
    """Reads up to the window; gives chroma_format_idc, and height and width of what is coded."""
    bits.u(4)
    sub_layers = bits.u(3)
    bits.u(1)
    skip_profile(bits, sub_layers=sub_layers)
    bits.ue()
    chroma = bits.ue()
    if chroma > 3:
        raise ValueError(f"chroma_format_idc {chroma} does not exist")
    if chroma == 3 and bits.u(1):
        raise ValueError("separate colour planes are not read")
    width, height = bits.ue(), bits.ue()
    return chroma, (height, width)


SUBSAMPLING = ((1, 1), (2, 2), (1, 2), (1, 1))
"""Luma samples for each chroma sample, down and across, by chroma_format_idc."""


def _window(bits: Bits, size: tuple[int, int], steps: tuple[int, int]) -> Window:
    """Reads whether there is a window, and its four sides in chroma samples."""
    left, right, top, bottom = [bits.ue() for _ in range(4)] if bits.u(1) else (0, 0, 0, 0)
    (height, width), (down, across) = size, steps
    shown = height - down * (top + bottom), width - across * (left + right)
    return Window(*shown, down * top, across * left)


def hevc_parameters(extradata: bytes) -> tuple[int, int, int]:
    """Gives extra slice header bits, the bits of pic_output_flag (0 or 1), and of the order count.

    Raises ValueError or LookupError where there are no parameter sets that say so.
    """
    units = units_of(extradata, is_hevc=True)
    sets = {unit[0] >> 1 & 63: Bits(unit[2:]) for unit in units if unit}
    sequence, picture = sets[33], sets[34]
    picture.ue()
    picture.ue()
    picture.u(1)
    has_output_flag, extra_bits = picture.u(1), picture.u(3)
    hevc_sequence(sequence)
    if sequence.u(1):
        for _ in range(4):  # conformance window
            sequence.ue()
    sequence.ue()
    sequence.ue()
    return extra_bits, has_output_flag, sequence.ue() + 4


HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))


def _skip_high_profile(bits: Bits) -> int:
    """Gives chroma_format_idc."""
    chroma = bits.ue()
    if chroma > 3:
        raise ValueError(f"chroma_format_idc {chroma} does not exist")
    if chroma == 3 and bits.u(1):
        raise ValueError("separate colour planes are not read")
    bits.ue()
    bits.ue()
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


def skip_profile(bits: Bits, *, sub_layers: int) -> None:
    """Skips profile_tier_level (H.265, 7.3.3)."""
    bits.u(96)
    present = [bits.u(2) for _ in range(sub_layers)]
    if sub_layers:
        bits.u(2 * (8 - sub_layers))
    for flags in present:
        bits.u(88 * (flags >> 1) + 8 * (flags & 1))


def units_of(extradata: bytes, *, is_hevc: bool) -> Iterator[bytes]:
    r"""The NAL units of a stream's own header, avcC and hvcC or with start codes (Annex B).

    >>> list(units_of(bytes([0, 0, 1, 0x68, 1]), is_hevc=False))
    [b'h\x01']
    """
    for start, end in unit_spans(extradata, is_hevc=is_hevc):
        yield extradata[start:end]


def unit_spans(extradata: bytes, *, is_hevc: bool) -> Iterator[tuple[int, int]]:
    """Where each of those units begins and ends in the header."""
    if extradata[:1] != b"\1":
        return marked_spans(extradata)
    return _hvcc_spans(extradata) if is_hevc else _avcc_spans(extradata)


def _avcc_spans(extradata: bytes) -> Iterator[tuple[int, int]]:
    position = 5
    for mask in (31, 255):  # sequence parameter sets, then picture parameter sets
        count = extradata[position] & mask if position < len(extradata) else 0
        position += 1
        for _ in range(count):
            size = int.from_bytes(extradata[position : position + 2], "big")
            yield position + 2, position + 2 + size
            position += 2 + size


def _hvcc_spans(extradata: bytes) -> Iterator[tuple[int, int]]:
    position = 23
    for _ in range(extradata[22]):
        count = int.from_bytes(extradata[position + 1 : position + 3], "big")
        position += 3
        for _ in range(count):
            size = int.from_bytes(extradata[position : position + 2], "big")
            yield position + 2, position + 2 + size
            position += 2 + size


def marked_spans(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each unit behind a start code begins and ends; zeros in front of the next are its."""
    starts = list(unit_reader(b"", length_at=4)(memoryview(data)))
    return zip(starts, [*(start - 3 for start in starts[1:]), len(data)], strict=True)
