"""Groups of slices take turns in pipelines; what DALI refuses costs no more than it must."""

import threading
import time
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from dali_checks import PyavPipeline, need, play_gpu

import fewframes
from fewframes.bench.research.films import Film, read_number, write_film
from fewframes.bindings.dali import decode as dali_decode
from fewframes.bindings.dali import groups as dali_groups
from fewframes.bindings.dali import video as dali_video
from fewframes.bindings.dali.video import (
    GIVEN_UP,
    MOST_REFUSED,
    REFUSED,
    SliceDecoder,
    VideoPipeline,
)
from fewframes.bindings.ffmpeg.cursor import Cursor
from fewframes.bindings.ffmpeg.slice_streams import SliceWriter, stream_of
from fewframes.decode.decoder import DecodeReport, Event
from fewframes.decode.plan import plan_frames
from fewframes.decode.slices import slice_runs

MANY = Film(frames=60, size=(48, 256), options={"g": "5", "bf": "2", "x264-params": "scenecut=0"})
"""Twelve slices."""


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "film.mp4"
    write_film(path, MANY)
    return fewframes.probe(path, cache=False)


@pytest.fixture(autouse=True)
def no_idle_pipelines(monkeypatch):
    monkeypatch.setattr(dali_video, "_IDLE", {})


def streams_of(timeline, data=b"x"):
    parts = slice_runs(timeline, plan_frames(timeline, np.arange(0, len(timeline), 5)).runs)
    return [stream_of(part, data + bytes([at])) for at, part in enumerate(parts)]


class Logged(PyavPipeline):
    """Notes what is started, waited for and let go; gives the names of streams, refuses some."""

    log: ClassVar[list] = []
    bad: frozenset = frozenset()

    def start(self, streams):
        super().start(streams)
        self.log.append(("start", *names_of(streams)))

    def given(self):
        self.log.append(("given", *names_of(self.streams)))
        if self.bad & set(names_of(self.streams)):
            raise RuntimeError("no")
        return names_of(self.streams)

    def release(self):
        self.log.append(("release", *names_of(self.streams)))


def names_of(streams):
    return [one.data[-1] for one in streams]


@pytest.fixture
def log(monkeypatch):
    made = []

    class Counted(Logged):
        log, built = [], made

        def __init__(self, device, count):
            super().__init__(device, count)
            self.built.append(count)

    monkeypatch.setattr(dali_video, "VideoPipeline", Counted)
    return Counted


def results(video, groups):
    return [(list(group), list(decoded)) for group, decoded in video.decode(groups)]


def test_one_group_is_decoded_while_another_is_used(many, log):
    a, b, c, *_ = streams_of(many)
    for _ in SliceDecoder("cuda", 2).decode([[a], [b], [c]]):
        log.log.append(("use",))
    words = [word for word, *_ in log.log]
    assert words[:4] == ["start", "start", "given", "use"]
    assert log.log[4:7] == [("release", 0), ("start", 2), ("given", 1)]
    assert log.built == [1, 1]


def test_on_the_cpu_there_is_one_group_at_a_time(many, log):
    a, b, *_ = streams_of(many)
    assert results(SliceDecoder("cpu", 4), [[a], [b]]) == [([a], [0]), ([b], [1])]
    assert [word for word, *_ in log.log] == ["start", "given", "release"] * 2
    assert log.built == [4]


def test_pipelines_belong_to_the_process(many, log):
    streams = streams_of(many)
    for _ in range(3):
        assert results(SliceDecoder("cuda", 4), [streams[:2], streams[2:4]])[1][1] == [2, 3]
    assert log.built == [2, 2]
    results(SliceDecoder("cuda", 8), [streams[:4]])
    assert log.built == [2, 2, 4]


def test_what_is_left_early_is_waited_for_and_its_pipelines_are_used_again(many, log):
    streams = streams_of(many)
    decoded = SliceDecoder("cuda", 4).decode([streams[:2], streams[2:4], streams[4:6]])
    next(decoded)
    decoded.close()
    assert sorted(log.log)[-2:] == [("start", 0, 1), ("start", 2, 3)]
    assert sorted(one for one in log.log if one[0] == "release") == [
        ("release", 0, 1),
        ("release", 2, 3),
    ]
    assert len(results(SliceDecoder("cuda", 4), [streams[:2], streams[2:4]])) == 2
    assert log.built == [2, 2]


