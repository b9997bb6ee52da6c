"""What a video engine decodes, brought to the format, size and orientation asked for, on the GPU.

Planes are the decoder's own, so colour is made of them once, by the stream's own matrix, range and
siting, with the kernel that makes it in memory: levels are the same. Planes for JPEG files are
made of that RGB.
"""

from fewframes.arrays import Samples
from fewframes.bindings.nvcodec.core import surface_of
from fewframes.decode.batch import Format
from fewframes.decode.decoder import DecodeReport, Event
from fewframes.kernels import (
    planes_to_rgb,
    resize_plan,
    resize_rgb,
    rgb_to_ycc,
    surface_planes,
)
from fewframes.kernels.gpu import DeviceArray
from fewframes.media.colour import colour_of
from fewframes.media.timeline import StreamInfo


class PostProcess:
    """Brings pictures of one stream to one format and size."""

    def __init__(
        self, stream: StreamInfo, format: Format, size: tuple[int, int] | None, report: DecodeReport
    ) -> None:
        self.format, self.surface = format, surface_of(stream)
        if format == "yuv":
            return
        colour = colour_of(stream, stream.pixel_format, stream.colour_range)
        assert colour is not None  # every format that an engine is given is of plain planes
        if "rgb" in format:
            report[Event.COLOUR, f"fewframes: {colour}"] += 1
        target = size or stream.display_size
        target = target[::-1] if stream.rotation in (90, 270) else target
        self.plan = colour.plan(self.surface[:2], (target[0], target[1]))
        self.is_turned = bool(stream.rotation or stream.is_mirrored)
        self.turn = resize_plan(target, rotation=stream.rotation, is_mirrored=stream.is_mirrored)

    def planes(self, surfaces: DeviceArray) -> tuple[DeviceArray, ...]:
        """The planes of some pictures, as a decoder in memory gives them, ``[m, h, w]`` each."""
        made: tuple[DeviceArray, ...] = surface_planes.batch(
            surfaces, self.surface.height, self.surface.bits
        )
        return made

    def made(self, planes: tuple[DeviceArray, ...]) -> tuple[Samples, ...]:
        """Arrays of the format, of some pictures' planes."""
        if self.format == "yuv":
            return planes
        rgb = planes_to_rgb.batch(*planes, self.plan)
        if self.is_turned:
            rgb = resize_rgb.batch(rgb, self.turn)
        ycc = () if self.format == "rgb" else rgb_to_ycc.batch(rgb)
        return (*ycc, rgb) if "rgb" in self.format else ycc
