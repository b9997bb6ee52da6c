"""What a packet says about itself: may it be dropped, can decoding start at it, is it shown?

Only headers are read. A parser is chosen once a stream, by codec and extradata, and gives a
`PacketKind` for each packet:

1. H.264 (Rec. ITU-T H.264, 7.4.1): a picture whose every slice has nal_ref_idc 0 is used by no
   other. Decoding can start at an IDR picture, or at a recovery point with recovery_frame_cnt 0.
2. HEVC (Rec. ITU-T H.265, 7.4.2.2): a sub-layer non-reference picture (even type below 16) is used
   by no other of its temporal layer, so only the highest layer may be dropped; the layer is in the
   kind, since the highest is known only after the last packet. Decoding can start at an IRAP.
3. VP8 (RFC 6386, 9.1) and VP9 (bitstream specification, 6.2 and Annex B): a packet may hold only
   pictures that are never shown. Nothing is dropped.
4. Motion JPEG, MPEG-4 and Theora: a packet that leans on tables or headers of another is no
   start, and a header is no picture (`start_headers.py`). Nothing is dropped.
5. Every other codec: nothing is dropped, the container's keyframe flag is believed.
"""

import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, TypeAlias

from fewframes.media import start_headers
from fewframes.media.start_headers import GOV, VOP, Start, Test

Buffer: TypeAlias = memoryview


class PacketKind(NamedTuple):
    """The facts of one packet.

    >>> PacketKind()
    PacketKind(is_unreferenced=False, is_random_access=True, is_shown=True, is_broken=False, \
layer=0, has_headers=False)
    """

    is_unreferenced: bool = False
    """No picture of the same or a lower temporal layer needs this one."""
    is_random_access: bool = True
    """Decoding may start here, if the container calls it a keyframe as well."""
    is_shown: bool = True
    """At least one picture of the packet is shown."""
    is_broken: bool = False
    """Its headers are not what they should be: whatever comes out is no picture."""
    layer: int = 0
    """HEVC temporal layer; 0 elsewhere."""
    has_headers: bool = False
    """It brings headers that later packets may need (`fewframes.media.headers`)."""


SAYS_UNREFERENCED = ("h264", "hevc")
"""Codecs whose packets say that no other picture refers to them."""
LENGTH_AT = {"h264": 4, "hevc": 21}
"""Where avcC and hvcC extradata say how long the length in front of a NAL unit is."""
SEQUENCE_HEADERS = {"mpeg1video": b"\xb3", "mpeg2video": b"\xb3", "vc1": b"\x0f"}
"""Codecs with a header in front of some pictures, and its start code."""
START_TESTS: dict[str, Callable[[bytes], Test]] = {
    "mjpeg": lambda _: start_headers.jpeg_starts(),
    "mpeg4": start_headers.mpeg4_starts,
    "theora": start_headers.theora_starts,
}
"""Codecs whose packets may lean on what came before, and what makes the test of a stream."""
_WORD = struct.Struct(">I")
PLAIN = PacketKind()
NEEDED = PacketKind(is_random_access=False)
UNREFERENCED = PacketKind(is_unreferenced=True, is_random_access=False)
HIDDEN = PacketKind(is_shown=False)
WITH_HEADERS = {
    kind: kind._replace(is_unreferenced=False, has_headers=True)
    for kind in (PLAIN, NEEDED, UNREFERENCED)
}
_STARTS: dict[Start, PacketKind] = {
    True: PLAIN,
    False: NEEDED,
    None: PacketKind(is_random_access=False, is_broken=True),
    "header": PacketKind(is_random_access=False, is_shown=False),
}

PacketParser: TypeAlias = Callable[[Buffer], PacketKind]


