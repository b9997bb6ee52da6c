"""Fork server: starts worker processes from one process that has loaded what they need.

To load Numba, FFmpeg and the kernels takes a fresh Python 1.5 s of CPU time. So a process has one
server, which loads them once and forks: a worker then starts in a few milliseconds.

1. The server is a fresh Python with one thread, so that forking it is safe in a program with
   threads, with a GPU, or in a worker of PyTorch's loader. It never touches a film or a GPU.
2. A request is a line of text, and the handles of the worker; the server tells the process id over
   one of them, and later the exit status.
3. It ends with its parent, and when it has had nothing to do for a while. The next request starts
   another, as it does where a variable has changed that libraries read when they are loaded.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, ClassVar, NoReturn

from fewframes.errors import CrashedError, TimedOutError
from fewframes.indexing.worker_process import serve

IDLE_SECONDS = 60.0
"""How long the server waits for a request when no worker is left."""
LOAD_SECONDS = 600.0
"""How long loading may take: the first time on a machine all kernels are compiled."""
LINE_BYTES = 4096
POLL_SECONDS = 0.1
STOP_SECONDS = 5.0
START = """
import json, sys
sys.path[:], number = json.loads(sys.argv[1])
from fewframes.indexing.fork_server import run_server
run_server(number)
"""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""There is a worker a core, so its linear algebra uses one thread, unless the caller says more."""
READ_AT_IMPORT = ("NUMBA_", "NPY", "OPENBLAS_", "OMP_", "MKL_", "ARROW_", "ZARR_", "PYTHON", "LD_")
"""Beginnings of variables that libraries read once; the others go over with each call's process."""


class ForkedProcess:
    """A process that the server has forked, as its user sees it."""

    def __init__(self, news: Connection) -> None:
        self._news = news
        self.pid: int | None = None
        self.returncode: int | None = None
        """As of `subprocess.Popen`: negative for a signal; None while it runs."""

    def await_start(self, is_stopped: Callable[[], bool]) -> bool:
        """Waits until it runs; False where the server has died first.

        Raises:
            TimedOutError: It has not been forked within `LOAD_SECONDS`.
        """
        deadline = time.monotonic() + LOAD_SECONDS
        while not self._news.poll(POLL_SECONDS):
            if is_stopped() or time.monotonic() > deadline:
                self.close()
                raise TimedOutError(f"no worker process has come within {LOAD_SECONDS:g} s")
        with contextlib.suppress(EOFError, ConnectionError):
            self.pid = self._news.recv()
            return True
        self.close()
        return False

    def poll(self) -> int | None:
        """Gives the exit status, or None while it runs."""
        if self.returncode is None and self._news.poll():
            try:
                self.returncode = self._news.recv()
            except (EOFError, ConnectionError):  # the server has died
                self.kill()
                self.returncode = -signal.SIGKILL
        return self.returncode

    def wait(self, seconds: float | None = None) -> bool:
        """Waits for the process to end; whether it has."""
        if self.returncode is None:
            wait([self._news], seconds)
        return self.poll() is not None

    def kill(self) -> None:
        """Ends the process at once."""
        if self.returncode is None and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Closes the handle."""
        self._news.close()


class ForkServer:
    """A server of this process, as its user sees it."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        self._lock = threading.Lock()
        self.settings = settings_now()
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps([sys.path, theirs.fileno()])],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=ONE_THREAD | os.environ,
        )
        theirs.close()

    def request(self, load: str, handles: list[int]) -> ForkedProcess:
        """Asks for a process that has these handles; raises OSError where the server is gone."""
        ours, theirs = Pipe(duplex=False)
        line = load.encode().ljust(LINE_BYTES)
        with theirs, self._lock:
            try:
                sent = socket.send_fds(self._control, [line], [theirs.fileno(), *handles])
                self._control.sendall(line[sent:])
            except OSError:
                ours.close()
                raise
        return ForkedProcess(ours)

    def close(self) -> None:
        """Lets the server end when its last worker has."""
        with self._lock:
            self._control.close()


def settings_now() -> tuple[list[str], dict[str, str]]:
    """Gives what a server depends on: where modules are found, and variables read by them."""
    read = {name: text for name, text in os.environ.items() if name.startswith(READ_AT_IMPORT)}
    return list(sys.path), read


