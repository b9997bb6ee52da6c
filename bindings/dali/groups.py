"""Groups of slices for DALI: how many are in flight, and written ahead by a thread of its own.

On a GPU a slice takes memory for its frames, for the RGB that DALI keeps of each stream while it
decodes, and for the decoder's own pictures. All groups in flight together take at most `SHARE` of
what is free when a film begins, and always enough for one slice each.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fewframes.bindings.ffmpeg.slice_streams import Stream, Written
from fewframes.decode.decoder import Device
from fewframes.kernels.memory import numba_cuda

T = TypeVar("T")
SHARE = 3
"""One third of the memory of a GPU that is free; another worker then has two thirds of it left."""
HOST_BYTES = 256 << 20
"""Most bytes of pictures decoded at a time on the CPU."""
ENCODED_BYTES = {"cpu": 64 << 20, "cuda": 256 << 20}
"""Most bytes of a group as it is written."""
BUFFERED = {"cpu": 0, "cuda": 18}
"""Pictures that a stream takes beside those asked for: on a GPU DALI keeps 8 of RGB
(`frame_buffer_` in DALI 2.4), and a decoder up to 20 of 4:2:0, each half as large."""
AHEAD = 2
"""Groups that are written before they are asked for."""


def frames_at_once(device: Device, size: tuple[int, int], pipelines: int) -> int:
    """How many pictures of this height and width a group may take, decoders' own included."""
    free: float = HOST_BYTES
    if device == "cuda":
        free = numba_cuda().current_context().get_memory_info().free / SHARE
    count = free / pipelines / (3 * size[0] * size[1])
    return int(min(max(count, BUFFERED[device] + 1), 1 << 30))


def groups(
    written: Iterable[Written], *, device: Device, slices: int, frames: int
) -> Generator[list[Written]]:
    """Groups up to so many slices, of which DALI makes up to so many pictures."""
    group: list[Written] = []
    taken = encoded = 0
    for one in written:
        more = size = 0
        if isinstance(one, Stream):
            more, size = len(one.request) + BUFFERED[device], len(one.data)
        is_full = len(group) == slices or encoded + size > ENCODED_BYTES[device]
        if group and (is_full or taken + more > frames):
            yield group
            group, taken, encoded = [], 0, 0
        group.append(one)
        taken, encoded = taken + more, encoded + size
    if group:
        yield group


def ahead(items: Iterator[T], count: int) -> Generator[T]:
    """Gives items that a thread makes, up to so many before they are asked for.

    What making them raises is raised here, behind the items before. Closing it ends the thread.

    >>> list(ahead(iter(range(5)), 2))
    [0, 1, 2, 3, 4]
    """
    end: Any = object()
    thread = ThreadPoolExecutor(1, thread_name_prefix="slices ahead")
    try:
        made = deque(thread.submit(next, items, end) for _ in range(count))
        while (item := made.popleft().result()) is not end:
            made.append(thread.submit(next, items, end))
            yield item
    finally:
        thread.shutdown(cancel_futures=True)
