"""Uncropping: how is a stream of H.264 or HEVC written so that all of its coded picture is shown?

Macroblocks of H.264 are 16 rows high, so 1080 rows are coded as 1088, and the sequence parameter
set says how many to cut off (Rec. ITU-T H.264, 7.4.2.1.1, frame_cropping_flag; H.265, 7.4.3.2.1,
conformance_window_flag). DALI's cache of decoders looks for the coded size and remembers the shown
one (`NVDECCache` in DALI 2.4), so it makes a new decoder for each slice of such a stream: slices of
60 pictures of 1080p came at 660 pictures/s on an H200, and at 1870 with nothing to cut off.

1. In each sequence parameter set the flag becomes 0, and its four offsets go. All other bits stay,
   such as those of the colours. They move, so the set gets a new end, and bytes that keep start
   codes out of it (7.3.1 and 7.4.1).
2. Sets that are repeated in packets are treated alike.
3. The picture is cut after decoding, by who asked for it.

NVIDIA's parser calls the next multiple of 16 the coded size, in HEVC too. HEVC of other sizes, such
as 1080 rows of x265, has no such remedy, and is left as it is.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fewframes.media.bitstream import unit_reader
from fewframes.media.cropping import Crop
from fewframes.media.parameter_sets import (
    SUBSAMPLING,
    Bits,
    h264_sequence,
    hevc_sequence,
    marked_spans,
    unit_spans,
)

SEQUENCE = {"h264": 7, "hevc": 33}
"""NAL unit type of a sequence parameter set."""
STEP = 16
"""What NVIDIA's parser rounds coded sizes up to."""
LENGTH_AT = {"h264": 4, "hevc": 21}
"""Where an avcC or hvcC header says how long the length in front of a unit is."""


@dataclass(frozen=True, slots=True)
class Uncropped:
    """A stream that shows all that is coded."""

    codec: str
    extradata: bytes
    """The stream's header, rewritten."""
    size: tuple[int, int]
    """Height and width of what is coded."""
    crop: Crop
    """How much of that was not shown."""
    length_bytes: int
    """Of the length in front of each unit of a packet; 0 where units have start codes."""

    def packet(self, data: bytes) -> bytes:
        """Rewrites the sequence parameter sets in a packet; gives others as they are.

        Raises ValueError for a set that is not understood.
        """
        spans = _sized_spans(data, self.length_bytes) if self.length_bytes else marked_spans(data)
        return _rewritten(self.codec, data, spans, self.length_bytes)


def uncropped(codec: str, extradata: bytes, size: tuple[int, int]) -> Uncropped | None:
    """Rewrites the header of a stream whose shown pictures have a ``size`` (height and width).

    Gives None where nothing is cropped, where nothing is won by it, and where it is not certain:
    sets that differ, that are not understood, or that state another size.

    >>> uncropped("vp9", b"", (1080, 1920)) is None
    True
    """
    if codec not in SEQUENCE:
        return None
    is_sized = len(extradata) > LENGTH_AT[codec] and extradata[0] == 1
    length_bytes = (extradata[LENGTH_AT[codec]] & 3) + 1 if is_sized else 0
    try:
        spans = list(unit_spans(extradata, is_hevc=codec == "hevc"))
        units = [extradata[start:end] for start, end in spans]
        windows = {window(codec, unit) for unit in units if _is_sequence(codec, unit)}
        header = _rewritten(codec, extradata, spans, 2 if is_sized else 0)
    except (ValueError, LookupError):
        return None
    if len(windows) != 1:
        return None
    ((coded, crop),) = windows
    shown = coded[0] - crop.top - crop.bottom, coded[1] - crop.left - crop.right
    if crop == Crop() or shown != size or any(side % STEP for side in coded):
        return None
    return Uncropped(codec, header, coded, crop, length_bytes)


def window(codec: str, unit: bytes) -> tuple[tuple[int, int], Crop]:
    """Reads height and width of what a sequence parameter set codes, and what is not shown of it.

    Raises ValueError for a set that is not understood.
    """
    size, crop, _, _ = _read(codec, unit)
    return size, crop


def _is_sequence(codec: str, unit: bytes) -> bool:
    kind = (unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63) if unit else -1
    return kind == SEQUENCE[codec]


def _read(codec: str, unit: bytes) -> tuple[tuple[int, int], Crop, int, int]:
    """The window, and how many bits are before the flag and up to what follows the offsets."""
    bits = Bits(unit[1:] if codec == "h264" else unit[2:])
    whole, fields = bits.left, 1
    if codec == "h264":
        _, chroma = h264_sequence(bits)
        columns, rows = bits.ue() + 1, bits.ue() + 1
        if not bits.u(1):  # frame_mbs_only_flag
            fields = 2
            bits.u(1)  # mb_adaptive_frame_field_flag
        bits.u(1)  # direct_8x8_inference_flag
        size = 16 * rows * fields, 16 * columns
    elif unit[0] & 1 or unit[1] >> 3:
        raise ValueError("parameter sets of other layers are not read")
    else:
        chroma, size = hevc_sequence(bits)
    before = whole - bits.left
    down, across = SUBSAMPLING[chroma]
    steps = across, across, down * fields, down * fields
    sides = [bits.ue() for _ in steps] if bits.u(1) else [0, 0, 0, 0]
    crop = Crop(*(side * step for side, step in zip(sides, steps, strict=True)))
    return size, crop, before, whole - bits.left


def _without_window(codec: str, unit: bytes) -> bytes:
    """A set whose flag is 0; zeros behind the set stay."""
    plain = unit.rstrip(b"\0")
    head = 1 if codec == "h264" else 2
    _, _, before, behind = _read(codec, plain)
    bits = Bits(plain[head:])
    padding = (bits.value & -bits.value).bit_length() - 1
    rest = bits.left - behind - padding
    if rest < 1:
        raise ValueError("a parameter set without an end")
    kept = bits.value >> padding & ((1 << rest) - 1)
    value = bits.value >> bits.left - before << 1 + rest | kept
    count = before + 1 + rest
    payload = (value << -count % 8).to_bytes(-(-count // 8), "big")
    return plain[:head] + escaped(payload) + unit[len(plain) :]


def escaped(payload: bytes) -> bytes:
    """Puts in the bytes that keep start codes out of a unit.

    >>> escaped(bytes([0, 0, 0, 0, 1, 4])).hex()
    '0000030000030104'
    """
    return re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def _rewritten(
    codec: str, data: bytes, spans: Iterable[tuple[int, int]], length_bytes: int
) -> bytes:
    """The data with its sequence parameter sets rewritten, and their lengths in front of them."""
    parts, last = [], 0
    for start, end in spans:
        if _is_sequence(codec, data[start : start + 1]):
            unit = _without_window(codec, data[start:end])
            length = len(unit).to_bytes(length_bytes, "big") if length_bytes else b""
            parts += [data[last : start - length_bytes], length, unit]
            last = end
    return b"".join([*parts, data[last:]]) if parts else data


def _sized_spans(data: bytes, length_bytes: int) -> Iterator[tuple[int, int]]:
    """Where the units of a packet begin and end that have lengths in front."""
    header = bytes([1, 0, 0, 0, length_bytes - 1])
    for start in unit_reader(header, length_at=4)(memoryview(data)):
        yield start, start + int.from_bytes(data[start - length_bytes : start], "big")
