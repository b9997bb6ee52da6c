"""A timeline says which frame is on screen when, and is remembered for this very file alone."""

import os
from dataclasses import fields, replace
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import fewframes
import fewframes.bindings.ffmpeg.demux
from fewframes.files.probing import identify, read_timeline
from fewframes.files.verified import in_order_of
from fewframes.media import timeline_cache
from fewframes.media.prediction import best_effort_times
from fewframes.media.timeline import NO_PTS, Timeline, example_timeline

TIME_BASES = [Fraction(1, 25), Fraction(1001, 30000), Fraction(1, 90000), Fraction(1, 1000)]


@st.composite
def timelines(draw):
    """Timelines of frames at any times, in presentation order."""
    steps = draw(st.lists(st.integers(1, 10**5), min_size=1, max_size=30))
    pts = draw(st.integers(-(10**6), 10**10)) + np.cumsum(steps)
    stream = replace(example_timeline().stream, time_base=draw(st.sampled_from(TIME_BASES)))
    order, duration = np.arange(len(pts)), draw(st.integers(1, 10**5))
    return replace(example_timeline(), stream=stream, order=order, pts=pts, duration_pts=duration)


@pytest.mark.slow
@given(timelines())
def test_a_frame_is_on_screen_from_its_own_time_until_the_next_one(timeline):
    numbers, seconds = np.arange(len(timeline)), timeline.seconds
    assert timeline.frame_at(seconds).tolist() == numbers.tolist()
    ends = np.append(seconds[1:], timeline.duration_seconds)
    middles = (seconds + ends) / 2
    assert timeline.frame_at(middles).tolist() == numbers.tolist()
    assert timeline.frame_at(timeline.duration_seconds).tolist() == [len(timeline) - 1]
    assert seconds[0] == 0


