"""Ray (https://docs.ray.io): the calls of an indexing run, made on the nodes of a cluster.

1. A `RayWorker` stands for a core somewhere in the cluster, and makes calls as
   `fewframes.indexing.isolation.Worker` does: nothing else of a run knows where it is made.
2. A call is one Ray task. On its node it goes to a process of its own, so that time limit and
   memory bound hold there, too; a hostile film kills that process, not Ray's.
3. Where a Ray worker or a node dies, Ray makes the call again elsewhere. That does no harm: tasks
   are idempotent, and what is published is found. Where the driver dies, Ray ends its workers;
   the same command goes on with what is not in the store.

Nodes have to have the same fewframes installed. They have to see films and store under the same
paths, or by URL, with keys in their own environment.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from fewframes import __version__
from fewframes.errors import CrashedError, MissingBackendError
from fewframes.indexing.isolation import MEMORY_BYTES, Call, Worker, WorkerHandle

ANSWER_SECONDS = 10.0
RETRIES = 20
"""How often Ray makes a call again whose worker or node has died."""


@contextmanager
def ray_workers(
    address: str, *, count: int | None = None, memory_bytes: int = MEMORY_BYTES
) -> Iterator[list["RayWorker"]]:
    """Connects with a cluster, unless this process already is, and gives its workers.

    ``address`` is what ``ray.init`` takes: ``auto``, ``host:port``, ``ray://host:port``, or
    ``local`` for a cluster on this machine that ends with the ``with``. There are ``count`` workers
    (default: one a core of the cluster as it is now).

    Raises:
        MissingBackendError: Ray is not installed.
        ConnectionError: There is no cluster at the address.
    """
    ray = _library(address)
    is_ours = not ray.is_initialized()
    if is_ours:
        _check_answers(address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError, RuntimeError) as error:
            words = str(error).strip().split("\n")[0]
            raise ConnectionError(f"no Ray cluster at {address!r}: {words}") from error
    workers: list[RayWorker] = []
    try:
        cores = int(ray.cluster_resources().get("CPU", 0))
        workers += [RayWorker(memory_bytes) for _ in range(count or max(1, cores))]
        yield workers
    finally:
        for worker in workers:
            worker.stop()
        if is_ours:
            ray.shutdown()


class RayWorker(WorkerHandle):
    """Makes calls on some node of the cluster for one thread, one after the other.

    What a function tells is a sign of life on its node and does not come back here.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self.memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._call: Any = None
        """The Ray task that is waited for."""

    def answer(
        self, call: Call, limit_seconds: float, progress: Callable[..., None] | None
    ) -> tuple[str, Any]:
        """Has a node make a call; CrashedError where its Ray worker died again and again."""
        import ray

        limits = (self.memory_bytes, limit_seconds, progress is not None)
        with self._lock:
            if self.is_stopped:
                raise CrashedError("the run was stopped")
            self._call = _remote().remote(__version__, limits, *call)
        try:
            kind, value = ray.get(self._call)
        except ray.exceptions.RayError as error:
            words = str(error).strip().split("\n")[0]
            raise CrashedError(f"Ray gave up after {RETRIES} retries: {words}") from error
        finally:
            self._call = None
        return kind, value

    def stop(self) -> None:
        """Cancels the call at once and for good; may be called from another thread."""
        import ray

        with self._lock:
            self.is_stopped = True
            call = self._call
        if call is not None:
            with suppress(ray.exceptions.RayError):
                ray.cancel(call, force=True)


def _library(address: str) -> Any:  # noqa: ANN401 (a module)
    try:
        import ray
    except ImportError as error:
        raise MissingBackendError(
            f"ray={address!r} needs Ray, which is not installed; pip install 'fewframes[ray]'"
        ) from error
    return ray


def _check_answers(address: str) -> None:
    """Refuses an address where nothing answers, for which Ray itself would wait ten minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise ConnectionError(
            f"no Ray cluster at {address!r}: {error}; start one with 'ray start', or pass 'local'"
        ) from error


@cache
def _remote() -> Any:  # noqa: ANN401 (of Ray)
    import ray

    return ray.remote(num_cpus=1, max_retries=RETRIES)(_call_there)


def _call_there(
    version: str,
    limits: tuple[int, float, bool],
    function: Callable[..., Any],
    args: tuple[Any, ...],
    options: dict[str, Any],
) -> tuple[str, Any]:
    """Makes a call on a node; an error comes back as a value, without Ray's words around it."""
    memory_bytes, limit_seconds, has_progress = limits
    if version != __version__:
        words = f"a node has fewframes {__version__}, the driver {version}; install the same"
        return "error", ValueError(words)
    sign_of_life = (lambda *_: None) if has_progress else None  # nobody looks at it
    try:
        return "result", _worker(memory_bytes).call(
            function, *args, limit_seconds=limit_seconds, progress=sign_of_life, **options
        )
    except Exception as error:
        return "error", error


@cache
def _worker(memory_bytes: int) -> Worker:
    """The process of a Ray worker that makes its calls, kept from one to the next."""
    return Worker(memory_bytes=memory_bytes)
