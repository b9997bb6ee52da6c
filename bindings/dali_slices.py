"""PyAV: slices of a film as streams in memory, for a decoder that takes whole files only.

A decoder that counts pictures gives the wrong ones from the first packet on that it makes none of,
and says nothing. So the slice's first packet is written once more at its end, as a witness: its
picture must be that of the first one.
"""

from dataclasses import dataclass

import numpy as np

from fewframes.arrays import I32, I64
from fewframes.bindings.ffmpeg_cursor import Cursor
from fewframes.bindings.slice_packets import SlicePackets
from fewframes.decode.decoding import DecodeReport
from fewframes.decode.slices import Slice
from fewframes.media.fitness import fitness
from fewframes.media.matroska import matroska


@dataclass(frozen=True, slots=True)
class Stream:
    """A slice as a file in memory."""

    part: Slice
    data: bytes
    asked: I32
    """Ranks of the frames to decode, ``[n] i32``, increasing: the wanted ones, the first and the
    last one, and the witness; only the wanted one where there is but one packet."""

    @property
    def places(self) -> I64:
        """Where in ``asked`` the wanted frames are, ``[w] i64``."""
        return np.searchsorted(self.asked, self.part.frames)

    @property
    def has_witness(self) -> bool:
        """Whether the first and the last of ``asked`` must be the same picture."""
        return int(self.asked[-1]) == len(self.part.feed)


def stream_of(part: Slice, data: bytes) -> Stream:
    """The stream of a slice, and what is asked of it.

    The last picture is asked for so that the witness comes next: DALI never seeks to it.
    """
    count = len(part.feed)
    more = [0, count - 1, count] if count > 1 else []
    return Stream(part, data, np.union1d(part.frames, np.array(more)).astype(np.int32))


class SliceWriter:
    """Writes slices of one film, one after the other."""

    def __init__(self, cursor: Cursor, report: DecodeReport, *, on_gpu: bool) -> None:
        self.info = info = cursor.timeline.stream
        self.extradata = bytes(cursor.stream.codec_context.extradata or b"")
        fits = fitness(info.codec, self.extradata, (info.height, info.width), on_gpu=on_gpu)
        self.packets = SlicePackets(cursor, report, fits)

    def write(self, part: Slice) -> Stream:
        """Writes a slice, or raises `UnfitError`."""
        part, packets = self.packets.read(part)
        return stream_of(part, self._file(part, packets))

    def _file(self, part: Slice, packets: list[bytes]) -> bytes:
        info, ranks = self.info, part.ranks.tolist()
        if len(packets) > 1:
            packets, ranks = [*packets, packets[0]], [*ranks, len(packets)]
        return matroska(
            packets,
            ranks,
            codec=info.codec,
            width=info.width,
            height=info.height,
            extradata=self.extradata,
        )
