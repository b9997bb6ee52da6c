"""PyAV: a decoded picture as arrays.

1. What the container hides is cut off (`crop`); whole planes come from `planes`.
2. RGB of YUV and grey planes is made by the package's own kernel, at any size.
3. RGB of everything else (packed, RGB, palette, Bayer, semi-planar) is swscale's, and so are the
   planes for JPEG files; both are told range and size explicitly, and average by area.
4. Alpha is dropped, not blended. Interlaced pictures are taken as they are woven: chroma is
   interpolated between neighbouring lines, also where these belong to two fields.
5. A picture of another shape than the stream's is fitted with black borders, and counted.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from fewframes.arrays import U8, Samples
from fewframes.bindings.ffmpeg.crop import Cropper
from fewframes.bindings.ffmpeg.demux import COLOUR_RANGES
from fewframes.bindings.ffmpeg.hashes import picture_hashes
from fewframes.bindings.ffmpeg.planes import in_low_endian, planar, reformatted, rows_of
from fewframes.decode.batch import Format
from fewframes.decode.decoder import DecodeReport, Event
from fewframes.kernels import matrix_between, planes_to_rgb, ycc_matrix
from fewframes.media.colour import MATRICES, Colour, colour_of
from fewframes.media.sizes import Box, fitted_box
from fewframes.media.timeline import StreamInfo

AREA = Interpolation.AREA
LIGHT_SECONDS_PER_SAMPLE = 6e-9
"""CPU time of the colour kernel without Numba, for each luma sample read and each pixel made."""
JPEG_BLACK = (0, 128, 128)


@dataclass(slots=True)
class Pixels:
    """Turns pictures of one stream into arrays of one format and size.

    A `VideoReformatter` keeps its scaler from picture to picture; use one `Pixels` a thread.
    """

    stream: StreamInfo
    format: Format
    size: tuple[int, int] | None
    """Height and width in display orientation; None keeps the stream's."""
    report: DecodeReport = field(default_factory=DecodeReport)
    """Told what RGB was made of, by whom, and which pictures had to be fitted."""
    frames: int = 0
    """How many pictures will come, where that is known: many are worth starting Numba for."""
    scaler: VideoReformatter = field(default_factory=VideoReformatter)
    cropper: Cropper = field(init=False)
    target: tuple[int, int] = field(init=False)
    """Height and width of what is made, as coded: before rotation."""

    def __post_init__(self) -> None:
        stream = self.stream
        self.cropper = Cropper(stream.crop)
        height, width = self.size or stream.display_size
        self.target = (width, height) if stream.rotation in (90, 270) else (height, width)
        if "rgb" in self.format and colour_of(stream, stream.pixel_format, stream.colour_range):
            samples = stream.height * stream.width + height * width
            planes_to_rgb.expect(self.frames * samples * LIGHT_SECONDS_PER_SAMPLE)

    def planes(self, picture: VideoFrame) -> tuple[Samples, ...]:
        """Gives the arrays of one picture, without the leading frame axis.

        Raises `UnsupportedStreamError` for a pixel format that they cannot be made of.
        """
        part = self.cropper.cut(picture)
        if self.format == "yuv":
            return planar(part, self.scaler)
        box = self._box(part)
        planes: tuple[Samples, ...] = ()
        if self.format != "rgb":
            made = zip(self._jpeg(part, box), JPEG_BLACK, (1, 2, 2), strict=True)
            planes = tuple(_framed(plane, box, self.target, *how) for plane, *how in made)
        if "rgb" in self.format:
            planes = (*planes, _framed(self._rgb(part, box), box, self.target, 0, 1))
        return tuple(oriented(plane, self.stream) for plane in planes)

    def hashes(self, picture: VideoFrame) -> dict[str, Any]:
        """Gives the hash columns of a batch of this one picture, ``[1] u64``, for a scan."""
        if not self.format.startswith("jpeg"):
            return {}
        luma, whole = np.array([picture_hashes(picture, self.scaler)], np.uint64).T
        return {"luma_xxh64": luma, "picture_xxh64": whole}

    def _box(self, part: VideoFrame) -> Box:
        """Where a picture goes; counts those of another size than the stream's."""
        size, stream = (part.height, part.width), self.stream
        if size == stream.cropped_size:
            return Box(0, 0, *self.target)
        box = fitted_box(size, stream.cropped_size, self.target)
        height, width = size[::-1] if stream.rotation in (90, 270) else size
        has_borders = box[2:] != self.target
        how = "fitted with borders" if has_borders else "scaled to the size of the others"
        self.report[Event.FITTED, (f"{width}x{height}", how)] += 1
        return box

    def _scaled(self, picture: VideoFrame, pixel_format: str, box: Box) -> VideoFrame:
        is_full = picture.color_range == ColorRange.JPEG or picture.format.name.startswith("yuvj")
        return reformatted(
            picture,
            self.scaler,
            pixel_format,
            width=box.width,
            height=box.height,
            interpolation=AREA,
            src_color_range=ColorRange.JPEG if is_full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
        )

    def _rgb(self, picture: VideoFrame, box: Box) -> Samples:
        range_ = COLOUR_RANGES.get(int(picture.color_range), "unspecified")
        colour = colour_of(self.stream, picture.format.name, range_)
        if colour is None:
            self.report[Event.COLOUR, f"swscale: {picture.format.name}"] += 1
            scaled = self._scaled(in_low_endian(picture, self.scaler), "rgb24", box)
            plane = rows_of(scaled.planes[0])
            return plane[:, : scaled.width * 3].reshape(scaled.height, scaled.width, 3)
        self.report[Event.COLOUR, f"fewframes: {colour}"] += 1
        return self._from_planes(picture, colour, box)

    def _from_planes(self, picture: VideoFrame, colour: Colour, box: Box) -> U8:
        """Runs the kernel on whole rows, padding included: it looks at what the plan reaches."""
        plan = colour.plan((picture.height, picture.width), (box.height, box.width))
        dtype = "<u2" if colour.bits > 8 else "u1"
        luma, *chroma = (rows_of(plane).view(dtype) for plane in picture.planes)
        if not colour.steps[0]:
            chroma = [np.full((1, 1), 1 << (colour.bits - 1), dtype)] * 2
        return planes_to_rgb(luma, chroma[0], chroma[1], plan)

    def _jpeg(self, picture: VideoFrame, box: Box) -> tuple[Samples, ...]:
        planes = planar(self._scaled(picture, "yuv420p", box), self.scaler)
        matrix = MATRICES.get(self.stream.colour_space, "bt601")
        if matrix == "bt601":
            return planes
        luma, blue, red = map(np.ascontiguousarray, planes)
        return ycc_matrix(luma, blue, red, matrix_between(matrix, "bt601"))


def _framed(plane: Samples, box: Box, target: tuple[int, int], black: int, step: int) -> Samples:
    """Puts a plane in its place of a black one; ``step`` is how many pixels its samples have."""
    if box[2:] == target:
        return plane
    height, width = (-(-side // step) for side in target)
    framed = np.full((height, width, *plane.shape[2:]), black, plane.dtype)
    top, left = box.top // step, box.left // step
    framed[top : top + plane.shape[0], left : left + plane.shape[1]] = plane
    return framed


def oriented(pixels: Samples, stream: StreamInfo) -> Samples:
    """Flips and turns ``[h, w, …]`` for display."""
    if stream.is_mirrored:
        pixels = pixels[:, ::-1]
    if stream.rotation:
        pixels = np.rot90(pixels, k=-stream.rotation // 90)
    return pixels
