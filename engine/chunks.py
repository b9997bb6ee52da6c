"""in_chunks: work on many rows, so many at a time, on the cores there are or where they lie."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fewframes.kernels.memory import is_on_real_gpu

R = TypeVar("R")

THREADS = min(4, os.cpu_count() or 1)
"""Each has a chunk in memory. There is a worker a core, but one that has several chunks of rows is
at the end of a long film, when most often the others have nothing to do."""


CHUNK_THERE = 8192
"""Rows on a GPU are taken so many at a time: beside 4096 others that is 134 MB of products."""


def in_chunks(work: Callable[[slice], R], count: int, *, chunk: int, there: Any = None) -> list[R]:  # noqa: ANN401
    """Calls ``work`` for each chunk of ``count`` rows; gives what it gives, in order.

    Chunks depend on the numbers alone, so that the results are the same on any machine; ``work`` is
    best a few calls that release the interpreter's lock. One chunk starts no thread, nor do rows
    that lie on a GPU: name them as ``there``, and chunks are larger.

    >>> in_chunks(lambda rows: (rows.start, rows.stop), 5, chunk=2)
    [(0, 2), (2, 4), (4, 5)]
    """
    is_there = is_on_real_gpu(there)
    size = CHUNK_THERE if is_there else chunk
    parts = [slice(first, min(first + size, count)) for first in range(0, count, size)]
    if is_there or len(parts) < 2:
        return [work(rows) for rows in parts]
    with ThreadPoolExecutor(min(THREADS, len(parts))) as pool:
        return list(pool.map(work, parts))
