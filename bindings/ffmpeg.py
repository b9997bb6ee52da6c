"""PyAV: which packets does a video file hold? Opens files and reads timelines without decoding.

Foreign errors become `UnreadableMediaError` here.
"""

from array import array
from contextlib import suppress
from fractions import Fraction
from math import atan2, degrees
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fewframes.arrays import I64
from fewframes.bindings.ffmpeg_crop import crop_of_stream
from fewframes.bindings.ffmpeg_log import complaints
from fewframes.errors import UnreadableMediaError
from fewframes.media.bitstream import PacketKind, packet_parser
from fewframes.media.timeline import NO_PTS, Packets, Source, StreamInfo

if TYPE_CHECKING:
    from av.packet import Packet

IS_BEFORE_19 = int(av.__version__.split(".")[0]) < 19
OPENING: dict[str, Any] = {"metadata_errors": "replace"} if IS_BEFORE_19 else {}
"""Options of `av.open`: names and titles may be in any encoding, which PyAV 19 takes as it is."""
READING_ERRORS = (av.error.FFmpegError, IndexError)
"""What demuxing raises; PyAV cannot find a stream that a broken MPEG-TS adds while it is read."""
FIRST_PICTURE_PACKETS = 64
"""How many packets are decoded in search of a first picture."""
VERSIONS = f"av {av.__version__}, ffmpeg {av.ffmpeg_version_info}"
"""What a stored timeline depends on."""

COLOUR_SPACES = {
    0: "rgb",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
}
"""Names of the matrix coefficients of Rec. ITU-T H.273, table 4."""
TRANSFERS = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
"""Names of the transfer characteristics of Rec. ITU-T H.273, table 3."""
COLOUR_RANGES = {1: "limited", 2: "full"}


def open_container(path: Path) -> InputContainer:
    """Opens a media file, or raises `UnreadableMediaError` in one sentence."""
    if not path.exists():
        raise UnreadableMediaError(f"{str(path)!r} does not exist; check the path")
    if path.is_dir():
        raise UnreadableMediaError(f"{str(path)!r} is a folder; pass a video file")
    if path.stat().st_size == 0:
        raise UnreadableMediaError(f"{path.name!r} is empty (0 bytes)")
    try:
        container: InputContainer = av.open(str(path), **OPENING)
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableMediaError(
            f"{path.name!r} is not a video that FFmpeg can read: {reason}"
        ) from error
    return container


def choose_stream(container: InputContainer, path: Path, index: int | None = None) -> VideoStream:
    """Picks a video stream: the one asked for, else the default one, else the largest.

    Attached pictures (cover art) are never picked unless asked for by index.
    """
    streams = [s for s in container.streams.video if index is None or s.index == index]
    if not streams and index is not None:
        known = ", ".join(str(s.index) for s in container.streams.video) or "none"
        raise UnreadableMediaError(
            f"{path.name!r} has no video stream {index}; its video streams: {known}"
        )
    films = [s for s in streams if index is not None or not is_cover(s)]
    if not films:
        found = "only an attached picture" if streams else "none"
        raise UnreadableMediaError(f"{path.name!r} has no video stream (found {found})")
    readable = [s for s in films if s.codec_context is not None]
    if not readable:
        raise UnreadableMediaError(
            f"{path.name!r} is coded in a way that {VERSIONS} has no decoder for"
        )
    return max(readable, key=lambda s: (is_default(s), s.width * s.height, -s.index))


def is_cover(stream: VideoStream) -> bool:
    """Whether a stream is an attached picture."""
    return bool(stream.disposition & Disposition.attached_pic)


def is_default(stream: VideoStream) -> bool:
    """Whether the container marks a stream as the one to show."""
    return bool(stream.disposition & Disposition.default)


def read_packets(
    source: Source, index: int | None
) -> tuple[StreamInfo, Packets, I64, list[str], bool]:
    """Demuxes one video stream from end to end.

    Returns the stream, its packets, their durations in ticks ``[p] i64``, what is wrong with the
    file as sentences, and whether the decoder puts pictures in another order than it gets them.
    """
    log = complaints()
    log.clear()
    with open_container(source.path) as container:
        stream = choose_stream(container, source.path, index)
        reorders = bool(stream.codec_context.reorder_depth)
        first = _FirstPicture(stream)
        packets, durations, error = _demux(container, stream, first)
        is_film = container.format.name.startswith("mov")
        listed = len(stream.index_entries) if is_film else 0
        info = describe(container, stream, first.after(None))
    damage = [] if error is None else [f"reading stops: {error}"]
    if listed > len(packets):
        damage.append(f"ends early: {len(packets)} of {listed} listed frames are there")
    damage += sorted(set(log))
    log.clear()
    return info, packets, durations, damage, reorders


