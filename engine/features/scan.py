"""Scanning: from a timeline to the measured table of its frames at a rate, in one decode.

decode ─▶ signals ─▶ rows, on the calling thread alone: a thread that decodes ahead was measured to
cost a third more CPU and to win no time, because the two share one interpreter lock. Of pictures
that lie on a GPU, only those that are kept ever come to memory.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fewframes.arrays import F16, F32, F64, I64, Samples
from fewframes.decode.backend_choice import DecoderRequest, decoder_for
from fewframes.decode.batch import Format, FrameBatch
from fewframes.decode.decoder import DecodeReport
from fewframes.decode.plan import plan_frames
from fewframes.features.anomaly import coarse_cells, rarity_and_anomaly
from fewframes.features.picture_stats import FilmStats, PictureStats, picture_stats
from fewframes.features.redundancy import familiarity
from fewframes.features.signal_pass import SignalPass
from fewframes.features.signals import SIGNALS
from fewframes.features.table import FrameTable
from fewframes.kernels.memory import cupy, is_on_gpu, is_on_real_gpu, on_host
from fewframes.media.timeline import Timeline, example_timeline
from fewframes.times import SAME_SECONDS

BLOCK = 32
"""Pictures whose grids are made coarse at a time."""
THERE_FROM = 16384
"""Rows from which on a film whose pictures lay on a GPU is compared with itself there, too. A CPU
took a second for each 9,000 (16 cores beside an H200); a GPU 0.1 s for 100,000, but CuPy takes half
a second to start, and seven when it compiles its kernels for the first time on a machine."""
GRID_TIMES_A_FRAME = 16
"""With more times of the grid than so many a frame, only those next to frames are looked at."""
Keep: TypeAlias = Callable[[Any], int]
"""Stores a picture, given its planes (or what else stands for it), and gives its slot."""


class ScannedFrame(NamedTuple):
    """A decoded frame, as the serial pass wants it."""

    number: int
    """Its frame number."""
    luma_xxh64: int
    swept: PictureStats
    picture: Any
    """Its planes, where the decoder left them; of a frame out of a part, the encoded bytes."""
    picture_xxh64: int = 0


def frames_at_rate(
    timeline: Timeline,
    fps: float | None,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> I64:
    """Gives the frames on screen every 1/fps seconds from the first frame on, each once.

    ``fps=None`` gives every frame. Both ends, if given, are included.

    >>> from fewframes.media.timeline import example_timeline
    >>> frames_at_rate(example_timeline(), 12.5)
    array([0, 2])
    """
    if fps is not None and not fps > 0:
        raise ValueError(f"fps={fps} scans nothing; pass fps > 0, or None for every frame")
    numbers = np.arange(len(timeline))
    if fps is not None:
        numbers = np.unique(timeline.frame_at(grid_times(timeline.seconds, fps)))
    seconds = timeline.seconds[numbers]
    low = -np.inf if start_seconds is None else start_seconds
    high = np.inf if end_seconds is None else end_seconds
    return numbers[(seconds >= low) & (seconds <= high)]


def grid_times(shown: F64, fps: float) -> F64:
    """Gives times k / fps, up to the last of these ``[n] f64``, that between them show all frames.

    They are all such times of an ordinary film. Of one with a hole, where these could be billions,
    they are those next to the begin of each frame: a frame that is on screen at any time of the
    grid is so at the first one behind its begin.

    >>> grid_times(np.array([0.0, 0.5, 1e9]), 1.0).tolist()
    [0.0, 1.0, 2.0, 999999999.0, 1000000000.0]
    """
    step, end = 1 / fps, float(shown[-1]) + SAME_SECONDS
    if end / step <= GRID_TIMES_A_FRAME * len(shown):
        return np.arange(0, end, step)
    near = np.floor(shown / step)[:, None] + np.arange(-1, 3)
    times = near * step
    is_same = np.abs(times - shown[:, None]) <= 4 * np.spacing(shown)[:, None]
    times = np.where(is_same, shown[:, None], times)  # far from 0, numbers are coarser than times
    return np.unique(times[(near >= 0) & ((times < end) | (times <= shown[-1]))])


@dataclass(slots=True)
class TableBuilder:
    """Rows of the table as they are measured, in the order in which the decoder gave them.

    That is presentation order, but for frames that came out only when a run was decoded again
    from further back: those are late, and no other row's signals are measured against them.
    """

    measure: SignalPass
    keep: Keep | None
    numbers: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)
    values: list[Mapping[str, float]] = field(default_factory=list)
    signatures: list[F32] = field(default_factory=list)
    grids: list[F32] = field(default_factory=list)
    """Grids of the last pictures, which become `cells` in blocks: one by one it costs more."""
    cells: list[F16] = field(default_factory=list)
    """Coarse cells of the pictures before, a block each; see `coarse_cells`."""
    hashes: list[tuple[int, int]] = field(default_factory=list)
    """Of the luma of each picture, and of all of it."""
    kept: int = 0
    """Pictures kept so far."""
    latest: int = -1
    """The highest frame number so far."""
    lay_there: bool = False
    """Whether a picture lay on a GPU."""

    def add(self, frame: ScannedFrame) -> None:
        """Measures a frame, and keeps its picture if it is no repeat."""
        measured = self.measure.measure(frame.swept, is_out_of_order=frame.number < self.latest)
        self.latest = max(frame.number, self.latest)
        self.lay_there = self.lay_there or is_on_real_gpu(frame.picture and frame.picture[0])
        if measured.repeats < 0:
            slot = self.keep(frame.picture) if self.keep else self.kept
            self.kept += 1
        else:
            slot = self.slots[measured.repeats]
        self.numbers.append(frame.number)
        self.slots.append(slot)
        self.repeats.append(measured.repeats)
        self.values.append(measured.values)
        self.signatures.append(measured.signature)
        self.hashes.append((frame.luma_xxh64, frame.picture_xxh64))
        self.grids.append(frame.swept.grids)
        if len(self.grids) == BLOCK:
            self._settle()

    def _settle(self) -> None:
        """Makes coarse cells of the grids that wait."""
        if self.grids:
            self.cells.append(coarse_cells(np.stack(self.grids)))
            self.grids.clear()

    def _all_cells(self, order: I64) -> F16:
        """Hands over the coarse cells of all rows, in presentation order: they are large."""
        self._settle()
        cells: F16 = np.empty((0, 3, 1, 1), np.float16)
        if self.cells:
            cells = np.concatenate(self.cells)
            self.cells.clear()
        is_sorted = bool((order[1:] > order[:-1]).all())
        return cells if is_sorted else cells[order]

    def table(self, timeline: Timeline) -> tuple[FrameTable, I64]:
        """Puts the rows in presentation order; gives the table and each row's slot. Call it once.

        What is large is handed over, and not there any more.
        """
        order = np.argsort(np.array(self.numbers, np.int64), kind="stable")
        numbers = np.array(self.numbers, np.int64)[order]
        signatures = None
        if len(order):
            signatures = np.stack([self.signatures[i] for i in order])
            self.signatures.clear()
        table = FrameTable(
            numbers,
            timeline.pts[numbers],
            timeline.time_base,
            timeline.start_pts,
            timeline.is_keyframe[numbers],
            self._signals(order, signatures, timeline.seconds[numbers]),
            signatures,
        )
        return table, np.array(self.slots, np.int64)[order]

    def _signals(self, order: I64, signatures: F32 | None, seconds: F64) -> dict[str, Samples]:
        """Every column of `SIGNALS`: what the pass measured, and what follows from all rows."""
        columns: dict[str, Samples] = {
            name: np.array([self.values[i][name] for i in order], signal.dtype)
            for name, signal in SIGNALS.items()
            if signal.scope != "film"
        }
        film = self._film(columns, order, signatures, seconds)
        columns |= {
            name: signal.value(film).astype(signal.dtype, copy=False)
            for name, signal in SIGNALS.items()
            if signal.scope == "film"
        }
        return {name: columns[name] for name in SIGNALS}

    def _film(
        self, columns: dict[str, Samples], order: I64, signatures: F32 | None, seconds: F64
    ) -> FilmStats:
        """What each row is beside all others, found on the GPU where that pays.

        Its memory goes back then: other processes decode there.
        """
        place = np.append(np.argsort(order), -1).astype(np.int32)  # the last one is for no row
        repeats = place[np.array(self.repeats, np.int64)[order]]
        hashes = np.array(self.hashes, np.uint64).reshape(-1, 2)[order]
        looks = np.empty((0, 3), np.float32) if signatures is None else signatures
        cells, there = self._all_cells(order), looks
        goes_there = self.lay_there and len(looks) >= THERE_FROM
        if goes_there:
            cells, there = map(cupy().asarray, (cells, looks))
        found = familiarity(there, repeats < 0), *rarity_and_anomaly(cells, there, seconds)
        compared = [on_host(column) for column in found]
        if goes_there:
            del cells, there, found
            cupy().get_default_memory_pool().free_all_blocks()
        both = np.ascontiguousarray(hashes.T)
        return FilmStats(columns, looks, seconds, repeats, *compared, *both)


def scan(
    timeline: Timeline,
    numbers: I64,
    *,
    size: tuple[int, int] | None,
    dedup: float,
    format: Format = "jpeg",
    keep: Keep | None = None,
    progress: Callable[[int], None] | None = None,
    request: DecoderRequest = DecoderRequest(),  # noqa: B008 (frozen)
) -> tuple[TableBuilder, DecodeReport]:
    """Decodes and measures frames; ``keep`` is given the planes of each that is no repeat.

    They are those of ``format``, "jpeg" or "jpeg+rgb"; signals are measured on the first three.
    ``keep`` returns the slot it stored the picture in. ``progress`` is told how many frames are
    done. Frames that cannot be decoded, or that an anomaly may have touched, give no row.
    ``request`` says who decodes.
    """
    rows, report = TableBuilder(SignalPass(dedup), keep), DecodeReport()
    for frame in scan_frames(
        timeline, numbers, size=size, format=format, request=request, report=report
    ):
        rows.add(frame)
        if progress:
            progress(len(rows.numbers))
    return rows, report


@functools.cache
def warm_up() -> None:
    """Measures a film of a few grey pictures, once a process, so that all kernels of it are there.

    The first time on a machine they are compiled, which takes a quarter of a minute and
    more, without a sign of life; after that they are loaded, as the first film would load them.
    """
    rows, timeline = TableBuilder(SignalPass(dedup=0), None), example_timeline()
    grey = np.full((1, 32, 32), 128, np.uint8)
    for number in range(len(timeline)):
        (swept,) = picture_stats((grey, grey[:, :16, :16].copy(), grey[:, :16, :16].copy()), [0])
        rows.add(ScannedFrame(number, 0, swept, None))
    rows.table(timeline)


def scan_frames(
    timeline: Timeline,
    numbers: I64,
    *,
    size: tuple[int, int] | None,
    format: Format,
    request: DecoderRequest,
    report: DecodeReport,
) -> Iterator[ScannedFrame]:
    """Decodes frames and sums their samples up; what it costs and what is wrong is reported.

    Gives them as the decoder does. Planes may be the decoder's memory, up to the next step.
    """
    plan = plan_frames(timeline, numbers)
    decode = decoder_for(timeline, plan, request, report)
    for batch in decode(timeline, plan.runs, format=format, size=size, report=report):
        yield from frames_of(batch)


def frames_of(batch: FrameBatch) -> Iterator[ScannedFrame]:
    """Sums up the samples of each frame of a batch that no anomaly may have touched."""
    planes, sound = batch.planes, list(range(len(batch)))
    if batch.is_damaged is not None:
        sound = np.flatnonzero(~batch.is_damaged).tolist()
    if not is_on_gpu(planes[0]):
        planes = tuple(map(np.ascontiguousarray, planes))
    for at, swept in zip(sound, picture_stats(planes, sound), strict=True):
        hashes = (batch.luma_xxh64, batch.picture_xxh64)
        luma, whole = (0 if column is None else int(column[at]) for column in hashes)
        picture = tuple(plane[at] for plane in planes)
        yield ScannedFrame(int(batch.frame_numbers[at]), luma, swept, picture, whole)
