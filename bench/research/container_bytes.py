"""Container bytes: Matroska, FLV, AVI and MP4 files with whatever stamps they are told to have.

FFmpeg's muxers refuse stamps that fall or repeat, and real files have them. Each writer takes the
packets of a `coded_films.Coded` in decode order and gives the bytes of a file.
"""

import io
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import av
import numpy as np

from fewframes.arrays import I64
from fewframes.bench.research.coded_films import ANNEX_B, Coded, CodedPacket, kind, units

MATROSKA_IDS = {
    "h264": "V_MPEG4/ISO/AVC",
    "hevc": "V_MPEGH/ISO/HEVC",
    "mpeg4": "V_MPEG4/ISO/ASP",
    "mpeg2video": "V_MPEG2",
    "mjpeg": "V_MJPEG",
    "vp8": "V_VP8",
    "vp9": "V_VP9",
    "av1": "V_AV1",
    "wmv2": "V_MS/VFW/FOURCC",
}
FOURCC = {
    "h264": b"H264",
    "mpeg4": b"XVID",
    "mjpeg": b"MJPG",
    "msvideo1": b"CRAM",
    "wmv2": b"WMV2",
}


def with_lengths(data: bytes) -> bytes:
    """NAL units behind their lengths in 4 bytes, as MP4, Matroska and FLV have them."""
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units(data))


def payload(coded: Coded, packet: CodedPacket) -> bytes:
    """A packet as the containers with a header have it."""
    data = packet.sets + packet.data
    return with_lengths(data) if coded.codec in ANNEX_B else data


def configuration(codec: str, header: bytes) -> bytes:
    """Parameter sets as a container's header has them: avcC, hvcC, av1C, or as they are."""
    if codec == "av1":
        return b"\x81\0\x0c\0" + header  # main profile, 4:2:0 of 8 bits
    if codec not in ANNEX_B:
        return header
    parts = units(header)
    if codec == "h264":
        sps = next(unit for unit in parts if kind(codec, unit) == 7)
        pps = [unit for unit in parts if kind(codec, unit) == 8]
        listed = b"".join(struct.pack(">H", len(unit)) + unit for unit in pps)
        start = bytes([1, *sps[1:4], 0xFF, 0xE1]) + struct.pack(">H", len(sps)) + sps
        return start + bytes([len(pps)]) + listed
    arrays = b"".join(
        bytes([0x80 | kind(codec, unit), 0, 1]) + struct.pack(">H", len(unit)) + unit
        for unit in parts
    )
    sps = next(unit for unit in parts if kind(codec, unit) == 33)
    general = sps[3:15]  # profile, compatibility, constraints and level
    rest = struct.pack(">HBBBBHBB", 0xF000, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0x0F, len(parts))
    return b"\1" + general + rest + arrays


def _element(name: int, content: bytes) -> bytes:
    size = (1 << 56 | len(content)).to_bytes(8, "big")
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + size + content


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(8, "big"))


