"""DecodePlan: what is the least work that still gives these frames exactly?

1. Decoding of a frame starts at the last packet in decode order where a decoder can start and
   whose pts is not after the frame's (so leading pictures of an open GOP begin one GOP earlier),
   and stops at the frame's own packet; MPEG-1 and MPEG-2 need the next one as well, since it is
   what ends a picture there, and so does a picture whose second field has a packet of its own.
2. Such intervals are joined where they overlap or touch: a run.
3. From a run, packets that no other picture needs are withheld, unless they are wanted themselves.

The plan is a pure function of the timeline; its cost is known before a picture is decoded.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fewframes.arrays import I64, Mask
from fewframes.media.timeline import Timeline

ENDED_BY_NEXT = ("mpeg1video", "mpeg2video")
"""Codecs whose pictures have no end but the next one: a stray slice there still belongs to them."""


@dataclass(frozen=True, slots=True, repr=False)
class GopRun:
    """One stretch of packets for a fresh decoder, in decode order."""

    feed: I64
    """Packets to decode, ``[f] i64``, increasing; the first is where decoding starts."""
    requested: I64
    """Packets of the wanted frames, ``[w] i64``, increasing, all of them in ``feed``."""

    def __repr__(self) -> str:
        first, last = int(self.feed[0]), int(self.feed[-1])
        return f"Run(packets {first} to {last}, {len(self.feed)} fed, {len(self.requested)} wanted)"


@dataclass(frozen=True, slots=True, repr=False)
class DecodePlan:
    """Runs that give the wanted frames, and what they cost.

    >>> from fewframes.media.timeline import example_timeline
    >>> plan_frames(example_timeline(), [3])
    DecodePlan(1 frame in 1 run, 2 pictures to decode of 4)
    """

    frame_numbers: I64
    """The wanted frames, ``[n] i64``, sorted and unique."""
    runs: tuple[GopRun, ...]
    total_pictures: int
    """Packets of the whole stream, for comparison."""

    def __repr__(self) -> str:
        frames, runs = len(self.frame_numbers), len(self.runs)
        return (
            f"DecodePlan({frames} frame{'s' * (frames != 1)} in {runs} run{'s' * (runs != 1)}, "
            f"{self.pictures} pictures to decode of {self.total_pictures})"
        )

    @property
    def pictures(self) -> int:
        """How many pictures the decoder will be given."""
        return sum(len(run.feed) for run in self.runs)


def plan_frames(timeline: Timeline, frames: npt.ArrayLike) -> DecodePlan:
    """Plans the decoding of frame numbers, ``[k]`` whole numbers in any order, repeats allowed.

    Raises IndexError for a number that the timeline does not have. Source of the start rule:
    FFMS2's seek to a keyframe in decode order whose pts is not after the target; of the dropping
    rule: Rec. ITU-T H.264 7.4.1 and H.265 7.4.2.2. Takes O(p + k log k) for p packets.
    """
    numbers = np.unique(timeline.check_numbers(frames))
    targets = np.sort(timeline.order[numbers])
    starts = start_packets(timeline, targets)
    must_feed = ~timeline.packets.is_droppable
    second = np.append(timeline.packets.is_second_field, False)
    must_feed[targets[second[targets + 1]] + 1] = True
    ends = targets + ((timeline.stream.codec in ENDED_BY_NEXT) | second[targets + 1])
    ends = np.minimum(ends, len(timeline.packets) - 1)
    runs = tuple(_runs(starts, targets, ends, must_feed))
    return DecodePlan(numbers, runs, len(timeline.packets))


def start_packets(timeline: Timeline, targets: I64) -> I64:
    """Gives the packet where decoding must start for each target packet, ``[k] i64 -> [k] i64``.

    Packet 0 stands in where no start lies before a target.
    """
    keys = np.flatnonzero(timeline.packets.is_random_access)
    times = timeline.packet_times
    starts = np.zeros(len(targets), np.int64)
    before = np.searchsorted(keys, targets, side="right") - 1
    for row, (target, key) in enumerate(zip(targets, before, strict=True)):
        while key > 0 and times[keys[key]] > times[target]:
            key -= 1
        starts[row] = keys[key] if key >= 0 and times[keys[key]] <= times[target] else 0
    return starts


def _runs(starts: I64, targets: I64, ends: I64, must_feed: Mask) -> Iterator[GopRun]:
    """Joins the intervals [start, end], sorted by target, that overlap or touch."""
    if not len(targets):
        return
    earliest_after = np.minimum.accumulate(starts[::-1])[::-1]
    cuts = np.flatnonzero(earliest_after[1:] > ends[:-1] + 1) + 1
    firsts = np.minimum.reduceat(starts, np.concatenate([[0], cuts]))
    lasts = ends[np.append(cuts - 1, -1)]
    for first, last, requested in zip(firsts, lasts, np.split(targets, cuts), strict=True):
        feed = must_feed[first : last + 1].copy()
        feed[requested - first] = feed[0] = feed[-1] = True
        yield GopRun(np.flatnonzero(feed) + first, requested)
