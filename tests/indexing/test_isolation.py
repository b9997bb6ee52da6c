"""Isolation: a hostile file costs one process, never the program."""

import concurrent.futures
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.cli.params import apart
from fewframes.errors import CrashedError, MemoryLimitError, TimedOutError
from fewframes.indexing.isolation import Worker
from fewframes.indexing.pool import Done, ProgressEvent, run_tasks

WANTED = [40, 3, 3]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("isolation") / "film.mp4"
    write_film(path, Film(frames=50, options={"g": "10"}))
    return path


def luma_sums(path) -> list[int]:
    return ff.read(path, frames=WANTED, format="yuv").planes[0].sum((1, 2)).tolist()


@pytest.mark.slow
def test_a_call_gives_what_it_gives_here(film):
    assert ff.isolated(luma_sums, film, limit_seconds=60) == luma_sums(film)
    with pytest.raises(IndexError, match="frame 50"):
        ff.isolated(ff.read, film, frames=[50], limit_seconds=60)


def test_a_call_that_gives_no_sign_is_stopped_and_the_next_one_works():
    with Worker() as worker:
        started = time.monotonic()
        with pytest.raises(TimedOutError, match=r"no sign for 0\.5 s"):
            worker.call(time.sleep, 600, limit_seconds=0.5)
        assert time.monotonic() - started < 30
        assert worker.call(math.sqrt, 4) == 2


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_crash_costs_the_worker_alone_and_is_named(name):
    with Worker() as worker:
        with pytest.raises(CrashedError, match=name):
            worker.call(signal.raise_signal, getattr(signal, name))
        assert worker.call(math.sqrt, 4) == 2


@pytest.mark.slow
def test_a_film_that_crashes_a_command_costs_one_process(film):
    with pytest.raises(CrashedError, match="SIGABRT"):
        apart(abort_at, film)


def abort_at(film):
    os.abort()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux only")
def test_memory_is_bounded():
    with Worker(memory_bytes=1 << 30) as worker, pytest.raises(MemoryLimitError, match="1024 MB"):
        worker.call(bytes, 2 << 30)


def count_slowly(progress):
    for number in range(4):
        progress(number)
        time.sleep(0.3)


@pytest.mark.slow
def test_progress_is_a_sign_of_life():
    told = []
    with Worker() as worker:
        worker.call(count_slowly, progress=told.append, limit_seconds=60)
        assert told == [0, 1, 2, 3]


def test_no_process_and_no_handle_is_left():
    me = psutil.Process()
    before = me.num_fds(), len(me.children())
    for _ in range(3):
        with Worker() as worker, pytest.raises(TimedOutError):
            worker.call(time.sleep, 600, limit_seconds=0.2)
    ff.isolated(math.sqrt, 4)
    assert (me.num_fds(), len(me.children())) == before


@pytest.mark.slow
def test_a_worker_ends_when_its_parent_is_killed():
    code = (
        "import os, time; from fewframes.indexing.isolation import Worker\n"
        "w = Worker(); print(w.call(os.getpid), flush=True); w.call(time.sleep, 600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_tasks_go_to_every_worker_and_each_ends_once():
    with Worker() as one, Worker() as other:
        events = list(
            run_tasks(range(6), lambda w, n, _: (w.call(os.getpid), n), workers=[one, other])
        )
    assert sorted(event.task for event in events) == list(range(6))
    assert len({event.result[0] for event in events}) == 2


def test_a_failing_task_is_an_event_and_leaving_early_stops_all():
    with Worker() as one, Worker() as other:

        def call(worker, seconds, report_progress):
            report_progress(seconds)
            return worker.call(time.sleep, seconds)

        events = run_tasks([-1, 600, 600, 600], call, workers=[one, other])
        seen = [next(events) for _ in range(3)]
        assert {type(event) for event in seen} == {ProgressEvent, Done}
        assert [str(e.error) for e in seen if isinstance(e, Done)] == [
            "sleep length must be non-negative"
        ]
        started = time.monotonic()
        events.close()
        assert time.monotonic() - started < 60


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_reading_works_in_processes_of_every_kind(film, method):
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        assert pool.map(luma_sums, [film] * 4) == [luma_sums(film)] * 4


def test_reading_works_in_many_threads(film):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(luma_sums, [film] * 16)) == [luma_sums(film)] * 16


class Frames:
    """A map-style dataset over one film, as a training loop would write it."""

    def __init__(self, path, *, is_isolated):
        self.path, self.is_isolated = path, is_isolated

    def __len__(self):
        return 6

    def __getitem__(self, number):
        if self.is_isolated:
            return ff.isolated(ff.read, self.path, frames=[number]).frames[0]
        return ff.read(self.path, frames=[number]).frames[0]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("is_isolated", [False, True], ids=["direct", "isolated"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_reading_works_in_the_workers_of_a_torch_loader(film, method, is_isolated):
    data = pytest.importorskip("torch.utils.data", reason="PyTorch is not installed")
    loader = data.DataLoader(
        Frames(film, is_isolated=is_isolated),
        batch_size=3,
        num_workers=2,
        multiprocessing_context=method,
    )
    given = np.concatenate([batch.numpy() for batch in loader])
    np.testing.assert_array_equal(given, ff.read(film, frames=range(6)).frames)
