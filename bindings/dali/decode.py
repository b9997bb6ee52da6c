"""DALI: exactly the frames of a plan, decoded on a GPU's video engines, or on the CPU.

1. The plan's runs become GOP slices, each a small stream in memory (`slices.py`,
   `slice_streams.py`), and DALI decodes the requested frames of several slices at once
   (`groups.py`, `video.py`). On a GPU a thread writes slices ahead. What cannot be such a stream,
   or is refused, goes to FFmpeg, slice by slice, and is counted in the report.
2. DALI gives RGB of the coded size, always by the matrix of BT.601 and with the range that the
   bitstream states. A kernel brings it to the size asked for and to the stream's own matrix
   (`post_process.py`). On a GPU that is done there, for up to 64 pictures at a time, and they stay
   there: batches then hold arrays of Numba's on the GPU.
3. DALI pads a frame that is not there with black, unless told ``pad_mode="none"``; it is, so such
   a frame is an error. It counts pictures, so one that it cannot make shifts all later ones: a
   witness at the end of each slice tells. Number and size are checked, too. On a GPU one
   frame of the first slice is also compared with FFmpeg's. Damage that only a decoder can see, and
   conceals, is not noticed: DALI does not speak of it.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from fewframes.bindings.dali.capabilities import require
from fewframes.bindings.dali.groups import AHEAD, BUFFERED, ahead, frames_at_once, groups
from fewframes.bindings.dali.post_process import PostProcess
from fewframes.bindings.dali.video import GIVEN_UP, SliceDecoder
from fewframes.bindings.ffmpeg.cursor import Cursor
from fewframes.bindings.ffmpeg.slice_streams import SliceWriter, Stream, UnfitError, Written
from fewframes.bindings.slice_work import SliceWork
from fewframes.decode.batch import Format, FrameBatch
from fewframes.decode.decoder import DecodeReport, Device
from fewframes.decode.plan import GopRun
from fewframes.decode.slices import Slice, slice_runs
from fewframes.kernels import count_different, on_host
from fewframes.media.timeline import Timeline

SLICES = {"cpu": 16, "cuda": 28}
"""Slices in flight; 28 is four for each of the seven video engines of an H100."""
AUDITED = 8
"""Rank in its slice of the picture that is compared with FFmpeg's, or the next one wanted."""
AUDIT_LEVELS = 6.0
"""Largest mean difference of a picture from FFmpeg's; conversions differ by less than 2."""
MISSHAPED = "pictures of another number or size than asked for"
MISCOUNTED = "packets that DALI makes no picture of"
UNLIKE = "pictures that are not those of FFmpeg"


def decode(
    timeline: Timeline,
    runs: Sequence[GopRun],
    *,
    format: Format,
    size: tuple[int, int] | None,
    report: DecodeReport,
    device: Device = "cpu",
    slices: int | None = None,
    is_compared: bool = True,
) -> Iterator[FrameBatch]:
    """Decodes runs slice by slice; the contract is `fewframes.decode.decoder.Decoder`'s.

    ``slices`` is how many are in flight (default: `SLICES`); ``is_compared`` is whether a GPU's
    first slice is compared with FFmpeg's. Batches have no ``luma_xxh64``, since
    DALI gives no planes. Raises ValueError for ``format="yuv"``, `MissingBackendError` where DALI
    or a GPU is not there, and `UnsupportedStreamError` for a stream that DALI cannot take.
    """
    if format == "yuv":
        raise ValueError(
            "format='yuv' is the decoder's planes, and DALI gives RGB alone; "
            "pass format='rgb', or backend='ffmpeg'"
        )
    name = f"dali {require(timeline.stream, device)} on {device}"
    is_audited, slices = device == "cpu" or not is_compared, slices or SLICES[device]
    work = _Work(timeline, format, size, report, name, device, slices, is_audited)
    return work.batches(runs)


