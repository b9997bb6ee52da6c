"""PyAV: the packets of a slice, each proved to be the one that the timeline has there.

A `Cursor` proves where each packet is. Withheld packets are checked as for FFmpeg; where the check
fails, or cannot be made, the slice is read whole. Every packet must be fit for who decodes it.
"""

from fewframes.bindings.ffmpeg.cursor import Cursor, LandingError, OutOfOrderError
from fewframes.decode.decoder import DecodeReport, Event
from fewframes.decode.slices import Slice, whole
from fewframes.media.bitstream import SAYS_UNREFERENCED
from fewframes.media.cropping import Crop
from fewframes.media.slice_checks import CROPPED, Fitness

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
