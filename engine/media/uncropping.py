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

from fewframes.media import parameter_sets
from fewframes.media.bitstream import is_other_layer, length_bytes, unit_kind, unit_starts
from fewframes.media.cropping import Crop

STEP = 16
"""What NVIDIA's parser rounds coded sizes up to."""


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
        size = self.length_bytes
        spans = _sized_spans(data, size) if size else parameter_sets.marked_spans(data)
        return _rewritten(self.codec, data, spans, size)


def uncropped(codec: str, extradata: bytes, size: tuple[int, int]) -> Uncropped | None:
    """Rewrites the header of a stream whose shown pictures have a ``size`` (height and width).

    Gives None where nothing is cropped, where nothing is won by it, and where it is not certain:
    sets that differ, that are not understood, or that state another size.

    >>> uncropped("vp9", b"", (1080, 1920)) is None
    True
    """
    if codec not in parameter_sets.SEQUENCE:
        return None
    try:
        units = list(parameter_sets.units_of(codec, extradata))
        windows = [_window(codec, unit) for unit in units if _is_sequence(codec, unit)]
        own = length_bytes(codec, extradata)
        spans = parameter_sets.unit_spans(codec, extradata)
        header = _rewritten(codec, extradata, spans, 2 if own else 0)
    except (ValueError, LookupError):
        return None
    if len({(one.size, one.crop) for one in windows}) != 1:
        return None
    coded, crop = windows[0].size, windows[0].crop
    if crop == Crop() or windows[0].shown != size or any(side % STEP for side in coded):
        return None
    return Uncropped(codec, header, coded, crop, own)


def _is_sequence(codec: str, unit: bytes) -> bool:
    return bool(unit) and unit_kind(codec, unit[0]) == parameter_sets.SEQUENCE[codec]


def _window(codec: str, unit: bytes) -> parameter_sets.Window:
    if codec == "hevc" and is_other_layer(unit):
        raise ValueError("parameter sets of other layers are not read")
    return parameter_sets.sequence_window(codec, unit)


def _without_window(codec: str, unit: bytes) -> bytes:
    """A set whose flag is 0; zeros behind the set stay."""
    plain, head = unit.rstrip(b"\0"), parameter_sets.HEADER_BYTES[codec]
    window, bits = _window(codec, plain), parameter_sets.Bits(plain[head:])
    padding = (bits.value & -bits.value).bit_length() - 1
    rest = bits.left - window.end - padding
    if rest < 1:
        raise ValueError("a parameter set without an end")
    kept = bits.value >> padding & ((1 << rest) - 1)
    value = bits.value >> bits.left - window.flag_at << 1 + rest | kept
    count = window.flag_at + 1 + rest
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


def _sized_spans(data: bytes, size: int) -> Iterator[tuple[int, int]]:
    """Where the units of a packet begin and end that have lengths of ``size`` bytes in front."""
    for start in unit_starts(memoryview(data), size):
        yield start, start + int.from_bytes(data[start - size : start], "big")
