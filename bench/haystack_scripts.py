"""Scripts: what a long, repetitive film shows at each frame, before anything is planted in it.

A style is a function that writes a `Script` from random numbers. They differ in what repeats:

- ``visits``: long looks at a few views, with hard cuts between them, and returns (A B A);
- ``roam``: one camera that wanders over a large mosaic on a closed path, pumping and breathing;
- ``desk``: one or two fixed cameras on things that move at their own pace, with shakes of the
  hand, wipes, and flicker. It is kept for the test set.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fewframes.arrays import F64, I64

FPS = 8
CLEAR, DARK, SMEARED, COVERED = range(4)
"""What may lie before the lens: nothing, the dark, a smear over all, something that moves."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Script:
    """One value a frame of each column, ``[n]``."""

    view: I64
    """Which stack of pictures is seen."""
    picture: I64
    """Which picture of the stack, counted to and fro without an end."""
    zoom: F64
    """Samples of the stack a sample of the film."""
    angle: F64
    """How far the camera is turned, in radians."""
    down: F64
    """Where the middle of the picture is from the middle of the stack, as a share of its height."""
    right: F64
    """Likewise to the right, as a share of its width."""
    gain: F64
    """Exposure: what luma is multiplied by."""
    tint: F64
    """What is added to red and taken from blue, in levels."""
    cover: I64
    """`CLEAR`, `DARK`, `SMEARED` or `COVERED`."""
    amount: F64
    """How strong the cover is, 0 to 1."""

    def __len__(self) -> int:
        return len(self.view)


def wander(rng: np.random.Generator, n: int, seconds: float) -> F64:
    """A smooth random path of spread 1 that changes its way about every so many seconds."""
    knots = rng.standard_normal(max(4, round(n / FPS / seconds)) + 4)
    at = np.linspace(1, len(knots) - 2.001, n)
    cell = at.astype(int)
    share = (1 - np.cos(np.pi * (at - cell))) / 2
    path: F64 = knots[cell] * (1 - share) + knots[cell + 1] * share
    return path


def lengths(rng: np.random.Generator, n: int, low: float, high: float) -> I64:
    """Stretches of ``low`` to ``high`` seconds, by a skewed law, that fill n frames."""
    parts: list[int] = []
    while sum(parts) < n:
        parts.append(max(1, round(FPS * float(np.exp(rng.uniform(np.log(low), np.log(high)))))))
    return np.array(parts)


def stretches(rng: np.random.Generator, n: int, low: float, high: float, values: I64 | F64) -> F64:
    """Random values that each hold for a stretch, never the same twice in a row, ``[n] f64``."""
    parts = lengths(rng, n, low, high)
    picks = np.cumsum(rng.integers(1, max(2, len(values)), len(parts))) % len(values)
    held: F64 = np.repeat(np.asarray(values, np.float64)[picks], parts)[:n]
    return held


def covers(
    rng: np.random.Generator, n: int, *, a_minute: float, kinds: tuple[int, ...]
) -> tuple[I64, F64]:
    """Times when the lens is covered: what by, and how much, in and out within some frames."""
    cover, amount = np.zeros(n, np.int64), np.zeros(n)
    for _ in range(rng.poisson(a_minute * n / FPS / 60)):
        length = max(3, round(FPS * rng.uniform(0.4, 5)))
        start = int(rng.integers(0, max(1, n - length)))
        ramp = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** rng.uniform(0.15, 0.8)
        cover[start : start + length] = rng.choice(kinds)
        amount[start : start + length] = (ramp * rng.uniform(0.5, 1))[: n - start]
    return cover, amount


def shakes(rng: np.random.Generator, n: int, *, a_minute: float, size: float) -> F64:
    """Bursts of fast movement, ``[n]``, as shares of the picture."""
    path = np.zeros(n)
    for _ in range(rng.poisson(a_minute * n / FPS / 60)):
        length = round(FPS * rng.uniform(1, 8))
        start = int(rng.integers(0, max(1, n - length)))
        burst = np.hanning(length) * rng.standard_normal(length).cumsum() / np.sqrt(length)
        path[start : start + length] += (size * burst)[: n - start]
    return path


