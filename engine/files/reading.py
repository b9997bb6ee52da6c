"""read: exactly the frames asked for, from a file, in the order asked for."""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np

from fewframes.arrays import I64, Mask, Samples
from fewframes.decode.backend_choice import DecoderRequest, decoder_for
from fewframes.decode.batch import Format, FrameBatch, marks_or_none
from fewframes.decode.decoder import DecodeReport, is_of_gpu
from fewframes.decode.plan import DecodePlan, GopRun, plan_frames
from fewframes.errors import DamagedFrameError, UnsupportedStreamError
from fewframes.files.probing import probe
from fewframes.kernels import on_host
from fewframes.media.colour import describe_colour
from fewframes.media.cropping import Crop
from fewframes.media.sizes import Size, output_size
from fewframes.media.timeline import Timeline
from fewframes.times import FrameIndexer, requested_times, rows_between


def read(
    path: str | Path | Timeline,
    *,
    frames: FrameIndexer = None,
    seconds: FrameIndexer = None,
    size: Size = None,
    format: Format = "rgb",
    workers: int | None = None,
    allow_damaged: bool = False,
    stream: int | None = None,
    backend: str | None = None,
    device: str = "cpu",
) -> FrameBatch:
    """Reads exact frames of a video file, in the order asked for, repeats allowed.

    Pass either ``frames`` (numbers from 0, in presentation order) or ``seconds`` (the frame on
    screen at each time; a time may be text such as ``"00:01:30"``), as numbers or as a slice.
    ``size`` is the longer side (aspect kept, never enlarged) or an exact
    ``(height, width)``; None keeps the picture's own. ``format="yuv"`` gives the decoder's samples
    as planes of their own depth and sampling, before rotation. Frames of another shape than the
    stream's (a change of size in mid-film) are fitted with black borders, which the report says;
    what the container hides (cropping) is cut off. ``workers`` decodes runs of the plan on so many
    threads (default: one a core; one for a GPU). ``path`` may be a `Timeline`.

    ``backend`` is ``"ffmpeg"``, ``"dali"`` or ``"nvdec"``, ``device`` ``"cpu"``, ``"cuda"`` or
    ``"auto"``: the default is FFmpeg on the CPU, ``"cuda"`` alone PyNvVideoCodec where it can, else
    DALI, and ``"auto"`` whichever is predicted to take least time. The batch's report says which it
    was, why, and what went to FFmpeg after all. PyNvVideoCodec gives what FFmpeg gives; RGB of DALI
    differs from that by rounding and by how chroma is interpolated. Wherever they were decoded, the
    frames come to memory; `fewframes.store.video.Video.read` can leave those of a store on a GPU.

    Raises IndexError for a frame or time outside the video, `DamagedFrameError` for a frame that
    cannot be decoded or that a decode anomaly may have touched (``allow_damaged=True`` gives the
    latter, marked), `UnreadableMediaError` for what is not a video, and for a ``backend`` that is
    not there or cannot take the stream `MissingBackendError` and `UnsupportedStreamError`.

    With ``format="yuv"`` frames of several sizes, and pixel formats that have no exact planes, are
    an `UnsupportedStreamError`, which is a ValueError.

    >>> import fewframes as ff
    >>> ff.read("film.mp4", frames=[7, 3, 7])
    FrameBatch([3, 240, 320, 3] u8 rgb of 'film.mp4', frames 7 to 7, 0.28 s to 0.28 s)
    """
    requested = DecoderRequest(backend, device)
    timeline = path if isinstance(path, Timeline) else probe(path, stream=stream)
    if format not in ("rgb", "yuv"):
        raise ValueError(f"format={format!r} is not known; formats: rgb, yuv")
    if format == "yuv" and size is not None:
        raise ValueError(
            f"size={size!r} does not go with format='yuv', which gives planes as decoded"
        )
    request = _requested(timeline, frames=frames, seconds=seconds)
    plan = plan_frames(timeline, request)
    collected = _Collected(plan, timeline)
    output = output_size(timeline.stream, size)
    report = _decode(timeline, plan, collected, format, output, workers, requested)
    collected.check(allow_damaged=allow_damaged)
    return collected.batch(request, format, report)


def _requested(
    timeline: Timeline, *, frames: FrameIndexer = None, seconds: FrameIndexer = None
) -> I64:
    """The numbers that exactly one of frames and seconds stands for, ``[k] i64``."""
    times = requested_times(seconds)
    if frames is not None and times is None:
        if isinstance(frames, slice):
            return rows_between(np.arange(len(timeline)), frames)
        return timeline.check_numbers(frames)
    if times is not None and frames is None:
        if isinstance(times, slice):
            return rows_between(timeline.seconds, times)
        return timeline.frame_at(times)
    raise ValueError("read needs either frames=[…] or seconds=[…]; pass one of the two")


