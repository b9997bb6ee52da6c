"""Which times do frames get whose stamps repeat, fall or leap?

Joined recordings, counters that wrap and writers with a fault leave stamps that do not rise. They
are read in presentation order:

1. Stamps that rise are kept as they are. A leap ahead that stays is a hole in the film.
2. A stamp below the one before it has three readings: some frames before it are stamped ahead,
   some frames from it on are stamped behind, or a clock starts again. Frames that are off must fit
   between their neighbours, with about half the usual step for each. The reading that repairs the
   fewest frames wins.
3. Frames that are off are spread between their neighbours. The frames of a new clock keep their
   distances and go on where the last frame ends.
4. A stamp that repeats becomes the next free tick; where none is free, ticks are divided.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np

from fewframes.arrays import I64

LOOK_AHEAD = 4096
"""How many frames stamped behind are taken for anything but a new clock."""
HOLE_SECONDS = 30.0
HOLE_STEPS = 50
"""A step this long, and this many times the usual one, is called a hole."""
LARGEST = 1 << 62
"""Ticks beyond this would not fit when they are divided."""

Event = Literal["new clock", "off", "repeat", "hole"]


class Times(NamedTuple):
    """The times of the frames of a film.

    >>> repaired_times(np.array([0, 40, 40, 80, 0, 40]), np.full(6, 40), Fraction(1, 1000))[0]
    array([  0,  40,  41,  80, 120, 160])
    """

    pts: I64
    """Presentation times, ``[n] i64``, strictly rising."""
    ticks_per_stamp: int
    """How many ticks of ``pts`` one tick of the stamps has."""
    repaired: I64
    """Frames whose time is not their stamp, ``[m] i64``."""
    notes: tuple[str, ...]
    """What was found, a sentence a kind, with frame and time of the first."""


@dataclass(slots=True)
class _Reading:
    """How a film's stamps are read, frame by frame."""

    stamps: list[int]
    step: int
    """The usual step."""
    run_ends: I64
    """Where the stamps fall, and the end."""
    clock: list[int] = field(default_factory=list)
    """Number of the clock of each frame."""
    is_kept: list[bool] = field(default_factory=list)
    """Whether its stamp counts, in its clock."""
    first: int = 0
    """The first frame of the clock."""
    at: list[int] = field(default_factory=list)
    """Kept frames of the clock, and below their stamps, which rise."""
    values: list[int] = field(default_factory=list)

    def take(self, i: int) -> int:
        """Reads frame ``i``, and gives the next frame to read."""
        stamp, number = self.stamps[i], self.clock[-1] if self.clock else 0
        if not self.values or stamp > self.values[-1]:
            self._keep(i, number)
        elif stamp == self.values[-1]:
            self._add(number, is_kept=False)
        else:
            return self._fall(i, number)
        return i + 1

    def _fall(self, i: int, number: int) -> int:
        ahead, behind = self._frames_ahead(i), self._frames_behind(i)
        fresh = int(self.run_ends[np.searchsorted(self.run_ends, i, side="right")]) - i
        cheapest = min(ahead or fresh + 1, behind or fresh + 1, fresh)
        if cheapest == ahead:
            kept = bisect_left(self.values, self.stamps[i])
            for off in self.at[kept:]:
                self.is_kept[off] = False
            del self.at[kept:], self.values[kept:]
            self._keep(i, number)
            return i + 1
        if cheapest == behind:
            for _ in range(behind):
                self._add(number, is_kept=False)
            return i + behind
        self.first, self.at, self.values = i, [], []
        self._keep(i, number + 1)
        return i + 1

    def _frames_ahead(self, i: int) -> int:
        """How many frames before ``i`` are stamped ahead of their time; 0 if that cannot be."""
        kept = bisect_left(self.values, self.stamps[i])
        if kept == 0:
            return int(self.first == 0 and i == 1)
        count = i - 1 - self.at[kept - 1]
        return count if self._fits(self.stamps[i] - self.values[kept - 1], count) else 0

    def _frames_behind(self, i: int) -> int:
        """How many frames from ``i`` on are stamped behind their time; 0 if that cannot be."""
        last = self.values[-1]
        for j in range(i + 1, min(len(self.stamps), i + LOOK_AHEAD)):
            if self.stamps[j] > last:
                return j - i if self._fits(self.stamps[j] - last, j - i) else 0
        return 0

    def _fits(self, room: int, count: int) -> bool:
        least = self.step if count == 1 else (count + 1) * self.step
        return 2 * room >= least

    def _keep(self, i: int, number: int) -> None:
        self._add(number, is_kept=True)
        self.at.append(i)
        self.values.append(self.stamps[i])

    def _add(self, number: int, *, is_kept: bool) -> None:
        self.clock.append(number)
        self.is_kept.append(is_kept)


def repaired_times(stamps: I64, durations: I64, time_base: Fraction) -> Times:
    """Gives frames in presentation order their times, by their stamps ``[n] i64``.

    ``durations`` are how long each is shown, 0 where that is not known, both in ticks of
    ``time_base``. Takes O(n) for stamps that rise.
    """
    steps = np.diff(stamps)
    step = usual_step(steps)
    if (steps > 0).all():
        return Times(stamps, 1, np.empty(0, np.int64), _notes(stamps, time_base, step, {}))
    ends = np.append(np.flatnonzero(steps < 0) + 1, len(stamps))
    reading, i = _Reading(stamps.tolist(), step, ends), 0
    while i < len(stamps):
        i = reading.take(i)
    groups = list(_groups(reading))
    scale = _ticks_per_stamp(groups, reading.stamps)
    lasting = (durations * agrees(durations, step)).tolist()
    placed = np.array(_placed(groups, reading, lasting, scale), np.int64)
    rank = np.arange(len(placed))
    placed = np.maximum.accumulate(placed - rank) + rank
    repaired = np.flatnonzero(placed != stamps * scale)
    notes = _notes(placed, time_base / scale, step * scale, _events(reading))
    return Times(placed, scale, repaired, notes)


