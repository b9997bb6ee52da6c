"""PyAV: are two decoded pictures the same, bit for bit? Hashes of their samples.

``picture_xxh64`` is the xxh64 of all planes one after the other (alpha and palette included), row
by row without padding, as the decoder gave them: before cropping, scaling and rotation.
``luma_xxh64``, which older stores have alone, is that of the first plane, so that one pass makes
both. Of packed samples it covers as many bytes of a row as there are pixels, and of RGB it is the
luma that swscale gives.
"""

import numpy as np
import xxhash
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from fewframes.arrays import U8
from fewframes.bindings.ffmpeg_planes import is_like_rgb, reformatted, rows_of

BLOCK_BYTES = 1 << 16
"""Rows are copied out of their padding so many bytes at a time, which stay in a core's cache."""


def picture_hashes(picture: VideoFrame, scaler: VideoReformatter) -> tuple[int, int]:
    """Hashes the luma of a picture, and the whole of it."""
    digest, luma = xxhash.xxh64(), 0
    for at, rows in enumerate(sample_rows(picture)):
        _update(digest, rows)
        if at == 0:
            luma = digest.intdigest()
    if is_like_rgb(picture.format):
        plane = reformatted(picture, scaler, "yuv444p").planes[0]
        luma = _hash(rows_of(plane)[:, : plane.width])
    elif _is_packed(picture):
        width = picture.width * ((picture.format.components[0].bits + 7) // 8)
        luma = _hash(rows_of(picture.planes[0])[:, :width])
    return luma, digest.intdigest()


def sample_rows(picture: VideoFrame) -> list[U8]:
    """Gives the bytes of each plane that hold samples, ``[h, bytes] u8``, from the top."""
    layout, planes = picture.format, [rows_of(plane) for plane in picture.planes]
    if layout.has_palette:
        return [planes[0][:, : picture.width], *planes[1:]]
    if len(planes) == 1:
        step = 16 // layout.chroma_width(16)  # packed samples are coded in groups of so many pixels
        width = -(-picture.width // step) * step
        return [planes[0][:, : -(-width * layout.padded_bits_per_pixel // 8)]]
    of_plane = [[one for one in layout.components if one.plane == at] for at in range(len(planes))]
    widths = [len(several) * several[0].width * -(-several[0].bits // 8) for several in of_plane]
    return [plane[:, :width] for plane, width in zip(planes, widths, strict=True)]


def _is_packed(picture: VideoFrame) -> bool:
    """Whether the first plane holds more than luma, or luma in less than a byte."""
    layout = picture.format
    is_shared = sum(one.plane == layout.components[0].plane for one in layout.components) > 1
    return is_shared or bool(layout.is_bit_stream)


def _hash(rows: U8) -> int:
    digest = xxhash.xxh64()
    _update(digest, rows)
    return digest.intdigest()


def _update(digest: xxhash.xxh64, rows: U8) -> None:
    """Adds rows to a digest, at once where no padding is between them."""
    step = len(rows) if rows.flags.c_contiguous else max(1, BLOCK_BYTES // max(1, rows.shape[1]))
    for at in range(0, len(rows), step):
        digest.update(np.ascontiguousarray(rows[at : at + step]).data)
