"""PyAV: which packets does a video file hold? Opens files and reads timelines without decoding.

Foreign errors become `UnreadableMediaError` here.
"""

from contextlib import suppress
from fractions import Fraction
from math import atan2, degrees
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fewframes.bindings.ffmpeg.crop import crop_of_stream
from fewframes.bindings.ffmpeg.log import drain_log, is_harmless
from fewframes.bindings.ffmpeg.opening import check_is_inside, open_container
from fewframes.bindings.ffmpeg.packets import PacketReader
from fewframes.errors import UnreadableMediaError
from fewframes.media.prediction import Demuxed
from fewframes.media.source import Source
from fewframes.media.structure import faults_of
from fewframes.media.timeline import Packets, StreamInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.packet import Packet

READING_ERRORS = (FFmpegError, IndexError)
"""What demuxing raises; PyAV cannot find a stream that a broken MPEG-TS adds while it is read."""
MOST_LATE_STREAMS = 64
"""How many streams a file may add while it is read; one more stops that."""
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
    cover, default = Disposition.attached_pic, Disposition.default
    films = [s for s in streams if index is not None or not s.disposition & cover]
    if not films:
        found = "only an attached picture" if streams else "none"
        raise UnreadableMediaError(f"{path.name!r} has no video stream (found {found})")
    readable = [s for s in films if s.codec_context is not None]
    if not readable:
        raise UnreadableMediaError(
            f"{path.name!r} is coded in a way that {VERSIONS} has no decoder for"
        )
    return max(readable, key=lambda s: (s.disposition & default, s.width * s.height, -s.index))


def read_packets(source: Source, index: int | None) -> Demuxed:
    """Demuxes one video stream from end to end.

    Raises `UnreadableMediaError` where no packet gives a picture, and for encrypted streams.
    """
    log = drain_log()
    log.clear()
    with open_container(source.path) as container:
        stream = choose_stream(container, source.path, index)
        context = stream.codec_context
        depth: int | None = context.reorder_depth
        first, reader = _FirstPicture(stream), PacketReader(stream)
        error = _demux(container, stream, first, reader, source.name)
        packets, durations = reader.columns()
        picture = first.after(None)
        depth = max(depth or 0, context.reorder_depth) if context.codec.reorder else None
        if picture is None:
            check_is_inside(source.name, stream.index)
            raise _nothing_decodes(source.name, stream, len(packets), log)
        info = describe(container, stream, picture)
        damage, notes = _faults(source, container, stream, packets)
        listed = _listed_keyframes(stream, packets)
    damage = [*([] if error is None else [f"reading stops: {error}"]), *damage]
    damage += sorted({words for words in log if not is_harmless(words)})
    log.clear()
    states, claimed = reader.tracker.states, listed.union(reader.claimed)
    return Demuxed(info, packets, durations, states, damage, notes, depth, claimed)


def _listed_keyframes(stream: VideoStream, packets: Packets) -> frozenset[int]:
    """Packets before the first start that the container's index calls keyframes.

    FFmpeg's parser of H.264 takes the container's own mark off a packet that it cannot read.
    """
    starts = np.flatnonzero(packets.is_random_access)
    entries, end = stream.index_entries, int(starts[0]) if starts.size else len(packets)
    listed = (entries[at] for at in range(min(len(entries), end)))
    stamps = {entry.timestamp for entry in listed if entry.is_keyframe}
    pairs = zip(packets.pts[:end].tolist(), packets.dts[:end].tolist(), strict=True)
    return frozenset(row for row, both in enumerate(pairs) if stamps.intersection(both))


def _faults(
    source: Source, container: InputContainer, stream: VideoStream, packets: Packets
) -> tuple[list[str], list[str]]:
    """What the container's structure says is wrong with the file, and what is only to be noted."""
    kind, damage = container.format.name.split(",")[0], []
    listed = len(stream.index_entries) if kind == "mov" else 0
    if listed > len(packets):
        damage.append(f"ends early: {len(packets)} of {listed} listed frames are there")
    streams = {other.id: other.index for other in container.streams.video}
    more, notes = faults_of(source.path, kind, packets, streams)
    return [*damage, *more], notes


def _nothing_decodes(
    name: str, stream: VideoStream, packets: int, log: list[str]
) -> UnreadableMediaError:
    why = f" ({log[-1]})" if log else ""
    return UnreadableMediaError(
        f"{name!r} has {packets} packets of {stream.codec_context.name} video, but {VERSIONS} "
        f"decodes no picture of them{why}"
    )


class _FirstPicture:
    """Decodes up to the first picture, where the display matrix and the true pixel format are."""

    def __init__(self, stream: VideoStream) -> None:
        self.context = stream.codec_context
        self.context.thread_count = 1
        self.picture: VideoFrame | None = None

    def after(self, packet: "Packet[VideoStream] | None") -> VideoFrame | None:
        """Decodes one more packet, or drains (None), if there is no picture yet; gives it."""
        if self.picture is None:
            with suppress(FFmpegError):  # the picture of a later packet will do
                self.picture = next(iter(self.context.decode(packet)), None)
        return self.picture


def _demux(
    container: InputContainer,
    stream: VideoStream,
    first: _FirstPicture,
    reader: PacketReader,
    name: str,
) -> Exception | None:
    """Reads every packet; of a file that breaks off, those that are there, and gives the error."""
    try:
        for packet in _every_packet(container, stream):
            if packet.size == 0:
                continue
            reader.read(packet)
            if first.picture is None:
                if packet.has_sidedata("encryption_info"):
                    raise UnreadableMediaError(
                        f"{name!r} is encrypted (Common Encryption); decrypt it first"
                    )
                first.after(packet)
    except READING_ERRORS as problem:
        return problem
    return None


def _every_packet(
    container: InputContainer, stream: VideoStream
) -> "Iterator[Packet[VideoStream]]":
    """Demuxes a stream; where PyAV meets one that the file adds on its way, it is asked again."""
    for _ in range(MOST_LATE_STREAMS):
        try:
            yield from container.demux(stream)
        except IndexError:
            continue
        return
    yield from container.demux(stream)


def describe(container: InputContainer, stream: VideoStream, picture: VideoFrame) -> StreamInfo:
    """Gathers what header and first picture say of a stream."""
    rotation, is_mirrored = orientation(picture)
    size, pixel_format = (picture.height, picture.width), picture.format.name
    crop, crop_note = crop_of_stream(container, stream, size, pixel_format)
    return StreamInfo(
        index=stream.index,
        container=container.format.name.split(",")[0],
        codec=stream.codec_context.codec.canonical_name,
        width=picture.width,
        height=picture.height,
        pixel_format=pixel_format,
        time_base=Fraction(stream.time_base or Fraction(1, 1)),
        pixel_aspect=Fraction(stream.sample_aspect_ratio or 1),
        rotation=rotation,
        is_mirrored=is_mirrored,
        colour_space=COLOUR_SPACES.get(int(picture.colorspace), "unspecified"),
        colour_range=COLOUR_RANGES.get(int(picture.color_range), "unspecified"),
        header_frames=stream.frames,
        transfer=TRANSFERS.get(int(picture.color_trc), "unspecified"),
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
