"""Clock faults: what stamps of real files do, and which times are right all the same.

A fault is a function of the number of frames. It gives the stamp of each frame in milliseconds
beside the even 40 a frame, and what is right:

- stamps within one clock are right as they are, and so is a jump ahead that stays;
- a clock that starts again goes on behind the last frame and its duration;
- one stamp far off between neighbours that fit is moved between them;
- a stamp that repeats is moved to the next free tick behind the frame before.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fewframes.arrays import F64, I64
from fewframes.bench.research.coded_films import FRAME_MS, Coded
from fewframes.bench.research.film_judge import Known

FAR_MS = 36_000_000
"""Ten hours."""
ONE, TWIN = 13, 14
"""The frames whose own stamps are spoilt."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Stamps of a film and its right times."""

    stamps: I64
    """Of each frame, in milliseconds, ``[n]``."""
    seconds: F64
    """When each frame is shown after the first, ``[n]``; NaN where only the order is known."""
    repaired: tuple[int, ...] = ()
    ticks_behind: tuple[tuple[int, int], ...] = ()
    """Frames that are so many ticks behind the time in ``seconds``."""
    has_gaps: bool = False
    """Whether the film lasts longer than its frames."""

    def known(self, tick_seconds: float) -> Known:
        """What is right in a container whose ticks are so long."""
        seconds = self.seconds.copy()
        for frame, ticks in self.ticks_behind:
            seconds[frame] += ticks * tick_seconds
        length = None if self.has_gaps else len(seconds) * FRAME_MS / 1000
        return Known(seconds, self.repaired, length)


def sound(count: int) -> Fault:
    """A clock without a fault."""
    even = np.arange(count, dtype=np.int64) * FRAME_MS
    return Fault(even, even / 1000)


def restart(count: int) -> Fault:
    """In the middle the clock begins again where it began."""
    half, fault = count // 2, sound(count)
    stamps = fault.stamps % (half * FRAME_MS)
    return replace(fault, stamps=stamps, repaired=tuple(range(half, count)))


def restarts(count: int) -> Fault:
    """The clock begins again twice, at keyframes."""
    fault = sound(count)
    part = count // 4
    stamps = fault.stamps.copy()
    stamps[part : 2 * part] -= part * FRAME_MS
    stamps[2 * part :] -= 2 * part * FRAME_MS
    return replace(fault, stamps=stamps, repaired=tuple(range(part, count)))


def falling(count: int) -> Fault:
    """The second recording begins eight frames and a bit before the end of the first."""
    half, fault = count // 2, sound(count)
    stamps = fault.stamps - (np.arange(count) >= half) * (8 * FRAME_MS + 7)
    return replace(fault, stamps=stamps, repaired=tuple(range(half, count)))


def jump_that_stays(count: int) -> Fault:
    """From the middle on all stamps are ten hours later."""
    return _gap(count, FAR_MS)


def hole(count: int) -> Fault:
    """For a second there are no frames."""
    return _gap(count, 1000)


def _gap(count: int, later: int) -> Fault:
    stamps = sound(count).stamps + (np.arange(count) >= count // 2) * later
    return Fault(stamps, stamps / 1000, has_gaps=True)


def one_ahead(count: int) -> Fault:
    """One frame is stamped ten hours ahead."""
    return _one(count, ONE, FAR_MS)


def key_ahead(count: int) -> Fault:
    """One keyframe is stamped ten hours ahead."""
    return _one(count, count // 2, FAR_MS)


def one_back(count: int) -> Fault:
    """One frame is stamped between two that came long before."""
    return _one(count, ONE, -10 * FRAME_MS - 7)


def key_back(count: int) -> Fault:
    """One keyframe is stamped between two that came long before."""
    return _one(count, count // 2, -10 * FRAME_MS - 7)


def _one(count: int, frame: int, later: int) -> Fault:
    fault = sound(count)
    fault.stamps[frame] += later
    fault.seconds[frame] = np.nan
    return replace(fault, repaired=(frame,))


def twins(count: int) -> Fault:
    """Two frames share a stamp."""
    return _equal(count, 2)


def triplets(count: int) -> Fault:
    """Three frames share a stamp."""
    return _equal(count, 3)


def _equal(count: int, many: int) -> Fault:
    fault = sound(count)
    more = range(TWIN, TWIN + many - 1)
    fault.stamps[more] = fault.stamps[TWIN - 1]
    fault.seconds[more] = fault.seconds[TWIN - 1]
    behind = tuple((frame, at + 1) for at, frame in enumerate(more))
    return replace(fault, repaired=tuple(more), ticks_behind=behind)


def tight_twins(count: int) -> Fault:
    """Two frames share a stamp, and the next millisecond is another frame's."""
    fault = _equal(count, 2)
    fault.seconds[TWIN] = np.nan
    fault.stamps[TWIN + 1] = fault.stamps[TWIN] + 1
    fault.seconds[TWIN + 1] = fault.stamps[TWIN + 1] / 1000
    return replace(fault, ticks_behind=())


FAULTS: dict[str, Callable[[int], Fault]] = {
    function.__name__: function
    for function in (
        sound,
        restart,
        restarts,
        falling,
        jump_that_stays,
        hole,
        one_ahead,
        key_ahead,
        one_back,
        key_back,
        twins,
        triplets,
        tight_twins,
    )
}


def stamped(coded: Coded, fault: Fault) -> Coded:
    """Gives packets the stamps of a fault; decode times move with them."""
    even = sound(len(fault.stamps)).stamps
    off = (fault.stamps - even).tolist()
    packets = [
        replace(p, pts=p.pts + off[p.number], dts=p.dts + off[p.number]) for p in coded.packets
    ]
    return replace(coded, packets=tuple(packets))
