"""NVDEC: exactly the frames of a plan, decoded on a GPU's video engines by PyNvVideoCodec.

1. The plan's runs are cut into GOP slices (`slices.py`), whose packets are read and checked as for
   FFmpeg (`packets.py`). What an engine would not decode as FFmpeg does goes to FFmpeg, slice
   by slice, and is counted in the report: fields, cropping, pictures of another size.
2. Several decoders, kept for the film, have a slice each (`pool.py`). Every packet must make
   one picture, and each is matched by its rank, which is its time stamp (`packets.py`).
3. Pictures are the engine's planes, which equal FFmpeg's. They stay on the GPU, where kernels make
   of them what was asked for (`post_process.py`), for some pictures at a time.
4. An engine conceals damage and tells nobody, so a film that is damaged for all we know goes to
   FFmpeg. A picture of the first slice is compared with FFmpeg's, plane by plane, and so is one of
   the first slice that begins in another way; while they differ, the next. A slice that does not
   give each picture, in order, is FFmpeg's from there on.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fewframes.arrays import I64
from fewframes.bindings.ffmpeg.cursor import Cursor
from fewframes.bindings.ffmpeg.slice_streams import UnfitError
from fewframes.bindings.nvcodec.capabilities import engines_of, require
from fewframes.bindings.nvcodec.core import Core
from fewframes.bindings.nvcodec.hashes import Hasher
from fewframes.bindings.nvcodec.packets import EnginePackets, Fed
from fewframes.bindings.nvcodec.pool import Decoding, Pool
from fewframes.bindings.nvcodec.post_process import PostProcess
from fewframes.bindings.slice_work import SliceWork
from fewframes.decode.batch import Format, FrameBatch
from fewframes.decode.decoder import DecodeReport, Device
from fewframes.decode.plan import GopRun
from fewframes.decode.slices import Slice, slice_runs
from fewframes.kernels import gpu, on_host
from fewframes.kernels.gpu import DeviceArray
from fewframes.media.timeline import Timeline

DECODERS_AN_ENGINE = 2
"""One that decodes while the other is fed and copied from."""
AT_ONCE = 64
"""Most pictures of a room, and of a batch."""
DECODED_BYTES = 2 << 30
"""Most bytes of decoded pictures that wait to be taken."""
ENCODED_BYTES = 64 << 20
AUDITED_AFTER = 8
"""The picture that is compared with FFmpeg's is at least so many packets behind its start, where
one is wanted there: a few pictures lean on each other then, and FFmpeg's are soon made."""
UNLIKE = "pictures that are not those of FFmpeg"
DAMAGED = "a film that is damaged"
Begun: TypeAlias = "Decoding | tuple[Slice, str]"
"""A slice that is being decoded, or one that is not, and why."""


def decode(
    timeline: Timeline,
    runs: Sequence[GopRun],
    *,
    format: Format,
    size: tuple[int, int] | None,
    report: DecodeReport,
    device: Device = "cuda",
    decoders: int | None = None,
    is_compared: bool = True,
) -> Iterator[FrameBatch]:
    """Decodes runs slice by slice; the contract is `fewframes.decode.decoder.Decoder`'s.

    ``decoders`` is how many work side by side (default: `DECODERS_AN_ENGINE`); ``is_compared`` is
    whether a picture is compared with FFmpeg's. Raises
    `MissingBackendError` where PyNvVideoCodec, a GPU or the driver's video libraries are not there,
    `UnsupportedStreamError` for a stream that the engines cannot take, and ValueError for another
    ``device`` than "cuda".
    """
    if device != "cuda":
        raise ValueError(f"backend='nvdec' decodes on device='cuda', not {device!r}")
    name = f"nvdec {require(timeline.stream)} on {device}"
    most = decoders or DECODERS_AN_ENGINE * engines_of(timeline.stream)
    return _Work(timeline, format, size, report, name, most, is_compared).batches(runs)


