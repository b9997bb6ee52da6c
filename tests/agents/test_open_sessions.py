"""Sessions of a server: a log without a gap, a bounded number, and no way round a budget."""

import json
import threading

import numpy as np
import pytest
from stored import put

import fewframes as ff
from fewframes.bindings.mcp_server import StoreTools

THREADS, LOOKS = 12, 6


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("sessions") / "s.zarr"
    for number in range(5):
        put(path, f"case_{number}", frames=400, digest=str(number))
    return path


def lines_of(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def frames_in(lines):
    return [int(words.split()[1]) for words, file in lines if file is not None]


@pytest.mark.slow
@pytest.mark.parametrize("videos", [1, 3])
def test_the_log_has_each_step_once_and_in_order(store, tmp_path, videos):
    log = tmp_path / "looks.jsonl"
    tools, given, gate = StoreTools(ff.open(store), log=log), [], threading.Barrier(THREADS)

    def work(thread):
        gate.wait()
        for look in range(LOOKS):
            video, start = f"case_{(thread + look) % videos}", (thread * LOOKS + look) % 12
            request = {"video": video, "start": start, "end": start + 2, "k": 2}
            given.append((video, tuple(frames_in(tools.call("look", request)))))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = lines_of(log)
    assert len(lines) == THREADS * LOOKS
    assert sorted((line["video"], tuple(line["frames"])) for line in lines) == sorted(given)
    for video in {line["video"] for line in lines}:
        mine = [line for line in lines if line["video"] == video]
        assert [line["step"] for line in mine] == list(range(len(mine)))
        assert {line["session"] for line in mine} == {1}
        again = ff.Session.replay(ff.open(store)[video], mine)
        assert [step["new_frames"] for step in again.log()] == [s["new_frames"] for s in mine]
        assert again.decoded == mine[-1]["decoded"]


@pytest.mark.slow
def test_there_is_no_look_without_its_line(store, tmp_path):
    tools = StoreTools(ff.open(store), log=tmp_path)  # a folder
    (line,), is_error = tools.answer("glance", {"video": "case_1", "k": 2})
    assert is_error
    assert "the log of looks cannot be written (Is a directory)" in line[0]


def seconds_in(lines):
    return [float(words.split()[3]) for words, file in lines if file is not None]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.slow
def test_the_least_recently_used_session_goes_and_the_client_is_told_once(store):
    tools = StoreTools(ff.open(store), max_frames=6, most=2)
    for number in (0, 1, 0, 2):  # 1 goes
        tools.call("glance", {"video": f"case_{number}", "k": 2})
    assert len(tools.sessions) == 2
    kept = tools.call("glance", {"video": "case_0", "k": 2})
    assert [file is None for _, file in kept] == [False, False]
    (notice, nothing), *lines = tools.call(
        "look", {"video": "case_1", "start": 0, "end": 9, "k": 9}
    )
    assert nothing is None
    assert "The earlier session of 'case_1' is gone: 2 other videos" in notice
    assert "The 2 frames that it gave count on" in notice
    assert len(lines) == 4  # of six
    again = tools.call("frame_at", {"video": "case_1", "seconds": seconds_in(lines)[0]})
    assert [file is None for _, file in again] == [False]  # no notice any more
    assert len(tools.sessions) == 2


@pytest.mark.slow
def test_an_idle_session_goes_and_its_budget_stays(store, tmp_path):
    clock, log = Clock(), tmp_path / "looks.jsonl"
    tools = StoreTools(ff.open(store), max_frames=3, idle_seconds=60, clock=clock, log=log)
    given = seconds_in(tools.call("glance", {"video": "case_0", "k": 3}))
    clock.now = 59
    tools.call("glance", {"video": "case_1", "k": 1})
    assert len(tools.sessions) == 2
    clock.now = 61
    tools.call("glance", {"video": "case_1", "k": 1})
    assert len(tools.sessions) == 1
    (line,), is_error = tools.answer("look", {"video": "case_0", "start": 0, "end": 2, "k": 3})
    assert is_error
    assert "all 3 frames" in line[0]
    first = tools.call("frame_at", {"video": "case_0", "seconds": given[1]})
    assert "nobody used it for 60 s" in first[0][0]
    assert seconds_in(first) == [given[1]]
    assert [(s["video"], s["session"], s["step"]) for s in lines_of(log)] == [
        ("case_0", 1, 0),
        ("case_1", 1, 0),
        ("case_1", 1, 1),
        ("case_0", 2, 0),
    ]


@pytest.mark.slow
def test_a_session_in_use_stays(store):
    tools = StoreTools(ff.open(store), most=1)
    with tools.sessions.use("case_0") as opened:
        session = opened.session
        (line,), is_error = tools.answer("glance", {"video": "case_1"})
        assert is_error
        assert "1 videos are being looked at" in line[0]
        assert len(tools.call("glance", {"video": "case_0", "k": 2})) == 2
        assert len(session.history) == 1
    tools.call("glance", {"video": "case_1", "k": 1})
    assert len(tools.sessions) == 1


def test_what_cannot_begin_is_no_session(store):
    tools = StoreTools(ff.open(store), most=1)
    for _ in range(3):
        assert tools.answer("glance", {"video": "other"})[1]
    assert len(tools.sessions) == 0
    with pytest.raises(ValueError, match="most=0"):
        StoreTools(ff.open(store), most=0)


def test_many_threads_and_few_sessions_still_give_the_right_frames(store, tmp_path):
    log = tmp_path / "looks.jsonl"
    tools, wrong = StoreTools(ff.open(store), max_frames=9, most=3, log=log), []

    def work(thread):
        for look in range(8):
            video = f"case_{(thread + look) % 5}"
            lines, is_error = tools.answer("glance", {"video": video, "k": 3})
            if is_error and "are being looked at" not in lines[0][0]:
                wrong.append(lines)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(tools.sessions) <= 3
    for number in range(5):
        mine = [line for line in lines_of(log) if line["video"] == f"case_{number}"]
        assert len({frame for line in mine for frame in line["frames"]}) <= 9
        order = [(line["session"], line["step"]) for line in mine]
        assert order == sorted(set(order))
        assert np.all(np.diff([session for session, _ in order]) <= 1)
