"""PyAV: what does each packet of a stream say, as a row of `Packets`?"""

from array import array
from typing import TYPE_CHECKING

import numpy as np
from av.video.stream import VideoStream

from fewframes.arrays import I64, Mask
from fewframes.media.bitstream import Buffer, PacketKind, packet_parser
from fewframes.media.coded_order import field_pairs
from fewframes.media.headers import LASTING, HeaderTracker
from fewframes.media.timeline import NO_PTS, Packets

if TYPE_CHECKING:
    from av.packet import Packet

CAN_START, UNREFERENCED, IS_FRAME, IS_CORRUPT, IS_SECOND = 1, 2, 4, 8, 16
COLUMNS = 8


class PacketReader:
    """Reads the packets of one stream, from the first on."""

    def __init__(self, stream: VideoStream) -> None:
        codec = stream.codec_context.codec.canonical_name
        extradata = bytes(stream.codec_context.extradata or b"")
        self.tracker = HeaderTracker(codec, extradata)
        self._parse = packet_parser(codec, extradata)
        self._is_second = field_pairs(codec, extradata)
        self._numbers = array("q")
        self.claimed: list[int] = []
        """Packets that the container calls keyframes, and whose own bytes do not."""

    def read(self, packet: "Packet[VideoStream]") -> None:
        """Adds one packet."""
        data = memoryview(packet)
        kind = self._parse(data)
        state, is_needed = self._state(packet, kind, data)
        is_second = self._is_second is not None and self._is_second(data)
        if packet.is_keyframe and not kind.is_random_access:
            self.claimed.append(len(self._numbers) // COLUMNS)
        flags = (
            (packet.is_keyframe and kind.is_random_access) * CAN_START
            | (kind.is_unreferenced and not is_needed) * UNREFERENCED
            | (kind.is_shown and not packet.is_discard) * IS_FRAME
            | (packet.is_corrupt or kind.is_broken) * IS_CORRUPT
            | is_second * IS_SECOND
        )
        self._numbers.extend(
            (
                NO_PTS if packet.pts is None else packet.pts,
                NO_PTS if packet.dts is None else packet.dts,
                packet.size,
                -1 if packet.pos is None else packet.pos,
                packet.duration or 0,
                kind.layer,
                flags,
                state,
            )
        )

    def _state(
        self, packet: "Packet[VideoStream]", kind: PacketKind, data: Buffer
    ) -> tuple[int, bool]:
        """Which headers a decoder needs that starts at the packet, and whether it has side data."""
        side = {
            one.data_type: bytes(one) for one in packet.iter_sidedata() if one.data_type in LASTING
        }
        if side or kind.has_headers:
            return self.tracker.state(data, side), bool(side)
        return self.tracker.now, False

    def columns(self) -> tuple[Packets, I64]:
        """Gives the packets so far, and how long the picture of each is shown, ``[p] i64``."""
        table = np.array(self._numbers, np.int64).reshape(-1, COLUMNS)
        pts, dts, size, position, duration, layer, flags, state = np.ascontiguousarray(table.T)
        is_second = flags & IS_SECOND != 0
        is_droppable = (flags & UNREFERENCED != 0) & (layer == layer.max(initial=0))
        packets = Packets(
            pts=pts,
            dts=dts,
            size_bytes=size,
            position=position,
            is_random_access=(flags & CAN_START != 0) & ~is_second,
            is_droppable=_by_picture(is_droppable, is_second),
            is_frame=(flags & IS_FRAME != 0) & ~is_second,
            is_corrupt=flags & IS_CORRUPT != 0,
            is_second_field=is_second,
            header_state=state,
        )
        return packets, duration


def _by_picture(is_droppable: Mask, is_second: Mask) -> Mask:
    """Two fields may only be dropped together."""
    both = is_droppable.copy()
    second = np.flatnonzero(is_second)
    both[second] = both[second - 1] = is_droppable[second] & is_droppable[second - 1]
    return both
