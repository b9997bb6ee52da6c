"""Shots: where does one uninterrupted view of a film end and the next one begin?

1. `ShotPass` describes each decoded frame by coarse grids of its planes and compares it with the
   frame before and with one `LAG_SECONDS` before: how far the layout moved, and how far the tones
   did (the block means in order of size, so that motion hardly counts).
2. `cuts` are frames that differ from the one before much more than their neighbours do, and stay
   different, which a flash does not.
3. `gradual` transitions are where frames a lag apart differ much more than within the shots on
   either side, and the way between them is straight: a dissolve goes from one picture to the other
   in equal small steps, motion wanders. Fades by way of black, or of any one colour, are `fades`.
4. `shots` does this for every frame of a film; `shot_starts` marks the rows of a coarse scan.

Judging a step by its neighbours goes back to the adaptive thresholds of Yeo and Liu, "Rapid scene
analysis on compressed video", 1995; comparing at a lag to Zhang, Kankanhalli and Smoliar,
"Automatic partitioning of full-motion video" (twin comparison), 1993. The levels were set on films
joined from real clips, `bench/research/shots.py`.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fewframes.arrays import F32, F64, I64, Mask, Samples
from fewframes.decode.backend_choice import DecoderRequest, decoder_for
from fewframes.decode.batch import FrameBatch
from fewframes.decode.decoder import DecodeReport, decoder
from fewframes.decode.plan import plan_frames
from fewframes.errors import UnreadableMediaError
from fewframes.files.probing import probe
from fewframes.kernels import block_means, block_stats, grid_change, on_host
from fewframes.kernels.memory import is_on_gpu
from fewframes.media.sizes import output_size
from fewframes.media.timeline import Timeline

LAG_SECONDS, NEAR_SECONDS = 0.64, 0.12
"""How far apart frames are that tell a gradual transition, and the neighbours of a cut."""
BLOCKS = 32
"""Blocks along the longer side, more or less."""
SIDE = 320
"""Longer side to which pictures are scaled that do not come as 4:2:0 planes of 8 bits."""
CUT_LEVELS, GRADUAL_LEVELS, TONE_LEVELS = 14.0, 24.0, 12.0
"""Least change, in levels of the three planes together, of layout and of tones at a boundary."""
FLAT_LEVELS = 3.0
"""A frame shows one colour where the blocks of luma spread by no more than this."""
TIMES_AS_MUCH = 2.0
"""A boundary changes this many times as much as its neighbours."""
STAYS, STRAIGHT = 0.4, 0.6
"""Share of a cut's change that lasts; share of the way of a transition that its ends are apart."""
LAYOUT, TONE, LAG_LAYOUT, LAG_TONE, CONTRAST = range(5)
"""What `ShotPass` measures of a frame, in order."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Shots:
    """The shots of a film, in order; each lasts until the next one begins.

    >>> import fewframes as ff
    >>> ff.shots("film.mp4")
    Shots(1 of 'film.mp4', 250 frames)
    """

    first_frames: I64
    """Number of the first frame of each shot, ``[s] i64``, increasing."""
    is_gradual: Mask
    """Whether a shot fades or dissolves in: it begins in the midst of that, ``[s] bool``."""
    pts: I64
    """Times of the first frames in ticks of ``time_base``, ``[s] i64``."""
    time_base: Fraction
    """Seconds per tick."""
    start_pts: int
    """The pts of the first frame the film shows; ``seconds`` counts from it."""
    frame_count: int
    """Frames of the film."""
    source: str
    """The film's name."""

    def __len__(self) -> int:
        return len(self.first_frames)

    def __repr__(self) -> str:
        return f"Shots({len(self)} of {self.source!r}, {self.frame_count} frames)"

    @property
    def seconds(self) -> F64:
        """When each shot begins, ``[s] f64``."""
        ticks: F64 = (self.pts - self.start_pts).astype(np.float64)
        return ticks * float(self.time_base)


