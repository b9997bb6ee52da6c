"""A slice can be decoded on its own, and says where in it each wanted frame is."""

import io
from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest
from drawn_timelines import timeline_of, timelines, true_start, wishes
from hypothesis import given
from hypothesis import strategies as st

import fewframes
from fewframes.decode.plan import plan_frames
from fewframes.decode.slices import BROKEN, NO_START, NO_TIMES, slice_runs, whole
from fewframes.media.matroska import matroska


def slices_of(wish, **how):
    timeline, numbers = wish
    return slice_runs(timeline, plan_frames(timeline, numbers).runs, **how)


@pytest.mark.slow
@given(wishes(), st.none() | st.integers(1, 4))
def test_every_wanted_packet_is_wanted_in_one_slice(wish, most_frames):
    timeline, numbers = wish
    slices = slices_of(wish, most_frames=most_frames)
    requested = [row for part in slices for row in part.requested.tolist()]
    assert sorted(requested) == sorted(set(timeline.order[numbers].tolist()))
    for part in slices:
        assert set(part.requested) <= set(part.feed)
        assert most_frames is None or len(part.requested) <= most_frames


@pytest.mark.slow
@given(wishes())
def test_a_slice_begins_where_its_frames_can_be_decoded_from(wish):
    timeline, packets = wish[0], wish[0].packets
    for part in slices_of(wish):
        assert {true_start(timeline, row) for row in part.requested} == {part.feed[0]}
        assert part.reason == NO_START or packets.is_random_access[part.feed[0]]


@pytest.mark.slow
@given(wishes())
def test_a_slice_holds_all_that_its_frames_need_and_ends_with_the_last(wish):
    packets = wish[0].packets
    for part in (part for part in slices_of(wish) if not part.reason):
        first, last = int(part.feed[0]), int(part.requested.max())
        for row in range(first, last + 1):
            is_leading = packets.pts[row] < packets.pts[first]
            is_needed = not packets.is_droppable[row] and not is_leading
            assert not is_needed or row in part.feed
        assert part.feed[-1] == last
        assert set(part.feed) <= set(part.run.feed)
        assert (np.diff(part.feed) > 0).all()


@pytest.mark.slow
@given(wishes())
def test_ranks_are_places_in_order_of_presentation(wish):
    timeline = wish[0]
    for part in slices_of(wish):
        in_order = part.feed[np.argsort(timeline.packets.pts[part.feed], kind="stable")]
        assert in_order[part.frames].tolist() == part.requested.tolist()
        assert sorted(part.ranks) == list(range(len(part.feed)))
        assert (np.diff(part.frames) > 0).all()


@pytest.mark.slow
@given(wishes())
def test_a_whole_slice_withholds_nothing_but_leading_pictures(wish):
    timeline, pts = wish[0], wish[0].packets.pts
    for part in slices_of(wish):
        complete = whole(timeline, part)
        assert complete.requested.tolist() == part.requested.tolist()
        missing = np.setdiff1d(np.arange(part.feed[0], part.feed[-1] + 1), complete.feed)
        assert (pts[missing] < pts[part.feed[0]]).all()


@pytest.mark.slow
@given(timelines())
def test_frames_of_a_run_come_in_order_of_presentation(timeline):
    runs = plan_frames(timeline, np.arange(len(timeline))).runs
    for run in runs:
        slices = slice_runs(timeline, [run])
        if any(part.reason for part in slices):
            continue
        for one, other in pairwise(slices):
            assert one.feed[0] < other.feed[0]


def test_what_cannot_be_a_stream_says_why():
    pts, starts, frames = [0, 1, 2, 3], [1, 0, 0, 0], [1, 1, 1, 1]
    timeline = timeline_of(pts, starts, [0, 0, 0, 0], frames)
    assert slices_of((timeline, [3]))[0].reason == ""
    assert slices_of((timeline_of(pts, [0] * 4, [0] * 4, frames), [3]))[0].reason == NO_START
    hidden_twin = timeline_of([0, 1, 1, 3], starts, [0] * 4, [1, 0, 1, 1])
    assert slices_of((hidden_twin, [2]))[0].reason == NO_TIMES
    broken = replace(timeline.packets, is_corrupt=np.array([0, 1, 0, 0], bool))
    assert slices_of((replace(timeline, packets=broken), [3]))[0].reason == BROKEN


@pytest.mark.parametrize("recipe", ["x264_open_gop", "x265_open_gop"])
def test_leading_pictures_are_in_the_slice_before(films, recipe):
    timeline = fewframes.probe(films(recipe))
    times = timeline.packet_times
    slices = slice_runs(timeline, plan_frames(timeline, np.arange(len(timeline))).runs)
    keys = np.flatnonzero(timeline.packets.is_random_access)
    assert [part.feed[0] for part in slices] == keys.tolist()
    leading = [part for part, key in zip(slices, keys[1:], strict=False) if key in part.feed]
    assert leading, "an open GOP has leading pictures"
    for part in slices:
        assert (times[part.feed] >= times[part.feed[0]]).all()


@pytest.mark.slow
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_written_stream_is_read_back_packet_by_packet(count, seed):
    rng = np.random.default_rng(seed)
    packets = [b"\x11" + rng.bytes(int(n)) for n in rng.integers(2, 300, count)]
    packets[0] = b"\x10" + packets[0]
    ranks = rng.permutation(count).tolist()
    data = matroska(packets, ranks, codec="vp8", size=(48, 64))
    with av.open(io.BytesIO(data)) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.width, stream.height) == ("vp8", 64, 48)
        got = [packet for packet in container.demux(stream) if packet.size]
        assert [bytes(packet) for packet in got] == packets
        assert [packet.pts for packet in got] == ranks
        assert [packet.is_keyframe for packet in got] == [True] + [False] * (count - 1)


def test_a_long_stream_needs_several_clusters():
    count = 20_000
    data = matroska([b"\x11f"] * count, range(count), codec="vp8", size=(48, 64))
    with av.open(io.BytesIO(data)) as container:
        assert [p.pts for p in container.demux(video=0) if p.size] == list(range(count))


def test_ranks_that_are_not_places_are_refused():
    with pytest.raises(ValueError, match="ranks of 2 packets must be 0 to 1"):
        matroska([b"a", b"b"], [0, 2], codec="vp8", size=(8, 8))
