"""A stand-in for PyNvVideoCodec where there is no GPU: FFmpeg decodes, the rules are the library's.

As in release 2.2: packets are PacketData with an address, a size and a time stamp; pictures come in
the order of presentation, one packet late; their time stamps come in rising order, whatever
pictures they were fed with; an empty packet ends the stream, after which any other may begin;
parameter sets are read from packets alone; a picture is memory that the next packet fills anew,
which is why every picture is overwritten here as soon as it is old.
"""

import ctypes
from types import SimpleNamespace

import av
import numpy as np

FATAL_ERRORS = 0xEE
NAMES = {"H264": "h264", "HEVC": "hevc", "VP8": "vp8", "VP9": "vp9"}


class PacketData:
    """What a decoder is fed; a new one ends the stream."""

    def __init__(self):
        self.bsl = self.bsl_data = self.pts = self.decode_flag = 0


class Picture:
    """A surface in memory that is the decoder's."""

    def __init__(self, frame, nvc):
        is_deep = "10" in frame.format.name
        kind = np.uint16 if is_deep else np.uint8
        luma, blue, red = (samples(plane, kind) for plane in frame.planes)
        chroma = np.stack([blue, red], axis=2).reshape(len(blue), -1)
        self.surface = np.concatenate([luma, chroma]) << (6 if is_deep else 0)
        self.format = nvc.Pixel_Format.P016 if is_deep else nvc.Pixel_Format.NV12
        self.shape, self.pts = luma.shape, frame.pts

    def getPTS(self):  # noqa: N802 (the library's name)
        return self.pts

    def cuda(self):
        address = self.surface.ctypes.data
        view = {"shape": (*self.shape, 1), "strides": None, "typestr": "|u1", "version": 3}
        return [SimpleNamespace(__cuda_array_interface__=view | {"data": (address, False)})]


def samples(plane, kind):
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
    return rows[:, : plane.width * np.dtype(kind).itemsize].view(kind)


class Decoder:
    """One decoder; `stand_in` makes the class that tests may change."""

    def __init__(self, nvc, codec):
        self.nvc, self.codec, self.given = nvc, codec, []
        self._begin()

    def _begin(self):
        self.context = av.CodecContext.create(NAMES[self.codec], "r")
        self.context.thread_type, self.held, self.stamps, self.begun_with = "NONE", [], [], b""

    def Decode(self, packet):  # noqa: N802 (the library's name)
        for old in self.given:
            old.surface[:] = FATAL_ERRORS
        self.nvc.packets.append(packet.pts if packet.bsl else None)
        if packet.bsl:
            data = ctypes.string_at(packet.bsl_data, packet.bsl)
            self.begun_with = self.begun_with or data
            one = av.Packet(data)
            one.pts = one.dts = packet.pts
            self.stamps = sorted([*self.stamps, packet.pts])
            made = self.held + self.context.decode(one)
            made, self.held = made[:-1], made[-1:]
        else:
            made = self.held + self.context.decode(None)
        self.given = [self._stamped(frame) for frame in made if self._is_given(frame)]
        if not packet.bsl:
            self._begin()
        return self.given

    def _is_given(self, frame):
        """A picture that is not decoded takes its time stamp along."""
        if not self.nvc.gives(frame):
            self.stamps.remove(frame.pts)
            return False
        return True

    def _stamped(self, frame):
        frame.pts = self.stamps.pop(0)
        return Picture(frame, self.nvc)


def stand_in(**caps):
    """The module; what it saw and what it leaves out is kept in it."""
    known = {"supported": 1, "num_decoder_engines": 2, "width_min": 48, "height_min": 16}
    known |= {"width_max": 4096, "height_max": 4096, "mb_num_max": 65536} | caps
    nvc = SimpleNamespace(
        __version__="2.2.4",
        PacketData=PacketData,
        Pixel_Format=SimpleNamespace(NV12="NV12", P016="P016"),
        cudaVideoCodec=SimpleNamespace(**{name: name for name in NAMES}),
        cudaVideoChromaFormat=SimpleNamespace(**{"420": 1}),
        GetDecoderCaps=lambda gpu, codec, chroma, bits: known,
        packets=[],
        decoders=[],
        gives=lambda frame: True,
    )

    def create(*, gpuid, codec, cudacontext, cudastream, usedevicememory):
        assert (gpuid, usedevicememory) == (0, True)
        assert (cudacontext, cudastream) == (Stream.context, Stream.handle)
        nvc.decoders.append(Decoder(nvc, codec))
        return nvc.decoders[-1]

    nvc.CreateDecoder = create
    return nvc


class Stream:
    """A stream that copies at once, from memory to memory or to the simulator's GPU."""

    context, handle = 7, 1
    alive = 0

    def __init__(self):
        Stream.alive += 1

    def enter(self):
        pass

    def copy(self, pointer, target, at):
        shape, kind = target.shape[1:], np.dtype(target.dtype)
        raw = ctypes.string_at(pointer, int(np.prod(shape)) * kind.itemsize)
        picture = np.frombuffer(raw, kind).reshape(shape)
        if isinstance(target, np.ndarray):
            target[at] = picture
        else:
            target[at].copy_to_device(picture)

    def finish(self):
        pass

    def close(self):
        Stream.alive -= 1
