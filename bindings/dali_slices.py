"""PyAV: slices of a film as streams in memory, for a decoder that takes whole files only.

A `Cursor` proves where each packet is. Withheld packets are checked as for FFmpeg; where the check
fails, or cannot be made, the slice is written whole. Every packet must be fit to be in a slice.

A decoder that counts pictures gives the wrong ones from the first packet on that it makes none of,
and says nothing. So the slice's first packet is written once more at its end, as a witness: its
picture must be that of the first one.
"""

from dataclasses import dataclass

import numpy as np

from fewframes.arrays import I32, I64
from fewframes.bindings.ffmpeg_cursor import Cursor, LandingError, OutOfOrderError
from fewframes.decode.decoding import DecodeReport
from fewframes.decode.slices import Slice, whole
from fewframes.media.bitstream import SAYS_UNREFERENCED
from fewframes.media.cropping import Crop
from fewframes.media.fitness import CROPPED, fitness
from fewframes.media.matroska import matroska

MISPLACED = "packets that are not where they were"


class UnfitError(Exception):
    """A slice cannot be a stream of its own; says why."""


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
        self.cursor, self.report = cursor, report
        self.info = info = cursor.timeline.stream
        self.extradata = bytes(cursor.stream.codec_context.extradata or b"")
        self.fits = fitness(info.codec, self.extradata, (info.height, info.width), on_gpu=on_gpu)
        if info.codec not in SAYS_UNREFERENCED:
            report.nothing_withheld.add(f"{info.codec} does not say what may be")

    def write(self, part: Slice) -> Stream:
        """Writes a slice, or raises `UnfitError`."""
        if part.reason or self.info.crop != Crop():
            raise UnfitError(part.reason or CROPPED)
        try:
            try:
                packets = self._read(part, is_checked=True)
            except OutOfOrderError as error:
                self.report.count("whole")
                self.report.nothing_withheld.add(str(error))
                part = whole(self.cursor.timeline, part)
                packets = self._read(part, is_checked=False)
        except LandingError as error:
            self.cursor.close()
            raise UnfitError(MISPLACED) from error
        return stream_of(part, self._file(part, packets))

    def _read(self, part: Slice, *, is_checked: bool) -> list[bytes]:
        packets: list[bytes] = []
        for _, packet in self.cursor.followed(part.feed, is_checked=is_checked):
            reason = self.fits(memoryview(packet), len(packets))
            if reason:
                raise UnfitError(reason)
            packets.append(bytes(packet))
        return packets

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
