"""A plan feeds every wanted frame, from where its decoding can start, and nothing it can leave."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_timelines import timeline_of, true_start, wishes, without_drops
from hypothesis import given
from hypothesis import strategies as st

from fewframes.decode.plan import plan_frames, start_packets
from fewframes.media.timeline import NO_PTS, example_timeline


@pytest.mark.slow
@given(wishes())
def test_every_wanted_packet_is_fed_and_marked_as_wanted_once(wish):
    timeline, numbers = wish
    plan = plan_frames(timeline, numbers)
    assert plan.frame_numbers.tolist() == sorted(set(numbers))
    requested = [row for run in plan.runs for row in run.requested]
    assert sorted(timeline.order[plan.frame_numbers]) == requested
    for run in plan.runs:
        assert set(run.requested) <= set(run.feed)


@pytest.mark.slow
@given(wishes())
def test_runs_are_sorted_and_share_no_packet(wish):
    runs = plan_frames(*wish).runs
    rows = np.concatenate([run.feed for run in runs] or [np.empty(0, int)])
    assert (np.diff(rows) > 0).all()
    assert all(len(run.requested) for run in runs)


@pytest.mark.slow
@given(wishes())
def test_decoding_starts_at_the_last_start_that_is_shown_no_later(wish):
    timeline, numbers = wish
    for run in plan_frames(timeline, numbers).runs:
        assert run.feed[0] == min(true_start(timeline, row) for row in run.requested)
        assert run.feed[-1] == run.requested[-1]
    targets = np.sort(timeline.order)
    assert start_packets(timeline, targets).tolist() == [true_start(timeline, t) for t in targets]


@pytest.mark.slow
@given(wishes())
def test_all_that_a_wanted_picture_may_need_is_fed(wish):
    timeline, numbers = wish
    for run in plan_frames(timeline, numbers).runs:
        fed = set(run.feed.tolist())
        for row in run.requested:
            needed = range(true_start(timeline, row), row + 1)
            assert {r for r in needed if not timeline.packets.is_droppable[r]} <= fed


@pytest.mark.slow
@given(wishes())
def test_nothing_that_can_be_left_out_is_fed(wish):
    timeline, numbers = wish
    for run in plan_frames(timeline, numbers).runs:
        idle = np.setdiff1d(run.feed[1:], run.requested)
        assert not timeline.packets.is_droppable[idle].any()


@pytest.mark.slow
@given(wishes())
def test_the_cost_is_the_packets_fed(wish):
    timeline, numbers = wish
    plan = plan_frames(timeline, numbers)
    whole = plan_frames(without_drops(timeline), numbers)
    assert plan.pictures == sum(len(run.feed) for run in plan.runs) <= whole.pictures
    assert whole.pictures <= plan.total_pictures == len(timeline.packets)


@pytest.mark.slow
@given(wishes())
def test_without_dropping_runs_have_no_gaps(wish):
    timeline, numbers = wish
    for run in plan_frames(without_drops(timeline), numbers).runs:
        assert run.feed.tolist() == list(range(run.feed[0], run.feed[-1] + 1))


@pytest.mark.slow
@given(wishes(), st.randoms(use_true_random=False))
def test_the_order_of_the_wish_does_not_matter(wish, random):
    timeline, numbers = wish
    mixed = numbers * 2
    random.shuffle(mixed)
    assert repr(plan_frames(timeline, numbers).runs) == repr(plan_frames(timeline, mixed).runs)


def test_a_leading_picture_of_an_open_gop_begins_one_gop_earlier():
    pts = [0, 3, 1, 2, 6, 4, 5, 7]  # I P B B, I B B P; the two B of the second are shown before I
    starts = [True, False, False, False, True, False, False, False]
    drops = [False, False, True, True, False, True, True, False]
    timeline = timeline_of(pts, starts, drops, [True] * 8)
    (run,) = plan_frames(timeline, [4]).runs
    assert (run.feed.tolist(), run.requested.tolist()) == ([0, 1, 4, 5], [5])
    (run,) = plan_frames(timeline, [7]).runs
    assert run.feed.tolist() == [4, 7]


def test_gops_without_a_wanted_frame_cost_nothing():
    pts, starts = list(range(100)), [place % 10 == 0 for place in range(100)]
    timeline = timeline_of(pts, starts, [False] * 100, [True] * 100)
    plan = plan_frames(timeline, [3, 52, 57, 95])
    assert [run.feed.tolist()[:: len(run.feed) - 1] for run in plan.runs] == [
        [0, 3],
        [50, 57],
        [90, 95],
    ]
    assert repr(plan) == "DecodePlan(4 frames in 3 runs, 18 pictures to decode of 100)"


def test_times_of_a_decode_stand_in_for_missing_pts():
    timeline = timeline_of([0, 1, 2, 3], [True, False, True, False], [False] * 4, [True] * 4)
    packets = replace(timeline.packets, pts=np.full(4, NO_PTS))
    (run,) = plan_frames(replace(timeline, packets=packets), [3]).runs
    assert run.feed.tolist() == [2, 3]


def test_no_frames_make_an_empty_plan():
    plan = plan_frames(example_timeline(), [])
    assert (plan.runs, plan.pictures, len(plan.frame_numbers)) == ((), 0, 0)


@pytest.mark.parametrize("number", [-1, 4])
def test_a_frame_that_is_not_there_is_refused(number):
    with pytest.raises(IndexError, match=rf"frame {number} of 'example.mp4' .* 0 to 3"):
        plan_frames(example_timeline(), [0, number])


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
@given(wishes())
def test_a_picture_of_mpeg_1_and_2_is_followed_by_the_packet_that_ends_it(codec, wish):
    timeline, numbers = wish
    timeline = replace(timeline, stream=replace(timeline.stream, codec=codec))
    plan = plan_frames(without_drops(timeline), numbers)  # nothing there says it may be dropped
    fed = {row for run in plan.runs for row in run.feed.tolist()}
    requested = {row for run in plan.runs for row in run.requested.tolist()}
    last = len(timeline.packets) - 1
    assert {min(row + 1, last) for row in requested} <= fed
    assert requested == set(timeline.order[plan.frame_numbers].tolist())


def test_a_picture_of_two_fields_is_fed_whole_and_others_are_dropped_whole():
    times, starts = [0, 0, 1, 1, 2, 2, 3, 3], [True] + [False] * 7
    timeline = timeline_of(times, starts, [False] * 2 + [True] * 6, [True, False] * 4)
    second = np.arange(8) % 2 == 1
    timeline = replace(timeline, packets=replace(timeline.packets, is_second_field=second))
    (run,) = plan_frames(timeline, [1, 3]).runs
    assert run.feed.tolist() == [0, 1, 2, 3, 6, 7]
    assert run.requested.tolist() == [2, 6]
