"""Coded films: packets of small films before a container has them, each with a stamp to be chosen.

1. A recording is encoded here through PyAV, 25 frames a second; every picture shows its number.
2. H.264 and HEVC are kept as NAL units, apart from their parameter sets, so that a file may have
   these once, at every keyframe, or another set from the middle on.
3. Stamps are milliseconds and begin as they should be; `clock_faults.py` spoils them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import av

from fewframes.bench.research.films import Film, pictures

FRAME_MS = 40
SIZE = (96, 160)
"""Height and width of the pictures."""
ANNEX_B = ("h264", "hevc")
KEY_FLAG, GLOBAL_HEADER = 1, 1 << 22


@dataclass(frozen=True, slots=True)
class CodedPacket:
    """One packet."""

    data: bytes
    """NAL units with start codes for H.264 and HEVC, without parameter sets; else as it is."""
    number: int
    """Which frame it shows, in order of presentation."""
    pts: int
    """In milliseconds."""
    dts: int
    is_key: bool
    sets: bytes = b""
    """Parameter sets in front of the picture, with start codes."""
    header: bytes = b""
    """Parameter sets that the container announces before the packet, with start codes: a second
    sequence header of FLV, or a palette of AVI."""
    has_stamp: bool = True
    """The second field of a frame may come without one."""


@dataclass(frozen=True, slots=True)
class Coded:
    """The packets of a film in decode order."""

    codec: str
    size: tuple[int, int]
    packets: tuple[CodedPacket, ...]
    header: bytes = b""
    """Parameter sets, a codec's extradata, or a palette, as a container's header has them."""
    fps: int = 1000 // FRAME_MS

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len({packet.number for packet in self.packets})


@dataclass(frozen=True, slots=True)
class Encoder:
    """How a codec is made to give a film of 10 frames a group of pictures."""

    name: str
    codec: str
    options: Mapping[str, str] = field(default_factory=dict)
    pixel_format: str = "yuv420p"
    b_frames: int = 0


X264 = "keyint=10:min-keyint=10:scenecut=0:sliced-threads=0"
X265 = "log-level=none:pools=1:frame-threads=1:keyint=10:min-keyint=10:scenecut=0"
SHARP = {"qmin": "2", "qmax": "4", "b": "4M"}
ENCODERS: dict[str, Encoder] = {
    "h264": Encoder("libx264", "h264", {"x264-params": f"{X264}:bframes=0", "crf": "18"}),
    "h264_b": Encoder(
        "libx264",
        "h264",
        {"x264-params": f"{X264}:bframes=3:b-adapt=0:b-pyramid=normal", "crf": "18"},
        b_frames=3,
    ),
    "h264_open": Encoder(
        "libx264",
        "h264",
        {"x264-params": f"{X264}:bframes=2:b-adapt=0:open-gop=1", "crf": "18"},
        b_frames=2,
    ),
    "h264_refresh": Encoder(
        "libx264", "h264", {"x264-params": f"{X264}:bframes=0:intra-refresh=1", "crf": "18"}
    ),
    "hevc": Encoder("libx265", "hevc", {"x265-params": f"{X265}:bframes=0", "preset": "fast"}),
    "hevc_b": Encoder(
        "libx265",
        "hevc",
        {"x265-params": f"{X265}:bframes=3:b-adapt=0:open-gop=1", "preset": "fast"},
        b_frames=3,
    ),
    "mpeg4": Encoder("mpeg4", "mpeg4", {"g": "10", "bf": "0", **SHARP}),
    "mpeg4_b": Encoder("mpeg4", "mpeg4", {"g": "10", "bf": "2", **SHARP}, b_frames=2),
    "mpeg4_ib": Encoder("mpeg4", "mpeg4", {"g": "10", "bf": "1", **SHARP}, b_frames=1),
    "mpeg2": Encoder("mpeg2video", "mpeg2video", {"g": "10", "bf": "0", **SHARP}),
    "mpeg2_b": Encoder("mpeg2video", "mpeg2video", {"g": "10", "bf": "2", **SHARP}, b_frames=2),
    "mjpeg": Encoder("mjpeg", "mjpeg", {"qmin": "2", "qmax": "4"}, "yuvj420p"),
    "vp8": Encoder("libvpx", "vp8", {"g": "10", "deadline": "realtime", "b": "1M"}),
    "vp9": Encoder("libvpx-vp9", "vp9", {"g": "10", "deadline": "realtime", "b": "1M"}),
    "vp9_alt": Encoder(
        "libvpx-vp9",
        "vp9",
        {"g": "10", "deadline": "good", "cpu-used": "5", "lag-in-frames": "9", "auto-alt-ref": "1"},
    ),
    "av1": Encoder(
        "libsvtav1", "av1", {"preset": "10", "crf": "20", "svtav1-params": "keyint=9:lp=1"}
    ),
    "theora": Encoder("libtheora", "theora", {"g": "10", "b": "2M"}),
    "wmv2": Encoder("wmv2", "wmv2", {"g": "10", **SHARP}),
}
"""Codecs by the names of rows of the matrix. One whose encoder is missing is left out."""


def encodable() -> list[str]:
    """Names of the encoders that this build of FFmpeg has."""
    return [name for name, encoder in ENCODERS.items() if encoder.name in av.codecs_available]


def encode(name: str, numbers: Sequence[int], more: Mapping[str, str] | None = None) -> Coded:
    """Encodes the frames of some numbers, neighbours, each with the time of its number.

    ``more`` are further options; those of x264 and x265 are joined to the usual ones.
    """
    encoder = ENCODERS[name]
    context = _context(encoder, more or {})
    packets = list(_encoded(context, encoder, numbers))
    first = numbers[0]
    shift = -min(0, min(packet.dts for packet in packets))
    coded = [
        CodedPacket(
            bytes(packet),
            number=first + packet.pts,
            pts=(first + packet.pts + shift) * FRAME_MS,
            dts=(first + packet.dts + shift) * FRAME_MS,
            is_key=packet.is_keyframe,
        )
        for packet in packets
    ]
    header = bytes(context.extradata or b"")
    if encoder.codec in ANNEX_B:
        header, coded = _sets_apart(encoder.codec, coded)
    return Coded(encoder.codec, SIZE, tuple(coded), header)


def _context(encoder: Encoder, more: Mapping[str, str]) -> Any:  # noqa: ANN401 (PyAV's)
    context: Any = av.CodecContext.create(encoder.name, "w")
    context.height, context.width = SIZE
    context.pix_fmt, context.time_base = encoder.pixel_format, Fraction(FRAME_MS, 1000)
    context.framerate = Fraction(1000, FRAME_MS)
    context.thread_count = 1
    if encoder.codec not in ANNEX_B:
        context.flags |= GLOBAL_HEADER
    options = dict(encoder.options)
    for key, value in more.items():
        options[key] = f"{options[key]}:{value}" if key.endswith("params") else value
    context.options = options
    return context


def _encoded(context: Any, encoder: Encoder, numbers: Sequence[int]) -> Iterator[Any]:  # noqa: ANN401 (PyAV's)
    film = Film(frames=numbers[-1] + 1, size=SIZE)
    for number, rgb in enumerate(pictures(film)):
        if number < numbers[0]:
            continue
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame = frame.reformat(format=encoder.pixel_format)
        frame.pts, frame.time_base = number - numbers[0], context.time_base
        yield from context.encode(frame)
    yield from context.encode(None)


def units(data: bytes) -> list[bytes]:
    r"""The NAL units of a stretch with start codes.

    >>> units(b"\0\0\0\1ab\0\0\1c")
    [b'ab', b'c']
    """
    parts = data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [part.rstrip(b"\0") if len(part) > 1 else part for part in parts if part]


def with_start_codes(parts: Sequence[bytes]) -> bytes:
    """NAL units, each behind a start code."""
    return b"".join(b"\0\0\0\1" + part for part in parts)


def kind(codec: str, unit: bytes) -> int:
    """The type of a NAL unit."""
    return unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63


REPEATABLE = (*ANNEX_B, "mpeg4")
"""Codecs whose parameter sets may stand in front of a picture; the others have them there anyway,
or never."""
PARAMETER_SETS = {"h264": (7, 8), "hevc": (32, 33, 34)}
MESSAGES = {"h264": (6, 9), "hevc": (35, 39, 40)}
"""Supplemental information and delimiters: of no use to a decoder, but for recovery points."""


def _sets_apart(codec: str, packets: Sequence[CodedPacket]) -> tuple[bytes, list[CodedPacket]]:
    """Takes the parameter sets out of packets; they are the same ones at every keyframe."""
    sets: dict[bytes, None] = {}
    bare = []
    for packet in packets:
        parts = units(packet.data)
        mine = [part for part in parts if kind(codec, part) in PARAMETER_SETS[codec]]
        sets.update(dict.fromkeys(mine))
        rest = [part for part in parts if part not in mine and not _is_about_encoder(codec, part)]
        bare.append(replace(packet, data=with_start_codes(rest)))
    return with_start_codes(list(sets)), bare


def _is_about_encoder(codec: str, unit: bytes) -> bool:
    """Whether a unit is x264's or x265's note about itself (unregistered user data)."""
    place = 1 if codec == "h264" else 2
    return kind(codec, unit) in MESSAGES[codec] and unit[place] == 5


def joined(recordings: Sequence[Coded], sets: str, *, has_header: bool) -> Coded:
    """Recordings end to end; ``sets`` says where their parameter sets are.

    ``once`` at the beginning of each recording, ``repeated`` at every keyframe, and ``announced``
    by the container in mid-film. A container that has a header has those of the first recording
    there (``has_header``), and ``once`` has no others for it.
    """
    can_repeat = recordings[0].codec in REPEATABLE
    packets: list[CodedPacket] = []
    for place, recording in enumerate(recordings):
        for at, packet in enumerate(recording.packets):
            is_first = at == 0 and (place > 0 or not has_header)
            if is_first and sets == "announced":
                packet = replace(packet, header=recording.header)
            elif can_repeat and (is_first or (sets == "repeated" and packet.is_key)):
                packet = replace(packet, sets=recording.header)
            packets.append(packet)
    return replace(recordings[0], packets=tuple(packets))
