"""Does a packet bring along what its decoder needs, or does it live on what came before?

Some decoders keep more over a keyframe than pictures: tables and headers. A packet that leans on
those of an earlier one is no place to start, whatever the container says.

1. Motion JPEG (Rec. ITU-T T.81, annex B): every table that the first scan refers to must be in the
   packet itself; it begins with SOI and ends with EOI. Only where no packet of the film has Huffman
   tables, as in many AVI files, the standard ones (annex K.3) are meant.
2. MPEG-4 Visual (ISO/IEC 14496-2, 6.2): the headers in front of a picture are the same in every
   packet that has any. After one that differs nothing later is a place to start; nor is a packet
   of two pictures, as DivX packs them, since the second is shown before the first.
3. Theora (its specification, 6.1 and 6.2): a chained Ogg stream has its headers again at each
   joint, and FFmpeg gives them as packets, which are no pictures. What follows headers that differ
   from the first ones, in what pictures and times are made of, is broken: a decoder is given the
   stream's first headers only, and would make other pictures of it.
"""

import re
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

Buffer: TypeAlias = memoryview

SOI, EOI, SOS, DQT, DHT = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, 0xCC}
BARE = frozenset(range(0xD0, 0xD8)) | {0x01}
"""Markers without a length."""
PADDING_BYTES = 64
"""How much may follow EOI: cameras pad their packets."""
VOP, GOV = 0xB6, 0xB3
"""Start codes of an MPEG-4 picture, and of the time code in front of a group of them."""
VOP_MARK = bytes([0, 0, 1, VOP])
HEADER_END = re.compile(rb"\0\0\x01(?:[\xb3\xb6]|\Z)")
"""Where the headers in front of an MPEG-4 picture end: at one of these, or with the packet."""
LAYER = re.compile(rb"\0\0\x01[\x20-\x2f].*?(?=\0\0\x01|\Z)", re.DOTALL)
"""A video object layer of MPEG-4 (ISO/IEC 14496-2, 6.2.3)."""
IDENTIFICATION, SETUP = 0x80, 0x82
"""How the headers of Theora begin that a decoder needs; between them are comments."""

Start: TypeAlias = bool | Literal["header"] | None
"""Whether decoding can start at a packet; None for a broken one, "header" for no picture."""
Test: TypeAlias = Callable[[Buffer], Start]


def jpeg_starts() -> Test:
    r"""Makes the test of a Motion JPEG stream, to be asked of each packet in turn.

    >>> jpeg_starts()(memoryview(b"\\xff\\xd8 no more")) is None
    True
    """
    has_huffman = False

    def is_random_access(data: Buffer) -> bool | None:
        nonlocal has_huffman
        try:
            segments = list(_segments(bytes(data)))
            quantisers, huffman = _tables(segments)
        except ValueError:
            return None
        has_huffman |= bool(huffman)
        is_whole = data[-PADDING_BYTES:].tobytes().rstrip(b"\0\xff").endswith(bytes([0xFF, EOI]))
        wanted_quantisers, wanted_huffman = _wanted(segments)
        return (
            is_whole
            and wanted_quantisers <= quantisers
            and (wanted_huffman <= huffman or not has_huffman)
        )

    return is_random_access


