"""PyAV: a decoded picture as arrays; scaling and colour are swscale's, explicitly told."""

from dataclasses import dataclass, field

import numpy as np
import xxhash
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from fewframes.arrays import U8, Samples
from fewframes.frames import Format
from fewframes.timeline import StreamInfo

MATRICES = {
    "bt709": "bt709",
    "fcc": "fcc",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
}
"""Matrix of a stream's colour space; every other name, also unspecified, is BT.601."""

AREA = Interpolation.AREA


@dataclass(slots=True)
class Pixels:
    """Turns pictures of one stream into arrays of one format and size.

    A `VideoReformatter` keeps its scaler from picture to picture; use one `Pixels` a thread.
    """

    stream: StreamInfo
    format: Format
    size: tuple[int, int] | None
    """Height and width in display orientation; None keeps the decoder's."""
    scaler: VideoReformatter = field(default_factory=VideoReformatter)

    def planes(self, picture: VideoFrame) -> tuple[Samples, ...]:
        """Gives the arrays of one picture, without the leading frame axis."""
        if self.format == "yuv":
            return self._native(picture)
        if self.format == "rgb":
            return (self._oriented(self._rgb(picture)),)
        return tuple(self._oriented(plane) for plane in self._jpeg(picture))

    def luma_xxh64(self, picture: VideoFrame) -> int:
        """Hashes the decoded luma, little-endian; of pictures coded as RGB, what swscale gives."""
        luma = np.ascontiguousarray(self._native(picture)[0])
        return xxhash.xxh64_intdigest(luma.data)

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
        scaled = self._scaled(picture, "rgb24")
        plane = rows_of(scaled.planes[0])
        return plane[:, : scaled.width * 3].reshape(scaled.height, scaled.width, 3)

    def _jpeg(self, picture: VideoFrame) -> tuple[Samples, ...]:
        planes = tuple(_samples(plane, 1) for plane in self._scaled(picture, "yuv420p").planes)
        matrix = MATRICES.get(self.stream.colour_space, "bt601")
        if matrix == "bt601":
            return planes
        from fewframes.kernels import matrix_between, ycc_matrix

        luma, blue, red = map(np.ascontiguousarray, planes)
        return ycc_matrix(luma, blue, red, matrix_between(matrix, "bt601"))

    def _native(self, picture: VideoFrame) -> tuple[Samples, ...]:
        layout = picture.format
        if layout.is_rgb or layout.has_palette:
            picture = self.scaler.reformat(picture, format="yuv444p", threads=1)
            layout = picture.format
        width = (layout.components[0].bits + 7) // 8
        return tuple(_samples(plane, width) for plane in picture.planes[:3])

    def _oriented(self, pixels: Samples) -> Samples:
        """Flips and turns ``[h, w, …]`` for display."""
        if self.stream.is_mirrored:
            pixels = pixels[:, ::-1]
        if self.stream.rotation:
            pixels = np.rot90(pixels, k=-self.stream.rotation // 90)
        return pixels


def _samples(plane: VideoPlane, width_bytes: int) -> Samples:
    """A plane as ``[h, w]`` without its padding, sharing the decoder's memory."""
    samples = rows_of(plane)[:, : plane.width * width_bytes]
    return samples if width_bytes == 1 else samples.view("<u2")


def rows_of(plane: VideoPlane) -> U8:
    """The bytes of a plane, row by row, with the padding."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)
