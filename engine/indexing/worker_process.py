"""The side of a worker process: makes the calls that come over a connection, one after the other.

A worker whose parent is gone ends itself. Its memory is bounded, and progress is a sign of life.
"""

import os
import pickle
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from fewframes.errors import MemoryLimitError

TELL_SECONDS = 0.05
"""Progress is passed on at most so often."""


def serve(calls_number: int, life_number: int) -> None:
    """Makes the calls that come over a connection, until it closes."""
    calls, life = Connection(calls_number), Connection(life_number)
    threading.Thread(target=_end_with_parent, args=(life,), daemon=True).start()
    memory_bytes, *settings = calls.recv()
    _take_over(*settings)
    _bound_memory(memory_bytes)
    while True:
        try:
            function, args, options, scalars = calls.recv()
        except EOFError:
            return
        except (AttributeError, ImportError) as error:
            calls.send(
                ("error", TypeError(f"{error}; pass a function of a module, not of a script"))
            )
            continue
        if scalars:
            options["progress"] = _Teller(calls)
        try:
            answer = ("result", function(*args, **options))
        except MemoryError:
            answer = ("error", _too_much(memory_bytes))
        except Exception as error:
            answer = ("error", error)
        _send(calls, answer)


def _take_over(variables: dict[str, str], folder: str) -> None:
    """Takes over what the caller's environment is at the time of the call."""
    os.environ.clear()
    os.environ.update(variables)
    if folder:
        os.chdir(folder)


class _Teller:
    """A progress callback that sends on what it is told, unless it did so a moment ago."""

    def __init__(self, calls: Connection) -> None:
        self.calls, self.next_time = calls, 0.0

    def __call__(self, *values: object) -> None:
        """Sends the values."""
        now = time.monotonic()
        if now >= self.next_time:
            self.next_time = now + TELL_SECONDS
            self.calls.send(("progress", values))


def _send(calls: Connection, answer: tuple[str, Any]) -> None:
    """Sends an answer; one that cannot be pickled is described instead."""
    try:
        calls.send(answer)
    except (TypeError, AttributeError, ValueError, pickle.PicklingError) as error:
        calls.send(("error", TypeError(f"{answer[0]} {answer[1]!r} cannot be sent: {error}")))


def _too_much(memory_bytes: int) -> MemoryLimitError:
    return MemoryLimitError(
        f"decoding needs more than the {memory_bytes / 2**20:.0f} MB it may use; "
        "pass a higher bound where the pictures are that large"
    )


def _bound_memory(memory_bytes: int) -> None:
    """Makes allocations beyond the bound fail (Linux counts all private memory)."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def _end_with_parent(life: Connection) -> NoReturn:
    """Waits for the parent's end of a pipe to close, and ends this process."""
    life.poll(None)
    os._exit(1)
