"""PyNvVideoCodec: one decoder of a video engine, fed packets with tags of our own.

1. Each packet has a tag as its time stamp. A picture that is not decoded takes its tag along, and
   those of the others come in rising order, which must be that of presentation.
2. An empty packet ends the stream: it brings what was held back, and leaves a decoder that may
   begin anywhere else.
3. A picture is the decoder's memory up to the next packet, on its stream: it is copied there.

Facts about the library are those of release 2.2, read in its signatures and tried.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fewframes.bindings.nvcodec.capabilities import CODECS, bits_of, library
from fewframes.bindings.nvcodec.cuda_stream import Stream
from fewframes.kernels.gpu import DeviceArray
from fewframes.media.timeline import StreamInfo


class Surface(NamedTuple):
    """The form of the pictures that a video engine gives: luma above, both kinds of chroma below.

    >>> Surface(1080, 1920, 10).rows
    1620
    """

    height: int
    width: int
    bits: int

    @property
    def rows(self) -> int:
        """Rows of luma, and half as many of chroma."""
        return self.height + -(-self.height // 2)

    @property
    def dtype(self) -> npt.DTypeLike:
        """Of a sample."""
        return np.uint8 if self.bits == 8 else np.uint16

    @property
    def size_bytes(self) -> int:
        """Of a picture."""
        return self.rows * self.width * np.dtype(self.dtype).itemsize


def surface_of(stream: StreamInfo) -> Surface:
    """The form of a stream's pictures on a video engine."""
    return Surface(stream.height, stream.width, bits_of(stream))


class Core:
    """A decoder on a stream of its own; to be used by one thread at a time."""

    def __init__(self, codec: str, surface: Surface) -> None:
        self._nvc = nvc = library()
        self._format = nvc.Pixel_Format.NV12 if surface.bits == 8 else nvc.Pixel_Format.P016
        self.surface, self.stream = surface, Stream()
        try:
            self._decoder: Any = nvc.CreateDecoder(
                gpuid=0,
                codec=getattr(nvc.cudaVideoCodec, CODECS[codec]),
                cudacontext=self.stream.context,
                cudastream=self.stream.handle,
                usedevicememory=True,
            )
        except Exception:
            self.stream.close()
            raise

    def pictures(self, tagged: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, Any]]:
        """Feeds packets and ends the stream; gives the tag of each picture, and the picture.

        Pictures come in the order of presentation, and last until the next step.
        """
        self.stream.enter()
        for tag, data in tagged:
            packet, payload = self._nvc.PacketData(), np.frombuffer(data, np.uint8)
            packet.bsl_data, packet.bsl, packet.pts = payload.ctypes.data, payload.size, tag
            for picture in self._decoder.Decode(packet):
                yield picture.getPTS(), picture
        for picture in self._decoder.Decode(self._nvc.PacketData()):
            yield picture.getPTS(), picture

    def is_whole(self, picture: Any) -> bool:  # noqa: ANN401 (the library's)
        """Whether a picture has the form that is expected of this stream."""
        shape = tuple(picture.cuda()[0].__cuda_array_interface__["shape"][:2])
        return picture.format == self._format and shape == self.surface[:2]

    def copy(self, picture: Any, room: DeviceArray, at: int) -> None:  # noqa: ANN401
        """Copies a picture to its place among others, in the stream's order."""
        pointer = int(picture.cuda()[0].__cuda_array_interface__["data"][0])
        self.stream.copy(pointer, room, at)

    def close(self) -> None:
        """Gives decoder and stream back."""
        self._decoder = None
        self.stream.close()
