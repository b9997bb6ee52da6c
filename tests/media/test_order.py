"""Packets say the order of presentation, or that only their decoder knows it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewframes.media.order import Order, Stretch, is_plain, presentation_order, settled
from fewframes.media.timeline import NO_PTS, example_timeline

GOP = [0, 3, 1, 2]
"""I P B B."""


def packets(groups, *, dts=None):
    """Packets of groups of pictures, each a list of pts in decode order."""
    pts = np.array([time for group in groups for time in group], np.int64)
    count = len(pts)
    starts = np.cumsum([0, *map(len, groups)])[:-1]
    return replace(
        example_timeline().packets,
        pts=pts,
        dts=np.arange(count) if dts is None else np.array(dts, np.int64),
        size_bytes=np.ones(count, np.int64),
        position=np.arange(count),
        is_random_access=np.isin(np.arange(count), starts),
        is_droppable=np.zeros(count, bool),
        is_frame=np.ones(count, bool),
        is_corrupt=np.zeros(count, bool),
        is_second_field=np.zeros(count, bool),
        header_state=np.zeros(count, np.int64),
    )


def later(group, by):
    return [time + by for time in group]


def test_sound_packets_are_in_order_of_their_times():
    order = presentation_order(packets([GOP, later(GOP, 4)]), depth=1)
    assert order == Order(order.rows)
    assert order.rows.tolist() == [0, 2, 3, 1, 4, 6, 7, 5]


def test_leading_pictures_come_before_their_keyframe():
    order = presentation_order(packets([[0, 3, 1, 2], [6, 4, 5, 9, 7, 8]]), depth=1)
    assert order.rows.tolist() == [0, 2, 3, 1, 5, 6, 4, 8, 9, 7]
    assert order.doubtful == ()


def test_a_codec_that_never_reorders_is_shown_as_it_is_coded():
    film = packets([[0, 1, 99, 3], [0, 1, 2]], dts=[0, 1, 99, 3, 0, 1, 2])
    order = presentation_order(film, depth=None)
    assert (order.rows.tolist(), order.doubtful) == (list(range(7)), ())
    assert order.joints == (3, 4)


DOUBTS = {
    "equal times": [0, 3, 3, 2],
    "a picture that waits too long": [0, 9, 3, 1, 2],
    "a missing time": [0, 3, NO_PTS, 2],
    "a picture far ahead": [0, 10**6, 1, 2],
}


@pytest.mark.parametrize("what", DOUBTS)
def test_only_the_group_in_doubt_is_doubtful(what):
    groups = [GOP, later(GOP, 10), DOUBTS[what], later(GOP, 10**7), later(GOP, 2 * 10**7)]
    groups[2] = [time if time == NO_PTS else time + 20 for time in groups[2]]
    order = presentation_order(packets(groups), depth=1)
    first = sum(map(len, groups[:2]))
    assert order.doubtful == (Stretch(first, first + len(groups[2])),)


def test_both_groups_at_a_joint_are_doubtful_and_the_clocks_are_not_mixed():
    film = packets([GOP, later(GOP, 4), GOP, later(GOP, 4)], dts=[*range(8), *range(8)])
    order = presentation_order(film, depth=1)
    assert order.doubtful == (Stretch(4, 12),)
    assert order.joints == (8,)
    assert (np.diff(np.array(order.rows) // 4) >= 0).all()


def test_a_long_gap_between_groups_is_no_doubt():
    order = presentation_order(packets([GOP, later(GOP, 10**9)]), depth=1)
    assert order.doubtful == ()


def test_what_the_decoder_gave_takes_the_place_of_the_guess():
    guess = Order(np.array([0, 1, 2, 3, 4, 5]), (Stretch(2, 5),))
    assert settled(guess, np.array([4, 2, 3])).tolist() == [0, 1, 4, 2, 3, 5]
    assert settled(guess, np.array([4, 2])).tolist() == [0, 1, 4, 2, 3, 5]
    assert settled(guess, np.array([], np.int64)).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
@given(st.permutations(range(12)), st.integers(0, 12))
def test_no_picture_waits_for_more_than_its_decoder_holds_back(times, depth):
    waiting = max(sum(a > b for a in times[:n]) for n, b in enumerate(times))
    assert is_plain(np.array(times), depth) == (waiting <= depth)


def test_a_group_that_begins_before_the_end_of_the_one_before_is_doubtful():
    """As clips of two rates that were joined: the writer squeezed stamps until they rose."""
    groups = [GOP, [40, 70, 50, 60], [65, 68, 66, 67], later(GOP, 900)]
    order = presentation_order(packets(groups), depth=2)
    assert order.doubtful == (Stretch(4, 12),)
    assert (np.diff(np.array(order.rows) // 4) >= 0).all()
