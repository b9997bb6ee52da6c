"""Events: short evidence that is planted in a long film, in three grades.

1. another scene fills the picture;
2. the same scene, with a thing in it that was not there, or with a part in another colour;
3. a faint change of at most 2 % of the area.

They last 0.3 to 8 s, lie apart, and never while the lens is covered. What is drawn follows the
scene as the camera moves, and stays within the picture.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fewframes.arrays import F32, F64
from fewframes.bench.haystack_clips import Clip
from fewframes.bench.haystack_scripts import CLEAR, FPS, Script

GRADES = (1, 2, 3)
SECONDS = (0.3, 8.0)
"""Shortest and longest event; lengths between are even on a logarithmic scale."""
APART_SECONDS = 4.0
"""The least time between events, and before the first and after the last one."""
AREAS = {2: (0.03, 0.18), 3: (0.003, 0.02)}
"""Share of the picture that a drawn change covers, by grade."""
MARGIN = 0.14
"""A drawn change stays this share of the picture away from its rim."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Event:
    """What is planted, where, and how it is drawn."""

    start: int
    """First frame that shows it."""
    end: int
    """First frame that no longer does."""
    grade: int
    label: str
    """``scene``, ``thing``, ``colour``, ``faint light``, ``faint colour`` or ``faint thing``."""
    clip: int = 0
    """Which of the clips a scene or thing is taken from."""
    alpha: F32 | None = None
    """How much of the patch covers the picture, ``[h, w] f32``; None for a whole scene."""
    levels: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """What is added to luma, blue and red, where it is no thing."""
    place: tuple[float, float] = (0.5, 0.5)
    """Where its middle is in the first frame, down and right, as shares of the picture."""
    pace: tuple[float, float] = (0.0, 0.0)
    """How it moves in the scene, in samples a frame."""


class Where(NamedTuple):
    """How a frame is taken: the camera's turn and where it looks, in samples of the stack."""

    zoom: float
    angle: float
    down: float
    right: float


def plant(
    rng: np.random.Generator, script: Script, *, a_grade: int, clips: int, size: tuple[int, int]
) -> list[Event]:
    """Plans ``a_grade`` events a grade, in order of time.

    Raises ValueError where the film is too short, or too often covered, to hold them.
    """
    grades = rng.permutation(np.repeat(GRADES, a_grade)).tolist()
    low, high = np.log(SECONDS)
    spans = np.maximum(1, np.round(FPS * np.exp(rng.uniform(low, high, len(grades))))).astype(int)
    starts = _starts(rng, script, spans.tolist())
    events = [
        _event(rng, int(start), int(start + span), int(grade), clips, size)
        for start, span, grade in zip(starts, spans, grades, strict=True)
    ]
    return sorted(events, key=lambda event: event.start)


def _starts(rng: np.random.Generator, script: Script, spans: list[int]) -> list[int]:
    """Draws times again and again until each event has one of its own; longest ones first."""
    apart = round(APART_SECONDS * FPS)
    is_free = script.cover == CLEAR
    is_free[:apart] = is_free[-apart:] = False
    starts = [0] * len(spans)
    for i in sorted(range(len(spans)), key=lambda i: -spans[i]):
        for _ in range(2000):
            start = int(rng.integers(0, len(script) - spans[i]))
            if is_free[max(0, start - 2) : start + spans[i] + 2].all():
                break
        else:
            raise ValueError(
                f"a film of {len(script) / FPS / 60:.1f} minutes has no room for {len(spans)} "
                "events; pass more minutes or fewer events"
            )
        is_free[max(0, start - apart) : start + spans[i] + apart] = False
        starts[i] = start
    return starts


def _event(
    rng: np.random.Generator, start: int, end: int, grade: int, clips: int, size: tuple[int, int]
) -> Event:
    clip = int(rng.integers(clips))
    if grade == 1:
        return Event(start, end, grade, "scene", clip)
    place = rng.uniform(0.25, 0.75, 2).tolist()
    pace = (rng.normal(0, 0.8, 2) * (rng.random() < 0.5)).tolist()
    area = float(np.exp(rng.uniform(*np.log(AREAS[grade])))) * size[0] * size[1]
    label = str(rng.choice(("thing", "colour") if grade == 2 else _FAINT))
    alpha = _patch(rng, area) * (rng.uniform(0.35, 0.6) if label == "faint thing" else 0.95)
    levels = _levels(rng, label)
    return Event(start, end, grade, label, clip, alpha, levels, tuple(place), tuple(pace))


