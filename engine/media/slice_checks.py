"""May a packet be in a slice? What a decoder of whole files takes for granted must hold.

It counts packets as pictures, knows one size, and reads parameter sets once. So every packet of a
slice must show one picture of the stream's size:

1. VP8 (RFC 6386, 9.1) and VP9 (bitstream specification, 6.2, 7.2 and Annex B): a packet that shows
   nothing is no picture, and a keyframe, or a picture that takes its size from no reference, says
   what size it has. On a GPU, a VP9 packet must hold one coded picture: DALI gives times to coded
   pictures in turn, not to shown ones, and repeats of a picture are coded as none.
2. Motion JPEG (Rec. ITU-T T.81, B.2.2): every picture says its size; a field is half as high.
3. H.264 and HEVC, on a GPU: the first packet is a keyframe by DALI's reading of NAL units, which
   are marked or have lengths of 4 bytes; no fields; parameter sets are those of the header.

A video engine that is fed packet by packet need not begin with an IDR picture, and may be given
other parameter sets: `engine_fitness` asks that H.264 and HEVC are whole frames of one size, shown
from their first row and column on, and the same as above of VP8 and VP9.
"""

from collections.abc import Callable
from typing import TypeAlias

from fewframes.media import bitstream
from fewframes.media.bitstream import Buffer, unit_kind, unit_reader, vp9_frames
from fewframes.media.parameter_sets import SEQUENCE, Bits, h264_parameters, sequence_window
from fewframes.media.start_headers import jpeg_size

Fitness: TypeAlias = Callable[[Buffer, int], str]
"""Why a packet, at its place in the slice, counted from 0, is not fit; empty where it is."""
HIDDEN = "packets that show nothing"
RESIZED = "pictures of another size"
CROPPED = "cropping by the container"
SEVERAL = "packets of several coded pictures, or of none"
NO_IDR = "a start that is no IDR picture"
FIELDS = "pictures coded as fields"
LENGTHS = "NAL units with lengths of other than 4 bytes"
CHANGED = "parameter sets that change"
UNKNOWN = "parameter sets that are not understood"
SHIFTED = "pictures that are shown from an inner row or column on"
SET_BYTES = 1024
"""A sequence parameter set is read from so many bytes; what is needed stands near its beginning."""
SETS = {"h264": (7, 8), "hevc": (32, 33, 34)}
"""NAL unit types of parameter sets."""


def fitness(codec: str, extradata: bytes, size: tuple[int, int], *, on_gpu: bool) -> Fitness:
    """Chooses the test of a stream whose coded pictures are of a ``size`` (height and width).

    Raises KeyError for a codec that is none of VP8, VP9, Motion JPEG, H.264 and HEVC.

    >>> fitness("vp8", b"", (48, 64), on_gpu=False)(memoryview(bytes([0x01])), 1)
    'packets that show nothing'
    """
    if codec in SETS:
        return _coded_units(codec, extradata)
    shows = {"vp8": _vp8, "vp9": _vp9_on_gpu if on_gpu else _vp9, "mjpeg": _mjpeg}[codec]
    parse = bitstream.packet_parser(codec, b"")

    def reason(data: Buffer, place: int) -> str:
        if codec != "mjpeg" and not parse(data).is_shown:
            return HIDDEN
        return shows(data, size)

    return reason


def engine_fitness(codec: str, extradata: bytes, size: tuple[int, int]) -> Fitness:
    """Chooses the test of packets that a video engine is fed one by one.

    ``size`` is that of the pictures that are shown. Raises KeyError for a codec that is none of
    VP8, VP9, H.264 and HEVC.

    >>> engine_fitness("vp8", b"", (48, 64))(memoryview(bytes([0x01])), 1)
    'packets that show nothing'
    """
    if codec not in SETS:
        return fitness(codec, extradata, size, on_gpu=True)
    units = unit_reader(codec, extradata)

    def reason(data: Buffer, place: int) -> str:
        faults = (_fault_of_set(codec, data, start, size) for start in units(data))
        return next(filter(None, faults), "")

    return reason


