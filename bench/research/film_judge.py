"""Film judge: is every frame that the package gives of a file the one that a plain decode gives?

1. The file is decoded plainly (`plain_decode.py`): number, order, pictures, stamps.
2. Its frames are read all at once, each alone after a seek, and shuffled with repeats, as planes
   and as RGB; none may be marked.
3. Times must rise strictly, and lead back to their frames; a frame that is not repaired must have
   the container's own stamp, and what a film's maker knows of its times must be so.

Each fault found is a sentence; an empty list means that all is exact. Errors pass through.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fewframes as ff
from fewframes.arrays import F64, I64, U8
from fewframes.bench.research.plain_decode import PlainDecode, Shown, hash_of, plain_decode
from fewframes.decode.batch import Format
from fewframes.errors import FewframesError
from fewframes.media.timeline import NO_PTS, Timeline

MOST_OFF, MOST_OFF_RGB = 3.5, 0.5
"""How far RGB may be from swscale's on average, in levels; and of pictures that are coded as RGB.
Chroma between the samples is interpolated otherwise; what else is wrong with a picture is seen on
its planes."""
STEP = 7
"""Every so manieth frame is read alone as RGB too."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the maker of a film knows of its times."""

    seconds: F64
    """When each frame is shown after the first, ``[n]``; NaN where only the order is known."""
    repaired: tuple[int, ...] | None = ()
    """Frames whose stamps in the file cannot be right; None where that is up to the demuxer."""
    duration: float | None = None
    """How long the film is, in seconds; None where the file does not tell."""


def faults_of(
    path: Path, known: Known | None = None, *, plain: PlainDecode | None = None
) -> list[str]:
    """Says what is wrong with what the package gives of a file; raises what it raises."""
    timeline = ff.probe(path, cache=False)
    truth = plain or plain_decode(path, timeline.stream.index)
    if len(timeline) != len(truth.shown):
        return [f"{len(timeline)} frames, a plain decode gives {len(truth.shown)}"]
    faults = [*clock_faults(timeline, truth), *picture_faults(timeline, truth)]
    if known is not None:
        faults += known_faults(timeline, known)
    return faults


def clock_faults(timeline: Timeline, truth: PlainDecode) -> list[str]:
    """Order of packets, strictly rising times, the way back, and the container's stamps."""
    faults = []
    rows = [one.row for one in truth.shown]
    stamps = np.array([NO_PTS if s.stamp is None else s.stamp for s in truth.shown])
    if timeline.order.tolist() != rows:
        at = int(np.flatnonzero(timeline.order != rows)[0])
        faults.append(f"order: frame {at} is packet {timeline.order[at]}, shown is {rows[at]}")
    if (np.diff(timeline.pts) <= 0).any():
        at = int(np.flatnonzero(np.diff(timeline.pts) <= 0)[0]) + 1
        faults.append(f"times: frame {at} is not behind frame {at - 1}")
    there = timeline.frame_at(timeline.seconds)
    if not np.array_equal(there, np.arange(len(timeline))):
        at = int(np.flatnonzero(there != np.arange(len(timeline)))[0])
        faults.append(f"times: frame_at(seconds[{at}]) is {there[at]}")
    if not faults and not np.array_equal(timeline.container_pts, stamps):
        faults.append("stamps: container_pts is not what the demuxer gives")
    return faults + repair_faults(timeline, stamps)


def repair_faults(timeline: Timeline, stamps: I64) -> list[str]:
    """A frame is repaired where, and only where, its time is not the container's stamp."""
    if not has_stamps(timeline):
        return []
    moved = timeline.pts != stamps * timeline.ticks_per_stamp
    wrong = np.flatnonzero(moved != timeline.is_repaired)
    if not wrong.size:
        return []
    word = "is not" if moved[wrong[0]] else "is"
    return [f"repaired: frame {wrong[0]} {word} called so ({wrong.size} such frames)"]


def has_stamps(timeline: Timeline) -> bool:
    """Whether the container stores a time for each frame; AVI does not."""
    return timeline.timing != "decoded" and timeline.stream.container != "avi"


