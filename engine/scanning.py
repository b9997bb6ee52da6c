"""Scanning: from a timeline to the measured table of its frames at a rate, in one decode.

decode ─▶ signals ─▶ rows, on the calling thread alone: a thread that decodes ahead was measured to
cost a third more CPU and to win no time, because the two share one interpreter lock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from fewframes.arrays import I64, U8
from fewframes.decoding import DecodeReport, decoder
from fewframes.frames import FrameBatch
from fewframes.plan import plan_frames
from fewframes.signals import SIGNALS, Measured, SignalPass
from fewframes.table import FrameTable
from fewframes.timeline import Timeline

Keep: TypeAlias = Callable[[U8, U8, U8], int]
"""Stores the planes of a picture and gives its slot."""


def frames_at_rate(
    timeline: Timeline,
    fps: float | None,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> I64:
    """Gives the frames on screen every 1/fps seconds from the first frame on, each once.

    ``fps=None`` gives every frame. Both ends, if given, are included.

    >>> from fewframes.timeline import example_timeline
    >>> frames_at_rate(example_timeline(), 12.5)
    array([0, 2])
    """
    if fps is not None and not fps > 0:
        raise ValueError(f"fps={fps} scans nothing; pass fps > 0, or None for every frame")
    numbers = np.arange(len(timeline))
    if fps is not None:
        times = np.arange(0, timeline.seconds[-1] + 1e-9, 1 / fps)
        numbers = np.unique(timeline.frame_at(times))
    seconds = timeline.seconds[numbers]
    low = -np.inf if start_seconds is None else start_seconds
    high = np.inf if end_seconds is None else end_seconds
    return numbers[(seconds >= low) & (seconds <= high)]


@dataclass(slots=True)
class Rows:
    """Rows of the table as they are measured."""

    measure: SignalPass
    keep: Keep | None
    numbers: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)

    def add(self, batch: FrameBatch) -> None:
        """Measures the frames of a batch, and keeps those that are no repeats."""
        for at, number in enumerate(batch.frame_numbers.tolist()):
            if batch.is_damaged is not None and batch.is_damaged[at]:
                continue
            luma, blue, red = (np.ascontiguousarray(plane[at]) for plane in batch.planes)
            measured = self.measure(luma, blue, red)
            slot = self.slots[-1] if self.slots else -1
            if not measured.is_repeat:
                slot = self.keep(luma, blue, red) if self.keep else slot + 1
            self.numbers.append(number)
            self.slots.append(slot)
            self.measured.append(measured)
            self.hashes.append(0 if batch.luma_xxh64 is None else int(batch.luma_xxh64[at]))

    def table(self, timeline: Timeline) -> tuple[FrameTable, I64]:
        """Puts the rows in presentation order; gives the table and each row's slot."""
        order = np.argsort(np.array(self.numbers, np.int64), kind="stable")
        numbers = np.array(self.numbers, np.int64)[order]
        rows = [self.measured[i] for i in order]
        signals = {
            name: np.array(
                [row.values[name] for row in rows], np.uint64 if name == "dhash64" else np.float32
            )
            for name in SIGNALS
        }
        signals["luma_xxh64"] = np.array(self.hashes, np.uint64)[order]
        table = FrameTable(
            numbers,
            timeline.pts[numbers],
            timeline.time_base,
            timeline.start_pts,
            timeline.is_keyframe[numbers],
            signals,
            np.stack([row.signature for row in rows]) if rows else None,
        )
        return table, np.array(self.slots, np.int64)[order]


def scan(
    timeline: Timeline,
    numbers: I64,
    *,
    size: tuple[int, int] | None,
    dedup: float,
    keep: Keep | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Rows, DecodeReport]:
    """Decodes and measures frames; ``keep`` is given the planes of each that is no repeat.

    ``keep`` returns the slot it stored the picture in. ``progress`` is told how many frames are
    done. Frames that cannot be decoded, or that an anomaly may have touched, give no row.
    """
    rows, report = Rows(SignalPass(dedup), keep), DecodeReport()
    runs = plan_frames(timeline, numbers).runs
    for batch in decoder()(timeline, runs, format="jpeg", size=size, report=report):
        rows.add(batch)
        if progress:
            progress(len(rows.numbers))
    return rows, report