def jpeg_size(data: Buffer) -> tuple[int, int] | None:
    """Height and width that a JPEG picture states (B.2.2); None where it does not say."""
    try:
        for marker, content in _segments(bytes(data)):
            if marker in FRAME_HEADERS:
                height, width = content[1:3], content[3:5]
                return int.from_bytes(height, "big"), int.from_bytes(width, "big")
    except ValueError:
        return None
    return None


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers up to the first scan, each with what it holds; ValueError if that is not so."""
    if data[:2] != bytes([0xFF, SOI]):
        raise ValueError("a packet does not begin with SOI")
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError("a marker is not where the segment before it ends")
        marker = data[at + 1]
        if marker == 0xFF or marker in BARE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, data[at + 4 : at + 2 + length]
        if marker == SOS:
            return
        at += 2 + length
    raise ValueError("there is no scan")


def _tables(segments: list[tuple[int, bytes]]) -> tuple[set[int], set[int]]:
    """Which quantiser tables and Huffman tables are defined."""
    quantisers: set[int] = set()
    huffman: set[int] = set()
    for marker, data in segments:
        at = 0
        while marker in (DQT, DHT) and at < len(data):
            (quantisers if marker == DQT else huffman).add(data[at] & (15 if marker == DQT else 31))
            if marker == DQT:
                at += 129 if data[at] >> 4 else 65
            else:
                at += 17 + sum(data[at + 1 : at + 17])
            if at > len(data):
                raise ValueError("a table is longer than its segment")
    return quantisers, huffman


def _wanted(segments: list[tuple[int, bytes]]) -> tuple[set[int], set[int]]:
    """Which tables the frame header and the first scan refer to."""
    _, scan = segments[-1]
    frame = next((data for marker, data in segments if marker in FRAME_HEADERS), b"")
    count = scan[0] if scan else 0
    chosen = scan[2 : 2 + 2 * count : 2]
    is_dc_only = len(scan) > 2 + 2 * count and scan[2 + 2 * count] == 0 == scan[1 + 2 * count]
    huffman = {table >> 4 for table in chosen}
    huffman |= set() if is_dc_only else {0x10 | table & 15 for table in chosen}
    quantisers = set(frame[8 : 6 + 3 * (frame[5] if len(frame) > 5 else 0) : 3])
    return (quantisers or {-1}), (huffman or {-1})


def mpeg4_starts(extradata: bytes = b"") -> Test:
    """Makes the test of an MPEG-4 stream, to be asked of each packet in turn.

    ``extradata`` is the stream's own header, which counts before any packet's.

    >>> starts = mpeg4_starts()
    >>> [starts(memoryview(bytes([0, 0, 1, 0x20, n, 0, 0, 1, 0xB6, 0]))) for n in (7, 7, 8, 7)]
    [True, True, False, False]
    """
    known: bytes | None = None
    layer = mpeg4_layer(extradata)
    is_changed = False

    def is_random_access(data: Buffer) -> bool:
        nonlocal known, layer, is_changed
        raw = bytes(data)
        header = mpeg4_header(raw)
        if header:
            own = mpeg4_layer(header)
            is_changed |= header != (known or header) or bool(own and layer and own != layer)
            known, layer = known or header, layer or own
        return not is_changed and not _is_packed(raw)

    return is_random_access


def _is_packed(data: bytes) -> bool:
    """Whether a packet holds an I picture (vop_coding_type 0) and another one."""
    at = data.find(VOP_MARK)
    is_intra = at >= 0 and len(data) > at + 4 and data[at + 4] >> 6 == 0
    return is_intra and data.find(VOP_MARK, at + 4) >= 0


def mpeg4_header(data: bytes) -> bytes:
    """What stands before the first picture, or before its group's time code."""
    end = HEADER_END.search(data)
    return data[: end.start()] if end else b""


def mpeg4_layer(header: bytes) -> bytes:
    """The video object layer of a header; nothing where there is none."""
    found = LAYER.search(header)
    return found[0].rstrip(b"\0") if found else b""


def theora_starts(extradata: bytes) -> Test:
    r"""Makes the test of a Theora stream, to be asked of each packet in turn.

    ``extradata`` has the stream's first headers.

    >>> test = theora_starts(b"")
    >>> test(memoryview(b"\x00")), test(memoryview(b"\x81")), test(memoryview(b"\x00"))
    (True, 'header', True)
    >>> test(memoryview(b"\x82")), test(memoryview(b"\x00"))
    ('header', None)
    """
    known = {_essence(header) for header in _theora_headers(extradata)}
    is_other = False

    def test(data: Buffer) -> Start:
        nonlocal is_other
        if len(data) and data[0] & 0x80:
            is_other |= _essence(data.tobytes()) not in known | {b""}
            return "header"
        return None if is_other else True

    return test


def _essence(header: bytes) -> bytes:
    """What pictures and times depend on: not the comments, nor the nominal rate and quality."""
    if header[0] == SETUP:
        return header
    if header[0] == IDENTIFICATION and len(header) > 41:
        return header[:37] + bytes([header[40] & 3, header[41]])
    return b""


def _theora_headers(extradata: bytes) -> Iterator[bytes]:
    """The headers of a stream as FFmpeg keeps them, each behind its length of two bytes."""
    at = 0
    while at + 2 < len(extradata):
        start = at + 2
        at = max(start + int.from_bytes(extradata[at:start], "big"), start + 1)
        yield extradata[start:at]
