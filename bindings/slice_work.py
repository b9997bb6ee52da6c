"""What DALI and PyNvVideoCodec do alike with the slices of one film: their batches, FFmpeg's part.

Neither says of a frame that it is damaged; what they refuse goes to FFmpeg and is counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fewframes.arrays import I64, Samples
from fewframes.bindings.ffmpeg import decode as ffmpeg_decode
from fewframes.decode.batch import Format, FrameBatch
from fewframes.decode.decoder import DecodeReport, Event
from fewframes.decode.plan import GopRun
from fewframes.decode.slices import Slice
from fewframes.media.timeline import Timeline


@dataclass(eq=False)
class SliceWork:
    """The decoding of one film by slices; the fields are those of `fewframes.decode.decoder`."""

    timeline: Timeline
    format: Format
    size: tuple[int, int] | None
    report: DecodeReport
    name: str
    """What the report calls the decoder, and where it decodes."""

    @cached_property
    def _number_of(self) -> I64:
        """The frame that each packet shows, ``[p] i64``; -1 for none."""
        numbers = np.full(len(self.timeline.packets), -1)
        numbers[self.timeline.order] = np.arange(len(self.timeline))
        return numbers

    def count(self, part: Slice) -> None:
        """Counts a slice that was decoded as planned."""
        self.report[Event.DECODER, self.name] += 1
        self.report[Event.PLANNED] += 1
        self.report[Event.PICTURES] += len(part.feed)

    def batch(self, rows: I64, planes: tuple[Samples, ...], **hashes: Any) -> FrameBatch:  # noqa: ANN401
        """The pictures of wanted packets ``[m] i64``, in the format asked for."""
        numbers = self._number_of[rows]
        return FrameBatch(
            planes,
            self.format,
            *self.timeline.stamped(numbers),
            **hashes,
            is_damaged=np.zeros(len(numbers), bool),
        )

    def by_ffmpeg(self, run: GopRun, reason: str) -> Iterator[FrameBatch]:
        """Frames that are left to FFmpeg, and why."""
        self.report[Event.FALLBACK, reason] += 1
        yield from self._ffmpeg(run, self.format, self.report)

    def audit_planes(self, part: Slice, packet: int, format: Format) -> tuple[Samples, ...]:
        """One wanted picture of a slice by FFmpeg, to compare with; no planes where it has none."""
        feed = part.run.feed[part.run.feed <= packet]
        made = list(self._ffmpeg(GopRun(feed, np.array([packet])), format, DecodeReport()))
        return made[0].planes if made else ()

    def _ffmpeg(self, run: GopRun, format: Format, report: DecodeReport) -> Iterator[FrameBatch]:
        size = None if format == "yuv" else self.size
        return ffmpeg_decode.decode(self.timeline, [run], format=format, size=size, report=report)