class _Current:
    """The server that is asked, if there is one, and those that end when their last worker has."""

    server: ForkServer | None = None
    former: ClassVar[list[ForkServer]] = []
    lock = threading.RLock()

    @classmethod
    def forget(cls) -> None:
        """After a fork: they are the parent's."""
        cls.server, cls.former, cls.lock = None, [], threading.RLock()

    @classmethod
    def get(cls) -> ForkServer:
        """Gives the server, a new one where there is none or variables have changed."""
        with cls.lock:
            cls.former = [one for one in cls.former if one.process.poll() is None]
            if cls.server is not None and cls.server.settings != settings_now():
                cls.drop(cls.server)
            if cls.server is None:
                cls.server = ForkServer()
            return cls.server

    @classmethod
    def drop(cls, server: ForkServer) -> None:
        """Asks a server nothing more."""
        with cls.lock:
            server.close()
            if cls.server is server:
                cls.server = None
                cls.former.append(server)


os.register_at_fork(after_in_child=_Current.forget)


@atexit.register
def stop_servers() -> None:
    """Ends the servers of this process; the next call of a worker starts another."""
    with _Current.lock:
        if _Current.server is not None:
            _Current.drop(_Current.server)
        for server in _Current.former:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(STOP_SECONDS)


def start_process(load: str, handles: list[int], is_stopped: Callable[[], bool]) -> ForkedProcess:
    """Gives a process that has these handles, in this order.

    Args:
        load: What the server loads first: names of modules, or "module:function" for a function
            that is called, with blanks between. What cannot be loaded is left to the worker.
        handles: File descriptors, the last one standard output.
        is_stopped: Asked while the process starts.

    Raises:
        TimedOutError: It was stopped, or loading takes longer than `LOAD_SECONDS`.
        CrashedError: The server dies as it loads.
    """
    for _ in range(2):  # a server that is about to end does not answer
        server = _Current.get()
        with contextlib.suppress(OSError):
            process = server.request(load, handles)
            if process.await_start(is_stopped):
                return process
        _Current.drop(server)
    raise CrashedError("the process that starts decoding processes died as it loaded")


def run_server(number: int) -> NoReturn:
    """Serves requests until nobody asks any more, or nobody has for long, and no worker is left."""
    control, (woken, wake) = socket.socket(fileno=number), os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    running: dict[int, Connection] = {}
    inputs: list[Any] = [woken, control]
    while running or control in inputs:
        ready, _, _ = select.select(inputs, [], [], None if running else IDLE_SECONDS)
        if not ready:
            break
        if woken in ready:
            os.read(woken, LINE_BYTES)
            _reap(running)
        if control in ready and not _serve(control, running, (woken, wake)):
            inputs.remove(control)
    os._exit(0)


def _reap(running: dict[int, Connection]) -> None:
    """Tells how processes have ended."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            with running.pop(ended[0]) as news, contextlib.suppress(OSError):
                news.send(os.waitstatus_to_exitcode(ended[1]))


def _serve(control: socket.socket, running: dict[int, Connection], own: tuple[int, int]) -> bool:
    """Forks a process for one request; False where there will be none any more."""
    line, handles = b"", list[int]()
    while len(line) < LINE_BYTES:
        data, given, _, _ = socket.recv_fds(control, LINE_BYTES - len(line), 8)
        if not data:
            return False
        line, handles = line + data, handles + given
    news_number = handles.pop(0)
    news = Connection(news_number)
    for name in line.decode().split():
        _load(name)
    pid = os.fork()
    if not pid:
        _become_worker([control.detach(), *own, news_number, *_numbers(running)], handles)
    running[pid] = news
    for handle in handles:
        os.close(handle)
    news.send(pid)
    return True


def _numbers(running: dict[int, Connection]) -> list[int]:
    return [news.fileno() for news in running.values()]


def _load(name: str) -> None:
    """Imports a module, or calls a function that makes ready; who needs it meets what is wrong."""
    module, _, function = name.partition(":")
    with contextlib.suppress(Exception):
        loaded = import_module(module)
        if function:
            getattr(loaded, function)()


def _become_worker(strange: list[int], handles: list[int]) -> NoReturn:
    """Goes on as a worker: what is the server's own is closed."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in strange:
            os.close(number)
        *numbers, output = handles
        os.dup2(output, 1)
        serve(*numbers)
        sys.stdout.flush()
        status = 0
    finally:
        os._exit(status)
