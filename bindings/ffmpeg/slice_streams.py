"""PyAV: slices of a film as packets, or as streams in memory, for decoders other than FFmpeg.

1. A `Cursor` proves that each packet is the one that the timeline has there. Withheld packets are
   checked as for FFmpeg; where the check fails, or cannot be made, the slice is read whole. Every
   packet must be fit for who decodes it.
2. For a decoder that takes whole files only, H.264 and HEVC are written so that all of the coded
   picture is shown (`uncropping.py`).
3. A decoder that counts pictures gives the wrong ones from the first packet on that it makes none
   of, and says nothing. So the slice's first packet is written once more at its end, as a witness:
   its picture must be that of the first one.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fewframes.arrays import I32, I64
from fewframes.bindings.ffmpeg.cursor import Cursor, LandingError, OutOfOrderError
from fewframes.decode.decoder import DecodeReport, Event
from fewframes.decode.slices import Slice, whole
from fewframes.media.bitstream import SAYS_UNREFERENCED
from fewframes.media.cropping import Crop
from fewframes.media.matroska import matroska
from fewframes.media.slice_checks import CROPPED, UNKNOWN, Fitness, fitness
from fewframes.media.uncropping import uncropped

MISPLACED = "packets that are not where they were"


class UnfitError(Exception):
    """A slice cannot be decoded on its own by another decoder than FFmpeg; says why."""


class SlicePackets:
    """Reads slices of one film, one after the other."""

    def __init__(
        self, cursor: Cursor, report: DecodeReport, fits: Fitness, *, waived: str = ""
    ) -> None:
        """``waived`` is a slice's own reason that does not count here."""
        self.cursor, self.report, self.fits, self.waived = cursor, report, fits, waived
        codec = cursor.timeline.stream.codec
        if codec not in SAYS_UNREFERENCED:
            report[Event.NOTHING_WITHHELD, f"{codec} does not say what may be"] += 1

    def read(self, part: Slice) -> tuple[Slice, list[bytes]]:
        """Gives a slice, whole where nothing may be withheld from it, and its packets as they are.

        Raises `UnfitError`.
        """
        reason = "" if part.reason == self.waived else part.reason
        if reason or self.cursor.timeline.stream.crop != Crop():
            raise UnfitError(reason or CROPPED)
        try:
            try:
                return part, self._read(part, is_checked=True)
            except OutOfOrderError as error:
                self.report[Event.NO_DROP] += 1
                self.report[Event.NOTHING_WITHHELD, str(error)] += 1
                part = whole(self.cursor.timeline, part)
                return part, self._read(part, is_checked=False)
        except LandingError as error:
            self.cursor.close()
            raise UnfitError(MISPLACED) from error

    def _read(self, part: Slice, *, is_checked: bool) -> list[bytes]:
        packets: list[bytes] = []
        for _, packet in self.cursor.followed(part.feed, is_checked=is_checked):
            reason = self.fits(memoryview(packet), len(packets))
            if reason:
                raise UnfitError(reason)
            packets.append(bytes(packet))
        return packets


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
        ranks, codec = part.ranks.tolist(), self.info.codec
        if len(packets) > 1:
            packets, ranks = [*packets, packets[0]], [*ranks, len(packets)]
        data = matroska(packets, ranks, codec=codec, size=self.size, extradata=self.extradata)
        return stream_of(part, data)