def packet_parser(codec: str, extradata: bytes) -> PacketParser:
    """Chooses the parser for a stream.

    >>> packet_parser("prores", b"")(memoryview(b"..."))
    PacketKind(is_unreferenced=False, is_random_access=True, is_shown=True, is_broken=False, \
layer=0, has_headers=False)
    >>> idr = memoryview(bytes([0, 0, 0, 2, 0x65, 0x88]))
    >>> packet_parser("h264", bytes([1, 100, 0, 31, 0xFF, 0]))(idr).is_random_access
    True
    """
    if codec in LENGTH_AT:
        units = unit_reader(codec, extradata)
        if codec == "hevc":
            return lambda data: _hevc_kind(units(data), data)
        return _mostly_one_slice(extradata, lambda data: _h264_kind(units(data), data))
    if codec == "vp8":
        return lambda data: PLAIN if len(data) == 0 or data[0] & 0x10 else HIDDEN
    if codec == "vp9":
        return lambda data: PLAIN if _vp9_is_shown(data) else HIDDEN
    if codec in START_TESTS:
        return _tested(codec, START_TESTS[codec](extradata))
    if codec in SEQUENCE_HEADERS:
        mark = b"\0\0\1" + SEQUENCE_HEADERS[codec]
        return lambda data: WITH_HEADERS[PLAIN] if data[:64].tobytes().find(mark) >= 0 else PLAIN
    if codec == "av1":
        return lambda data: WITH_HEADERS[PLAIN] if _has_av1_header(data) else PLAIN
    return lambda data: PLAIN


def _tested(codec: str, is_random_access: Callable[[Buffer], Start]) -> PacketParser:
    """Packets that are plain or needed by a test; of MPEG-4 also whether more than a picture."""

    def kind(data: Buffer) -> PacketKind:
        found = _STARTS[is_random_access(data)]
        is_bare = codec != "mpeg4" or len(data) < 4 or data[3] in (VOP, GOV)
        return found if is_bare else WITH_HEADERS[found]

    return kind


def _has_av1_header(data: Buffer) -> bool:
    """Whether the first OBU is a sequence header, or the second behind a temporal delimiter."""
    at = 2 if len(data) > 2 and data[0] & 0x78 == 0x10 else 0
    return len(data) > at and data[at] & 0x78 == 0x08


def length_bytes(codec: str, extradata: bytes) -> int:
    """Gives the bytes of the length in front of each NAL unit; 0 for start codes (Annex B)."""
    at = LENGTH_AT[codec]
    return (extradata[at] & 3) + 1 if len(extradata) > at and extradata[0] == 1 else 0


def unit_kind(codec: str, first: int) -> int:
    """Gives the type of a NAL unit of H.264 or HEVC, by its first byte."""
    return first & 31 if codec == "h264" else first >> 1 & 63


def is_other_layer(header: Buffer | bytes) -> bool:
    """Whether a NAL unit of HEVC has another nuh_layer_id than 0 (Rec. ITU-T H.265, 7.3.1.2)."""
    return len(header) > 1 and bool(header[0] & 1 or header[1] >> 3)


def unit_reader(codec: str, extradata: bytes) -> Callable[[Buffer], Iterator[int]]:
    """Makes what finds the first byte of each NAL unit in packets of a stream."""
    return partial(unit_starts, size=length_bytes(codec, extradata))


def unit_starts(data: Buffer, size: int) -> Iterator[int]:
    """Finds NAL units behind lengths of ``size`` bytes, or behind start codes where that is 0."""
    return _sized_units(data, size) if size else _marked_units(data)


def _mostly_one_slice(extradata: bytes, parse: PacketParser) -> PacketParser:
    """Knows the commonest packet at a glance: a 4-byte length and one slice of no IDR picture."""
    if length_bytes("h264", extradata) != 4:
        return parse

    def kind(data: Buffer) -> PacketKind:
        if len(data) > 5 and data[4] & 31 == 1 and _WORD.unpack_from(data)[0] == len(data) - 4:
            return NEEDED if data[4] & 0x60 else UNREFERENCED
        return parse(data)

    return kind


