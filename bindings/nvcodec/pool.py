"""Several decoders of one film side by side: each has a slice and a thread at a time.

What a decoder gives goes to rooms: arrays on the GPU for some pictures each. A slice is given its
rooms when it is begun, by the thread that takes its pictures, so that those begun first can always
go on. A decoder waits where its slice has no free room.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from fewframes.bindings.nvcodec.core import Core
from fewframes.bindings.nvcodec.packets import Fed
from fewframes.kernels.gpu import DeviceArray

REFUSED = "packets that the video engine does not decode"
MISSING = "pictures that do not come out, or not in order"
MISSHAPED = "pictures of another form than the stream's"

log = logging.getLogger(__name__)


class FaultError(Exception):
    """What a decoder gives is not what was asked for; says what it is."""


class Decoding:
    """The decoding of one slice."""

    def __init__(self, fed: Fed, rooms: list[DeviceArray]) -> None:
        self.fed, self.rooms, self.fault, self.is_stopped = fed, rooms, "", False
        self._free: SimpleQueue[DeviceArray | None] = SimpleQueue()
        self._filled: SimpleQueue[tuple[DeviceArray, int] | None] = SimpleQueue()
        for room in rooms:
            self._free.put(room)

    def chunks(self) -> Iterator[tuple[DeviceArray, int]]:
        """A room, and how many of its pictures are the next wanted ones; until the next step."""
        while (filled := self._filled.get()) is not None:
            yield filled
            self._free.put(filled[0])

    def stop(self) -> None:
        """Has a decoder end early, also one that waits for a room."""
        self.is_stopped = True
        self._free.put(None)

    def run(self, take: Callable[[], Core]) -> Core | None:
        """Decodes with the decoder it takes, and gives that, if there was one."""
        core = None
        try:
            core = take()
            self._fill(core)
        except FaultError as error:
            self.fault = str(error)
        except Exception as error:  # the library has no class of its own for most of them
            log.debug("PyNvVideoCodec: %s", error)
            self.fault = REFUSED
        self._filled.put(None)
        return core

    def _fill(self, core: Core) -> None:
        """Each packet makes one picture, so each rank must come, and none twice."""
        awaited, room, at, due = self.fed.part.frames.tolist()[::-1], self._free.get(), 0, 0
        for rank, picture in core.pictures(self.fed.tagged()):
            if rank != due or room is None or self.is_stopped:
                raise FaultError(MISSING)
            due += 1
            if not awaited or rank != awaited[-1]:
                continue
            if not core.is_whole(picture):
                raise FaultError(MISSHAPED)
            core.copy(picture, room, at)
            awaited.pop()
            at += 1
            if at == len(room) or not awaited:
                core.stream.finish()
                self._filled.put((room, at))
                room, at = self._free.get() if awaited else room, 0
        if due < len(self.fed.packets):
            raise FaultError(MISSING)


class Pool:
    """Up to so many decoders, made when they are needed and kept."""

    def __init__(self, make: Callable[[], Core], most: int) -> None:
        self._make, self._idle = make, list[Core]()
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="nvdec")

    def begin(self, decoding: Decoding) -> None:
        """Has a slice decoded by the next decoder that is free; after a fault it is let go."""
        self._threads.submit(self._work, decoding)

    def _work(self, decoding: Decoding) -> None:
        core = decoding.run(self._free_or_new)
        if core and decoding.fault:
            core.close()
        elif core:
            self._idle.append(core)

    def _free_or_new(self) -> Core:
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def close(self) -> None:
        """Waits for the threads and gives the decoders back; nothing may be waiting for a room."""
        self._threads.shutdown(cancel_futures=True)
        if self._idle:  # side by side: the driver takes a tenth of a second and more for each
            with ThreadPoolExecutor(len(self._idle)) as closing:
                list(closing.map(Core.close, self._idle))
