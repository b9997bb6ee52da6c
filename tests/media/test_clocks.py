"""Stamps that repeat, fall or leap become times that rise, with the fewest repairs."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewframes.media.clocks import repaired_times
from fewframes.times import rows_at

STEP = 40
BASE = Fraction(1, 1000)


def film(count, first=0):
    return [first + STEP * n for n in range(count)]


def times_of(stamps):
    return repaired_times(np.array(stamps, np.int64), np.full(len(stamps), STEP), BASE)


SOUND = film(20)
FAR = 36_000_000
READINGS = {
    "sound": (SOUND, SOUND, 0),
    "a clock that starts again": (film(10) + film(10), SOUND, 10),
    "a clock that starts again twice": (film(5) + film(10) + film(5), SOUND, 15),
    "a recording that begins a little before the end of the other": (
        film(10) + film(10, 7 * STEP),
        SOUND,
        10,
    ),
    "a counter that wraps": (film(10, 2**33 - 10 * STEP) + film(10), film(20, 2**33 - 400), 10),
    "one stamp far ahead": ([*SOUND[:7], FAR, *SOUND[8:]], SOUND, 1),
    "three stamps far ahead": ([*SOUND[:7], *film(3, FAR), *SOUND[10:]], SOUND, 3),
    "one stamp far behind": ([*SOUND[:7], 0, *SOUND[8:]], SOUND, 1),
    "the first stamp far ahead": ([FAR, *SOUND[1:]], SOUND, 1),
    "the last stamp far behind": ([*SOUND[:19], 0], SOUND, 1),
    "two stamps that have changed places": ([*SOUND[:7], 320, 280, *SOUND[9:]], None, 1),
    "a hole that stays": (film(10) + film(10, FAR), film(10) + film(10, FAR), 0),
    "a visit to another clock": (film(10) + film(10, FAR) + film(10, 800), film(30), 10),
}


@pytest.mark.parametrize("what", READINGS)
def test_the_reading_that_repairs_the_fewest_frames_wins(what):
    stamps, right, repaired = READINGS[what]
    times = times_of(stamps)
    assert len(times.repaired) == repaired
    assert times.ticks_per_stamp == 1
    if right is not None:
        assert (np.diff(times.pts) == np.diff(right)).all()
    kept = np.delete(np.arange(len(stamps)), times.repaired)
    assert (times.pts[kept] == np.array(stamps)[kept]).all()


@pytest.mark.parametrize(
    ("stamps", "right", "ticks"),
    [
        ([0, 40, 40, 40, 80], [0, 40, 41, 42, 80], 1),
        ([0, 1, 1, 2], [0, 2, 3, 4], 2),
        ([0, 1, 1, 1, 2, 3], [0, 3, 4, 5, 6, 9], 3),
        ([7, 7, 7], [7, 8, 9], 1),
    ],
)
def test_a_stamp_that_repeats_takes_the_next_free_tick(stamps, right, ticks):
    times = times_of(stamps)
    assert (times.pts.tolist(), times.ticks_per_stamp) == (right, ticks)
    repeats = [n for n in range(1, len(stamps)) if stamps[n] == stamps[n - 1]]
    assert times.repaired.tolist() == repeats


def test_what_was_found_is_said_with_frame_and_time():
    clock = times_of(film(10) + film(10)).notes
    assert len(clock) == 1
    assert "clock starts again" in clock[0]
    assert "frame 10 (0.400 s)" in clock[0]
    assert "frame 7 (0.280 s)" in times_of([*SOUND[:7], FAR, *SOUND[8:]]).notes[0]
    assert "frame 10 (36000.000 s)" in times_of(film(10) + film(10, FAR)).notes[0]
    assert "(and 1 more such frames)" in times_of([0, 40, 40, 40, 80]).notes[0]
    assert times_of(SOUND).notes == ()


@pytest.mark.slow
@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=60))
def test_any_stamps_become_times_that_rise(stamps):
    times = times_of(stamps)
    assert (np.diff(times.pts) > 0).all()
    kept = np.delete(np.arange(len(stamps)), times.repaired)
    assert (times.pts[kept] == np.array(stamps)[kept] * times.ticks_per_stamp).all()


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=40),
    st.integers(0, 2**33),
    st.sampled_from([Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 10**9)]),
)
def test_the_frame_at_its_own_time_is_itself(steps, first, base):
    """Also where ticks are a nanosecond, the tolerance of times."""
    stamps = first + np.cumsum(steps)
    times = repaired_times(stamps, np.zeros(len(stamps), np.int64), base)
    seconds = (times.pts - times.pts[0]).astype(float) * float(base / times.ticks_per_stamp)
    if (np.diff(seconds) > 0).all():
        assert rows_at(seconds, seconds).tolist() == list(range(len(seconds)))


def test_a_time_within_a_nanosecond_is_the_frames_own():
    shown = np.array([0.0, 1.0, 2.0])
    assert rows_at(shown, np.array([1.0 - 9e-10, 1.0 - 2e-9, 2.0 - 9e-10])).tolist() == [1, 0, 2]
    assert rows_at(np.array([0.0, 5e-10]), np.array([0.0, 5e-10])).tolist() == [0, 1]


@pytest.mark.slow
def test_a_million_stamps_that_repeat_take_seconds():
    stamps = np.repeat(np.arange(250_000) * STEP, 4)
    times = repaired_times(stamps, np.zeros(len(stamps), np.int64), BASE)
    assert len(times.repaired) == 750_000