def _fault_of_set(codec: str, data: Buffer, start: int, size: tuple[int, int]) -> str:
    """What is wrong with a NAL unit for a video engine, if it is a sequence parameter set."""
    if unit_kind(codec, data[start]) != SEQUENCE[codec]:
        return ""
    try:
        window = sequence_window(codec, bytes(data[start : start + SET_BYTES]))
    except ValueError:
        return UNKNOWN
    if window.fields > 1:
        return FIELDS
    if window.crop.left or window.crop.top:
        return SHIFTED
    return "" if window.shown == size else RESIZED


def _vp8(data: Buffer, size: tuple[int, int]) -> str:
    is_key = not data[0] & 1
    if not is_key:
        return ""
    width = int.from_bytes(data[6:8], "little") & 0x3FFF
    height = int.from_bytes(data[8:10], "little") & 0x3FFF
    return "" if (height, width) == size else RESIZED


def _mjpeg(data: Buffer, size: tuple[int, int]) -> str:
    return "" if jpeg_size(data) == size else RESIZED


def _vp9(data: Buffer, size: tuple[int, int]) -> str:
    sizes = {vp9_size(data[start : start + 24]) for start in vp9_frames(data)}
    return "" if sizes <= {size, None} else RESIZED


def _vp9_on_gpu(data: Buffer, size: tuple[int, int]) -> str:
    starts = list(vp9_frames(data))
    repeat = 0x08 >> (data[0] & 0x30 == 0x30)
    return SEVERAL if len(starts) != 1 or data[0] & repeat else _vp9(data, size)


def vp9_size(header: Buffer) -> tuple[int, int] | None:
    """Height and width that a VP9 frame states; None where it has those of a reference.

    >>> vp9_size(memoryview(bytes.fromhex("82498342000ff008f0")))
    (144, 256)
    """
    bits = Bits(bytes(header[:24]).ljust(24, b"\0"), is_plain=True)
    bits.u(2)
    profile = bits.u(1) | bits.u(1) << 1
    bits.u(profile == 3)
    if bits.u(1):  # show_existing_frame
        return None
    is_inter, is_shown, is_resilient = bits.u(1), bits.u(1), bits.u(1)
    is_intra_only = bool(is_inter and not is_shown and bits.u(1))
    if is_inter:
        bits.u(0 if is_resilient else 2)
    if not is_inter or is_intra_only:
        bits.u(24)
        if not is_inter or profile:
            _skip_colour(bits, profile)
        bits.u(8 * is_intra_only)
    else:
        bits.u(8 + 3 * 4)
        if any(bits.u(1) for _ in range(3)):
            return None
    width, height = bits.u(16) + 1, bits.u(16) + 1
    return height, width


def _skip_colour(bits: Bits, profile: int) -> None:
    bits.u(profile >= 2)
    is_srgb = bits.u(3) == 7
    bits.u((0 if is_srgb else 1) + profile % 2 * (1 if is_srgb else 3))


def _coded_units(codec: str, extradata: bytes) -> Fitness:
    """The test of H.264 and HEVC: of the stream once, and of each packet."""
    units, fault = unit_reader(codec, extradata), _fault_of_stream(codec, extradata)

    def reason(data: Buffer, place: int) -> str:
        kinds = [(unit_kind(codec, data[start]), start) for start in units(data)]
        sets = [start for one, start in kinds if one in SETS[codec]]
        if fault or any(not _is_known(data, start, extradata) for start in sets):
            return fault or CHANGED
        starts = (5,) if codec == "h264" else range(16, 22)
        return NO_IDR if place == 0 and not any(one in starts for one, _ in kinds) else ""

    return reason


def _fault_of_stream(codec: str, extradata: bytes) -> str:
    if bitstream.length_bytes(codec, extradata) not in (0, 4):
        return LENGTHS
    if codec == "hevc":
        return ""
    try:
        return FIELDS if h264_parameters(extradata)[1] else ""
    except (ValueError, LookupError):
        return UNKNOWN


def _is_known(data: Buffer, start: int, extradata: bytes) -> bool:
    """Whether a parameter set, but for its end, is one of the header's."""
    size = int.from_bytes(data[start - 4 : start], "big") if start >= 4 else 0
    if not 0 < size <= len(data) - start or extradata[:1] != b"\1":
        rest = bytes(data[start : start + 4096])
        size = next((at for at in (rest.find(b"\0\0\1"),) if at >= 0), len(rest))
    return bytes(data[start : start + size]).rstrip(b"\0") in extradata