@pytest.mark.slow
@given(timelines(), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_frame_at_a_time_is_the_last_one_shown_by_then(timeline, parts):
    times = np.array(parts) * timeline.duration_seconds
    expected = [
        max(n for n, shown in enumerate(timeline.seconds) if shown <= time + 1e-9) for time in times
    ]
    assert timeline.frame_at(times).tolist() == expected


@pytest.mark.slow
@given(timelines(), st.floats(1e-6, 1e6))
def test_times_before_the_film_and_after_it_are_refused(timeline, beyond):
    end = timeline.duration_seconds
    for time in (-beyond, end + beyond, float("nan"), float("inf")):
        with pytest.raises(IndexError, match=r"time .* is shown from 0 to"):
            timeline.frame_at([0.0, time])


def assert_equal(one: Timeline, other: Timeline):
    for field in fields(Timeline):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name == "packets":
            for column in fields(mine):
                a, b = getattr(mine, column.name), getattr(theirs, column.name)
                assert a.dtype == b.dtype, column.name
                np.testing.assert_array_equal(a, b, err_msg=column.name)
        elif isinstance(mine, np.ndarray):
            assert mine.dtype == theirs.dtype, field.name
            np.testing.assert_array_equal(mine, theirs, err_msg=field.name)
        else:
            assert mine == theirs, field.name


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder that holds nothing yet."""
    monkeypatch.setenv("FEWFRAMES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def film(films, tmp_path):
    """A copy of a film, to be changed."""
    path = tmp_path / "a private name.mp4"
    path.write_bytes(films("x264_open_gop").read_bytes())
    return path


@pytest.fixture
def no_reading(monkeypatch):
    """Makes reading packets fail, so that only what is remembered can be given."""

    def refuse(*args):
        raise AssertionError("the packets were read again")

    monkeypatch.setattr(fewframes.bindings.ffmpeg.demux, "read_packets", refuse)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", ["x264_turned", "x264_uneven", "x265_layers", "mpeg4_avi", "vp9", "x264_ts"]
)
@pytest.mark.parametrize("verify", [False, True])
def test_what_is_remembered_equals_what_was_read(films, cache, recipe, verify):
    read = read_timeline(identify(films(recipe)), verify=verify)
    assert timeline_cache.load(read.source, None) is None
    timeline_cache.save(read, None)
    assert_equal(timeline_cache.load(read.source, None), read)


def test_damage_is_remembered(cache):
    lost = np.array([1, 3])
    timeline = replace(example_timeline(), damage=("ends early",), undecodable=lost)
    timeline_cache.save(timeline, None)
    assert_equal(timeline_cache.load(timeline.source, None), timeline)


def test_a_film_is_read_once(film, cache, request):
    first = fewframes.probe(film)
    request.getfixturevalue("no_reading")
    assert_equal(fewframes.probe(film), first)


def test_a_verified_timeline_replaces_a_predicted_one(film, cache, request):
    assert fewframes.probe(film).state == "predicted"
    assert fewframes.probe(film, verify=True).state == "verified"
    request.getfixturevalue("no_reading")
    assert fewframes.probe(film).state == "verified"


def grow(film, monkeypatch):
    film.write_bytes(film.read_bytes() + b"\0")


def change_a_byte(film, monkeypatch):
    stat, data = film.stat(), bytearray(film.read_bytes())
    data[len(data) // 2] ^= 1
    film.write_bytes(data)
    os.utime(film, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def touch(film, monkeypatch):
    stat = film.stat()
    os.utime(film, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))


def update_ffmpeg(film, monkeypatch):
    monkeypatch.setattr(fewframes.bindings.ffmpeg.demux, "VERSIONS", "av 99, ffmpeg 99")


def change_format(film, monkeypatch):
    monkeypatch.setattr(timeline_cache, "FORMAT", "fewframes timeline 0")


@pytest.mark.parametrize("change", [grow, change_a_byte, touch, update_ffmpeg, change_format])
def test_nothing_is_remembered_of_another_file_or_another_version(film, cache, monkeypatch, change):
    timeline = fewframes.probe(film)
    assert timeline_cache.load(identify(film), None) is not None
    change(film, monkeypatch)
    assert timeline_cache.load(identify(film), None) is None
    assert len(fewframes.probe(film)) == len(timeline)


def test_a_moved_film_is_still_known(film, cache, request):
    first = fewframes.probe(film)
    moved = film.rename(film.with_name("moved.mp4"))
    request.getfixturevalue("no_reading")
    again = fewframes.probe(moved)
    assert again.source.path == moved
    assert_equal(replace(again, source=first.source), first)


@pytest.mark.parametrize("kept", [0, 1, 8, 100, 0.5, 0.9, 0.999])
def test_a_cut_cache_file_is_read_again(film, cache, kept):
    first = fewframes.probe(film)
    (file,) = (cache / "timelines").iterdir()
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * kept) if 0 < kept < 1 else kept])
    assert_equal(fewframes.probe(film), first)
    assert timeline_cache.load(first.source, None) is not None


@pytest.mark.parametrize("seed", range(10))
def test_a_cache_file_of_noise_is_read_again(film, cache, seed):
    first = fewframes.probe(film)
    (file,) = (cache / "timelines").iterdir()
    file.write_bytes(b"ARROW1\0\0" + np.random.default_rng(seed).bytes(2000) + b"ARROW1")
    assert_equal(fewframes.probe(film), first)


def test_the_cache_can_be_switched_off(film, cache, monkeypatch):
    fewframes.probe(film, cache=False)
    assert not cache.exists()
    monkeypatch.setenv("FEWFRAMES_CACHE", "off")
    before = sorted(film.parent.iterdir())
    timeline = fewframes.probe(film)
    assert timeline_cache.load(timeline.source, None) is None
    assert sorted(film.parent.iterdir()) == before


def test_a_cache_that_cannot_be_written_is_no_error(film, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FEWFRAMES_CACHE", str(tmp_path / "file"))
    assert len(fewframes.probe(film)) == 90


def test_the_cache_names_neither_the_film_nor_its_folder(film, cache):
    fewframes.probe(film)
    (file,) = (cache / "timelines").iterdir()
    for word in (film.stem, film.parent.name, str(film.parent.parent)):
        assert word not in file.name
        assert word.encode() not in file.read_bytes()


def test_streams_are_remembered_apart(film, cache):
    fewframes.probe(film)
    fewframes.probe(film, stream=0)
    assert len(list((cache / "timelines").iterdir())) == 2


def test_two_files_of_one_size_and_edges_are_told_apart_by_their_time(film, cache, tmp_path):
    """Only the first and the last MiB are hashed, so a later change must show in the time."""
    source = identify(film)
    timeline_cache.save(fewframes.probe(film), None)
    other = replace(source, mtime_ns=source.mtime_ns + 1)
    assert timeline_cache.load(other, None) is None


def test_frames_without_times_follow_each_other():
    nothing = np.full(4, NO_PTS)
    assert best_effort_times(nothing, np.array([5, 6, 7, 8]), 1).tolist() == [5, 6, 7, 8]
    times = best_effort_times(np.array([0, NO_PTS, 20, NO_PTS]), nothing, 10)
    assert times.tolist() == [0, 10, 20, 30]


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(0, 50), st.booleans(), st.integers(0, 50)), max_size=20),
    st.integers(1, 9),
)
def test_best_effort_times_always_go_forward(frames, step):
    pts = np.array([NO_PTS if missing else time for time, missing, _ in frames], np.int64)
    dts = np.array([time for _, _, time in frames], np.int64)
    assert (np.diff(best_effort_times(pts, dts, step)) > 0).all()


@pytest.mark.slow
@given(timelines())
def test_a_time_written_with_nine_decimals_finds_its_frame(timeline):
    written = np.array([float(f"{seconds:.9f}") for seconds in timeline.seconds])
    steps = np.diff(timeline.seconds)
    assume(not steps.size or steps.min() > 3e-9)
    assert timeline.frame_at(written).tolist() == list(range(len(timeline)))


def test_the_tolerance_is_a_nanosecond():
    timeline = example_timeline()
    just_before, before = timeline.seconds[1:] - 9e-10, timeline.seconds[1:] - 2e-9
    assert timeline.frame_at(just_before).tolist() == [1, 2, 3]
    assert timeline.frame_at(before).tolist() == [0, 1, 2]


def test_frames_before_the_first_keyframe_are_of_the_first_gop():
    starts = np.array([False, False, True, False])
    whole = example_timeline()
    cut = replace(
        whole,
        packets=replace(whole.packets, is_random_access=starts),
        order=np.arange(4),
        pts=np.arange(4),
    )
    assert cut.gop.tolist() == [0, 0, 0, 0]
    later = replace(cut, packets=replace(cut.packets, is_random_access=np.roll(starts, 1) | starts))
    assert later.gop.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_the_last_frame_lasts_as_long_as_its_packet_says(tmp_path, suffix):
    path, ticks = tmp_path / f"slides.{suffix}", 1000
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.codec_context.time_base = Fraction(1, ticks)
        for number, shown in enumerate((0, 1000, 2000, 3000)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 60 * number, np.uint8))
            frame.pts = shown
            for packet in stream.encode(frame):
                packet.duration = 7000 if number == 3 else 1000
                container.mux(packet)
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        *_, last = (packet for packet in container.demux(video=0) if packet.size)
        assert float(last.duration * last.time_base) == pytest.approx(7.0)
    timeline = fewframes.probe(path)
    assert timeline.duration_seconds == pytest.approx(10.0)
    assert timeline.frame_at([3.5, 9.9]).tolist() == [3, 3]


def test_a_verified_timeline_has_the_decoders_order():
    timeline = in_order_of(example_timeline(), np.array([0, 2, 1, 3]))
    assert timeline.order.tolist() == [0, 3, 2, 1]
    assert (np.diff(timeline.pts) > 0).all()
    assert "another order" in timeline.notes[-1]
    same = example_timeline()
    assert in_order_of(same, np.arange(4)) is same
