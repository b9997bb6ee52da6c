"""The fork server: workers start at once, with today's settings, and it never stays for long."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from fewframes.errors import CrashedError
from fewframes.indexing import fork_server
from fewframes.indexing.fork_server import _Current, stop_servers
from fewframes.indexing.isolation import Worker
from fewframes.indexing.tasks import LOADED


def server() -> psutil.Process:
    return psutil.Process(_Current.get().process.pid)


def loaded_threads_and_modules() -> tuple[int, bool]:
    return threading.active_count(), "fewframes.features.scan" in sys.modules


def test_what_is_loaded_once_is_there_in_every_worker_and_no_thread_was_left_by_it():
    pids = []
    for _ in range(2):
        with Worker(load=LOADED) as worker:
            _, is_loaded = worker.call(loaded_threads_and_modules)
            assert is_loaded
            pids.append(worker.call(os.getpid))
    assert pids[0] != pids[1]
    assert server().num_threads() == 1


def test_what_cannot_be_loaded_is_left_to_the_worker():
    with Worker(load="fewframes.nowhere fewframes.errors:nothing") as worker:
        assert worker.call(os.getpid)


def settings() -> tuple[str | None, str]:
    return os.environ.get("FEWFRAMES_CACHE"), os.getcwd()  # noqa: PTH109


def test_a_worker_has_the_folder_and_the_variables_of_its_call(monkeypatch, tmp_path):
    before = server().pid
    monkeypatch.setenv("FEWFRAMES_CACHE", str(tmp_path / "other"))
    monkeypatch.chdir(tmp_path)
    with Worker() as worker:
        assert worker.call(settings) == (str(tmp_path / "other"), str(tmp_path))
    assert server().pid == before


def test_a_variable_that_is_read_at_import_takes_another_server(monkeypatch):
    before = server()
    monkeypatch.setenv("NUMBA_OPT", "1")
    with Worker() as worker:
        worker.call(os.getpid)
        assert server().pid != before.pid
    psutil.wait_procs([before], timeout=10)
    assert not before.is_running() or before.status() == psutil.STATUS_ZOMBIE


def test_workers_outlive_a_server_that_is_asked_no_more():
    with Worker() as worker:
        pid, former = worker.call(os.getpid), server()
        stop_servers_soon()
        time.sleep(0.3)
        assert former.is_running()
        assert worker.call(os.getpid) == pid
    psutil.wait_procs([former], timeout=10)
    assert not former.is_running() or former.status() == psutil.STATUS_ZOMBIE


def stop_servers_soon() -> None:
    if _Current.server is not None:
        _Current.drop(_Current.server)


def test_a_server_that_was_killed_is_replaced():
    server().kill()
    with Worker() as worker:
        assert worker.call(os.getpid)
        server().kill()
        assert worker.call(os.getpid)


def test_a_server_that_dies_as_it_loads_is_an_error(monkeypatch):
    stop_servers()
    monkeypatch.setattr(fork_server, "START", "import sys; sys.exit(3)")
    with Worker() as worker, pytest.raises(CrashedError, match="died as it loaded"):
        worker.call(os.getpid)
    monkeypatch.undo()
    with Worker() as worker:
        assert worker.call(os.getpid)


def test_a_server_that_nobody_needs_ends(monkeypatch):
    stop_servers()
    late = fork_server.START.replace(
        "run_server(number)",
        "import fewframes.indexing.fork_server as s; s.IDLE_SECONDS = 0.3\ns.run_server(number)",
    )
    monkeypatch.setattr(fork_server, "START", late)
    with Worker() as worker:
        worker.call(os.getpid)
        first = server()
        time.sleep(0.6)
        assert first.is_running()
        assert first.status() != psutil.STATUS_ZOMBIE
    psutil.wait_procs([first], timeout=10)
    with Worker() as worker:
        assert worker.call(os.getpid)
        assert server().pid != first.pid
    stop_servers()


def test_many_threads_ask_at_once():
    stop_servers()

    def pid(_: int) -> int:
        with Worker() as worker:
            return worker.call(os.getpid)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(pid, range(24)))) == 24


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_process_that_was_forked_has_a_server_of_its_own():
    ours, (read, write) = server().pid, os.pipe()
    child = os.fork()
    if not child:
        with Worker() as worker:
            worker.call(os.getpid)
        os.write(write, f"{_Current.get().process.pid}".encode())
        stop_servers()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert int(os.read(read, 64)) != ours
    assert server().pid == ours
    os.close(read)
    os.close(write)


def test_what_a_worker_prints_is_seen_and_no_server_outlives_its_program():
    code = (
        "import os; from fewframes.indexing.isolation import Worker\n"
        "from fewframes.indexing.fork_server import _Current\n"
        "with Worker() as w: w.call(print, 'from the worker')\n"
        "print(_Current.get().process.pid)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    )
    said, pid = out.stdout.splitlines()
    assert said == "from the worker"
    assert not psutil.pid_exists(int(pid))


def test_a_server_ends_when_its_program_is_killed():
    code = (
        "import os, time; from fewframes.indexing.isolation import Worker\n"
        "from fewframes.indexing.fork_server import _Current\n"
        "w = Worker(); w.call(os.getpid); print(_Current.get().process.pid, flush=True)\n"
        "w.call(time.sleep, 600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    left = psutil.Process(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    psutil.wait_procs([left], timeout=30)
    assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
