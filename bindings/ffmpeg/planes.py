"""PyAV: which whole planes does a decoded picture have, whatever its pixel format?

1. Plain planes of YUV and grey, one component each, are given as they are; those of a big-endian
   format with their bytes swapped.
2. Packed and semi-planar ones are unpacked by swscale into planes of the same sampling and depth.
   Once for each format it is proved that this keeps every bit: random planes must come back from
   the format as they were. Both have as many samples of as many bits, so it is exact both ways.
3. One-bit pictures, and 4:1:1 packed in six bytes, are unpacked here.
4. RGB becomes 4:4:4 by swscale, at its own depth. Alpha is dropped.
5. Every other format is refused.
"""

import re
from functools import cache
from typing import Any

import av.error
import numpy as np
from av.video.format import VideoFormat, VideoFormatComponent
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from fewframes.arrays import U8, Samples
from fewframes.bindings.ffmpeg.log import drain_log
from fewframes.errors import UnsupportedStreamError
from fewframes.media.colour import STEPS

PLAIN = re.compile(r"(?:yuv[aj]?\d{3}p|gray)(?:(?:9|1[0-6])[lb]e)?")
"""Names of formats with one component a plane, in the low bits of its samples."""
DIGITS = {steps: digits for digits, steps in STEPS.items() if digits}
"""How names of planar formats call the luma samples for each chroma sample, down and across."""
MOST_BITS = 16
PROOF_SIZE = (8, 52)
"""Height and width of the random picture of the proof; every sampling divides them."""
SEXTUPLE = "uyyvyy411"
ONE_BIT = {"monow": 0, "monob": 1}
"""Formats of one bit a sample, and the bit that is white."""


def planar(picture: VideoFrame, scaler: VideoReformatter) -> tuple[Samples, ...]:
    """Gives the planes of a picture, ``[h, w] u8`` or ``u16`` each: luma, and chroma if any.

    They may share the memory of the picture. Raises `UnsupportedStreamError` where they cannot be
    told exactly.
    """
    name = picture.format.name
    if PLAIN.fullmatch(name):
        return _plain(picture)
    if name in ONE_BIT:
        return (_unpacked_bits(picture, ONE_BIT[name]),)
    if name == SEXTUPLE and picture.width % 4 == 0:
        return _unpacked_sextuples(picture)
    target = planar_name(picture.format)
    if not target or not (is_like_rgb(picture.format) or is_exact(name, target)):
        raise UnsupportedStreamError(
            f"format='yuv' cannot give exact planes of pictures in {name!r}; pass format='rgb'"
        )
    if is_like_rgb(picture.format):
        return _plain(reformatted(picture, scaler, target))
    return _masked(_same_levels(picture, scaler, target))


def is_like_rgb(layout: VideoFormat) -> bool:
    """Whether samples are red, green and blue, or numbers of such colours."""
    return bool(layout.is_rgb or layout.has_palette or layout.is_bayer)


def planar_name(layout: VideoFormat) -> str:
    """Names the planar format of the same sampling and depth; empty where there is none.

    >>> planar_name(VideoFormat("p210be")), planar_name(VideoFormat("ya8"))
    ('yuv422p10le', 'gray')
    >>> planar_name(VideoFormat("rgb48be")), planar_name(VideoFormat("grayf32le"))
    ('yuv444p16le', '')
    """
    colours = [one for one in layout.components if not one.is_alpha]
    if is_like_rgb(layout):
        return _first_known("yuv444p", _depth_of_rgb(layout, colours))
    depths = {one.bits for one in colours}
    steps = 16 // layout.chroma_height(16), 16 // layout.chroma_width(16)
    if len(depths) != 1 or len(colours) not in (1, 3) or not 8 <= min(depths) <= MOST_BITS:
        return ""
    stem = "gray" if len(colours) == 1 else f"yuv{DIGITS.get(steps, '')}p"
    return _known(stem, min(depths))


def _depth_of_rgb(layout: VideoFormat, colours: list[VideoFormatComponent]) -> int:
    """Most bits of a colour; of a mosaic the bits of a sample, which only one of them has."""
    return int(layout.bits_per_pixel) if layout.is_bayer else max(one.bits for one in colours)


def _first_known(stem: str, depth: int) -> str:
    """The format of the least depth that holds so many bits; at most 16."""
    depths = range(max(8, min(depth, MOST_BITS)), MOST_BITS + 1)
    return next((name for bits in depths if (name := _known(stem, bits))), "")