_FAINT = ("faint light", "faint colour", "faint thing")


def _levels(rng: np.random.Generator, label: str) -> tuple[float, float, float]:
    """How far luma, blue and red move."""
    sign, turn = rng.choice((-1, 1)), rng.uniform(0, 2 * np.pi)
    if label == "faint light":
        return (float(sign * rng.uniform(14, 32)), 0.0, 0.0)
    if label in ("colour", "faint colour"):
        far = rng.uniform(22, 50) if label == "colour" else rng.uniform(12, 24)
        light = sign * rng.uniform(0, 20 if label == "colour" else 8)
        return float(light), float(far * np.sin(turn)), float(far * np.cos(turn))
    return (0.0, 0.0, 0.0)


def _patch(rng: np.random.Generator, area: float) -> F32:
    """A ragged blob, or a box askew, of about this area in samples, ``[h, w]`` from 0 to 1."""
    stretch = float(np.exp(rng.uniform(-0.6, 0.6)))
    reach = np.sqrt(area / np.pi)
    half = int(np.ceil(1.6 * reach * max(stretch, 1 / stretch))) + 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    turn = rng.uniform(0, np.pi)
    along = (x * np.cos(turn) + y * np.sin(turn)) / stretch
    across = (y * np.cos(turn) - x * np.sin(turn)) * stretch
    if rng.random() < 0.3:
        away = np.maximum(np.abs(along), np.abs(across)) * 2 / np.sqrt(np.pi)
    else:
        around = np.arctan2(across, along)
        waves = sum(rng.normal(0, 0.12) * np.sin(k * around + rng.uniform(0, 6)) for k in (2, 3, 5))
        away = np.hypot(along, across) / np.maximum(0.5, 1 + waves)
    alpha: F32 = np.clip((reach - away) / max(1.0, 0.12 * reach) + 0.5, 0, 1).astype(np.float32)
    return alpha


def draw(
    event: Event, planes: list[F32], thing: Clip, number: int, first: Where, now: Where
) -> None:
    """Draws a change over ``y``, ``u``, ``v`` planes, ``[h, w]`` and half of that, in place."""
    if event.alpha is None:
        raise ValueError(
            "a scene fills the picture and is not drawn; pass an event of grade 2 or 3"
        )
    height, width = planes[0].shape
    middle = _follow(event, number, first, now, height, width)
    half_h, half_w = event.alpha.shape[0] // 2, event.alpha.shape[1] // 2
    top, left = (int(middle[0]) - half_h) // 2 * 2, (int(middle[1]) - half_w) // 2 * 2
    rows = slice(max(0, top), min(height, top + event.alpha.shape[0]))
    cols = slice(max(0, left), min(width, left + event.alpha.shape[1]))
    alpha = event.alpha[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
    picture = event.start % len(thing)
    for plane, level, step, texture in zip(
        planes, event.levels, (1, 2, 2), (thing.y, thing.u, thing.v), strict=True
    ):
        part = plane[
            rows.start // step : _half(rows.stop, step), cols.start // step : _half(cols.stop, step)
        ]
        share = alpha[::step, ::step]
        if event.label.endswith("thing"):
            patch = texture[picture, 40 // step :, 60 // step :][: part.shape[0], : part.shape[1]]
            part += share * (patch - part)
        else:
            part += share * np.float32(level)


def _half(size: int, step: int) -> int:
    return -(-size // step)


def _follow(
    event: Event, number: int, first: Where, now: Where, height: int, width: int
) -> tuple[float, float]:
    """Where the place of the first frame is now, kept within the picture."""
    since = number - event.start
    down, right = (event.place[0] - 0.5) * height, (event.place[1] - 0.5) * width
    at = _turned(down, right, first.angle) * first.zoom + (first.down, first.right)
    at += np.array(event.pace) * since
    away = (at - (now.down, now.right)) / now.zoom
    back = _turned(float(away[0]), float(away[1]), -now.angle)
    low, high = np.array([height, width]) * MARGIN, np.array([height, width]) * (1 - MARGIN)
    middle = np.clip(back + np.array([height, width]) / 2, low, high)
    return float(middle[0]), float(middle[1])


def _turned(down: float, right: float, angle: float) -> F64:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([c * down + s * right, c * right - s * down])