def known_faults(timeline: Timeline, known: Known) -> list[str]:
    """Compares times with those that the maker of the film knows."""
    faults = []
    half_tick = 0.5 * float(timeline.time_base * timeline.ticks_per_stamp) + 1e-9
    off = np.abs(timeline.seconds - known.seconds) > half_tick
    if off.any():  # comparisons with NaN are false
        at = int(np.flatnonzero(off)[0])
        faults.append(
            f"times: frame {at} is at {timeline.seconds[at]:.4f} s, right is "
            f"{known.seconds[at]:.4f} s ({off.sum()} such frames)"
        )
    right = timeline.repaired.tolist() if known.repaired is None else list(known.repaired)
    if has_stamps(timeline) and timeline.repaired.tolist() != right:
        faults.append(f"repaired: {_few(timeline.repaired.tolist())}, right is {_few(right)}")
    length = known.duration
    if length is not None and abs(timeline.duration_seconds - length) > 0.001 + half_tick:
        faults.append(f"duration: {timeline.duration_seconds:.3f} s, right is {length:.3f} s")
    if timeline.damage:
        faults.append(f"damage: {timeline.damage[0]}")
    return faults


def _few(numbers: list[int]) -> str:
    return f"{numbers[:4]}{'…' if len(numbers) > 4 else ''} ({len(numbers)})"


def picture_faults(timeline: Timeline, truth: PlainDecode) -> list[str]:
    """Reads in sequence, alone, and shuffled with repeats; compares planes and RGB."""
    count = len(timeline)
    every = np.arange(count)
    order = np.random.default_rng(count).permutation(np.r_[every, every[::3]])
    faults: list[str] = []
    has_planes = bool(truth.shown[0].planes) and _gives_planes(timeline)
    if has_planes:
        right = [one.planes for one in truth.shown]
        faults += _attempt(timeline, every, right, "yuv", "in sequence")
        faults += _attempt(timeline, order, right, "yuv", "shuffled")
        faults += alone_faults(timeline, right, "yuv", 1)
    return faults + rgb_faults(timeline, truth, STEP if has_planes else 1)


def rgb_faults(timeline: Timeline, truth: PlainDecode, step: int) -> list[str]:
    """RGB in sequence must be near swscale's; alone and shuffled it must be the same to the bit."""
    count = len(timeline)
    try:
        batch = ff.read(timeline, frames=range(count), allow_damaged=True, workers=1)
    except FewframesError as error:
        return [f"in sequence: {type(error).__name__}: {error}"]
    wrong = [n for n in range(count) if not is_near(batch.frames[n], truth.shown[n])]
    faults = [f"in sequence: frame {n} is another picture in rgb" for n in wrong]
    right = [(hash_of(picture),) for picture in batch.frames]
    return shortened(faults) + alone_faults(timeline, right, "rgb", step)


def is_near(given: U8, right: Shown) -> bool:
    """Whether RGB is that of a picture, but for how chroma is interpolated."""
    if given.shape != right.rgb.shape:
        return False
    off = np.abs(given.astype(np.int16) - right.rgb).mean()
    return float(off) <= (MOST_OFF if right.planes else MOST_OFF_RGB)


def _gives_planes(timeline: Timeline) -> bool:
    """Whether the package gives planes of this pixel format; else a sentence has to say so."""
    try:
        ff.read(timeline, frames=[0], format="yuv", allow_damaged=True)
    except FewframesError as error:
        if timeline.stream.pixel_format.startswith("yuv4") or "\n" in str(error):
            raise
        return False
    return True


def alone_faults(
    timeline: Timeline, right: Sequence[tuple[str, ...]], kind: Format, step: int
) -> list[str]:
    """Reads frames one by one, backwards, each after a seek of its own."""
    numbers = range(len(timeline) - 1, -1, -step)
    found = [_attempt(timeline, np.array([n]), right, kind, "alone") for n in numbers]
    return shortened([fault for faults in found for fault in faults])


def shortened(faults: list[str]) -> list[str]:
    """The first of faults of one kind, and how many there are."""
    return [f"{faults[0]} [{len(faults)} times]"] if len(faults) > 1 else faults


def _attempt(
    timeline: Timeline, numbers: I64, right: Sequence[tuple[str, ...]], kind: Format, how: str
) -> list[str]:
    """Reads some frames once; a refusal or a mark is a fault, since FFmpeg plays the file."""
    try:
        batch = ff.read(timeline, frames=numbers, format=kind, allow_damaged=True, workers=1)
    except FewframesError as error:
        return [f"{how}: {type(error).__name__}: {error}"]
    if batch.is_damaged is not None:
        first = int(numbers[np.flatnonzero(batch.is_damaged)[0]])
        return [f"{how}: frame {first} is marked ({int(batch.is_damaged.sum())} of {len(batch)})"]
    given = [tuple(hash_of(plane[at]) for plane in batch.planes) for at in range(len(batch))]
    wrong = [n for n, one in zip(numbers.tolist(), given, strict=True) if one != right[n]]
    if not wrong:
        return []
    return [f"{how}: frame {wrong[0]} is another picture in {kind} ({len(wrong)} of {len(batch)})"]
