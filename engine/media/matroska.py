"""A Matroska file of one video stream, written whole in memory: what a slice becomes.

Matroska (RFC 9559, in EBML, RFC 8794) has no edit lists and keeps presentation times apart from
decode order, so the file says nothing but which packets there are, in which order, and when each
is shown. Times are ranks: 0, 1, 2 … of 40 ms each, in whatever order the packets come.
"""

import struct
from collections.abc import Sequence

CODEC_IDS = {
    "vp8": "V_VP8",
    "vp9": "V_VP9",
    "mjpeg": "V_MJPEG",
    "h264": "V_MPEG4/ISO/AVC",
    "hevc": "V_MPEGH/ISO/HEVC",
    "mpeg4": "V_MPEG4/ISO/ASP",
}
"""Names of codecs in Matroska (the codec registry of RFC 9559, section 27)."""
TICK_NANOSECONDS = 40_000_000
CLUSTER_PACKETS = 8192
"""A block's time is 16 bits from that of its cluster, so a cluster holds no more than these."""
IS_KEYFRAME = 0x80


def matroska(
    packets: Sequence[bytes],
    ranks: Sequence[int],
    *,
    codec: str,
    size: tuple[int, int],
    extradata: bytes = b"",
) -> bytes:
    """Writes packets in decode order, each with its rank in order of presentation, as one file.

    ``size`` is height and width of the pictures.
    The first packet is marked as a keyframe and no other, so that a reader can only begin there.
    Raises KeyError for a codec that is none of `CODEC_IDS`, and ValueError where ranks are not
    0 to n - 1, or are farther from decode order than 16 bits can say.

    >>> matroska([b"frame"], [0], codec="vp8", size=(16, 16))[:4].hex()
    '1a45dfa3'
    """
    if sorted(ranks) != list(range(len(packets))):
        raise ValueError(
            f"ranks of {len(packets)} packets must be 0 to {len(packets) - 1}, each once"
        )
    clusters = [
        _cluster(packets[at : at + CLUSTER_PACKETS], ranks[at : at + CLUSTER_PACKETS], at)
        for at in range(0, len(packets), CLUSTER_PACKETS)
    ]
    info = _element(
        0x1549A966,
        _number(0x2AD7B1, TICK_NANOSECONDS)
        + _text(0x4D80, "fewframes")
        + _text(0x5741, "fewframes"),
    )
    track = _track(CODEC_IDS[codec], size, extradata)
    return _header() + _element(0x18538067, b"".join((info, track, *clusters)))


def _header() -> bytes:
    """The EBML header: version 1 of EBML, version 4 of Matroska, readable from version 2 on."""
    numbers = ((0x4286, 1), (0x42F7, 1), (0x42F2, 4), (0x42F3, 8), (0x4287, 4), (0x4285, 2))
    fields = b"".join(_number(name, value) for name, value in numbers)
    return _element(0x1A45DFA3, fields + _text(0x4282, "matroska"))


def _track(codec_id: str, size: tuple[int, int], extradata: bytes) -> bytes:
    """Tracks: one video track, number 1, without lacing."""
    video = _element(0xE0, _number(0xB0, size[1]) + _number(0xBA, size[0]))
    facts = (
        _number(0xD7, 1),
        _number(0x73C5, 1),
        _number(0x83, 1),
        _number(0x9C, 0),
        _text(0x86, codec_id),
        _element(0x63A2, extradata) if extradata else b"",
        video,
    )
    return _element(0x1654AE6B, _element(0xAE, b"".join(facts)))


def _cluster(packets: Sequence[bytes], ranks: Sequence[int], base: int) -> bytes:
    """A cluster at time ``base``; each packet is a SimpleBlock of track 1."""
    blocks = [_number(0xE7, base)]
    for at, (packet, rank) in enumerate(zip(packets, ranks, strict=True)):
        flags = IS_KEYFRAME if base + at == 0 else 0
        try:
            head = struct.pack(">BhB", 0x81, rank - base, flags)
        except struct.error as error:
            raise ValueError(
                f"packet {base + at} is shown {rank - base - at} pictures from its place; "
                "Matroska can say up to 24576"
            ) from error
        blocks += [_opening(0xA3, len(head) + len(packet)), head, packet]
    return _element(0x1F43B675, b"".join(blocks))


def _opening(name: int, size: int) -> bytes:
    """An element's id, and its size in 8 bytes (RFC 8794, section 4)."""
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + (1 << 56 | size).to_bytes(8, "big")


def _element(name: int, content: bytes) -> bytes:
    return _opening(name, len(content)) + content


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(8, "big"))


def _text(name: int, words: str) -> bytes:
    return _element(name, words.encode("ascii"))