def matroska(coded: Coded) -> bytes:
    """A Matroska file with a tick of a millisecond; it has no decode times."""
    versions = _number(0x42F7, 1) + _number(0x4287, 4) + _number(0x4285, 2)
    head = _element(0x1A45DFA3, versions + _element(0x4282, b"matroska"))
    height, width = coded.size
    private = configuration(coded.codec, coded.header)
    private = bitmap_header(coded) + private if coded.codec == "wmv2" else private
    facts = (
        _number(0xD7, 1),
        _number(0x73C5, 1),
        _number(0x83, 1),
        _number(0x9C, 0),
        _number(0x23E383, 10**9 // coded.fps),
        _element(0x86, MATROSKA_IDS[coded.codec].encode()),
        _element(0x63A2, private) if private else b"",
        _element(0xE0, _number(0xB0, width) + _number(0xBA, height)),
    )
    info = _element(0x1549A966, _number(0x2AD7B1, 1_000_000))
    track = _element(0x1654AE6B, _element(0xAE, b"".join(facts)))
    return head + _element(0x18538067, info + track + b"".join(_clusters(coded)))


def _clusters(coded: Coded) -> list[bytes]:
    """One for each keyframe, and one wherever a time is too far from the cluster's for 16 bits."""
    clusters: list[tuple[int, list[bytes]]] = []
    for packet in coded.packets:
        is_near = clusters and abs(packet.pts - clusters[-1][0]) < 1 << 15
        if packet.is_key or not is_near:
            clusters.append((packet.pts, []))
        base, blocks = clusters[-1]
        flags = 0x80 if packet.is_key else 0
        start = struct.pack(">BhB", 0x81, packet.pts - base, flags)
        blocks.append(_element(0xA3, start + payload(coded, packet)))
    return [
        _element(0x1F43B675, _number(0xE7, base) + b"".join(blocks)) for base, blocks in clusters
    ]


def flv(coded: Coded, *, offset: int = 0) -> bytes:
    """An FLV file of H.264; ``offset`` is added to stamps, which are 32 bits and wrap."""
    tags = [b"FLV\1\1\0\0\0\x09\0\0\0\0"]
    start = (coded.packets[0].dts + offset) % (1 << 32)
    tags.append(_tag(start, b"\x17\0\0\0\0" + configuration("h264", coded.header)))
    for packet in coded.packets:
        time = (packet.dts + offset) % (1 << 32)
        if packet.header:
            tags.append(_tag(time, b"\x17\0\0\0\0" + configuration("h264", packet.header)))
        later = (packet.pts - packet.dts).to_bytes(3, "big", signed=True)
        first = b"\x17\1" if packet.is_key else b"\x27\1"
        tags.append(_tag(time, first + later + payload(coded, packet)))
    return b"".join(tags)


def _tag(time: int, body: bytes) -> bytes:
    size = len(body).to_bytes(3, "big")
    when = (time & 0xFFFFFF).to_bytes(3, "big") + bytes([time >> 24])
    return b"\x09" + size + when + b"\0\0\0" + body + struct.pack(">I", len(body) + 11)


def avi(coded: Coded) -> bytes:
    """An AVI file; it has no stamps, and a frame that has no packet is an empty chunk.

    Palettes are the header of the film, 256 times B, G, R, 0, and a packet's `header` for a change.
    """
    chunks, index, place = [], [], 4
    for packet in coded.packets:
        if packet.header:
            change = b"\0\0\0\0" + _colours_first(packet.header)
            chunks.append(_chunk(b"00pc", change))
            index.append(struct.pack("<4sIII", b"00pc", 0x100, place, len(change)))
            place += len(chunks[-1])
        data = packet.sets + packet.data
        chunks.append(_chunk(b"00dc", data))
        flags = 0x10 if packet.is_key and data else 0
        index.append(struct.pack("<4sIII", b"00dc", flags, place, len(data)))
        place += len(chunks[-1])
    movi = _chunk(b"LIST", b"movi" + b"".join(chunks))
    whole = b"AVI " + _avi_header(coded) + movi + _chunk(b"idx1", b"".join(index))
    return _chunk(b"RIFF", whole)


def _colours_first(palette: bytes) -> bytes:
    """A palette of B, G, R, 0 as a change has it: R, G, B, 0."""
    return b"".join(palette[at : at + 3][::-1] + b"\0" for at in range(0, len(palette), 4))


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _avi_header(coded: Coded) -> bytes:
    height, width = coded.size
    count, code = len(coded.packets), FOURCC.get(coded.codec, b"\0\0\0\0")
    main = (1_000_000 // coded.fps, 0, 0, 0x10, count, 0, 1, 1 << 20, width, height, 0, 0, 0, 0)
    line = (0, 0, 0, 0, 1, coded.fps, 0, count, 1 << 20, 0xFFFFFFFF, 0, 0, 0, width, height)
    stream = b"vids" + code + struct.pack("<IHHIIIIIIIIHHHH", *line)
    form = bitmap_header(coded) + (b"" if coded.codec in ANNEX_B else coded.header)
    lists = _chunk(b"LIST", b"strl" + _chunk(b"strh", stream) + _chunk(b"strf", form))
    return _chunk(b"LIST", b"hdrl" + _chunk(b"avih", struct.pack("<14I", *main)) + lists)


def bitmap_header(coded: Coded) -> bytes:
    """What AVI says of a picture (BITMAPINFOHEADER); a palette or extradata comes behind it."""
    (height, width), is_palette = coded.size, coded.codec in ("rawvideo", "msvideo1")
    bits, colours = (8, 256) if is_palette else (24, 0)
    extra = 0 if is_palette or coded.codec in ANNEX_B else len(coded.header)
    code = int.from_bytes(FOURCC.get(coded.codec, b""), "little")
    whole = width * height * bits // 8
    shape = (40 + extra, width, height, 1, bits, code, whole, 0, 0, colours, 0)
    return struct.pack("<IiiHHIIiiII", *shape)


def mp4(coded: Coded) -> bytes:
    """An MP4 file: FFmpeg's, with even times, whose tables are then written anew."""
    return _with_tables(_muxed(coded, "mp4"), coded.packets)


def asf(coded: Coded) -> bytes:
    """An ASF file: FFmpeg's, in which the time of every object is then another."""
    data = bytearray(_muxed(coded, "asf"))
    for right, packet in zip(_even(coded).packets, coded.packets, strict=True):
        size = len(packet.sets + packet.data)
        old = struct.pack("<BII", 8, size, right.pts + PREROLL_MS)
        new = struct.pack("<BII", 8, size, packet.pts + PREROLL_MS)
        at = data.find(old)
        while at >= 0:
            data[at : at + len(old)] = new
            at = data.find(old, at + len(old))
    return bytes(data)


PREROLL_MS = 3100
"""What FFmpeg's ASF adds to all times."""


def _muxed(coded: Coded, form: str) -> bytes:
    """FFmpeg's file of the packets of a film with the stamps that it should have."""
    out = io.BytesIO()
    given: Any = av.open(io.BytesIO(matroska(_even(coded))))
    with given as source, av.open(out, "w", form) as target:
        stream: Any = target.add_stream_from_template(source.streams.video[0], opaque=True)
        stream.time_base = source.streams.video[0].time_base
        packets = [p for p in source.demux(video=0) if p.size]
        least = min(p.pts - at * 40 for at, p in enumerate(packets))
        for at, packet in enumerate(packets):
            packet.dts, packet.stream = at * 40 + min(0, least), stream
            target.mux(packet)
    return out.getvalue()


def _even(coded: Coded) -> Coded:
    """The film with the stamps that it should have."""
    lag = min(p.pts for p in coded.packets)
    packets = tuple(replace(p, pts=lag + 40 * p.number) for p in coded.packets)
    return replace(coded, packets=packets)


BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def _with_tables(data: bytes, packets: Sequence[CodedPacket]) -> bytes:
    """Replaces stts and ctts, and leaves edit lists out; the index lies behind the samples."""
    start = data.rindex(b"moov") - 4
    moov = data[start:]
    scale = struct.unpack_from(">I", moov, moov.index(b"mdhd") + 16)[0] // 1000
    decode = _rising(np.array([packet.dts for packet in packets])) * scale
    later = np.array([packet.pts for packet in packets]) * scale - decode
    steps = np.diff(decode, append=decode[-1] + 40 * scale)
    stts = _full(b"stts", 0, [(1, step) for step in steps.tolist()])
    ctts = _full(b"ctts", 1, [(1, one) for one in later.tolist()])
    return data[:start] + _rebuilt(moov, {b"stts": stts + ctts, b"ctts": b"", b"edts": b""})


def _rising(times: I64) -> I64:
    """Decode times that never fall, with as few of them changed as can be."""
    from_left = np.maximum.accumulate(times)
    from_right = np.minimum.accumulate(times[::-1])[::-1]
    return min(from_left, from_right, key=lambda made: int((made != times).sum()))


def _full(name: bytes, version: int, rows: Sequence[tuple[int, int]]) -> bytes:
    body = b"".join(struct.pack(">Ii", *row) for row in rows)
    return struct.pack(">I4sBxxxI", 16 + len(body), name, version, len(rows)) + body


def _rebuilt(data: bytes, changed: dict[bytes, bytes]) -> bytes:
    """Boxes with some of them replaced, at any depth, and their sizes as they are then."""
    parts, at = [], 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        box = data[at : at + size]
        if name in BOXES:
            inside = _rebuilt(box[8:], changed)
            box = struct.pack(">I4s", len(inside) + 8, name) + inside
        parts.append(changed.get(name, box))
        at += size
    return b"".join(parts)
