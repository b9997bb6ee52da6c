"""Films: long, repetitive videos of real footage, with events at exactly known times.

1. A seed draws the views (footage of its set, or a generated tissue), the script and the events.
2. Each frame is taken from its stack by the script's camera; events are drawn; then light, cover,
   glints, a rim, and noise come over it. All of it are YUV 4:2:0 planes.
3. x264 codes the film at one of several qualities.

A film of the training set and one of the test set share neither footage nor random state.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numba import njit

from fewframes.arrays import F32, U8
from fewframes.bench.haystack_clips import Clip, SetName
from fewframes.bench.haystack_events import Event, Where, draw, plant
from fewframes.bench.haystack_scripts import COVERED, DARK, FPS, SMEARED, STYLES, Script
from fewframes.bench.synthetic import tissue

SIZE = (180, 320)
"""Height and width of a film."""
STYLES_OF: dict[SetName, tuple[str, ...]] = {
    "train": ("visits", "roam"),
    "test": ("visits", "roam", "desk"),
}
CRFS = (22, 27, 31, 35)
_SETS: dict[SetName, int] = {"train": 1, "test": 2}


class HaystackFilm:
    """A film of a set and a seed, drawn frame by frame; the same arguments give the same frames."""

    def __init__(
        self,
        set_name: SetName,
        seed: int,
        clips: Sequence[Clip],
        *,
        minutes: float = 30.0,
        a_grade: int = 9,
    ) -> None:
        """Draws all that is random; raises ValueError where the events do not fit."""
        rng = np.random.default_rng([_SETS[set_name], seed])
        styles = STYLES_OF[set_name]
        self.style = styles[seed % len(styles)]
        order = rng.permutation(len(clips)).tolist()
        views = int(rng.integers(2, 5))
        is_red = rng.random() < 0.25
        self.stacks = [_toned(_flipped(rng, clips[i]), is_red=is_red) for i in order[:views]]
        self.stacks.append(_mosaic(rng, self.stacks))
        self.evidence = [_flipped(rng, clips[i]) for i in order[views:]]
        self.script: Script = STYLES[self.style](rng, round(minutes * 60 * FPS), views)
        self.events: list[Event] = plant(
            rng, self.script, a_grade=a_grade, clips=len(self.evidence), size=SIZE
        )
        self.crf = int(rng.choice(CRFS))
        self.light = _Light(rng)

    def where(self, number: int) -> Where:
        """How the camera stands at a frame."""
        script = self.script
        height, width = self.stacks[script.view[number]].y.shape[1:]
        return Where(
            float(script.zoom[number]),
            float(script.angle[number]),
            float(script.down[number] * height),
            float(script.right[number] * width),
        )

    def picture(self, number: int, *, is_planted: bool = True) -> U8:
        """Draws one frame as stacked planes, ``[h * 3 / 2, w] u8``, without its event if asked."""
        script, where = self.script, self.where(number)
        events = [event for event in self.events if event.start <= number < event.end]
        event = events[0] if events and is_planted else None
        stack, at = self.stacks[script.view[number]], int(script.picture[number])
        if event is not None and event.alpha is None:
            stack, at = self.evidence[event.clip], number // 2
            where = Where(1.32, 0.0, 0.0, 0.2 * (number - event.start))
        planes = taken(stack, _to_and_fro(at, len(stack)), where)
        if event is not None and event.alpha is not None:
            draw(event, planes, self.evidence[event.clip], number, self.where(event.start), where)
        _cover(planes, int(script.cover[number]), float(script.amount[number]), number)
        return self.light.over(planes, script, number)

    def truth(self, video_id: str) -> dict[str, Any]:
        """The annotation of the film: one line of a JSONL file."""
        events = [
            {"start": e.start / FPS, "end": e.end / FPS, "grade": e.grade, "label": e.label}
            for e in self.events
        ]
        seconds = len(self.script) / FPS
        return {"video": video_id, "duration_seconds": seconds, "events": events}

    def write(self, path: Path) -> None:
        """Codes the film in H.264."""
        options = {"preset": "ultrafast", "crf": str(self.crf), "g": "80", "threads": "1"}
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream("libx264", rate=FPS, options=options)
            stream.height, stream.width = SIZE
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, FPS)
            for number in range(len(self.script)):
                frame = av.VideoFrame.from_ndarray(self.picture(number), format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def _to_and_fro(at: int, count: int) -> int:
    """Position ``at`` of 0 1 2 … n-1 … 2 1 0 1 2 and so on.

    >>> [_to_and_fro(at, 3) for at in range(6)]
    [0, 1, 2, 1, 0, 1]
    """
    at %= max(1, 2 * count - 2)
    return min(at, 2 * count - 2 - at) if count > 1 else 0


def _flipped(rng: np.random.Generator, clip: Clip) -> Clip:
    """The clip, or its mirror image."""
    if rng.random() < 0.5:
        return clip
    planes = (np.ascontiguousarray(plane[:, :, ::-1]) for plane in (clip.y, clip.u, clip.v))
    return Clip(clip.name, *planes)


def _toned(clip: Clip, *, is_red: bool) -> Clip:
    """The clip, or all of it in reds, as tissue under a lamp is."""
    if not is_red:
        return clip
    u, v = (
        ((plane - 128.0) * 0.3 + level).astype(np.uint8)
        for plane, level in ((clip.u, 112), (clip.v, 158))
    )
    return Clip(clip.name, clip.y, u, v)


def _mosaic(rng: np.random.Generator, stacks: Sequence[Clip]) -> Clip:
    """One large still picture: nine pictures of the views, or a generated tissue."""
    if rng.random() < 0.4:
        planes = [np.clip(plane, 16, 235).astype(np.uint8)[None] for plane in tissue(rng)]
        return Clip("tissue", *planes)
    picks = [stacks[int(rng.integers(len(stacks)))] for _ in range(9)]
    at = [int(rng.integers(len(clip))) for clip in picks]
    y, u, v = (
        np.concatenate(
            [
                np.concatenate(
                    [getattr(picks[3 * r + c], name)[at[3 * r + c]] for c in range(3)], axis=1
                )
                for r in range(3)
            ]
        )[None]
        for name in "yuv"
    )
    return Clip("mosaic", y, u, v)


def taken(stack: Clip, at: int, where: Where) -> list[F32]:
    """What the camera sees of one picture of a stack: planes ``y``, ``u``, ``v``, f32."""
    planes = []
    for plane, step in ((stack.y[at], 1), (stack.u[at], 2), (stack.v[at], 2)):
        out = np.empty((SIZE[0] // step, SIZE[1] // step), np.float32)
        turn = where.zoom * np.cos(where.angle), where.zoom * np.sin(where.angle)
        _warp(plane, *turn, where.down / step, where.right / step, out)
        planes.append(out)
    return planes


def _warp_loops(plane: U8, cos: float, sin: float, down: float, right: float, out: F32) -> None:
    """Bilinear samples, in steps of 1/256; beyond its rim the picture is mirrored."""
    (h, w), (rows, cols) = plane.shape, out.shape
    step_y, step_x, one = np.int32(sin * 65536), np.int32(cos * 65536), np.int32(65536)
    next_ = np.uintp(1)  # unsigned: a sign costs a check
    most_y, most_x = np.int32((h - 1) * 65536 - 1), np.int32((w - 1) * 65536 - 1)
    for i in range(rows):
        y = np.int32((h / 2 + down + cos * (i - rows / 2) - sin * cols / 2) * 65536)
        x = np.int32((w / 2 + right - cos * cols / 2 - sin * (i - rows / 2)) * 65536)
        for j in range(cols):
            at_y, at_x = abs(y), abs(x)
            at_y = at_y if at_y <= most_y else max(np.int32(0), 2 * most_y - at_y)
            at_x = at_x if at_x <= most_x else max(np.int32(0), 2 * most_x - at_x)
            top, left = np.uintp(at_y >> 16), np.uintp(at_x >> 16)
            dy, dx = (at_y & (one - 1)) >> 8, (at_x & (one - 1)) >> 8
            above = (
                np.int32(plane[top, left]) * (256 - dx) + np.int32(plane[top, left + next_]) * dx
            )
            below = (
                np.int32(plane[top + next_, left]) * (256 - dx)
                + np.int32(plane[top + next_, left + next_]) * dx
            )
            out[i, j] = np.float32(above * (256 - dy) + below * dy) * np.float32(1 / 65536)
            y, x = y + step_y, x + step_x


_warp = njit(nogil=True, cache=True)(_warp_loops)


def _lit_loops(plane: F32, lamp: F32, gain: float, add: float, noise: F32, out: U8) -> None:
    """Light and noise, cut to the limited range."""
    rows, cols = plane.shape
    for i in range(rows):
        for j in range(cols):
            level = plane[i, j] * (np.float32(gain) * lamp[i, j]) + np.float32(add) + noise[i, j]
            out[i, j] = np.uint8(min(max(level, np.float32(16)), np.float32(235)))


_lit = njit(nogil=True, cache=True)(_lit_loops)


def _cover(planes: list[F32], cover: int, amount: float, number: int) -> None:
    """Lays dark, a smear or a moving thing over the picture, in place."""
    if cover == DARK:
        for plane, level in zip(planes, (18, 128, 128), strict=True):
            plane += np.float32(amount) * (level - plane)
    elif cover == SMEARED:
        for plane, side in zip(planes, (20, 10, 10), strict=True):
            h, w = plane.shape
            cells = plane.reshape(h // side, side, w // side, side).mean(axis=(1, 3))
            smooth = _between(cells.shape[0], h) @ cells @ _between(cells.shape[1], w).T
            plane += np.float32(amount) * (smooth.astype(np.float32) - plane)
    elif cover == COVERED:
        reach = int(amount * SIZE[1] * 0.8) // 2 * 2
        shade = 60 + 8 * np.sin(number / 3)
        for plane, level, step in zip(planes, (shade, 120, 140), (1, 2, 2), strict=True):
            part = plane[:, SIZE[1] // step - reach // step :] if reach else plane[:, :0]
            part += np.float32(0.93) * (np.float32(level) - part)


def _between(cells: int, size: int) -> F32:
    """Weights that draw straight lines between the middles of cells, ``[size, cells] f32``."""
    at = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0, cells - 1)
    weights: F32 = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells))).astype(np.float32)
    return weights


class _Light:
    """The lamp, the lens and the sensor of a film."""

    def __init__(self, rng: np.random.Generator) -> None:
        y, x = np.mgrid[: SIZE[0], : SIZE[1]]
        away = np.hypot(
            (y - SIZE[0] / 2) / SIZE[0], (x - SIZE[1] / 2) / SIZE[1] * rng.uniform(0.9, 1.4)
        )
        self.lamp = (1 - rng.uniform(0, 0.9) * away**2).clip(0.1).astype(np.float32)
        self.even = np.ones((SIZE[0] // 2, SIZE[1] // 2), np.float32)
        self.rim = (away > 0.52) if rng.random() < 0.3 else np.zeros(SIZE, bool)
        noise = rng.normal(0, rng.uniform(0.3, 1.3), (8, *SIZE))
        self.noise = noise.astype(np.float32)
        self.glints = rng.uniform(0.2, 0.8, (12, int(rng.integers(0, 7)), 2)) * SIZE
        self.has_clock = rng.random() < 0.3
        self.clock = rng.uniform(30, 220, (60, 6, 24)).astype(np.float32)

    def over(self, planes: list[F32], script: Script, number: int) -> U8:
        """Gives the picture as coded, limited range, ``[h * 3 / 2, w] u8``."""
        coded = np.empty((SIZE[0] * 3 // 2, SIZE[1]), np.uint8)
        y = coded[: SIZE[0]]
        u, v = coded[SIZE[0] :].reshape(2, SIZE[0] // 2, SIZE[1] // 2)
        noise, tint = self.noise[number * 5 % 8], float(script.tint[number])
        _lit(planes[0], self.lamp, float(script.gain[number]), 0.5, noise, y)
        for plane, add, out in ((planes[1], 0.5 - tint, u), (planes[2], 0.5 + tint, v)):
            _lit(plane, self.even, 1.0, add, self.even * 0, out)
        for down, right in self.glints[number // 4 % len(self.glints)].astype(int).tolist():
            y[down : down + 4, right : right + 6] = 232
        if self.has_clock:
            y[8:14, 8:32] = self.clock[number // FPS % 60]
        if self.rim.any():
            y[self.rim] = 16
            u[self.rim[::2, ::2]] = v[self.rim[::2, ::2]] = 128
        return coded
