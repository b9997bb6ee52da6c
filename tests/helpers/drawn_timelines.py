"""Timelines by chance, and the rule of where decoding starts, for tests of plans and slices."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from fewframes.media.timeline import Packets, Timeline, example_timeline


def timeline_of(pts, is_random_access, is_droppable, is_frame) -> Timeline:
    """A timeline with these packets, in decode order."""
    count = len(pts)
    packets = Packets(
        pts=np.array(pts, np.int64),
        dts=np.arange(count),
        size_bytes=np.ones(count, np.int64),
        position=np.arange(count),
        is_random_access=np.array(is_random_access, bool),
        is_droppable=np.array(is_droppable, bool),
        is_frame=np.array(is_frame, bool),
        is_corrupt=np.zeros(count, bool),
        is_second_field=np.zeros(count, bool),
        header_state=np.zeros(count, np.int64),
    )
    rows = np.flatnonzero(packets.is_frame)
    order = rows[np.argsort(packets.pts[rows], kind="stable")]
    return replace(example_timeline(), packets=packets, order=order, pts=packets.pts[order])


@st.composite
def timelines(draw):
    """GOPs of any size, with leading pictures, B-frames in any order, hidden packets."""
    pts, is_random_access, is_droppable, is_frame = [], [], [], []
    for _ in range(draw(st.integers(1, 8))):
        length = draw(st.integers(1, 12))
        order = draw(st.permutations(range(length)))  # a first packet shown late: an open GOP
        pts += [len(pts) + place for place in order]
        is_random_access += [True] + [False] * (length - 1)
        each = {"min_size": length, "max_size": length}
        drops = draw(st.lists(st.booleans(), **each))
        is_droppable += [False, *drops[1:]]
        is_frame += draw(st.lists(st.sampled_from([True] * 4 + [False]), **each))
    if draw(st.booleans()):
        is_random_access[0] = False  # a stream that begins in the middle of a GOP
    is_frame[draw(st.integers(0, len(pts) - 1))] = True
    return timeline_of(pts, is_random_access, is_droppable, is_frame)


@st.composite
def wishes(draw):
    """A timeline and some of its frame numbers, in any order, repeats allowed."""
    timeline = draw(timelines())
    return timeline, draw(st.lists(st.integers(0, len(timeline) - 1), max_size=12))


def true_start(timeline, row):
    """The rule in words: the last start, in decode order, whose pts is not after the target's."""
    packets = timeline.packets
    starts = [
        start
        for start in range(row + 1)
        if packets.is_random_access[start] and packets.pts[start] <= packets.pts[row]
    ]
    return starts[-1] if starts else 0


def without_drops(timeline):
    """The same timeline, of a codec that does not say which pictures may be withheld."""
    packets = timeline.packets
    none = np.zeros(len(packets), bool)
    return replace(timeline, packets=replace(packets, is_droppable=none))
