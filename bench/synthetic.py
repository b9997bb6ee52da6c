"""Synthetic films: long and even like an operation, with short events at known times.

1. The camera pans over a large tissue texture on a closed path, so that every view comes back.
   A breath lifts the picture, a lamp darkens its rim, highlights flicker, the sensor adds noise.
2. Events of a few seconds are planted at random times, far apart: things that a reader of the
   film is asked about, and that a sampler may miss.
3. All is done on YUV 4:2:0 planes, so that a frame costs less than its encoding.

Nobody's body was filmed: the film can be shown. A seed gives the same film again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt

from fewframes.arrays import F64, I64, U8

FPS = 12
HEIGHT, WIDTH = 216, 384
TISSUE_SIDE = 768
"""Height and width of the tissue in samples; it joins at its edges."""
GAP_SECONDS = 8.0
"""The least time between events, and before the first and after the last one."""
ENCODER = {"preset": "superfast", "crf": "25", "g": "120", "threads": "1"}

Plane: TypeAlias = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens in the film."""

    name: str
    start_seconds: float
    """Time of the first frame that shows it."""
    end_seconds: float
    """Time of the first frame that no longer does."""


@dataclass(frozen=True, slots=True, repr=False)
class Scene:
    """One frame while it is drawn, and what an event needs to know of it."""

    y: Plane
    """Luma, ``[h, w] i16``."""
    u: Plane
    v: Plane
    """Chroma at half the size."""
    progress: float
    """How much of the event is over, from 0 to 1."""
    drift: tuple[int, int]
    """How far the tissue has moved since the event began, down and right."""

    def paint(self, alpha: F64, colour: tuple[int, int, int]) -> None:
        """Lays a (Y, U, V) colour over the frame, ``[h, w]`` alpha from 0 to 1."""
        for plane, step, value in zip((self.y, self.u, self.v), (1, 2, 2), colour, strict=True):
            share = alpha[::step, ::step]
            plane += (share * (value - plane)).astype(np.int16)


def make_procedure(path: Path, seed: int, *, minutes: float = 8.0) -> list[Event]:
    """Writes the film of a seed and gives its events, in order of time.

    384x216 at 12 fps in H.264. Raises ValueError where ``minutes`` is too short for the events.
    """
    rng = np.random.default_rng(seed)
    frames = round(minutes * 60 * FPS)
    events = _events(rng, frames / FPS)
    camera = _Camera(rng, frames)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=FPS, options=ENCODER)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, FPS)
        for number in range(frames):
            planes = camera.picture(number, events)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return events


def _events(rng: np.random.Generator, total_seconds: float) -> list[Event]:
    """Shares the free time out at random before, between and after the events."""
    lengths = np.round(rng.uniform(2, 4, len(DRAWINGS)) * FPS) / FPS
    free = total_seconds - lengths.sum() - GAP_SECONDS * (len(lengths) + 1)
    if free < 0:
        least = (total_seconds - free) / 60
        raise ValueError(
            f"minutes={total_seconds / 60:g} is too short for {len(lengths)} events; "
            f"pass minutes >= {least:.1f}"
        )
    pauses = GAP_SECONDS + np.diff(np.sort(rng.uniform(0, free, len(lengths))), prepend=0)
    starts = np.round((np.cumsum(pauses) + np.cumsum(lengths) - lengths) * FPS) / FPS
    names = rng.permutation(list(DRAWINGS)).tolist()
    ends = starts + lengths
    return [Event(*event) for event in zip(names, starts.tolist(), ends.tolist(), strict=True)]