def shots(
    path: str | Path | Timeline,
    *,
    stream: int | None = None,
    backend: str | None = None,
    device: str = "cpu",
) -> Shots:
    """Finds the shots of a video file from every one of its frames; decodes it once.

    Frames that do not decode are passed over. ``backend`` and ``device`` say who decodes and where,
    as for `read`; through DALI, planes are those of RGB that was scaled, so a boundary near the
    least change may come or go. Raises `UnreadableMediaError` for what is not a video, or where
    nothing decodes. Holds 28 bytes a frame and the grids of `LAG_SECONDS`.

    >>> import fewframes as ff
    >>> ff.shots("film.mp4").seconds.tolist()
    [0.0]
    """
    request = DecoderRequest(backend, device)
    timeline = path if isinstance(path, Timeline) else probe(path, stream=stream)
    lag = max(4, round(LAG_SECONDS * timeline.frame_rate))
    near = max(1, round(NEAR_SECONDS * timeline.frame_rate))
    numbers, steps = _measure(timeline, lag, request)
    if not len(numbers):
        raise UnreadableMediaError(f"no frame of {timeline.source.name!r} can be decoded")
    at_cuts = cuts(steps, lag=lag, near=near)
    at_gradual = gradual(steps, at_cuts, lag=lag)
    rows = np.concatenate([[0], at_cuts, at_gradual])
    order = np.argsort(rows)
    first_frames = numbers[rows[order]]
    return Shots(
        first_frames,
        (np.arange(len(rows)) > len(at_cuts))[order],
        timeline.pts[first_frames],
        timeline.time_base,
        timeline.start_pts,
        len(timeline),
        timeline.source.name,
    )


def coarse_grids(planes: tuple[Samples, ...]) -> Iterator[F32]:
    """Block means of luma, blue and red of each picture of a batch, ``[3, gh, gw] f32`` each.

    They are measured where the planes, ``[n, h, w] u8`` and 4:2:0, lie: on a GPU all at once.
    """
    luma, blue, red = planes[:3]
    half = max(1, round(max(luma.shape[1:]) / BLOCKS / 2))
    if is_on_gpu(luma):
        yield from on_host(block_stats.batch(luma, blue, red, half, 0, 255)[0])[:, [0, 2, 3]]
        return
    parts = ((luma, 2 * half), (blue, half), (red, half))
    for at in range(len(luma)):
        yield np.stack([block_means(np.ascontiguousarray(p[at]), side) for p, side in parts])


@dataclass(slots=True)
class ShotPass:
    """Compares each frame with the one before and with the one ``lag`` frames before.

    >>> measure, grey = ShotPass(lag=2), np.full((3, 9, 16), 50, np.float32)
    >>> [measure(grey + step).tolist() for step in (0, 3)]
    [[0.0, 0.0, 0.0, 0.0, 0.0], [9.0, 9.0, 9.0, 9.0, 0.0]]
    """

    lag: int
    """In frames; fewer at the beginning of a film."""
    seen: list[tuple[F32, F32]] = field(default_factory=list)
    """Grids and tones of the last ``lag`` frames, the oldest first."""

    def __call__(self, grids: F32) -> F32:
        """Measures a picture by its `coarse_grids`, ``[3, gh, gw] f32``, in levels, ``-> [5] f32``.

        The five: how far layout and tones moved since the frame before, and over the lag; and the
        spread of the blocks of luma.
        """
        tones = np.sort(grids.reshape(3, -1), axis=1)
        others = (self.seen[-1], self.seen[0]) if self.seen else ((grids, tones),) * 2
        self.seen = [*self.seen[-self.lag + 1 :], (grids, tones)]
        before = np.stack([layout for layout, _ in others])
        layout = grid_change(grids, before, 0.0)[:, :, 0].sum(axis=1)
        moved = [np.abs(tones - other).mean(axis=1).sum() for _, other in others]
        return np.array([layout[0], moved[0], layout[1], moved[1], grids[0].std()], np.float32)


