"""PyAV: slices of a film as streams in memory, for a decoder that takes whole files only.

A `Cursor` proves where each packet is. Withheld packets are checked as for FFmpeg; where the check
fails, or cannot be made, the slice is written whole. Every packet must be fit to be in a slice.
"""

from dataclasses import dataclass

from fewframes.bindings.ffmpeg_cursor import Cursor, LandingError, OutOfOrderError
from fewframes.bitstream import SAYS_UNREFERENCED
from fewframes.decoding import DecodeReport
from fewframes.fitness import fitness
from fewframes.matroska import matroska
from fewframes.slices import Slice, whole

MISPLACED = "packets that are not where they were"


class UnfitError(Exception):
    """A slice cannot be a stream of its own; says why."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A slice as a file in memory."""

    part: Slice
    data: bytes


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
        if part.reason:
            raise UnfitError(part.reason)
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
        return Stream(part, self._stream(part, packets))

    def _read(self, part: Slice, *, is_checked: bool) -> list[bytes]:
        packets: list[bytes] = []
        for _, packet in self.cursor.followed(part.feed, is_checked=is_checked):
            reason = self.fits(memoryview(packet), len(packets))
            if reason:
                raise UnfitError(reason)
            packets.append(bytes(packet))
        return packets

    def _stream(self, part: Slice, packets: list[bytes]) -> bytes:
        info = self.info
        return matroska(
            packets,
            part.ranks.tolist(),
            codec=info.codec,
            width=info.width,
            height=info.height,
            extradata=self.extradata,
        )
