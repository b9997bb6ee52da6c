"""PyAV: a decoded picture as arrays.

1. RGB of YUV and grey planes is made by the package's own kernel, at any size.
2. RGB of everything else (packed, RGB, palette, Bayer, semi-planar) is swscale's, and so are the
   planes for JPEG files; both are told range and size explicitly, and average by area.
3. Alpha is dropped, not blended. Interlaced pictures are taken as they are woven: chroma is
   interpolated between neighbouring lines, also where these belong to two fields.
"""

from dataclasses import dataclass, field

import numpy as np
import xxhash
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from fewframes.arrays import U8, U64, Samples
from fewframes.bindings.ffmpeg import COLOUR_RANGES
from fewframes.decode.frames import Format
from fewframes.kernels import matrix_between, planes_to_rgb, rgb_plan, ycc_matrix
from fewframes.media.colour import MATRICES, Colour, colour_of
from fewframes.media.timeline import StreamInfo

AREA = Interpolation.AREA
LIGHT_SECONDS_PER_SAMPLE = 6e-9
"""CPU time of the colour kernel without Numba, for each luma sample read and each pixel made."""


@dataclass(slots=True)
class Pixels:
    """Turns pictures of one stream into arrays of one format and size.

    A `VideoReformatter` keeps its scaler from picture to picture; use one `Pixels` a thread.
    """

    stream: StreamInfo
    format: Format
    size: tuple[int, int] | None
    """Height and width in display orientation; None keeps the decoder's."""
    colours: set[str] = field(default_factory=set)
    """Filled with what RGB was made of, by whom."""
    frames: int = 0
    """How many pictures will come, where that is known: many are worth starting Numba for."""
    scaler: VideoReformatter = field(default_factory=VideoReformatter)

    def __post_init__(self) -> None:
        stream = self.stream
        if "rgb" in self.format and colour_of(stream, stream.pixel_format, stream.colour_range):
            height, width = self.size or stream.display_size
            samples = stream.height * stream.width + height * width
            planes_to_rgb.expect(self.frames * samples * LIGHT_SECONDS_PER_SAMPLE)

    def planes(self, picture: VideoFrame) -> tuple[Samples, ...]:
        """Gives the arrays of one picture, without the leading frame axis."""
        if self.format == "yuv":
            return self._native(picture)
        planes = () if self.format == "rgb" else self._jpeg(picture)
        if "rgb" in self.format:
            planes = (*planes, self._rgb(picture))
        return tuple(oriented(plane, self.stream) for plane in planes)

    def luma_xxh64(self, picture: VideoFrame) -> U64 | None:
        """Hashes the decoded luma, little-endian, ``[1] u64``, for a scan; else gives None.

        Of pictures coded as RGB it is the luma that swscale gives.
        """
        if not self.format.startswith("jpeg"):
            return None
        luma = np.ascontiguousarray(self._native(picture)[0])
        return np.array([xxhash.xxh64_intdigest(luma.data)], np.uint64)

    def _coded_size(self, picture: VideoFrame) -> tuple[int, int]:
        if self.size is None:
            return picture.height, picture.width
        height, width = self.size
        return (width, height) if self.stream.rotation in (90, 270) else (height, width)

    def _scaled(self, picture: VideoFrame, pixel_format: str) -> VideoFrame:
        height, width = self._coded_size(picture)
        is_full = picture.color_range == ColorRange.JPEG or picture.format.name.startswith("yuvj")
        return self.scaler.reformat(
            picture,
            width=width,
            height=height,
            format=pixel_format,
            interpolation=AREA,
            src_color_range=ColorRange.JPEG if is_full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )

    def _rgb(self, picture: VideoFrame) -> Samples:
        range_ = COLOUR_RANGES.get(int(picture.color_range), "unspecified")
        colour = colour_of(self.stream, picture.format.name, range_)
        if colour is None:
            self.colours.add(f"swscale: {picture.format.name}")
            scaled = self._scaled(picture, "rgb24")
            plane = rows_of(scaled.planes[0])
            return plane[:, : scaled.width * 3].reshape(scaled.height, scaled.width, 3)
        self.colours.add(f"fewframes: {colour}")
        return self._from_planes(picture, colour)

    def _from_planes(self, picture: VideoFrame, colour: Colour) -> U8:
        """Runs the kernel on whole rows, padding included: it looks at what the plan reaches."""
        plan = rgb_plan(
            (picture.height, picture.width),
            self._coded_size(picture),
            steps=colour.steps,
            siting=colour.siting,
            matrix=colour.matrix,
            is_full=colour.is_full,
            bits=colour.bits,
        )
        dtype = "<u2" if colour.bits > 8 else "u1"
        luma, *chroma = (rows_of(plane).view(dtype) for plane in picture.planes)
        if not colour.steps[0]:
            chroma = [np.full((1, 1), 1 << (colour.bits - 1), dtype)] * 2
        return planes_to_rgb(luma, chroma[0], chroma[1], plan)

    def _jpeg(self, picture: VideoFrame) -> tuple[Samples, ...]:
        planes = tuple(_samples(plane, 1) for plane in self._scaled(picture, "yuv420p").planes)
        matrix = MATRICES.get(self.stream.colour_space, "bt601")
        if matrix == "bt601":
            return planes
        luma, blue, red = map(np.ascontiguousarray, planes)
        return ycc_matrix(luma, blue, red, matrix_between(matrix, "bt601"))

    def _native(self, picture: VideoFrame) -> tuple[Samples, ...]:
        layout = picture.format
        if layout.is_rgb or layout.has_palette:
            picture = self.scaler.reformat(picture, format="yuv444p", threads=1)
            layout = picture.format
        width = (layout.components[0].bits + 7) // 8
        return tuple(_samples(plane, width) for plane in picture.planes[:3])


def oriented(pixels: Samples, stream: StreamInfo) -> Samples:
    """Flips and turns ``[h, w, …]`` for display."""
    if stream.is_mirrored:
        pixels = pixels[:, ::-1]
    if stream.rotation:
        pixels = np.rot90(pixels, k=-stream.rotation // 90)
    return pixels


def _samples(plane: VideoPlane, width_bytes: int) -> Samples:
    """A plane as ``[h, w]`` without its padding, sharing the decoder's memory."""
    samples = rows_of(plane)[:, : plane.width * width_bytes]
    return samples if width_bytes == 1 else samples.view("<u2")


def rows_of(plane: VideoPlane) -> U8:
    """The bytes of a plane, row by row, with the padding."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)
