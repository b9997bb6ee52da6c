"""DALI's video decoder as a function of small streams, a group of them at a time.

1. Pipelines take groups in turn: while one decodes, what another gave is brought to its size. They
   belong to the process, which keeps those that are idle; a film borrows them.
2. DALI refuses a group as a whole. Then each of its streams is tried alone, so that one bad stream
   costs no other. After `MOST_REFUSED` in a row nothing more of the film is tried.

A pipeline is used, not DALI's dynamic mode: both take the same CPU time (0.055 s for 36 slices of
a VP9 film), but the latter of DALI 2.4 does not accept ``pad_mode``.
"""

# DALI takes the names of its types from an extension module.
# pyright: reportAttributeAccessIssue=false

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from fewframes.bindings.ffmpeg.slice_streams import Stream, Written
from fewframes.decode.decoder import Device
from fewframes.kernels.memory import numba_cuda

PIPELINES = {"cpu": 1, "cuda": 2}
"""Groups in flight. On the CPU one, since a decoder there has one core."""
THREADS = {"cpu": 1, "cuda": 14}
"""Most threads of a pipeline. On a GPU each feeds a video engine and waits for it: two for each of
the seven engines of an H100."""
MOST_REFUSED = 3
"""So many streams in a row, each tried alone, and the film is not for DALI."""
REFUSED = "streams that DALI does not decode"
GIVEN_UP = f"streams behind {MOST_REFUSED} in a row that DALI does not decode"
ERRORS = (RuntimeError, MemoryError, ValueError, IndexError)
"""What DALI raises for a stream that it cannot decode, and where memory is short."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Started:
    """A group on its way."""

    group: Sequence[Written]
    streams: list[Stream]
    pipeline: "VideoPipeline | None" = None
    """Where it is decoded; None where there is nothing to decode, or no more is tried."""
    error: Exception | None = None


class SliceDecoder:
    """DALI's video decoder for one film, for up to so many streams at a time.

    ``slices`` is how many are in flight, ``group`` how many of them are given to a pipeline.
    """

    def __init__(self, device: Device, slices: int) -> None:
        self.device: Device = device
        self.pipelines = min(PIPELINES[device], slices)
        self.group = slices // self.pipelines
        self.has_given_up = False
        """Whether the rest of the film is not for DALI."""
        self._refused = 0

    def decode(
        self, groups: Iterable[Sequence[Written]]
    ) -> Generator[tuple[Sequence[Written], Iterator[Any]]]:
        """Gives each group again, with what was decoded of each `Stream` in it.

        That is ``[n, h, w, 3] u8``, or the reason why there is none. Arrays are DALI's memory, on a
        GPU as arrays of Numba's: use them one after the other, and before the next group. What is
        no stream is passed over.
        """
        waiting: deque[_Started] = deque()
        try:
            for group in groups:
                waiting.append(self._start(group))
                if len(waiting) == self.pipelines:
                    yield from self._end(waiting.popleft())
            while waiting:
                yield from self._end(waiting.popleft())
        finally:
            for one in waiting:
                if one.pipeline:
                    with suppress(*ERRORS):
                        one.pipeline.given()
                        self._give_back(one.pipeline)

    def _start(self, group: Sequence[Written]) -> _Started:
        streams = [one for one in group if isinstance(one, Stream)]
        if not streams or self.has_given_up:
            return _Started(group, streams)
        pipeline = self._borrow()
        try:
            pipeline.start(streams)
        except ERRORS as error:
            return _Started(group, streams, None, error)
        return _Started(group, streams, pipeline)

    def _end(self, one: _Started) -> Iterator[tuple[Sequence[Written], Iterator[Any]]]:
        if one.pipeline:
            try:
                decoded = one.pipeline.given()
            except ERRORS as error:
                one.error = error
            else:
                self._refused = 0
                try:
                    yield one.group, iter(decoded)
                finally:
                    self._give_back(one.pipeline)
                return
        yield one.group, self._apart(one.streams, one.error)

    def _apart(self, streams: Sequence[Stream], error: Exception | None) -> Iterator[Any]:
        """Each stream of a group that was refused, or that nobody tried, decoded alone."""
        if error and len(streams) == 1:
            yield self._refuse(error)
            return
        log.debug("DALI, %d streams together: %s", len(streams), error)
        for one in streams:
            if self.has_given_up:
                yield GIVEN_UP
                continue
            pipeline = self._borrow()
            try:
                pipeline.start([one])
                (decoded,) = pipeline.given()
            except ERRORS as raised:
                yield self._refuse(raised)
                continue
            self._refused = 0
            yield decoded
            self._give_back(pipeline)

    def _refuse(self, error: Exception) -> str:
        self._refused += 1
        self.has_given_up |= self._refused >= MOST_REFUSED
        log.warning("DALI refuses a stream: %s", reason_of(error))
        return REFUSED

    def _idle(self) -> "list[VideoPipeline]":
        kind = VideoPipeline, os.getpid(), self.device, self.group
        return _IDLE.setdefault(kind, [])

    def _borrow(self) -> "VideoPipeline":
        with _one_at_a_time:
            if idle := self._idle():
                return idle.pop()
        return VideoPipeline(self.device, self.group)

    def _give_back(self, pipeline: "VideoPipeline") -> None:
        pipeline.release()
        with _one_at_a_time:
            idle = self._idle()
            if len(idle) < PIPELINES[self.device]:
                idle.append(pipeline)


def reason_of(error: Exception) -> str:
    r"""What DALI found wrong, without where its operator was defined.

    >>> reason_of(RuntimeError("In the definition of … encountered:\n\nno such codec\nC++: …"))
    'no such codec'
    """
    said = str(error).rpartition("encountered:")[2].strip()
    return said.splitlines()[0] if said else type(error).__name__


class VideoPipeline:
    """A pipeline of DALI's, for up to ``count`` streams at a time."""

    def __init__(self, device: Device, count: int) -> None:
        self._pipeline = video_pipeline(device, count)
        self._count = 0

    def start(self, streams: Sequence[Stream]) -> None:
        """Begins to decode."""
        encoded = [np.frombuffer(one.data, np.uint8) for one in streams]
        frames = [one.request for one in streams]
        self._count = len(streams)
        self._pipeline.feed_input("encoded", encoded)
        self._pipeline.feed_input("frames", frames)
        self._pipeline.schedule_run()

    def given(self) -> list[Any]:
        """Waits, and gives what was asked of each stream."""
        (decoded,) = self._pipeline.share_outputs()
        return [there_or_here(decoded, at) for at in range(self._count)]

    def release(self) -> None:
        """Lets DALI use the memory of what was given."""
        self._pipeline.release_outputs()