@dataclass(eq=False)
class _Work(SliceWork):
    """The decoding of one film."""

    most: int
    """Decoders side by side."""
    is_compared: bool

    def __post_init__(self) -> None:
        """Shares out the memory that there is; no room is made yet."""
        self.finish = PostProcess(self.timeline.stream, self.format, self.size, self.report)
        self.surface = self.finish.surface
        count = DECODED_BYTES // (2 * self.most * self.surface.size_bytes)
        self.room_pictures = max(1, min(AT_ONCE, count))
        self.hasher = Hasher(self.room_pictures)
        self.rooms: list[DeviceArray] = []
        self.rooms_left = 2 * self.most
        self.audited = set[int]()

    def batches(self, runs: Sequence[GopRun]) -> Iterator[FrameBatch]:
        """Decodes slices side by side, and gives their frames in order."""
        begun: deque[Begun] = deque()
        pool = Pool(lambda: Core(self.timeline.stream.codec, self.surface), self.most)
        with closing(pool), closing(self.hasher), closing(Cursor(self.timeline)) as cursor:
            try:
                packets = EnginePackets(cursor, self.report)
                for part in slice_runs(self.timeline, runs):
                    fed = self._fed(packets, part)
                    while begun and not self._has_room(begun, fed):
                        yield from self._ended(begun.popleft())
                    begun.append(self._begin(pool, fed) if isinstance(fed, Fed) else fed)
                while begun:
                    yield from self._ended(begun.popleft())
            finally:
                for one in begun:
                    if isinstance(one, Decoding):
                        one.stop()

    def _fed(self, packets: EnginePackets, part: Slice) -> Fed | tuple[Slice, str]:
        """What a decoder is fed for a slice, or the reason why it is none's."""
        if self.timeline.damage:
            return part, DAMAGED
        try:
            return packets.read(part)
        except UnfitError as error:
            return part, str(error)

    def _has_room(self, begun: Sequence[Begun], fed: Fed | tuple[Slice, str]) -> bool:
        """Whether one more slice may be begun before the first is taken."""
        if not isinstance(fed, Fed):
            return len(begun) < 4 * self.most
        waiting = sum(one.fed.size_bytes for one in begun if isinstance(one, Decoding))
        is_light = waiting + fed.size_bytes <= ENCODED_BYTES
        return is_light and len(self.rooms) + self.rooms_left >= self._rooms_for(fed)

    def _rooms_for(self, fed: Fed) -> int:
        return 1 if len(fed.part.requested) <= self.room_pictures else 2

    def _begin(self, pool: Pool, fed: Fed) -> Decoding:
        """Gives a slice its rooms, and a decoder as soon as one is free."""
        decoding = Decoding(fed, [self._room() for _ in range(self._rooms_for(fed))])
        pool.begin(decoding)
        return decoding

    def _room(self) -> DeviceArray:
        if self.rooms:
            return self.rooms.pop()
        self.rooms_left -= 1
        shape = self.room_pictures, self.surface.rows, self.surface.width
        return gpu.empty(shape, self.surface.dtype)

    def _ended(self, one: Begun) -> Iterator[FrameBatch]:
        """The frames of a slice; FFmpeg's where the engine's are not what was asked for."""
        if not isinstance(one, Decoding):
            yield from self.by_ffmpeg(one[0].run, one[1])
            return
        part, given, is_alike = one.fed.part, 0, True
        try:
            for room, count in one.chunks():
                rows = part.requested[given : given + count]
                planes = self.finish.planes(room[:count])
                is_alike = is_alike and self._is_alike(one.fed, rows, planes)
                if is_alike:
                    yield self._batch(rows, planes)
                    given += count
                else:
                    one.stop()
        finally:
            one.stop()
        self.rooms += one.rooms
        if one.fault or not is_alike:
            rest = GopRun(part.run.feed, part.requested[given:])
            yield from self.by_ffmpeg(rest, one.fault if is_alike else UNLIKE)
            return
        self.count(part)

    def _batch(self, rows: I64, planes: tuple[DeviceArray, ...]) -> FrameBatch:
        made = self.finish.made(planes)
        hashes = self.hasher.columns(planes) if self.format.startswith("jpeg") else {}
        gpu.finish()
        return self.batch(rows, made, **hashes)

    def _is_alike(self, fed: Fed, rows: I64, planes: tuple[DeviceArray, ...]) -> bool:
        """Whether a picture is FFmpeg's in every sample; asked once for each kind of start."""
        if fed.start in self.audited or not self.is_compared:
            return True
        part = fed.part
        behind = np.flatnonzero(rows >= part.feed[0] + AUDITED_AFTER)
        at = int(behind[rows[behind].argmin()] if behind.size else rows.argmax())
        mine = [on_host(plane[at : at + 1]) for plane in planes]
        theirs = self.audit_planes(part, int(rows[at]), "yuv")
        is_alike = len(theirs) == len(mine) and all(map(np.array_equal, mine, theirs))
        self.audited |= {fed.start} if is_alike else set()
        return is_alike
