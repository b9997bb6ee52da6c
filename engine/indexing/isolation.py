"""isolated: a call in a process of its own, under a time limit and a memory bound.

FFmpeg is native code that meets hostile files. Where it loops or crashes, a thread cannot be
stopped and takes the program along, but a process can be killed:

1. `Worker` has a process started by the `fork_server` (nothing of multiprocessing, so that it works
   in threads, in daemonic processes such as PyTorch's loader workers, and without a main guard).
2. A function goes over by its name, with its arguments; progress and the result come back.
3. A worker that gives no sign within the limit is killed, one that dies is noticed at once; either
   is a typed error, and the next call starts another.
4. `worker_process` is the other side; a worker whose parent is gone ends itself.
"""

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, Pipe
from typing import Any, Self, TypeAlias, TypeVar

from fewframes.errors import CrashedError, MemoryLimitError, TimedOutError
from fewframes.indexing.fork_server import ONE_THREAD, ForkedProcess, start_process

LIMIT_SECONDS = 60.0
"""Time without a sign."""
SECONDS_PER_GB = 50.0
"""Added for each GB of a film: it is read at 20 MB/s at least, and while it is hashed or demuxed
there is no other sign."""
MEMORY_BYTES = 4 << 30
STOP_SECONDS = 5.0
"""How long a worker may take to end after its last call before it is killed."""
PACKAGE = "fewframes."
"""Modules below it are loaded before a worker is forked; it loads others itself."""
R = TypeVar("R")
Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""A function, its arguments and its keywords."""


def limit_for(size_bytes: int, seconds: float = LIMIT_SECONDS) -> float:
    """Gives the time that a film of a size may give no sign.

    >>> limit_for(2 * 10**9)
    160.0
    """
    return seconds + SECONDS_PER_GB * size_bytes / 1e9


def isolated(
    function: Callable[..., R],
    *args: Any,  # noqa: ANN401 (the function's own)
    limit_seconds: float = LIMIT_SECONDS,
    memory_bytes: int = MEMORY_BYTES,
    **options: Any,  # noqa: ANN401
) -> R:
    """Calls a function in a process of its own and gives what it returns.

    The function must be importable by its name; arguments and result are pickled. It has
    ``limit_seconds`` of wall time and ``memory_bytes`` of memory (on Linux). What it raises is
    raised here; beyond that there are `TimedOutError`, `CrashedError` and `MemoryLimitError`.
    The first call loads what it needs; later ones start a process in a few milliseconds.

    >>> import fewframes as ff
    >>> ff.isolated(ff.read, "film.mp4", frames=[7], size=64, limit_seconds=30)
    FrameBatch([1, 48, 64, 3] u8 rgb of 'film.mp4', frames 7 to 7, 0.28 s to 0.28 s)
    """
    with Worker(memory_bytes=memory_bytes) as worker:
        return worker.call(function, *args, limit_seconds=limit_seconds, **options)


class WorkerHandle(ABC):
    """Who makes the calls of one thread: a `Worker`, or one on a node of a cluster."""

    is_stopped = False

    def call(
        self,
        function: Callable[..., R],
        *args: Any,  # noqa: ANN401 (the function's own)
        limit_seconds: float = LIMIT_SECONDS,
        progress: Callable[..., None] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> R:
        """Calls a function there; the contract is that of `isolated`.

        With ``progress``, the function is given a ``progress`` of its own; what it tells that is
        told here, at most 20 times a second, and the time limit counts from the last time.
        """
        if not limit_seconds > 0:
            raise ValueError(f"limit_seconds={limit_seconds} gives no time; pass a positive number")
        kind, value = self.answer((function, args, options), limit_seconds, progress)
        if kind == "error":
            raise value
        return value  # type: ignore[no-any-return]  # as the function's own signature says

    @abstractmethod
    def answer(
        self, call: Call, limit_seconds: float, progress: Callable[..., None] | None
    ) -> tuple[str, Any]:
        """Has a call made; gives "result" and what it returned, or "error" and what it raised."""

    @abstractmethod
    def stop(self) -> None:
        """Ends a call at once and for good; may be called from another thread."""


class Worker(WorkerHandle):
    """A process that makes calls for one thread, one after the other, and is replaced if it dies.

    >>> import math
    >>> with Worker() as worker:
    ...     worker.call(math.hypot, 3, 4, limit_seconds=30)
    5.0
    """

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES, load: str = "") -> None:
        """Takes the memory that it may use, and what `start_process` is to load for it."""
        self.memory_bytes, self.load = memory_bytes, load
        self._process: ForkedProcess | None = None
        self._calls: Connection | None = None
        self._life: Connection | None = None

    def __enter__(self) -> Self:
        """Gives the worker; its process starts with the first call."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process."""
        self.close()

    def close(self) -> None:
        """Ends the process; the next call starts another."""
        if self._calls:
            self._calls.close()
        self._end(STOP_SECONDS)

    def stop(self) -> None:
        """Kills the process at once and for good; may be called from another thread."""
        self.is_stopped = True
        process = self._process
        if process is not None:
            process.kill()

    def answer(
        self, call: Call, limit_seconds: float, progress: Callable[..., None] | None
    ) -> tuple[str, Any]:
        """Sends a call and waits for its end; a process that fails to answer is put away."""
        try:
            calls = self._started(call[0].__module__ or "")
            calls.send((*call, progress is not None))
            while calls.poll(limit_seconds):
                kind, value = calls.recv()
                if kind != "progress":
                    if isinstance(value, MemoryLimitError):
                        self._end(0)
                    return kind, value
                if progress:
                    progress(*value)
        except (EOFError, ConnectionError) as error:
            raise CrashedError(f"the decoding process died ({self._exit_reason()})") from error
        except BaseException:
            self._end(0)
            raise
        self._end(0)
        raise TimedOutError(
            f"no sign for {limit_seconds:g} s, so the decoding process was stopped; "
            "pass a higher limit where the file is only slow"
        )

    def _started(self, module: str) -> Connection:
        if self._calls is not None and self._process is not None and self._process.poll() is None:
            return self._calls
        self._end(0)
        self._calls, theirs = Pipe()
        watched, self._life = Pipe(duplex=False)
        load = f"{module if module.startswith(PACKAGE) else ''} {self.load}"
        with theirs, watched, _standard_output() as output:
            handles = [theirs.fileno(), watched.fileno(), output]
            self._process = start_process(load, handles, lambda: self.is_stopped)
        self._calls.send((self.memory_bytes, dict(ONE_THREAD | os.environ), _current_folder()))
        if self.is_stopped and self._process is not None:
            self._process.kill()
        return self._calls

    def _exit_reason(self) -> str:
        process = self._process
        self._end(STOP_SECONDS)
        code = process.returncode if process else None
        return signal.Signals(-code).name if code and code < 0 else f"exit status {code}"

    def _end(self, seconds: float) -> None:
        """Waits so long for the process to end, then kills it; closes every handle."""
        if self._process is not None:
            if not self._process.wait(seconds):
                self._process.kill()
                self._process.wait()
            self._process.close()
        for end in (self._calls, self._life):
            if end is not None and not end.closed:
                end.close()
        self._process = self._calls = self._life = None


@contextmanager
def _standard_output() -> Iterator[int]:
    """A descriptor of what this process prints to, or of nothing where that is closed."""
    try:
        number = os.dup(1)
    except OSError:
        number = os.open(os.devnull, os.O_WRONLY)
    try:
        yield number
    finally:
        os.close(number)


def _current_folder() -> str:
    """The folder that paths count from; empty where it was removed."""
    try:
        return os.getcwd()  # noqa: PTH109 (a text goes over)
    except FileNotFoundError:
        return ""