_IDLE: dict[Any, list[VideoPipeline]] = {}
"""Pipelines that no film uses, by kind, process, device and size; none outlives a fork."""
_one_at_a_time = threading.Lock()
atexit.register(_IDLE.clear)  # while there still is a DALI to take them down


def there_or_here(decoded: Any, at: int) -> Any:  # noqa: ANN401 (DALI's, an array)
    """A sample of a pipeline's output as an array that shares its memory: NumPy's, or Numba's."""
    if hasattr(decoded[at], "__cuda_array_interface__"):
        return numba_cuda().as_cuda_array(decoded[at])
    return np.asarray(decoded.at(at))


def new_pipeline(device: Device, samples: int, threads: int) -> Any:  # noqa: ANN401 (DALI's)
    """A pipeline without operators, for up to so many samples a run."""
    from nvidia.dali.pipeline import Pipeline

    gpu = None if device == "cpu" else 0
    return Pipeline(batch_size=samples, num_threads=threads, device_id=gpu, prefetch_queue_depth=1)


def video_pipeline(device: Device, slices: int) -> Any:  # noqa: ANN401 (DALI's)
    """A pipeline that decodes up to so many streams a run; it has inputs by name, feed both."""
    from nvidia.dali import fn, types

    pipeline = new_pipeline(device, slices, min(THREADS[device], slices))
    where: dict[str, Any] = (
        {"device": "cpu"} if device == "cpu" else {"device": "mixed", "affine": False}
    )
    with pipeline:
        encoded = fn.external_source(name="encoded", dtype=types.UINT8, ndim=1)
        frames = fn.external_source(name="frames", dtype=types.INT32, ndim=1)
        pipeline.set_outputs(fn.decoders.video(encoded, frames=frames, pad_mode="none", **where))
    pipeline.build()
    return pipeline