def _known(stem: str, depth: int) -> str:
    name = stem if depth == 8 else f"{stem}{depth}le"
    try:
        return str(VideoFormat(name).name)
    except ValueError:
        return ""


@cache
def is_exact(name: str, target: str) -> bool:
    """Proves that swscale unpacks a format into planes without a change, or fails to.

    >>> is_exact("uyvy422", "yuv422p"), is_exact("xyz12le", "yuv444p12le")
    (True, False)
    """
    height, width = PROOF_SIZE
    picture, random = VideoFrame(width, height, target), np.random.default_rng(0)
    for plane, component in zip(picture.planes, picture.format.components, strict=True):
        rows = rows_of(plane)
        if component.bits > 8:
            rows.view("<u2")[:] = random.integers(0, 1 << component.bits, rows.view("<u2").shape)
        else:
            rows[:] = random.integers(0, 256, rows.shape)
    said = list(drain_log())
    try:
        packed = _same_levels(picture, VideoReformatter(), name)
        back = _same_levels(packed, VideoReformatter(), target)
    except UnsupportedStreamError:
        return False
    finally:
        drain_log()[:] = said
    return all(map(np.array_equal, _plain(picture), _plain(back)))


def _same_levels(picture: VideoFrame, scaler: VideoReformatter, name: str) -> VideoFrame:
    """Converts between formats of one sampling, depth and range: levels stay as they are."""
    same = {"src_color_range": ColorRange.MPEG, "dst_color_range": ColorRange.MPEG}
    return reformatted(picture, scaler, name, interpolation=Interpolation.POINT, **same)


def reformatted(
    picture: VideoFrame,
    scaler: VideoReformatter,
    name: str,
    **how: Any,  # noqa: ANN401 (what `VideoReformatter.reformat` takes)
) -> VideoFrame:
    """Converts a picture by swscale, or raises `UnsupportedStreamError` where that cannot."""
    try:
        return scaler.reformat(picture, format=name, threads=1, **how)
    except av.error.FFmpegError as error:
        raise UnsupportedStreamError(
            f"this FFmpeg does not convert pictures in {picture.format.name!r}; convert the film "
            "to a common pixel format, such as yuv420p, first"
        ) from error


def in_low_endian(picture: VideoFrame, scaler: VideoReformatter) -> VideoFrame:
    """Swaps the bytes of colours that share a big-endian word (RGB 555, 565).

    FFmpeg 8.1 does not swap them where it makes RGB of 8 bits of these in one step.
    """
    layout = picture.format
    if not layout.is_big_endian or max(one.bits for one in layout.components) >= 8:
        return picture
    return reformatted(picture, scaler, f"{layout.name.removesuffix('be')}le")


def _plain(picture: VideoFrame) -> tuple[Samples, ...]:
    """The planes of a plain format but alpha, in the byte order of this machine."""
    layout = picture.format
    width = (layout.components[0].bits + 7) // 8
    planes = picture.planes[: 1 if len(layout.components) == 1 else 3]
    return tuple(_samples(plane, width, is_big=layout.is_big_endian) for plane in planes)


def _masked(picture: VideoFrame) -> tuple[Samples, ...]:
    """The planes without what swscale may leave above their bits: a format's own padding."""
    bits = picture.format.components[0].bits
    if bits in (8, MOST_BITS):
        return _plain(picture)
    return tuple(plane & np.uint16((1 << bits) - 1) for plane in _plain(picture))


def _samples(plane: VideoPlane, width_bytes: int, *, is_big: bool) -> Samples:
    """A plane as ``[h, w]`` without its padding."""
    samples = rows_of(plane)[:, : plane.width * width_bytes]
    if width_bytes == 1:
        return samples
    return samples.view(">u2").astype("<u2") if is_big else samples.view("<u2")


def _unpacked_bits(picture: VideoFrame, white: int) -> U8:
    bits = np.unpackbits(rows_of(picture.planes[0]), axis=1)[:, : picture.width]
    return np.where(bits == white, np.uint8(255), np.uint8(0))


def _unpacked_sextuples(picture: VideoFrame) -> tuple[U8, U8, U8]:
    """U Y Y V Y Y, for four pixels each."""
    height, width = picture.height, picture.width
    groups = rows_of(picture.planes[0])[:, : width * 3 // 2].reshape(height, -1, 6)
    return groups[..., [1, 2, 4, 5]].reshape(height, width), groups[..., 0], groups[..., 3]


def rows_of(plane: VideoPlane) -> U8:
    """The bytes of a plane, row by row from the top, with the padding."""
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)
    return rows[::-1] if plane.line_size < 0 else rows
