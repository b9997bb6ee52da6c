"""Does a file end before its own structure does?

A container says how long its parts are. Where one of them reaches beyond the end of the file, the
file was cut; the number of frames that a header claims is never asked. The bytes are not trusted:
every read is bounded, every step goes forward, and what does not parse proves nothing.

1. ASF: the Data Object of a finished file holds all its packets, each of one size.
2. Ogg: the last page is whole, and its lacing does not say that a packet goes on.
3. FLV, AVI, Matroska: from the last packet of the video on, every tag, chunk and block is whole,
   and so are the list, the cluster and the segment around them.
4. MP4: the last sample is whole. In fragments no ``moof`` and no ``mdat`` reaches beyond the end,
   nor does the segment index; samples of other files are listed, and counted elsewhere.
5. MPEG-TS is cut by its recorders anywhere, Ogg streams by theirs at a page, and both play on. So
   half a packet, or no last page, is a note. So is a second film behind the first, as ``cat`` joins
   MP4 and FLV files, which FFmpeg does not read; a cut that takes only an index, which no frame
   needs; and a length that only the metadata of an FLV file tell.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from fewframes.media.ebml import matroska_ending
from fewframes.media.endings import INDEX_CUT, WHOLE, Bytes, Ending, cut, second_film
from fewframes.media.timeline import Packets
from fewframes.media.transport import packet_layout, pictures_elsewhere

STEPS = 1 << 18
"""Boxes, tags or chunks that are looked at; a file with more behind its last packet is unjudged."""


def faults_of(
    path: Path, container: str, packets: Packets, streams: Mapping[int, int]
) -> tuple[list[str], list[str]]:
    """Says what is wrong with a file by its structure, and what is to be noted, in sentences.

    ``container`` is FFmpeg's name, and these are the packets it gave. ``streams`` has the index of
    each video stream by its number in the file: of MPEG-TS, one that has pictures where this one
    has none is a fault (`transport`).
    """
    judge = ENDINGS.get(container)
    if judge is None:
        return [], []
    with path.open("rb", buffering=0) as file:
        end = judge(Bytes(file), packets)
        is_ts = container == "mpegts"
        elsewhere = pictures_elsewhere(Bytes(file), packets, streams) if is_ts else []
    return [*filter(None, [end.damage]), *elsewhere], [*filter(None, [end.note])]


def _asf_ending(data: Bytes, _packets: Packets) -> Ending:
    """Compares the Data Object with the file; broadcasts do not know how long they are."""
    header_bytes = data.little(16, 8)
    is_broadcast = _asf_is_broadcast(data, header_bytes)
    if data.at(header_bytes, 16) != ASF_DATA or is_broadcast is None:
        return WHOLE
    end = header_bytes + data.little(header_bytes + 16, 8)
    if not is_broadcast and end - header_bytes > ASF_DATA_HEADER and end > data.size:
        return cut("the Data Object", end, data.size)
    if is_broadcast or end < header_bytes + ASF_DATA_HEADER:
        return WHOLE
    while end + 24 <= data.size and (step := data.little(end + 16, 8)) >= 24:
        end += step
    return INDEX_CUT if end > data.size else WHOLE


def _asf_is_broadcast(data: Bytes, header_bytes: int) -> bool | None:
    """Reads the flags of the File Properties Object; None where there is none."""
    at = 30
    for _ in range(64):
        if data.at(at, 16) == ASF_PROPERTIES:
            return bool(data.little(at + 88, 4) & 1)
        at += max(24, data.little(at + 16, 8))
        if at >= header_bytes:
            break
    return None


def _ogg_ending(data: Bytes, _packets: Packets) -> Ending:
    """Goes over the last pages; each has 27 bytes, a lacing table, and what that adds up to."""
    first = max(0, data.size - 4 * OGG_PAGE)
    tail = data.at(first, data.size - first)
    unfinished: dict[bytes, bool] = {}
    is_last = False
    for at, end, lacing in _ogg_pages(tail):
        if end > len(tail):
            return cut("the last page", first + end, data.size)
        is_last = bool(tail[at + 5] & 4)
        if lacing:
            unfinished[tail[at + 14 : at + 18]] = lacing[-1] == 255
    if any(unfinished.values()):
        return Ending("truncated: the last packet goes on behind the last page of the file")
    if unfinished and not is_last:
        return Ending(note="the last page is not marked as the last one")
    return WHOLE


def _ogg_pages(tail: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Begin, end and lacing of each page; one that is cut in its header ends behind the bytes."""
    at = tail.find(OGG_MARK)
    while at >= 0:
        segments = tail[at + 26] if at + 26 < len(tail) else 255
        lacing = tail[at + 27 : at + 27 + segments]
        is_whole = len(lacing) == segments
        end = at + 27 + segments + (sum(lacing) if is_whole else 255)
        yield at, end, lacing
        if end == len(tail) or tail[end : end + 4] == b"OggS"[: len(tail) - end]:
            at = end if end < len(tail) else -1
        else:
            at = tail.find(OGG_MARK, at + 4)


