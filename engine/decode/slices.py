"""GOP slices: which packets make a small stream that a decoder can take on its own?

A decoder that takes whole files is given slices instead, and told which frames of a slice to give:

1. A wanted frame belongs to the slice of the last clean start before it (`plan.start_packets`), so
   leading pictures of an open GOP are in the slice before, which then holds their keyframe too.
2. A slice holds what the plan's run feeds from its start to its last wanted packet. Left out are
   the leading pictures of its own start: they lean on what is not there, and no later picture
   leans on them (Rec. ITU-T H.265, 8.1.3, NoRaslOutputFlag; closed starts have none).
3. Pictures are numbered by presentation time within the slice: a wanted frame's rank.

Slices are a pure function of the timeline and the runs; nothing is read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fewframes.arrays import I64
from fewframes.decode.plan import GopRun, start_packets
from fewframes.media.timeline import NO_PTS, Timeline

NO_START = "no clean start before it"
BROKEN = "packets that are broken"
NO_TIMES = "packets without a time of their own"
CHANGED = "parameter sets that change"


@dataclass(frozen=True, slots=True, repr=False)
class Slice:
    """A stretch of packets that begins with a clean start, for a decoder of its own."""

    feed: I64
    """Packets of the slice, ``[f] i64``, in decode order."""
    requested: I64
    """Packets of the wanted frames, ``[w] i64``, in order of presentation."""
    ranks: I64
    """Rank of every packet of ``feed`` by presentation time, ``[f] i64``, from 0."""
    run: GopRun
    """The same wanted packets as a run of the plan, for a decoder that needs no slices."""
    reason: str = ""
    """Why the packets cannot be such a stream; empty where they can."""

    def __repr__(self) -> str:
        first, last = int(self.feed[0]), int(self.feed[-1])
        why = f", not usable: {self.reason}" if self.reason else ""
        counts = f"{len(self.feed)} fed, {len(self.requested)} wanted"
        return f"Slice(packets {first} to {last}, {counts}{why})"

    @property
    def frames(self) -> I64:
        """Rank of each wanted frame in the slice, ``[w] i64``, increasing."""
        return self.ranks[np.searchsorted(self.feed, self.requested)]


def slice_runs(
    timeline: Timeline, runs: Sequence[GopRun], *, most_frames: int | None = None
) -> list[Slice]:
    """Cuts runs of a plan into slices, in order of presentation within each run.

    A slice with more than ``most_frames`` wanted ones is given in parts, each of which begins at
    the same start: that bounds memory and costs pictures decoded again.

    >>> from fewframes.decode.plan import plan_frames
    >>> from fewframes.media.timeline import example_timeline
    >>> slice_runs(example_timeline(), plan_frames(example_timeline(), [2, 3]).runs)
    [Slice(packets 0 to 3, 3 fed, 2 wanted)]
    """
    times = timeline.packet_times
    return [one for run in runs for one in _slices_of(timeline, times, run, most_frames)]


def whole(timeline: Timeline, part: Slice) -> Slice:
    """The same slice with nothing withheld but the leading pictures of its start."""
    first, last = int(part.feed[0]), int(part.feed[-1])
    run = GopRun(np.arange(first, last + 1), part.run.requested)
    return _slice(timeline, timeline.packet_times, run)


def _slices_of(
    timeline: Timeline, times: I64, run: GopRun, most_frames: int | None
) -> Iterator[Slice]:
    starts = start_packets(timeline, run.requested)
    order = np.lexsort((times[run.requested], starts))
    for group in np.split(order, np.flatnonzero(np.diff(starts[order])) + 1):
        step = most_frames or len(group)
        for at in range(0, len(group), step):
            requested = np.sort(run.requested[group[at : at + step]])
            first, last = starts[group[0]], requested[-1]
            feed = run.feed[(run.feed >= first) & (run.feed <= last)]
            yield _slice(timeline, times, GopRun(np.union1d(first, feed), requested))


def _slice(timeline: Timeline, times: I64, run: GopRun) -> Slice:
    """Leaves out leading pictures, and finds each picture's rank."""
    packets = timeline.packets
    start = run.feed[0]
    is_leading = (times[run.feed] < times[start]) & ~np.isin(run.feed, run.requested)
    feed = run.feed[~is_leading] if packets.is_random_access[start] else run.feed
    shown = times[feed]
    ranks = np.empty(len(feed), np.int64)
    ranks[np.argsort(shown, kind="stable")] = np.arange(len(feed))
    requested = run.requested[np.argsort(times[run.requested], kind="stable")]
    reason = CHANGED if len(timeline.headers) > 1 else ""
    if not packets.is_random_access[start] or (times[requested] < times[start]).any():
        reason = NO_START
    elif packets.is_corrupt[feed].any():
        reason = BROKEN
    elif (shown == NO_PTS).any() or len(np.unique(shown)) < len(shown):
        reason = NO_TIMES
    return Slice(feed, requested, ranks, run, reason)
