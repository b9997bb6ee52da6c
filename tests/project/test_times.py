import numpy as np
import pytest

import fewframes as ff
from fewframes.times import as_seconds, as_times, bounds_of, requested_times, span_of


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (90, 90.0),
        (np.float32(1.5), 1.5),
        ("90", 90.0),
        (" 1:30 ", 90.0),
        ("00:01:30.5", 90.5),
        ("1:02:03", 3723.0),
        ("75:10", 4510.0),
        ("1e3", 1000.0),
    ],
)
def test_times_are_numbers_or_text(time, seconds):
    assert as_seconds(time) == seconds


@pytest.mark.parametrize("time", ["", "1:60", "1:61:00", "1:2:3:4", "noon", "1;30", "-1:30"])
def test_a_text_that_is_no_time_is_refused_in_words(time):
    with pytest.raises(ValueError, match="is no time; pass seconds, MM:SS or HH:MM:SS"):
        as_seconds(time)


@pytest.mark.parametrize("time", [None, [1], b"1:30", 1j])
def test_a_thing_that_is_no_time_is_a_type_error(time):
    with pytest.raises(TypeError, match="is no time"):
        as_seconds(time)


def test_many_times_may_be_mixed():
    assert as_times(["0:01", 2, np.float64(3)]).tolist() == [1.0, 2.0, 3.0]
    assert as_times(np.array(["0:01", "0:02"])).tolist() == [1.0, 2.0]
    assert as_times(np.arange(3)).dtype == np.float64
    assert as_times([]).shape == (0,)
    assert requested_times(slice(None, "1:00")) == slice(None, 60.0)


def test_spans_include_both_ends_and_slices_end_before_their_stop():
    assert bounds_of(("1:00", 90)) == (60.0, 90.0)
    assert bounds_of(slice("1:00", 90)) == (60.0, np.nextafter(90.0, 0))
    assert span_of(slice(None, None)) is span_of((None, None)) is span_of(None) is None
    with pytest.raises(ValueError, match="starts after it ends"):
        bounds_of(("1:00", "0:30"))
    with pytest.raises(ValueError, match="has a step"):
        bounds_of(slice(0, 4, 2))


@pytest.mark.slow
def test_every_door_takes_times_as_text(films, tmp_path):
    path = films("x264_pyramid")
    store = ff.index(path, tmp_path / "s.zarr", fps=None, size=64) and ff.open(tmp_path / "s.zarr")
    video, timeline = store[path.stem], ff.probe(path)
    whole = ff.read(path, frames=slice(10, 60, 25))
    assert whole.frame_numbers.tolist() == [10, 35]
    spanned = ff.read(path, seconds=slice("0:01", "00:00:01.2"))
    assert spanned.frame_numbers.tolist() == [
        n for n, t in enumerate(timeline.seconds) if 1 <= t < 1.2
    ]
    assert video.read(seconds=slice("0:01", 1.2)).frame_numbers.tolist() == (
        spanned.frame_numbers.tolist()
    )
    assert video.read(seconds="0:01").frame_numbers.tolist() == [timeline.frame_at("0:01")[0]]
    for source in (lambda **how: ff.sample(path, **how), video.sample):
        by_text, by_number = (
            source(budget=4, policy="uniform", span=span) for span in (("0:01", "0:02"), (1, 2))
        )
        assert by_text.frame_numbers.tolist() == by_number.frame_numbers.tolist()
        sliced = source(budget=4, policy="uniform", span=slice(1, 2))
        assert sliced.seconds.max() < 2 <= by_number.seconds.max() + 1e-9
    session = ff.Session(video, film=path)
    assert session.frame_at("0:01").frame_numbers.tolist() == [timeline.frame_at(1.0)[0]]
    assert len(session.look("0:01", "0:02", k=3)) == 3
    assert len(session.zoom("0:01.5", (0, 0, 1, 1))) == 1


def test_slices_that_count_from_the_end_are_refused(films):
    with pytest.raises(ValueError, match="counts from the end"):
        ff.read(films("x264_pyramid"), frames=slice(-3, None))


def test_numpy_takes_a_batch_as_its_frames(films):
    batch = ff.read(films("x264_pyramid"), frames=[0, 5])
    assert np.shares_memory(np.asarray(batch), batch.frames)
    assert np.array(batch, dtype=np.float32).dtype == np.float32
    assert np.array_equal(np.stack([batch, batch])[1], batch.frames)
    with pytest.raises(ValueError, match="planes"):
        np.asarray(ff.read(films("x264_pyramid"), frames=[0], format="yuv"))


def test_a_misspelt_option_names_the_one_that_was_meant(films):
    for call in (ff.sample, ff.Video.sample):
        with pytest.raises(TypeError, match="'sapn'; did you mean 'span'"):
            call(films("x264_pyramid"), budget=2, sapn=(0, 1))


def test_policies_are_listed_by_name():
    assert {"adaptive", "uniform"} <= ff.policies().keys()
    assert ff.policies()["uniform"].summary