def cuts(steps: F32, *, lag: int, near: int) -> I64:
    """Finds the rows at which a shot begins with a cut, ``[n, 5] f32 -> [m] i64``.

    >>> steps = np.zeros((40, 5), np.float32)
    >>> steps[20], steps[21:30, LAG_LAYOUT] = 30, 30
    >>> cuts(steps, lag=16, near=3).tolist()
    [20]
    """
    n, layout = len(steps), steps[:, LAYOUT]
    around = sliding_window_view(np.pad(layout, near), 2 * near + 1).copy()
    around[:, near] = 0
    later = np.pad(steps[:, LAG_LAYOUT], (0, lag // 2), mode="edge")
    lasting = sliding_window_view(later, lag // 2 + 1).min(axis=1)
    is_cut = (layout >= CUT_LEVELS) & (steps[:, TONE] >= TONE_LEVELS)
    is_cut &= (layout >= TIMES_AS_MUCH * around.max(axis=1)) & (lasting >= STAYS * layout)
    return np.flatnonzero(is_cut & (np.arange(n) > 0))


def gradual(steps: F32, at_cuts: I64, *, lag: int) -> I64:
    """Finds the rows in the midst of fades and dissolves, no nearer to a cut than ``lag``."""
    n, apart = len(steps), steps[:, LAG_LAYOUT]
    way = np.convolve(steps[:, LAYOUT], np.ones(lag))[:n]
    wide = np.pad(apart, lag)
    sides = np.maximum(wide[:n], wide[2 * lag :])
    highest = sliding_window_view(np.pad(apart, lag // 2), 2 * (lag // 2) + 1).max(axis=1)
    is_peak = (apart >= highest) & (apart >= GRADUAL_LEVELS) & (apart >= TIMES_AS_MUCH * sides)
    is_peak &= (apart >= STRAIGHT * way) & (steps[:, LAG_TONE] >= TONE_LEVELS)
    found: list[int] = []
    dissolved = np.flatnonzero(is_peak & (np.arange(n) >= lag)) - lag // 2
    for middle in sorted([*dissolved.tolist(), *fades(steps, lag=lag)]):
        is_near_cut = len(at_cuts) > 0 and np.abs(at_cuts - middle).min() <= lag
        if not is_near_cut and not (found and middle - found[-1] < lag):
            found.append(middle)
    return np.array(found, np.int64)


def fades(steps: F32, *, lag: int) -> list[int]:
    """Finds where a film fades to one colour and from it to another view: the last flat frames."""
    is_flat, layout = steps[:, CONTRAST] <= FLAT_LEVELS, steps[:, LAYOUT]
    found = []
    for end in np.flatnonzero(is_flat[:-1] & ~is_flat[1:]).tolist():
        earlier = np.flatnonzero(~is_flat[:end])
        start = int(earlier[-1]) + 1 if len(earlier) else 0
        ways = layout[max(0, start - lag + 1) : start + 1], layout[end + 1 : end + 1 + lag]
        is_smooth = [way.sum() >= GRADUAL_LEVELS and way.max() <= way.sum() / 2 for way in ways]
        if start > 0 and all(is_smooth):
            found.append(end)
    return found


def shot_starts(tone: F32, levels: F32, signatures: F32) -> Mask:
    """Marks the rows of a scan at which a shot begins, the first one included, ``-> [n] bool``.

    Takes how far tones, and layout in light and colour, moved since the row before, ``[n] f32``
    levels each, and ``signatures [n, d] f32``.

    A row begins a shot where layout and tones moved far since the row before, the layout is unlike
    whatever the overall colour, and the tones moved twice as far as at the rows beside it, or very
    far. Rows that are half a second apart see most gradual transitions as cuts; at a film's full
    rate, use `shots`.
    """
    layouts = signatures.reshape(len(tone), 3, -1)
    layouts = (layouts - layouts.mean(axis=2, keepdims=True)).reshape(len(tone), -1)
    layouts /= np.maximum(np.linalg.norm(layouts, axis=1, keepdims=True), 1e-6)
    likeness = np.zeros(len(tone))
    likeness[1:] = np.einsum("nd,nd->n", layouts[1:], layouts[:-1])
    wide = np.pad(tone, 1)
    is_much = (tone >= 2 * np.maximum(wide[:-2], wide[2:])) | (tone >= 30)
    starts: Mask = is_much & (levels >= 15) & (tone >= 20) & (likeness <= 0.7)
    starts[:1] = True
    return starts


def _measure(timeline: Timeline, lag: int, request: DecoderRequest) -> tuple[I64, F32]:
    """Decodes every frame and compares it; gives frame numbers ``[n]`` and steps ``[n, 5]``."""
    plan, report = plan_frames(timeline, np.arange(len(timeline))), DecodeReport()
    decode = decoder_for(timeline, plan, request, report)
    if decode is decoder() and timeline.stream.pixel_format in ("yuv420p", "yuvj420p"):
        decoded = decode(timeline, plan.runs, format="yuv", size=None, report=report)
        if (measured := _compared(decoded, lag)) is not None:
            return measured
    size = output_size(timeline.stream, SIDE)
    measured = _compared(decode(timeline, plan.runs, format="jpeg", size=size, report=report), lag)
    assert measured is not None  # these planes are all of one size
    return measured


def _compared(batches: Iterator[FrameBatch], lag: int) -> tuple[I64, F32] | None:
    """Compares the frames of all batches; None where their planes change their size or depth."""
    measure, numbers, steps, latest = ShotPass(lag), array("q"), array("f"), -1
    kinds: set[tuple[Any, ...]] = set()
    for batch in batches:
        kinds.add(tuple((plane.shape[1:], plane.dtype) for plane in batch.planes))
        if len(kinds) > 1:
            return None
        frame_numbers = batch.frame_numbers.tolist()
        for number, grids in zip(frame_numbers, coarse_grids(batch.planes), strict=True):
            if number > latest:  # a frame that comes late has no place in the comparison
                latest = number
                numbers.append(number)
                steps.extend(measure(grids))
    return np.array(numbers, np.int64), np.array(steps, np.float32).reshape(-1, 5)