def visits(rng: np.random.Generator, n: int, views: int) -> Script:
    """Long looks at a few views, and returns to them."""
    view = stretches(rng, n, 15, 150, np.arange(views)).astype(np.int64)
    pace = rng.uniform(0.05, 0.6)
    cover, amount = covers(rng, n, a_minute=rng.uniform(0.3, 2.5), kinds=(DARK, SMEARED, COVERED))
    hold = rng.uniform(0.002, 0.02)
    return Script(
        view=view,
        picture=(np.arange(n) * pace).astype(np.int64),
        zoom=1.27 + 0.11 * np.tanh(wander(rng, n, 40)),
        angle=0.03 * wander(rng, n, 25),
        down=0.025 * wander(rng, n, 20) + hold * wander(rng, n, 0.8),
        right=0.025 * wander(rng, n, 20) + hold * wander(rng, n, 0.8),
        gain=np.exp(0.1 * wander(rng, n, 30))
        * stretches(rng, n, 20, 90, np.linspace(0.8, 1.15, 5)),
        tint=3 * wander(rng, n, 50),
        cover=cover,
        amount=amount,
    )


def roam(rng: np.random.Generator, n: int, views: int) -> Script:
    """One mosaic of all views, seen by a camera that comes back to every place."""
    seconds = np.arange(n) / FPS
    period = rng.uniform(60, 240, 4)
    phase = rng.uniform(0, 2 * np.pi, 4)
    breath = rng.uniform(0.002, 0.008) * np.sin(2 * np.pi * seconds / rng.uniform(3, 6))
    cover, amount = covers(rng, n, a_minute=rng.uniform(0.5, 3), kinds=(SMEARED, COVERED, DARK))
    turns = np.sin(2 * np.pi * seconds[:, None] / period + phase)
    return Script(
        view=np.full(n, views),
        picture=np.zeros(n, np.int64),
        zoom=1.08 + 0.18 * np.sin(2 * np.pi * seconds / rng.uniform(40, 90)),
        angle=0.15 * wander(rng, n, 30),
        down=0.17 * turns[:, 0] + 0.06 * turns[:, 1] + breath,
        right=0.17 * turns[:, 2] + 0.06 * turns[:, 3] + breath / 2,
        gain=np.exp(0.12 * wander(rng, n, 12)),
        tint=4 * wander(rng, n, 60),
        cover=cover,
        amount=amount,
    )


def desk(rng: np.random.Generator, n: int, views: int) -> Script:
    """Fixed cameras on things that move at their own pace; the hand shakes, the light flickers."""
    used = np.arange(min(views, int(rng.integers(1, 3))))
    shake = rng.uniform(0.3, 1.5)
    cover, amount = covers(rng, n, a_minute=rng.uniform(0.3, 2), kinds=(COVERED, COVERED, DARK))
    flicker = 0.03 * (rng.random(n) < 0.02) * rng.standard_normal(n)
    return Script(
        view=stretches(rng, n, 60, 400, used).astype(np.int64),
        picture=np.arange(n) // int(rng.integers(2, 9)),
        zoom=stretches(rng, n, 60, 300, np.array([1.16, 1.26, 1.34])),
        angle=shakes(rng, n, a_minute=shake, size=0.05),
        down=shakes(rng, n, a_minute=shake, size=0.05) + 0.01 * wander(rng, n, 200),
        right=shakes(rng, n, a_minute=shake, size=0.05) + 0.01 * wander(rng, n, 200),
        gain=np.exp(flicker + 0.15 * wander(rng, n, 120)),
        tint=2 * wander(rng, n, 90),
        cover=cover,
        amount=amount,
    )


STYLES: dict[str, Callable[[np.random.Generator, int, int], Script]] = {
    "visits": visits,
    "roam": roam,
    "desk": desk,
}
"""Name -> how a film is written, of random numbers, frames and how many views there are. ``desk``
is for the test set alone."""