class _Collected:
    """One array for each plane, filled as frames come; duplicates are made at the end."""

    def __init__(self, plan: DecodePlan, timeline: Timeline) -> None:
        self.plan, self.timeline = plan, timeline
        count = len(plan.frame_numbers)
        self.planes: tuple[Samples, ...] = ()
        self.first = -1
        self.lock = threading.Lock()
        self.is_there: Mask = np.zeros(count, bool)
        self.is_damaged: Mask = np.zeros(count, bool)

    def put(self, batch: FrameBatch) -> None:
        """Copies frames to their places (each place is written once, by one thread)."""
        at = np.searchsorted(self.plan.frame_numbers, batch.frame_numbers)
        with self.lock:
            if not self.planes:
                count = len(self.plan.frame_numbers)
                self.planes = tuple(np.empty((count, *p.shape[1:]), p.dtype) for p in batch.planes)
                self.first = int(batch.frame_numbers[0])
        self._check_alike(batch)
        for target, plane in zip(self.planes, batch.planes, strict=True):
            target[at] = on_host(plane)
        self.is_there[at] = True
        if batch.is_damaged is not None:
            self.is_damaged[at] = batch.is_damaged

    def _check_alike(self, batch: FrameBatch) -> None:
        """Refuses planes as decoded that are not those of one array."""
        mine, theirs = _layout(self.planes), _layout(batch.planes)
        if mine != theirs:
            raise UnsupportedStreamError(
                f"frame {self.first} of {batch.source!r} has planes of {mine} and frame "
                f"{batch.frame_numbers[0]} of {theirs}, which format='yuv' gives as they are; read "
                "them apart, or with format='rgb'"
            )

    def check(self, *, allow_damaged: bool) -> None:
        """Refuses a result with a hole, or with a frame that may be damaged."""
        bad = ~self.is_there if allow_damaged else ~self.is_there | self.is_damaged
        if not bad.any():
            return
        first = int(np.flatnonzero(bad)[0])
        number = int(self.plan.frame_numbers[first])
        what = "may be damaged; allow_damaged=True gives it, marked"
        if not self.is_there[first]:
            what = "cannot be decoded"
        raise DamagedFrameError(
            f"frame {number} ({self.timeline.seconds[number]:.3f} s) of "
            f"{self.timeline.source.name!r} {what} ({bad.sum()} of {len(bad)} frames asked for)"
        )

    def batch(self, request: I64, format: Format, report: DecodeReport) -> FrameBatch:
        """Puts the frames in the order asked for."""
        plan, timeline = self.plan, self.timeline
        planes, damaged = self.planes, self.is_damaged
        if not np.array_equal(request, plan.frame_numbers):
            at = np.searchsorted(plan.frame_numbers, request)
            planes, damaged = tuple(plane[at] for plane in planes), damaged[at]
        said, stream = report.summary(), timeline.stream
        if stream.crop != Crop() or stream.crop_note:
            said["cropped"] = stream.crop_note or str(stream.crop)
        said["repaired_times"] = int(timeline.is_repaired[request].sum())
        if format == "rgb":
            said["transfer"] = describe_colour(stream.transfer)
        return FrameBatch(
            planes or (np.empty((0, 0, 0, 3), np.uint8),),
            format,
            *timeline.stamped(request),
            is_damaged=marks_or_none(damaged),
            is_repaired=marks_or_none(timeline.is_repaired[request]),
            report={"pictures_planned": plan.pictures, **said},
        )


def _layout(planes: Sequence[Samples]) -> str:
    """Says of planes ``[n, h, w]`` how large they are, and how deep.

    >>> _layout([np.zeros((1, 4, 6), np.uint8), np.zeros((1, 2, 3), np.uint8)])
    '6x4, 3x2 (uint8)'
    """
    sizes = ", ".join(f"{plane.shape[2]}x{plane.shape[1]}" for plane in planes)
    return f"{sizes} ({planes[0].dtype})"


def _decode(
    timeline: Timeline,
    plan: DecodePlan,
    collected: _Collected,
    format: Format,
    size: tuple[int, int] | None,
    workers: int | None,
    request: DecoderRequest,
) -> DecodeReport:
    """Decodes the runs of a plan, on threads where there is enough to share out."""
    count = _worker_count(workers, plan)
    total = DecodeReport()
    decode = decoder_for(timeline, plan, request, total, threads=count)
    if workers is None and is_of_gpu(decode):
        count = 1

    def work(runs: Sequence[GopRun], report: DecodeReport) -> None:
        frames = decode(timeline, runs, format=format, size=size, report=report)
        for batch in frames:
            collected.put(batch)

    first, *rest = shares(plan.runs, count) if plan.runs else [()]
    reports = [DecodeReport() for _ in rest]
    with ThreadPoolExecutor(count) as pool:
        others = [pool.submit(work, *share) for share in zip(rest, reports, strict=True)]
        work(first, total)
        for other in others:
            other.result()
    for report in reports:
        total.add(report)
    return total


def _worker_count(workers: int | None, plan: DecodePlan) -> int:
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers} decodes nothing; pass workers >= 1")
    return max(1, min(workers or os.cpu_count() or 1, len(plan.runs)))


def shares(runs: Sequence[GopRun], count: int) -> list[Sequence[GopRun]]:
    """Cuts runs into ``count`` neighbouring groups of about equal cost.

    >>> from fewframes.decode.plan import GopRun
    >>> runs = [GopRun(np.arange(n), np.array([0])) for n in (4, 1, 1, 2)]
    >>> [[len(run.feed) for run in share] for share in shares(runs, 2)]
    [[4], [1, 1, 2]]
    """
    cost = np.cumsum([len(run.feed) for run in runs])
    limits = cost[-1] * np.arange(1, count) / count
    cuts = np.searchsorted(cost, limits, side="right") if count > 1 else np.empty(0, int)
    cuts = np.clip(cuts, np.arange(1, count), len(runs) - count + np.arange(1, count))
    edges = [0, *cuts.tolist(), len(runs)]
    return [runs[a:b] for a, b in pairwise(edges)]