def _flv_ending(data: Bytes, packets: Packets) -> Ending:
    """Goes over the tags from the last video tag on: 11 bytes, the data, the tag's size again."""
    others = []

    def tag(at: int) -> tuple[str, int]:
        head = data.at(at, 11)
        is_tag = len(head) > 0 and head[0] & 0x1F in (8, 9, 18)
        if not is_tag:
            others.extend([at] if head[:3] == b"FLV" else [])
            return ("", -1)
        return ("the last tag", at + 15 + int.from_bytes(head[1:4], "big"))

    walked = _walk(data, max(packets.last_position, 13), tag, optional=4)
    if walked is WHOLE and others:
        return second_film(others[0])
    said = _flv_told_bytes(data)
    if walked is WHOLE and said > data.size:
        return Ending(note=f"the metadata say {said} bytes, the file has {data.size}")
    return walked


def _flv_told_bytes(data: Bytes) -> int:
    """The ``filesize`` of onMetaData, a double; 0 where there is none."""
    start, mark = data.at(0, 1 << 14), b"\x00\x08filesize\x00"
    at = start.find(mark)
    value = start[at + len(mark) : at + len(mark) + 8]
    told = struct.unpack(">d", value)[0] if at >= 0 and len(value) == 8 else 0.0
    return int(told) if 0 < told < 1 << 62 else 0


def _avi_ending(data: Bytes, packets: Packets) -> Ending:
    """Goes over the chunks behind the last packet, and asks the list around it."""

    def chunk(at: int) -> tuple[str, int]:
        head = data.at(at, 12)
        name, size = head[:4], int.from_bytes(head[4:8], "little")
        if name in (b"idx1", b"JUNK") or name[:2] == b"ix":
            return ("", at + 8 + size + (size & 1))
        if name in (b"RIFF", b"LIST"):
            return ("the last list", at + 12)
        is_chunk = name[2:4] in (b"dc", b"db", b"wb", b"pc", b"tx", b"sb")
        return ("the last chunk", at + 8 + size + (size & 1)) if is_chunk else ("", -1)

    walked = _walk(data, max(packets.last_position - 8, 12), chunk, optional=1)
    end = _movi_end(data)
    if walked is WHOLE and end > data.size + 1:
        return cut("the movi list", end, data.size)
    return walked


def _movi_end(data: Bytes) -> int:
    """Where the first list of frames ends, by its size; 0 where that was never written."""
    at = 12
    for _ in range(64):
        size = data.little(at + 4, 4)
        if data.at(at, 4) == b"LIST" and data.at(at + 8, 4) == b"movi":
            return 0 if size >= AVI_UNKNOWN else at + 8 + size
        at += 8 + size + (size & 1)
    return 0