def usual_step(steps: I64) -> int:
    """The median of the steps that rise, at least 1.

    >>> usual_step(np.array([40, 40, -900, 41]))
    40
    """
    rising = steps[steps > 0]
    return max(1, int(np.median(rising))) if rising.size else 1


def agrees(durations: I64, step: int) -> bool:
    """Whether durations are those of the stamps; some encoders write their own ticks there."""
    known = durations[durations > 0]
    return bool(known.size) and 4 * abs(int(np.median(known)) - step) <= step


class _Group(NamedTuple):
    """A kept frame and the frames behind it whose stamps do not count."""

    kept: int | None
    """None where the film or a clock begins with such frames."""
    others: range
    next: int | None
    """The next kept frame, if it is of the same clock."""


def _groups(reading: _Reading) -> Iterator[_Group]:
    kept = [i for i, is_kept in enumerate(reading.is_kept) if is_kept]
    if kept[0]:
        yield _Group(None, range(kept[0]), kept[0])
    for here, after in zip(kept, [*kept[1:], len(reading.stamps)], strict=True):
        same = after < len(reading.stamps) and reading.clock[after] == reading.clock[here]
        yield _Group(here, range(here + 1, after), after if same else None)


def _ticks_per_stamp(groups: list[_Group], stamps: list[int]) -> int:
    """The least division of ticks that leaves one for every frame."""
    scale = 1
    for group in groups:
        if group.others and group.kept is not None and group.next is not None:
            room = stamps[group.next] - stamps[group.kept]
            scale = max(scale, -(-(len(group.others) + 1) // room))
    largest = max(map(abs, stamps))
    return max(1, min(scale, LARGEST // max(1, 4 * largest)))


def _placed(groups: list[_Group], reading: _Reading, durations: list[int], scale: int) -> list[int]:
    """The time of every frame; clocks that start again go on where the last frame ends."""
    times: list[int] = []
    stamps, offset, number = reading.stamps, 0, 0
    for group in groups:
        if group.kept is not None:
            if reading.clock[group.kept] != number:
                number, last = reading.clock[group.kept], len(times) - 1
                lasts = _lasts(durations[last], reading.step)
                offset = times[-1] + lasts * scale - stamps[group.kept] * scale
            times.append(stamps[group.kept] * scale + offset)
        times += _between(group, reading, scale, offset)
    return times


def _lasts(duration: int, step: int) -> int:
    """How long a frame in front of a new clock is shown; writers round the last duration."""
    is_usual = duration <= 0 or 16 * abs(duration - step) <= step
    return step if is_usual else duration


def _between(group: _Group, reading: _Reading, scale: int, offset: int) -> list[int]:
    """Times of the frames of a group whose stamps do not count."""
    stamps, count, step = reading.stamps, len(group.others), reading.step * scale
    if group.kept is None:
        first = stamps[group.others.stop] * scale + offset - count * step
        return [first + step * k for k in range(count)]
    here = stamps[group.kept] * scale + offset
    if all(stamps[i] == stamps[group.kept] for i in group.others):
        return [here + k + 1 for k in range(count)]
    if group.next is None:
        return [here + step * (k + 1) for k in range(count)]
    room = (stamps[group.next] - stamps[group.kept]) * scale
    return [here + room * (k + 1) // (count + 1) for k in range(count)]


def _events(reading: _Reading) -> dict[Event, list[int]]:
    """Which frames are what."""
    events: dict[Event, list[int]] = {"new clock": [], "off": [], "repeat": []}
    before = None
    for i, (number, is_kept) in enumerate(zip(reading.clock, reading.is_kept, strict=True)):
        if i and number != reading.clock[i - 1]:
            events["new clock"].append(i)
        if is_kept:
            before = reading.stamps[i]
        else:
            events["repeat" if reading.stamps[i] == before else "off"].append(i)
    return events


WORDS: dict[Event, str] = {
    "new clock": "the clock starts again at {} and goes on behind the frame before",
    "off": "the stamp of {} does not fit its neighbours; its time lies between theirs",
    "repeat": "{} has the stamp of the frame before and takes the next free tick",
    "hole": "nothing is shown for a long while before {}",
}


def _notes(
    pts: I64, time_base: Fraction, step: int, events: dict[Event, list[int]]
) -> tuple[str, ...]:
    """A sentence for each kind of event."""
    gaps = np.diff(pts)
    long = max(step * HOLE_STEPS, int(HOLE_SECONDS / time_base))
    found: dict[Event, list[int]] = {**events, "hole": (np.flatnonzero(gaps > long) + 1).tolist()}
    sentences = []
    for kind, frames in found.items():
        if not frames:
            continue
        seconds = float((int(pts[frames[0]]) - int(pts[0])) * time_base)
        more = f" (and {len(frames) - 1} more such frames)" if len(frames) > 1 else ""
        sentences.append(WORDS[kind].format(f"frame {frames[0]} ({seconds:.3f} s)") + more)
    return tuple(sentences)