class _FirstPicture:
    """Decodes up to the first picture, where the display matrix and the true pixel format are."""

    def __init__(self, stream: VideoStream) -> None:
        self.context, self.tries = stream.codec_context, FIRST_PICTURE_PACKETS
        self.context.thread_count = 1
        self.picture: VideoFrame | None = None

    def after(self, packet: "Packet[VideoStream] | None") -> VideoFrame | None:
        """Decodes one more packet, or drains (None), if there is no picture yet; gives it."""
        if self.picture is None and self.tries:
            self.tries -= 1
            with suppress(av.error.FFmpegError):  # the picture of a later packet will do
                self.picture = next(iter(self.context.decode(packet)), None)
        return self.picture


def _demux(
    container: InputContainer, stream: VideoStream, first: _FirstPicture
) -> tuple[Packets, I64, Exception | None]:
    """Reads every packet; a file that breaks off gives what is there, and the error."""
    parse = packet_parser(stream.codec_context.name, bytes(stream.codec_context.extradata or b""))
    numbers = array("q")
    error: Exception | None = None
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            if first.picture is None:
                first.after(packet)
            numbers.extend(_facts(packet, parse(memoryview(packet))))
    except READING_ERRORS as problem:
        error = problem
    packets, durations = _columns(numbers)
    return packets, durations, error


def _facts(packet: "Packet[VideoStream]", kind: PacketKind) -> tuple[int, ...]:
    """One packet's row of `_columns`."""
    pts, dts, position = packet.pts, packet.dts, packet.pos
    flags = (
        (packet.is_keyframe and kind.can_start)
        | kind.is_unreferenced << 1
        | (kind.is_shown and not packet.is_discard) << 2
        | (packet.is_corrupt or kind.is_broken) << 3
    )
    return (
        NO_PTS if pts is None else pts,
        NO_PTS if dts is None else dts,
        packet.size,
        -1 if position is None else position,
        packet.duration or 0,
        kind.layer,
        flags,
    )


def _columns(numbers: "array[int]") -> tuple[Packets, I64]:
    table = np.array(numbers, np.int64).reshape(-1, 7)
    pts, dts, size, position, duration, layer, flags = np.ascontiguousarray(table.T)
    packets = Packets(
        pts=pts,
        dts=dts,
        size_bytes=size,
        position=position,
        can_start=flags & 1 != 0,
        is_droppable=(flags & 2 != 0) & (layer == layer.max(initial=0)),
        is_frame=flags & 4 != 0,
        is_corrupt=flags & 8 != 0,
    )
    return packets, duration


def describe(
    container: InputContainer, stream: VideoStream, picture: VideoFrame | None
) -> StreamInfo:
    """Gathers what header and first picture say of a stream."""
    context = stream.codec_context
    rotation, is_mirrored = (0, False) if picture is None else orientation(picture)
    pixels: Any = picture or context
    pixel_format = picture.format.name if picture else str(context.pix_fmt)
    size = (pixels.height, pixels.width)
    crop, crop_note = crop_of_stream(container, stream, size, pixel_format)
    return StreamInfo(
        index=stream.index,
        container=container.format.name.split(",")[0],
        codec=context.codec.canonical_name,
        width=pixels.width,
        height=pixels.height,
        pixel_format=pixel_format,
        time_base=Fraction(stream.time_base or Fraction(1, 1)),
        pixel_aspect=Fraction(stream.sample_aspect_ratio or 1),
        rotation=rotation,
        is_mirrored=is_mirrored,
        colour_space=COLOUR_SPACES.get(int(pixels.colorspace), "unspecified"),
        colour_range=COLOUR_RANGES.get(int(pixels.color_range), "unspecified"),
        header_frames=stream.frames,
        transfer=TRANSFERS.get(int(pixels.color_trc), "unspecified"),
        crop=crop,
        crop_note=crop_note,
    )


def orientation(picture: VideoFrame) -> tuple[int, bool]:
    """Reads the display matrix: degrees to turn clockwise, and whether to flip left to right first.

    The matrix maps x to (a, b) and y to (c, d) in 16.16 fixed point (ISO/IEC 14496-12, 6.2.2).
    """
    try:
        data: Any = picture.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV has no name for some other side data of this picture
        return -picture.rotation % 360, False
    if data is None:
        return 0, False
    matrix = np.frombuffer(bytes(data), "<i4").astype(np.int64)
    a, b, c, d = int(matrix[0]), int(matrix[1]), int(matrix[3]), int(matrix[4])
    is_mirrored = a * d - b * c < 0
    sign = -1 if is_mirrored else 1
    return round(degrees(atan2(sign * b, sign * a)) / 90) * 90 % 360, is_mirrored
