"""PyAV: what a decoder must be shown before it starts in mid-film."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.packet import Packet, PacketSideData, packet_sidedata_type_from_literal
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fewframes.bindings.ffmpeg.demux import choose_stream
from fewframes.bindings.ffmpeg.log import drain_log
from fewframes.bindings.ffmpeg.opening import open_container
from fewframes.media.headers import Headers
from fewframes.media.timeline import Timeline

if TYPE_CHECKING:
    from av.packet import PktSideDataT

VideoPacket: TypeAlias = "Packet[VideoStream]"
PADDING_PACKETS = 32
"""How many pictures of MPEG-4 show how its encoder pads; two are enough where none is damaged."""


def with_headers(packet: VideoPacket, headers: Headers) -> VideoPacket:
    """Gives a packet headers that came with earlier ones."""
    whole: Any = packet
    if headers.prefix:
        whole = Packet(headers.prefix + bytes(packet))
        whole.is_keyframe = packet.is_keyframe
    make: Any = PacketSideData  # its types do not know that it can be made
    for kind, data in headers.side_data:
        side = make(packet_sidedata_type_from_literal(cast("PktSideDataT", kind)), len(data))
        side.update(data)
        whole.set_sidedata(side)
    return cast("VideoPacket", whole)


def priming_packets(timeline: Timeline) -> int:
    """How many packets from the start of a file decide how later ones are decoded.

    FFmpeg decodes 4:4:4 of x264 before version 151 in its own way; the version is in the first one.
    MPEG-4 may have other headers there than in the container, and FFmpeg learns from its pictures
    how the encoder pads, which decides what counts as an error.
    """
    stream, starts = timeline.stream, np.flatnonzero(timeline.packets.is_random_access)
    if stream.codec == "mpeg4":
        return min(PADDING_PACKETS, int(starts[-1])) if starts.size else 0
    return int(stream.codec == "h264" and "444" in stream.pixel_format)


def prime(path: Path, stream: VideoStream, packets: int) -> bool:
    """Shows a decoder the first packets of the file, and makes it forget the pictures.

    Gives whether it had no complaint.
    """
    log, context = drain_log(), stream.codec_context
    log.clear()
    with open_container(path) as other:
        same = choose_stream(other, path, stream.index)
        taken = [pictures_of(context, packet) for packet in islice(other.demux(same), packets)]
    is_clean = pictures_of(context, None) is not None and None not in taken and not log
    context.flush_buffers()
    return is_clean


def pictures_of(
    context: VideoCodecContext, packet: "VideoPacket | None"
) -> list[VideoFrame] | None:
    """Decodes a packet, or drains (None); None where the decoder refuses it."""
    try:
        return context.decode(packet)
    except EndOfFile:
        return []
    except FFmpegError:
        return None