@dataclass(eq=False)
class _Work(SliceWork):
    """The decoding of one film."""

    device: Device
    slices: int
    is_audited: bool
    """Whether no picture is to be compared with FFmpeg's, or none any more."""

    def __post_init__(self) -> None:
        """Borrows no pipeline yet."""
        self.video = SliceDecoder(self.device, self.slices)

    def batches(self, runs: Sequence[GopRun]) -> Iterator[FrameBatch]:
        """Decodes slices, several at a time, and gives their frames in order."""
        with closing(Cursor(self.timeline)) as cursor:
            writer = SliceWriter(cursor, self.report, on_gpu=self.device == "cuda")
            self.decoded_size = writer.size
            self.finish = PostProcess(self.timeline.stream, self.format, self.size, writer.crop)
            with (
                closing(self._groups(writer, runs)) as several,
                closing(self.video.decode(several)) as results,
            ):
                for group, decoded in results:
                    for one in group:
                        if isinstance(one, Stream):
                            yield from self._frames(one, next(decoded))
                        else:
                            yield from self.by_ffmpeg(one[0].run, one[1])

    def _groups(self, writer: SliceWriter, runs: Sequence[GopRun]) -> Generator[list[Written]]:
        """Slices as they are given to DALI, on a GPU written by a thread."""
        device, video = self.device, self.video
        frames = frames_at_once(device, writer.size, video.pipelines)
        most = max(1, frames - BUFFERED[device])
        written = self._written(writer, slice_runs(self.timeline, runs, most_frames=most))
        several = groups(written, device=device, slices=video.group, frames=frames)
        return ahead(several, AHEAD) if device == "cuda" else several

    def _written(self, writer: SliceWriter, parts: Sequence[Slice]) -> Iterator[Written]:
        """Each slice as a stream, or with the reason why it is none."""
        for part in parts:
            if self.video.has_given_up:
                yield part, GIVEN_UP
                continue
            try:
                yield writer.write(part)
            except UnfitError as error:
                yield part, str(error)

    def _frames(self, one: Stream, decoded: Any) -> Iterator[FrameBatch]:  # noqa: ANN401
        """The frames of a decoded slice; FFmpeg's where they are not what was asked for."""
        part = one.part
        reason = self._fault(one, decoded)
        if reason:
            yield from self.by_ffmpeg(part.run, reason)
            return
        self.count(part)
        rows = part.requested
        for planes in self.finish.batches(decoded, one.places):
            count = len(planes[0])
            yield self.batch(rows[:count], planes)
            rows = rows[count:]

    def _fault(self, one: Stream, decoded: Any) -> str:  # noqa: ANN401 (an array, anywhere)
        """Why what DALI gave is not what it was asked for; empty where it is."""
        if isinstance(decoded, str):
            return decoded
        if tuple(decoded.shape) != (len(one.request), *self.decoded_size, 3):
            return MISSHAPED
        if one.has_witness and count_different(decoded[0], decoded[len(one.request) - 1]):
            return MISCOUNTED
        return "" if self._is_alike(one, decoded) else UNLIKE

    def _is_alike(self, one: Stream, decoded: Any) -> bool:  # noqa: ANN401 (an array, anywhere)
        """Whether a picture of the first slice is FFmpeg's; asked once, of a GPU alone.

        It is one that leans on others, but on few: FFmpeg has to decode them all.
        """
        if self.is_audited:
            return True
        part, frames = one.part, one.part.frames
        at = min(int(np.searchsorted(frames, AUDITED)), len(frames) - 1)
        (mine,) = self.finish.batches(decoded, one.places[at : at + 1])
        difference = AUDIT_LEVELS
        if theirs := self.audit_planes(part, int(part.requested[at]), self.format):
            pairs = zip(mine, theirs, strict=True)
            difference = max(float(np.abs(on_host(a).astype(int) - b).mean()) for a, b in pairs)
        self.is_audited = difference < AUDIT_LEVELS
        return self.is_audited
