"""PyAV: slices of a film as streams in memory, for a decoder that takes whole files only.

H.264 and HEVC are written so that all of the coded picture is shown (`uncropping.py`).

A decoder that counts pictures gives the wrong ones from the first packet on that it makes none of,
and says nothing. So the slice's first packet is written once more at its end, as a witness: its
picture must be that of the first one.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fewframes.arrays import I32, I64
from fewframes.bindings.ffmpeg.cursor import Cursor
from fewframes.bindings.ffmpeg.slice_packets import SlicePackets, UnfitError
from fewframes.decode.decoder import DecodeReport
from fewframes.decode.slices import Slice
from fewframes.media.cropping import Crop
from fewframes.media.matroska import matroska
from fewframes.media.slice_checks import UNKNOWN, fitness
from fewframes.media.uncropping import uncropped


@dataclass(frozen=True, slots=True)
class Stream:
    """A slice as a file in memory."""

    part: Slice
    data: bytes
    request: I32
    """Ranks of the frames to decode, ``[n] i32``, increasing: the wanted ones, the first and the
    last one, and the witness; only the wanted one where there is but one packet."""

    @property
    def places(self) -> I64:
        """Where in ``request`` the wanted frames are, ``[w] i64``."""
        return np.searchsorted(self.request, self.part.frames)

    @property
    def has_witness(self) -> bool:
        """Whether the first and the last of ``request`` must be the same picture."""
        return int(self.request[-1]) == len(self.part.feed)


Written: TypeAlias = Stream | tuple[Slice, str]
"""A slice as a stream, or with the reason why it is none."""


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
        extradata = bytes(cursor.stream.codec_context.extradata or b"")
        shown = info.height, info.width
        fits = fitness(info.codec, extradata, shown, on_gpu=on_gpu)
        self.packets = SlicePackets(cursor, report, fits)
        self.rewritten = uncropped(info.codec, extradata, shown)
        self.extradata = self.rewritten.extradata if self.rewritten else extradata
        self.size = self.rewritten.size if self.rewritten else shown
        """Height and width of the pictures that come of what is written."""
        self.crop = self.rewritten.crop if self.rewritten else Crop()
        """What is not shown of them."""

    def write(self, part: Slice) -> Stream:
        """Writes a slice, or raises `UnfitError`."""
        part, packets = self.packets.read(part)
        if self.rewritten:
            try:
                packets = [self.rewritten.packet(packet) for packet in packets]
            except ValueError as error:
                raise UnfitError(UNKNOWN) from error
        return stream_of(part, self._file(part, packets))

    def _file(self, part: Slice, packets: list[bytes]) -> bytes:
        info, ranks = self.info, part.ranks.tolist()
        if len(packets) > 1:
            packets, ranks = [*packets, packets[0]], [*ranks, len(packets)]
        return matroska(
            packets,
            ranks,
            codec=info.codec,
            width=self.size[1],
            height=self.size[0],
            extradata=self.extradata,
        )