class _Camera:
    """Makes the pictures of a film, one after the other."""

    def __init__(self, rng: np.random.Generator, frames: int) -> None:
        self.tissue = tissue(rng)
        self.path = _path(rng, frames)
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        rim = np.hypot((y - HEIGHT / 2) / HEIGHT, (x - WIDTH / 2) / WIDTH)
        self.lamp = np.clip(288 - 330 * rim**1.6, 30, 256).astype(np.int32)
        self.noise = rng.normal(0, 0.8, (16, HEIGHT, WIDTH)).round().astype(np.int16)
        self.highlights = [_highlights(rng) for _ in range(6)]

    def picture(self, number: int, events: list[Event]) -> npt.NDArray[np.uint8]:
        """Gives one picture as stacked planes, ``[h * 3 / 2, w] u8``."""
        breath = 1 + 0.04 * np.sin(2 * np.pi * number / FPS / 4.2)
        top, left = self.path[number].tolist()
        y, u, v = (
            plane[top // step : (top + HEIGHT) // step, left // step : (left + WIDTH) // step]
            for plane, step in zip(self.tissue, (1, 2, 2), strict=True)
        )
        lamp = (self.lamp * breath).astype(np.int32)
        y = (y * lamp >> 8).astype(np.int16)
        u, v = (128 + ((c - 128) * lamp[::2, ::2] >> 8).astype(np.int16) for c in (u, v))
        np.maximum(y, self.highlights[number // 4 % len(self.highlights)], out=y)
        for event in events:
            first, end = round(event.start_seconds * FPS), round(event.end_seconds * FPS)
            if first <= number < end:
                progress = (number - first + 1) / (end - first)
                down, right = (self.path[first] - self.path[number]).tolist()
                DRAWINGS[event.name](Scene(y, u, v, progress, (down, right)))
        y += self.noise[number * 7 % len(self.noise)]
        flat = np.concatenate([plane.ravel() for plane in (y, u, v)])
        coded: U8 = np.clip(flat, 16, 235).astype(np.uint8)
        return coded.reshape(HEIGHT * 3 // 2, WIDTH)


def _waves(rng: np.random.Generator, shape: tuple[int, int], roughness: float) -> F64:
    """Noise with a falling spectrum that joins at its edges, mean 0 and spread 1."""
    down, right = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])
    spectrum = np.fft.rfft2(rng.normal(size=shape)) / (np.hypot(down, right) + 0.004) ** roughness
    waves = np.fft.irfft2(spectrum, shape)
    return np.asarray((waves - waves.mean()) / waves.std())


def tissue(rng: np.random.Generator) -> tuple[Plane, Plane, Plane]:
    """Pink folds with darker vessels, with a margin so that any crop is one slice."""
    shape = (TISSUE_SIDE, TISSUE_SIDE)
    folds, tint = _waves(rng, shape, 1.9), _waves(rng, shape, 2.2)
    vessels = np.exp(-((_waves(rng, shape, 2.0) / 0.05) ** 2))
    y = 122 + 16 * folds + 2 * _waves(rng, shape, 0.8) - 22 * vessels
    u, v = 112 - 3 * tint, 164 + 5 * tint + 6 * vessels
    wide = [np.pad(plane, ((0, HEIGHT), (0, WIDTH)), mode="wrap") for plane in (y, u, v)]
    full, blue, red = (plane.astype(np.int16) for plane in wide)
    return full, blue[::2, ::2].copy(), red[::2, ::2].copy()


def _path(rng: np.random.Generator, frames: int) -> I64:
    """Top left corner of each picture in the tissue, ``[n, 2]`` even numbers."""
    seconds = np.arange(frames)[:, None] / FPS
    phase = rng.uniform(0, 2 * np.pi, (3, 2))
    slow = 150 * np.sin(2 * np.pi * seconds / [97, 71] + phase[0])
    pauses = 40 * np.sin(2 * np.pi * seconds / [31, 43] + phase[1])
    breath = np.array([5, 1]) * np.sin(2 * np.pi * seconds / 4.2 + phase[2, :1])
    return np.asarray((TISSUE_SIDE / 2 + slow + pauses + breath) // 2 * 2, np.int64) % TISSUE_SIDE


def _highlights(rng: np.random.Generator) -> Plane:
    """Reflections of the lamp: small bright spots around the middle, ``[h, w] i16``."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    picture = np.zeros((HEIGHT, WIDTH))
    for _ in range(9):
        down, right = rng.normal((HEIGHT / 2, WIDTH / 2), (HEIGHT / 6, WIDTH / 6))
        size = rng.uniform(1.5, 4)
        spot = np.exp(-(((y - down) / size) ** 2 + ((x - right) / size / 2) ** 2))
        picture = np.maximum(picture, 250 * spot)
    return picture.astype(np.int16)


_Y, _X = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
_CLOUD = _waves(np.random.default_rng(5), (HEIGHT, WIDTH), 1.6)


def _blob(scene: Scene, *, middle: tuple[float, float], radius: float, edge: float = 6.0) -> F64:
    """A ragged patch that stays on the tissue, ``[h, w]`` alpha."""
    down, right = _Y - middle[0] - scene.drift[0], _X - middle[1] - scene.drift[1]
    alpha: F64 = np.clip((radius - np.hypot(down, right) + 5 * _CLOUD) / edge, 0, 1)
    return alpha


def _instrument(scene: Scene) -> None:
    """A steel shaft comes in from the right and goes back."""
    reach = WIDTH * (1 - 0.62 * min(1.0, 2.5 * np.sin(np.pi * scene.progress)))
    across = _Y - 120 - 0.35 * (_X - 200)
    shaft = (np.abs(across) < 13) & (reach < _X)
    scene.paint(shaft * 0.95, (120, 128, 127))
    scene.paint(((np.abs(across + 5) < 3) & (reach < _X)) * 0.8, (210, 128, 128))


def _smoke(scene: Scene) -> None:
    density = 0.75 * np.sin(np.pi * scene.progress) ** 0.5
    veil = np.roll(_CLOUD, int(-60 * scene.progress), axis=0)
    scene.paint(density * np.clip(0.75 + 0.25 * veil, 0, 1), (185, 127, 130))


def _bleeding(scene: Scene) -> None:
    scene.paint(
        0.85 * _blob(scene, middle=(115, 205), radius=12 + 62 * scene.progress), (62, 112, 186)
    )


def _clip(scene: Scene) -> None:
    """A small grey piece, placed askew."""
    down, right = _Y - 100 - scene.drift[0], _X - 175 - scene.drift[1]
    along, across = 0.8 * right + 0.6 * down, 0.8 * down - 0.6 * right
    body = (np.abs(along) < 15) & (np.abs(across) < 4)
    scene.paint(body * 0.95, (165, 130, 124))
    scene.paint((body & (np.abs(across) < 1)) * 0.9, (70, 128, 128))


def _dye(scene: Scene) -> None:
    scene.paint(
        0.7 * _blob(scene, middle=(95, 190), radius=20 + 35 * scene.progress), (105, 112, 92)
    )


def _pulled_out(scene: Scene) -> None:
    """The camera is outside: a blue drape with folds under a bright lamp."""
    folds = 12 * np.sin(_X / 17 + _Y / 40 + 3 * scene.progress) + 6 * _CLOUD
    scene.y[:] = (118 + folds).astype(np.int16)
    scene.u[:], scene.v[:] = 150, 106


DRAWINGS: dict[str, Callable[[Scene], None]] = {
    "instrument": _instrument,
    "smoke": _smoke,
    "bleeding": _bleeding,
    "clip": _clip,
    "dye": _dye,
    "camera_out": _pulled_out,
}
"""What can happen, and how it is drawn."""