def _sized_units(data: Buffer, size: int) -> Iterator[int]:
    position, end = 0, len(data)
    while position + size < end:
        start = position + size
        position = start + int.from_bytes(data[position:start], "big")
        if position > end:
            return  # no length: FFmpeg looks for start codes in such a packet
        yield start


def _marked_units(data: Buffer) -> Iterator[int]:
    raw = bytes(data)
    end = len(raw) - 3
    position = raw.find(b"\0\0\1")
    while 0 <= position < end:
        yield position + 3
        position = raw.find(b"\0\0\1", position + 3)


def _h264_kind(units: Iterator[int], data: Buffer) -> PacketKind:
    has_slice = has_reference = is_recovery_point = has_headers = False
    for start in units:
        header = data[start]
        unit_type = header & 31
        if unit_type == 5:
            return WITH_HEADERS[PLAIN] if has_headers else PLAIN
        if 1 <= unit_type <= 4 or unit_type in (14, 20):
            has_slice = True
            has_reference |= header & 0x60 != 0 or unit_type > 5
        elif unit_type == 6 and not is_recovery_point:
            is_recovery_point = _is_clean_recovery_point(data[start + 1 : start + 260])
        else:
            has_headers |= unit_type in (7, 8, 13, 15)
    kind = UNREFERENCED if has_slice and not has_reference else NEEDED
    kind = PLAIN if is_recovery_point else kind
    return WITH_HEADERS[kind] if has_headers else kind


def _is_clean_recovery_point(payloads: Buffer) -> bool:
    """Looks for SEI message 6 (D.2.8) whose recovery_frame_cnt, ue(v), is 0: its first bit is 1."""
    position = 0
    while position + 2 < len(payloads):
        values = []
        for _ in range(2):
            value = 0
            while position < len(payloads) and payloads[position] == 255:
                value, position = value + 255, position + 1
            if position >= len(payloads):
                return False
            values.append(value + payloads[position])
            position += 1
        kind, size = values
        if kind == 6:
            return position < len(payloads) and payloads[position] & 0x80 != 0
        position += size
    return False


def _hevc_kind(units: Iterator[int], data: Buffer) -> PacketKind:
    """Judges by the slices of the base layer (nuh_layer_id 0); other layers are never output."""
    is_unreferenced, is_random_access, layer, has_slice, has_headers = True, False, 0, False, False
    for start in units:
        if start + 1 >= len(data):
            break
        unit_type = (data[start] >> 1) & 63
        if unit_type >= 32 or data[start] & 1 or data[start + 1] >> 3:
            has_headers |= unit_type in (32, 33, 34)
            continue
        has_slice = True
        layer = max(layer, (data[start + 1] & 7) - 1)
        is_unreferenced &= unit_type < 16 and unit_type % 2 == 0
        is_random_access |= 16 <= unit_type <= 21
    is_unreferenced &= has_slice and not has_headers
    return PacketKind(is_unreferenced, is_random_access, layer=layer, has_headers=has_headers)


def _vp9_is_shown(data: Buffer) -> bool:
    firsts = (data[start] for start in vp9_frames(data))
    return any(map(_vp9_frame_is_shown, firsts)) if len(data) else True


def vp9_frames(data: Buffer) -> Iterator[int]:
    """Where each frame of a VP9 superframe (Annex B), or the only frame, begins in a packet."""
    marker = data[-1]
    count, width = (marker & 7) + 1, ((marker >> 3) & 3) + 1
    index = len(data) - 2 - count * width
    if marker & 0xE0 != 0xC0 or index < 0 or data[index] != marker:
        yield 0
        return
    start = 0
    for at in range(index + 1, len(data) - 1, width):
        if start < index:
            yield start
        start += int.from_bytes(data[at : at + width], "little")


def _vp9_frame_is_shown(first: int) -> bool:
    """After frame_marker and profile: show_existing_frame, frame_type, show_frame, a bit each."""
    at = 2 if first & 0x30 == 0x30 else 3
    show_existing, show = (first >> at) & 1, (first >> (at - 2)) & 1
    return bool(show_existing or show)