def _mp4_ending(data: Bytes, packets: Packets) -> Ending:
    """Looks at the last sample, and goes over the boxes of the file, where it has fragments."""
    row = int(packets.position.argmax()) if len(packets) else 0
    if len(packets) and packets.is_corrupt[row]:
        end = int(packets.position[row] + packets.size_bytes[row])
        if end == data.size:
            return Ending(f"truncated: the last sample is not whole, the file ends at byte {end}")
    ending, second = _boxes_ending(data)
    is_unread = second > packets.last_position > 0
    return second_film(second) if ending is WHOLE and is_unread else ending


def _boxes_ending(data: Bytes) -> tuple[Ending, int]:
    """How the boxes of a file end, and where a second film begins; 0 for none."""
    at, is_fragmented, heads, begin = 0, False, 0, 0
    for _ in range(STEPS):
        size, kind = data.big(at, 4), data.at(at + 4, 4)
        if size == 1:
            size = data.big(at + 8, 8)
        is_fragmented |= kind == b"moof"
        heads += kind == b"moov"
        begin = begin or (at if (at and kind == b"ftyp") or heads == 2 else 0)
        if kind == b"sidx" and (end := at + size + _indexed_bytes(data, at)) > data.size:
            return cut("the segment index", end, data.size), 0
        if size < 8 or at + size >= data.size:
            break
        at += size
    is_head_cut = 0 < data.size - at < 8
    if not is_fragmented or (at + size <= data.size and not is_head_cut):
        return WHOLE, begin if heads > 1 else 0
    if kind in (b"moof", b"mdat") or is_head_cut:
        return cut("the last box", at + max(size, 8), data.size), 0
    return INDEX_CUT, 0


def _indexed_bytes(data: Bytes, at: int) -> int:
    """How many bytes behind a ``sidx`` box it speaks of (ISO/IEC 14496-12, 8.16.3)."""
    first, width = (at + 28, 8) if data.at(at + 8, 1) == b"\1" else (at + 20, 4)
    offset, rows_at = data.big(first, width), first + width + 4
    count = data.big(rows_at - 2, 2)
    rows = data.at(rows_at, 12 * count)
    sizes = (int.from_bytes(rows[i : i + 4], "big") & 0x7FFFFFFF for i in range(0, len(rows), 12))
    return offset + sum(sizes)


def _ts_ending(data: Bytes, _packets: Packets) -> Ending:
    """Looks for a packet that is not whole."""
    size, _ = packet_layout(data) or (1, 0)
    rest = data.size % size
    return Ending(note=f"the last {rest} bytes are no whole packet of {size}") if rest else WHOLE


Step: TypeAlias = Callable[[int], tuple[str, int]]
"""From the begin of a part to its name and its end: no name for an index, -1 for no part."""


def _walk(data: Bytes, at: int, step: Step, *, optional: int) -> Ending:
    """Goes from part to part; the last ``optional`` bytes of a part are there, or none of them."""
    for _ in range(STEPS):
        if at >= data.size:
            break
        name, end = step(at)
        if end < at + 8:
            break
        if end > data.size and end - data.size != optional:
            return cut(name, end, data.size) if name else INDEX_CUT
        at = end
    return WHOLE


ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
ASF_DATA_HEADER = 50
"""Bytes of a Data Object before its first packet."""
OGG_MARK = b"OggS\0"
"""How a page begins, with its version."""
OGG_PAGE = 65307
"""The longest page: 27 bytes, 255 of lacing, 255 times 255 of data."""
AVI_UNKNOWN = 0xFFFFFFFF - 8
"""What writers put for the size of a list that they have not finished."""
ENDINGS: dict[str, Callable[[Bytes, Packets], Ending]] = {
    "asf": _asf_ending,
    "avi": _avi_ending,
    "flv": _flv_ending,
    "matroska": lambda data, packets: matroska_ending(data, packets.last_position),
    "mov": _mp4_ending,
    "mpegts": _ts_ending,
    "ogg": _ogg_ending,
}
"""Who judges which container."""
