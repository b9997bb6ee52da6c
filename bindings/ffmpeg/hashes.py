"""PyAV: are two decoded pictures the same, bit for bit? Hashes of their samples.

``picture_xxh64`` is the xxh64 of all planes one after the other (alpha and palette included), row
by row without padding, as the decoder gave them: before cropping, scaling and rotation.
``luma_xxh64``, which older stores have alone, is that of the first plane, so that one pass makes
both. Of packed samples it covers as many bytes of a row as there are pixels, and of RGB it is the
luma that swscale gives.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import xxhash
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from fewframes.arrays import U8
from fewframes.bindings.ffmpeg.planes import is_like_rgb, reformatted, rows_of

BLOCK_BYTES = 1 << 16
"""Rows are copied out of their padding so many bytes at a time, which stay in a core's cache."""
PALETTE_BYTES = 1024


def picture_hashes(picture: VideoFrame, scaler: VideoReformatter) -> tuple[int, int]:
    """Hashes the luma of a picture, and the whole of it."""
    layout = layout_of(picture.format.name)
    digest, planes = xxhash.xxh64(), picture.planes
    luma = 0
    for at, width in enumerate(layout.row_bytes(picture.width)):
        _updated(digest, rows_of(planes[at])[:, :width])
        if at == 0:
            luma = digest.intdigest()
    if layout.is_rgb:
        plane = reformatted(picture, scaler, "yuv444p").planes[0]
        luma = _updated(xxhash.xxh64(), rows_of(plane)[:, : plane.width]).intdigest()
    elif layout.is_packed:
        samples = rows_of(planes[0])[:, : picture.width * layout.sample_bytes]
        luma = _updated(xxhash.xxh64(), samples).intdigest()
    return luma, digest.intdigest()


class Layout(NamedTuple):
    """How samples of a pixel format lie in its planes."""

    is_rgb: bool
    is_packed: bool
    """Whether the first plane holds more than luma, or luma in less than a byte."""
    sample_bytes: int
    """Of luma."""
    step: int
    """Luma samples for each chroma sample, across."""
    planes: tuple[tuple[bool, int], ...]
    """Of each plane whether its rows are counted in chroma samples, and the bits of each of these;
    0 for a palette, of which every byte counts."""

    def row_bytes(self, width: int) -> list[int]:
        """How many bytes of a row of each plane hold samples of a picture of this width."""
        chroma = -(-width // self.step)
        if self.is_packed:  # in groups of `step` pixels
            return [-(-chroma * self.step * bits // 8) for _, bits in self.planes]
        sides = ((chroma if is_chroma else width, bits) for is_chroma, bits in self.planes)
        return [side * bits // 8 if bits else PALETTE_BYTES for side, bits in sides]


@cache
def layout_of(name: str) -> Layout:
    """Describes a pixel format.

    >>> layout_of("p010le").row_bytes(5), layout_of("uyvy422").row_bytes(5)
    ([10, 12], [12])
    >>> layout_of("pal8").row_bytes(5), layout_of("monow").row_bytes(5)
    ([5, 1024], [1])
    """
    layout = VideoFormat(name, 16, 16)
    parts, first = layout.components, layout.components[0]
    of_plane = [[one for one in parts if one.plane == at] for at in range(4)]
    planes = [
        (bool(some[0].is_chroma), len(some) * -(-some[0].bits // 8) * 8)
        for some in of_plane
        if some
    ]
    is_packed = len(planes) == 1 and (len(parts) > 1 or bool(layout.is_bit_stream))
    if is_packed:
        planes = [(False, layout.padded_bits_per_pixel)]
    if layout.has_palette:
        planes.append((False, 0))
    step, sample_bytes = 16 // layout.chroma_width(16), -(-first.bits // 8)
    return Layout(is_like_rgb(layout), is_packed, sample_bytes, step, tuple(planes))


def _updated(digest: xxhash.xxh64, rows: U8) -> xxhash.xxh64:
    """Adds rows to a digest, at once where no padding is between them, or few; gives it."""
    step = len(rows) if rows.flags.c_contiguous else BLOCK_BYTES // max(1, rows.shape[1])
    for at in range(0, len(rows), max(1, step)):
        digest.update(np.ascontiguousarray(rows[at : at + step]).data)
    return digest
