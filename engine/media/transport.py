"""Which pictures of an MPEG-TS file belong to another video stream than the one that was read?

A recording may go on under another PID: a broadcaster switches it, or two recordings were joined.
FFmpeg calls that two streams. (Its option ``merge_pmt_versions`` joins them, but gives the last
packet of the first half behind those of the second, and takes one codec for the other.)

1. Stretches of the file without a packet of this stream are found by the packets' positions.
2. Heads of video PES packets are counted there, by PID (ISO/IEC 13818-1, 2.4.3.2 and 2.4.3.6).
3. A PID that is also found beside this stream is another camera or program, and nothing is missing.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from fewframes.arrays import U8
from fewframes.media.endings import Bytes
from fewframes.media.timeline import Packets

SIZES = ((188, 0), (192, 4), (204, 0))
"""How long packets may be, and where their sync byte is."""
GAP_BYTES, GAP_TIMES = 1 << 16, 8
"""A stretch between two packets that is shorter than this, or than so many usual ones, is left to
the other streams of the file."""
BESIDE_BYTES = 1 << 20
"""How much of the file is searched for streams that run beside this one."""
MOST_BYTES = 1 << 26
"""How much of all stretches is searched."""
FEWEST = 3
"""Fewer pictures than this are the last ones of a stream that runs beside this one."""


def packet_layout(data: Bytes) -> tuple[int, int] | None:
    """How long the packets of a file are, and where their sync byte is; None where that is unclear.

    Ten sync bytes in a row are believed.
    """
    for size, lead in SIZES:
        if all(data.at(lead + size * row, 1) == b"G" for row in range(10)):
            return size, lead
    return None


def pictures_elsewhere(data: Bytes, packets: Packets, streams: Mapping[int, int]) -> list[str]:
    """Says which pictures of other video streams stand where this one has none.

    ``streams`` has the index of each video stream of the container by its PID.
    """
    layout = packet_layout(data)
    if layout is None or not len(packets) or packets.position.min() < 0:
        return []
    stretches = list(_stretches(packets, data.size))
    found: dict[int, list[int]] = {}
    for first, last in stretches:
        for pid, position in _pes_packets(data, first, min(last, first + MOST_BYTES), layout):
            found.setdefault(pid, []).append(position)
    many = {pid: places for pid, places in found.items() if len(places) >= FEWEST}
    if not many:
        return []
    begin = int(packets.position.min())
    end = min([first for first, _ in stretches if first > begin])
    beside = _pes_packets(data, begin, min(end, begin + BESIDE_BYTES), layout)
    known = {pid for pid, _ in beside}
    return [_sentence(pid, places, streams) for pid, places in many.items() if pid not in known]


def _sentence(pid: int, places: list[int], streams: Mapping[int, int]) -> str:
    choice = f"pass stream={streams[pid]}, or " if pid in streams else ""
    return (
        f"another video stream goes on where this one pauses: {len(places)} pictures of PID "
        f"0x{pid:x} from byte {places[0]} on are not read; {choice}split the file there"
    )


def _stretches(packets: Packets, size_bytes: int) -> Iterator[tuple[int, int]]:
    """Where a file has no packet of this stream: before the first one, in long gaps, at the end."""
    order = np.argsort(packets.position, kind="stable")
    begins, sizes = packets.position[order], packets.size_bytes[order]
    if begins[0]:
        yield 0, int(begins[0])
    between = np.diff(begins) - sizes[:-1] * 188 // 184
    longest = max(GAP_BYTES, GAP_TIMES * int(np.median(between))) if len(between) else 0
    for row in np.flatnonzero(between > longest).tolist():
        yield int(begins[row]) + 188, int(begins[row + 1])
    yield int(begins[-1]) + 188, size_bytes


def _pes_packets(
    data: Bytes, first: int, end: int, layout: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """PID and place of every packet in a stretch with which a video PES packet begins."""
    size, lead = layout
    block = size * 5000
    for at in range(first, end, block):
        raw = np.frombuffer(data.at(at, min(block + size, end - at)), np.uint8)
        shift = _first_packet(raw, layout)
        rows = raw[shift : shift + (len(raw) - shift) // size * size].reshape(-1, size)[:, lead:]
        for row in np.flatnonzero(_is_video_head(rows)).tolist():
            if shift + row * size < block:
                pid = (int(rows[row, 1]) & 31) << 8 | int(rows[row, 2])
                yield pid, at + shift + row * size


def _first_packet(raw: U8, layout: tuple[int, int]) -> int:
    """Where packets begin in a block: at the offset with the most sync bytes."""
    size, lead = layout
    rows = raw[: min(len(raw), 64 * size) // size * size].reshape(-1, size)
    if not len(rows):
        return 0
    return (int((rows == 0x47).sum(axis=0).argmax()) - lead) % size


def _is_video_head(rows: U8) -> U8:
    """Whether a PES packet of a video begins in each packet: a start code with 0xE0 to 0xEF."""
    begins = (rows[:, 0] == 0x47) & (rows[:, 1] & 0xC0 == 0x40) & (rows[:, 3] & 0x10 != 0)
    payload = np.where(rows[:, 3] & 0x20, 5 + rows[:, 4].astype(np.int64), 4)
    begins &= payload <= 180
    at = np.minimum(payload, 180)[:, None] + np.arange(4)
    heads = np.take_along_axis(rows, at, axis=1)
    is_start_code = (heads[:, :3] == (0, 0, 1)).all(axis=1)
    verdict: U8 = begins & is_start_code & (heads[:, 3] & 0xF0 == 0xE0)
    return verdict
