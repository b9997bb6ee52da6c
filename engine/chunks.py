"""in_chunks: work on many rows, so many at a time, on the cores there are."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

R = TypeVar("R")

THREADS = min(4, os.cpu_count() or 1)
"""Each has a chunk in memory. There is a worker a core, but one that has several chunks of rows is
at the end of a long film, when most often the others have nothing to do."""


def in_chunks(
    work: Callable[[slice], R], count: int, *, chunk: int, threads: int = THREADS
) -> list[R]:
    """Calls ``work`` for each chunk of ``count`` rows; gives what it gives, in order.

    Chunks depend on the numbers alone, so that the results are the same on any machine; ``work`` is
    best a few calls that release the interpreter's lock. One chunk, or ``threads=1``, starts none.

    >>> in_chunks(lambda rows: (rows.start, rows.stop), 5, chunk=2)
    [(0, 2), (2, 4), (4, 5)]
    """
    parts = [slice(first, min(first + chunk, count)) for first in range(0, count, chunk)]
    if min(threads, len(parts)) < 2:
        return [work(rows) for rows in parts]
    with ThreadPoolExecutor(min(threads, len(parts))) as pool:
        return list(pool.map(work, parts))
