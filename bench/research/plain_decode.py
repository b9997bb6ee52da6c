"""Plain decode: what does a file show when PyAV alone decodes it, in order, on one thread?

1. Packets are fed as the demuxer gives them, each with its row in place of its times, so that a
   picture names the packet it came of whatever the file's clock does.
2. The order is the decoder's; nothing is dropped, sorted, or matched by time.
3. Of every picture the planes are hashed, sample by sample, and RGB is made by swscale.

Nothing of this package decodes here: it is what the package is judged by.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from fewframes.arrays import U8

PACKED: dict[str, tuple[slice, ...]] = {
    "uyvy422": (slice(1, None, 2), slice(0, None, 4), slice(2, None, 4)),
    "yuyv422": (slice(0, None, 2), slice(1, None, 4), slice(3, None, 4)),
}
"""Where Y, Cb and Cr lie in a row of a packed format."""
SEMI_PLANAR = ("nv12", "nv21")
WITHOUT_PLANES = ("pal8", "rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "monow", "monob")


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of a plain decode."""

    row: int
    """Which packet it came of, counted from 0."""
    stamp: int | None
    """That packet's pts as the demuxer gives it, in ticks of the stream; None where it has none."""
    planes: tuple[str, ...]
    """MD5 of Y, Cb and Cr; empty where the picture is coded as RGB."""
    rgb: U8
    """``[h, w, 3]``, by swscale."""


@dataclass(frozen=True, slots=True)
class PlainDecode:
    """All pictures of a file in the order in which the decoder gives them."""

    shown: tuple[Shown, ...]
    complaints: tuple[str, ...]
    """What FFmpeg raised, or marked as corrupt; empty where it plays the file."""


def plain_decode(path: Path, stream: int | None = None) -> PlainDecode:
    """Decodes a file from end to end; ``stream`` is its index, the default the first video.

    It works on a thread of its own: what FFmpeg logs there is not taken for the package's.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_plain_decode, path, stream).result()


def _plain_decode(path: Path, stream: int | None) -> PlainDecode:
    shown: list[Shown] = []
    complaints: list[str] = []
    stamps: list[int | None] = []
    for picture in _pictures(path, stream, stamps, complaints):
        if picture.is_corrupt:
            complaints.append(f"picture {len(shown)} is marked as corrupt")
        row = int(picture.pts)
        shown.append(Shown(row, stamps[row], plane_hashes(picture), rgb_of(picture)))
    return PlainDecode(tuple(shown), tuple(complaints))


def _pictures(
    path: Path, stream: int | None, stamps: list[int | None], complaints: list[str]
) -> Iterator[Any]:
    """Gives pictures in the decoder's order, and fills in the stamps of packets."""
    with av.open(str(path)) as container:
        videos = container.streams.video
        video: Any = next(s for s in videos if stream is None or s.index == stream)
        context = video.codec_context
        context.thread_count = 1
        for packet in container.demux(video):
            if not packet.size:
                continue
            stamps.append(packet.pts)
            packet.pts = packet.dts = len(stamps) - 1
            yield from _decoded(context, packet, complaints)
        yield from _decoded(context, None, complaints)


def _decoded(context: Any, packet: Any, complaints: list[str]) -> list[Any]:  # noqa: ANN401 (PyAV's)
    try:
        return list(context.decode(packet))
    except FFmpegError as error:
        complaints.append(str(error))
        return []


def plane_hashes(picture: av.VideoFrame) -> tuple[str, ...]:
    """MD5 of each plane of a picture, without what lies beyond its width."""
    return tuple(hash_of(plane) for plane in planes_of(picture))


def hash_of(plane: npt.NDArray[Any]) -> str:
    """MD5 of the samples of a plane, least significant byte first.

    >>> hash_of(np.zeros(4, np.uint8)) == hash_of(np.zeros(2, ">u2"))
    True
    """
    little = plane.astype(plane.dtype.newbyteorder("<"), copy=False)
    return hashlib.md5(np.ascontiguousarray(little).data).hexdigest()


def planes_of(picture: av.VideoFrame) -> list[npt.NDArray[Any]]:
    """Y, Cb and Cr of a picture as decoded; packed and semi-planar formats taken apart."""
    name = picture.format.name
    if name.startswith(WITHOUT_PLANES):
        return []
    if name in PACKED:
        (rows,) = (_rows(picture.planes[0], picture.height, 2 * picture.width, 1),)
        return [rows[:, part] for part in PACKED[name]]
    if name in SEMI_PLANAR:
        high, wide = -(-picture.height // 2), -(-picture.width // 2)
        chroma = _rows(picture.planes[1], high, 2 * wide, 1)
        luma = _rows(picture.planes[0], picture.height, picture.width, 1)
        pair = [chroma[:, 0::2], chroma[:, 1::2]]
        return [luma, *(pair if name == "nv12" else pair[::-1])]
    return [
        _rows(plane, part.height, part.width, 2 if part.bits > 8 else 1)
        for plane, part in zip(picture.planes, picture.format.components, strict=True)
    ]


def _rows(plane: Any, height: int, width: int, depth: int) -> npt.NDArray[Any]:  # noqa: ANN401 (PyAV's)
    kind = np.dtype("<u2") if depth == 2 else np.dtype(np.uint8)
    rows = np.frombuffer(plane, kind).reshape(-1, plane.line_size // depth)
    return rows[:height, :width]


def rgb_of(picture: av.VideoFrame) -> U8:
    """``[h, w, 3]`` RGB by swscale, with chroma interpolated where it is in planes of its own."""
    if picture.format.name.startswith((*WITHOUT_PLANES, *PACKED, *SEMI_PLANAR)):
        return np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)
    whole = picture.reformat(format="yuv444p", interpolation="BILINEAR")
    return np.asarray(whole.to_ndarray(format="rgb24"), np.uint8)