def test_a_bad_stream_costs_no_other(many, log, monkeypatch):
    streams = streams_of(many)[:6]
    monkeypatch.setattr(log, "bad", {1, 4})
    video = SliceDecoder("cuda", 6)
    given = [what for _, decoded in results(video, [streams[:3], streams[3:]]) for what in decoded]
    assert given == [0, REFUSED, 2, 3, REFUSED, 5]
    assert not video.has_given_up


def test_bad_streams_that_are_not_in_a_row_are_no_reason_to_give_up(many, log, monkeypatch):
    streams = streams_of(many)
    monkeypatch.setattr(log, "bad", {0, 1, 3, 4, 6, 7})
    video = SliceDecoder("cuda", 12)
    groups = [streams[:2], streams[2:6], streams[6:]]
    given = [what for _, one in results(video, groups) for what in one]
    assert [what for what in given if what != REFUSED] == [2, 5, 8, 9, 10, 11]
    assert not video.has_given_up


def test_a_group_that_is_decoded_begins_the_row_anew(many, log, monkeypatch):
    streams = streams_of(many)
    monkeypatch.setattr(log, "bad", {0, 1, 3, 4, 6, 7})
    video = SliceDecoder("cuda", 2)
    given = [what for _, one in results(video, [[one] for one in streams]) for what in one]
    assert [what for what in given if what != REFUSED] == [2, 5, 8, 9, 10, 11]


def test_after_some_in_a_row_nothing_more_is_tried(many, log, monkeypatch):
    streams = streams_of(many)
    monkeypatch.setattr(log, "bad", frozenset(range(12)))
    video = SliceDecoder("cuda", 8)
    given = results(video, [streams[:4], ["no stream"], streams[4:8], streams[8:]])
    assert [what for _, one in given for what in one] == [REFUSED] * 3 + [GIVEN_UP] * 9
    assert MOST_REFUSED == 3
    tried = [one[1:] for one in log.log if one[0] == "start"]
    assert tried == [(0, 1, 2, 3), (0,), (1,), (2,)]
    assert video.has_given_up


def test_single_streams_are_not_tried_twice(many, log, monkeypatch):
    streams = streams_of(many)
    monkeypatch.setattr(log, "bad", frozenset(range(12)))
    given = results(SliceDecoder("cpu", 1), [[one] for one in streams])
    assert [what for _, one in given for what in one] == [REFUSED] * 3 + [GIVEN_UP] * 9
    assert [one[1:] for one in log.log if one[0] == "start"] == [(0,), (1,), (2,)]


def test_a_film_that_dali_does_not_take_goes_to_ffmpeg_and_is_counted(many, monkeypatch):
    class Refuses(PyavPipeline):
        tried: ClassVar[list] = []

        def start(self, streams):
            self.tried.append(len(streams))
            raise RuntimeError("no")

    play_gpu(monkeypatch, Refuses)
    numbers = np.arange(len(many))
    batch = fewframes.read(many, frames=numbers, backend="dali", device="cuda")
    assert [read_number(frame) for frame in batch] == numbers.tolist()
    said = batch.report["fallbacks_to_ffmpeg"]
    assert said == f"{GIVEN_UP} (9); {REFUSED} (3)"
    assert batch.report["decoder"] == "ffmpeg on cpu"
    assert len(Refuses.tried) == 4


@pytest.mark.slow
def test_slices_are_written_by_a_thread_on_a_gpu_alone(many, monkeypatch):
    threads, write = set(), SliceWriter.write

    def noted(self, part):
        threads.add(threading.current_thread())
        return write(self, part)

    play_gpu(monkeypatch)
    monkeypatch.setattr(SliceWriter, "write", noted)
    for device, is_here in (("cpu", True), ("cuda", False)):
        threads.clear()
        runs = plan_frames(many, np.arange(len(many))).runs
        how = {"format": "rgb", "size": None, "report": DecodeReport(), "device": device}
        shown = [read_number(b.frames[0]) for b in dali_decode.decode(many, runs, slices=4, **how)]
        assert shown == list(range(len(many)))
        assert (threads == {threading.current_thread()}) == is_here
        assert len(threads) == 1
    assert not any(one.name.startswith("slices ahead") for one in threading.enumerate())


