"""Transport bytes: MPEG transport and program streams, and elementary ones, with chosen stamps.

A PES packet holds one picture (ISO/IEC 13818-1); stamps are 33 bits of 90 kHz and wrap.
"""

import struct
from collections.abc import Sequence

from fewframes.bench.research.coded_films import Coded, CodedPacket

STREAM_TYPES = {"mpeg2video": 0x02, "mpeg4": 0x10, "h264": 0x1B, "hevc": 0x24}
VIDEO_PID, PMT_PID, TICKS = 0x100, 0x1000, 90
WRAP = 1 << 33
CELL = 188


def elementary(coded: Coded) -> bytes:
    """The packets one after the other: no container, no stamps."""
    return b"".join(packet.sets + packet.data for packet in coded.packets)


def transport(
    coded: Coded, *, offset: int = 90_000, pids: Sequence[int] = (VIDEO_PID,), change: int = 0
) -> bytes:
    """A transport stream; ``offset`` ticks are added to stamps.

    With two ``pids`` the program goes on under the second from packet ``change`` on, as a new
    version of its table says.
    """
    counters: dict[int, int] = {}
    cells: list[bytes] = []
    for at, packet in enumerate(coded.packets):
        version = int(len(pids) > 1 and at >= change)
        pid = pids[version]
        if packet.is_key or at == change:
            cells += _tables(coded.codec, pid, version, counters)
        cells += _cells(pid, _pes(packet, offset), packet, offset, counters)
    return b"".join(cells)


def _tables(codec: str, pid: int, version: int, counters: dict[int, int]) -> list[bytes]:
    """The program association and the program map."""
    pat = struct.pack(">HBBBHH", 1, 0xC1, 0, 0, 1, 0xE000 | PMT_PID)
    kind = STREAM_TYPES[codec]
    row = struct.pack(">BHH", kind, 0xE000 | pid, 0xF000)
    pmt = struct.pack(">HBBBHH", 1, 0xC1 | version << 1, 0, 0, 0xE000 | pid, 0xF000) + row
    return [
        _cell(0, _section(0, pat), counters),
        _cell(PMT_PID, _section(2, pmt), counters),
    ]


def _section(table: int, body: bytes) -> bytes:
    whole = struct.pack(">BH", table, 0xB000 | (len(body) + 4)) + body
    return b"\0" + whole + struct.pack(">I", crc32_mpeg(whole))


def crc32_mpeg(data: bytes) -> int:
    """The checksum of a section (annex A).

    >>> hex(crc32_mpeg(b"123456789"))
    '0x376e6e7'
    """
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 1 << 31 else 0)) & 0xFFFFFFFF
    return value


def _cell(pid: int, section: bytes, counters: dict[int, int]) -> bytes:
    head = struct.pack(">BHB", 0x47, 0x4000 | pid, 0x10 | _next(pid, counters))
    return (head + section).ljust(CELL, b"\xff")


def _next(pid: int, counters: dict[int, int]) -> int:
    counters[pid] = (counters.get(pid, -1) + 1) & 15
    return counters[pid]


def _cells(
    pid: int, pes: bytes, packet: CodedPacket, offset: int, counters: dict[int, int]
) -> list[bytes]:
    """Cuts a PES packet; its first cell has the clock, the last one is filled up."""
    clock = (packet.dts * TICKS + offset - 9000) % WRAP
    flags = 0x10 | (0x40 if packet.is_key else 0)
    field = bytes([flags]) + (clock << 15 | 0x7E << 8).to_bytes(6, "big")
    cells, at = [], 0
    while at < len(pes):
        room = CELL - 4 - (len(field) + 1 if field else 0)
        part = pes[at : at + room]
        lack = room - len(part)
        has_field = bool(field) or lack > 0
        start = 0x4000 if at == 0 else 0
        control = (0x30 if has_field else 0x10) | _next(pid, counters)
        cell = struct.pack(">BHB", 0x47, start | pid, control)
        cells.append(cell + (_filled(field, lack) if has_field else b"") + part)
        at, field = at + len(part), b""
    return cells


def _filled(field: bytes, lack: int) -> bytes:
    """An adaptation field with so many more bytes than what it holds."""
    if field:
        return bytes([len(field) + lack]) + field + b"\xff" * lack
    return bytes([lack - 1]) + (b"\0" + b"\xff" * (lack - 2) if lack > 1 else b"")


def _pes(packet: CodedPacket, offset: int, *, is_bounded: bool = False) -> bytes:
    """A picture as a PES packet with pts and dts, or without where it has none."""
    body = packet.sets + packet.data
    if not packet.has_stamp:
        return b"\0\0\1\xe0\0\0\x80\0\0" + body
    stamps = _stamp(3, packet.pts * TICKS + offset) + _stamp(1, packet.dts * TICKS + offset)
    size = struct.pack(">H", len(stamps) + 3 + len(body) if is_bounded else 0)
    return b"\0\0\1\xe0" + size + b"\x80\xc0\x0a" + stamps + body


def _stamp(mark: int, ticks: int) -> bytes:
    ticks %= WRAP
    high, middle, low = ticks >> 30, ticks >> 15 & 0x7FFF, ticks & 0x7FFF
    return struct.pack(">BHH", mark << 4 | high << 1 | 1, middle << 1 | 1, low << 1 | 1)


def program(coded: Coded, *, offset: int = 90_000) -> bytes:
    """A program stream of MPEG-2 video: a pack for each picture."""
    parts = []
    for packet in coded.packets:
        clock = (packet.dts * TICKS + offset - 9000) % WRAP
        parts.append(_pack(clock))
        whole = packet.sets + packet.data
        for at in range(0, len(whole), 60_000):
            part = CodedPacket(
                whole[at : at + 60_000],
                packet.number,
                packet.pts,
                packet.dts,
                packet.is_key,
                has_stamp=at == 0,
            )
            parts.append(_pes(part, offset, is_bounded=True))
    return b"".join(parts) + b"\0\0\1\xb9"


def _pack(clock: int) -> bytes:
    """A pack header (2.5.3.3) of a stream of 5 MB a second."""
    high, middle, low = clock >> 30, clock >> 15 & 0x7FFF, clock & 0x7FFF
    value = 1 << 6 | high << 3 | 4
    bits = value << 40 | 0
    bits = (1 << 46) | (high << 43) | (1 << 42) | (middle << 27) | (1 << 26) | (low << 11)
    bits |= 1 << 10 | 1
    rate = 100_000 << 2 | 3
    return b"\0\0\1\xba" + bits.to_bytes(6, "big") + rate.to_bytes(3, "big") + b"\xf8"