def test_a_film_that_is_left_early_leaves_no_thread_and_no_open_file(many, monkeypatch):
    play_gpu(monkeypatch)
    runs = plan_frames(many, np.arange(len(many))).runs
    how = {"format": "rgb", "size": None, "report": DecodeReport(), "device": "cuda"}
    batches = dali_decode.decode(many, runs, slices=2, **how)
    next(batches)
    batches.close()
    assert not any(one.name.startswith("slices ahead") for one in threading.enumerate())


def test_ahead_is_so_many_ahead_and_no_more():
    made = []
    items = dali_groups.ahead((made.append(n) or n for n in range(9)), 2)
    assert next(items) == 0
    deadline = time.monotonic() + 20
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    assert made == [0, 1, 2]
    assert list(items) == list(range(1, 9))


def test_what_goes_wrong_ahead_is_raised_behind_what_was_made():
    def items():
        yield 1
        raise ZeroDivisionError("here")

    ahead = dali_groups.ahead(items(), 2)
    assert next(ahead) == 1
    with pytest.raises(ZeroDivisionError, match="here"):
        next(ahead)


def test_groups_are_as_large_as_slices_frames_and_bytes_allow(many, monkeypatch):
    streams = streams_of(many)  # two or three pictures asked of each
    assert {len(one.request) for one in streams} <= {1, 2, 3}

    def sizes(**how):
        how = {"device": "cpu", "slices": 5, "frames": 1000, **how}
        return [len(group) for group in dali_groups.groups(iter(streams), **how)]

    assert sizes() == [5, 5, 2]
    few = dali_groups.groups(iter(streams), device="cpu", slices=9, frames=4)
    assert max(sum(len(one.request) for one in group) for group in few) <= 4
    assert sizes(frames=1) == [1] * 12
    assert sizes(device="cuda", frames=2 * dali_groups.BUFFERED["cuda"] + 6) == [2] * 6
    monkeypatch.setitem(dali_groups.ENCODED_BYTES, "cpu", 3 * len(streams[0].data))
    assert sizes() == [3] * 4


@pytest.mark.parametrize(
    ("free", "count"), [(24 << 30, 690), (1 << 20, 19), (float("inf"), 1 << 30)]
)
def test_a_group_takes_a_share_of_the_memory_that_is_free(monkeypatch, free, count):
    class Numba:
        def current_context(self):
            return self

        def get_memory_info(self):
            return SimpleNamespace(free=free)

    monkeypatch.setattr(dali_groups, "numba_cuda", Numba)
    assert dali_groups.frames_at_once("cuda", (1080, 1920), 2) == pytest.approx(count, rel=0.01)


@pytest.mark.parametrize(("slices", "pipelines"), [(1, 1), (2, 2), (3, 2), (8, 1)])
def test_dali_itself_in_turns_gives_the_same_frames(films, monkeypatch, slices, pipelines):
    """Of three slices."""
    need("cpu")
    timeline = fewframes.probe(films("vp9"))
    monkeypatch.setitem(dali_video.PIPELINES, "cpu", 2)
    runs = plan_frames(timeline, np.arange(0, 90, 4)).runs
    how = {"format": "rgb", "size": None, "report": DecodeReport(), "slices": slices}
    for _ in range(2):
        shown = [read_number(b.frames[0]) for b in dali_decode.decode(timeline, runs, **how)]
        assert shown == list(range(0, 90, 4))
    assert not how["report"].entries(Event.FALLBACK)
    (idle,) = dali_video._IDLE.values()
    assert len(idle) == pipelines


def test_a_pipeline_of_dali_goes_on_after_it_refused(films):
    need("cpu")
    timeline = fewframes.probe(films("vp9"))
    good = next(iter(written(timeline)))
    bad = replace(good, data=b"\x1a\x45\xdf\xa3" + bytes(90))
    video = SliceDecoder("cpu", 3)
    ((_, decoded),) = ((g, [type(one) for one in d]) for g, d in video.decode([[good, bad, good]]))
    assert decoded == [np.ndarray, str, np.ndarray]
    assert isinstance(next(iter(dali_video._IDLE.values()))[0], VideoPipeline)


def written(timeline):
    runs = plan_frames(timeline, [3, 40]).runs
    with closing(Cursor(timeline)) as cursor:
        writer = SliceWriter(cursor, DecodeReport(), on_gpu=False)
        yield from [writer.write(part) for part in slice_runs(timeline, runs)]
