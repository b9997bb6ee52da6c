"""PictureCodec: how does a picture become bytes on disk, and bytes a picture?

jpeg: made of the decoder's 4:2:0 planes, lossy. zstd: RGB, lossless. raw: RGB as it lies in memory.
A codec is a class here and its row of `CODECS`; `FORMAT.md` says the same for other programs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import numpy as np

from fewframes.arrays import U8, Samples
from fewframes.decode.batch import QUALITY, Format
from fewframes.kernels import on_host

QUALITIES = (1, 100)
"""The lowest and the highest quality of JPEGs."""
ZSTD_LEVEL = 1
"""Level 3 took 2.7 times the time for 5 % less."""
ZSTD_MAGIC = bytes.fromhex("28b52ffd")
DCT_STEPS = (8, 4, 2, 1)
"""libjpeg's quick scales: a block of 8 x 8 becomes 1, 2 x 2, 4 x 4 or 8 x 8 samples."""


class PictureCodec(Protocol):
    """The contract of a codec; sizes are height and width."""

    format: ClassVar[Format]
    """The planes that `encode` takes, as a decoder gives them."""

    @property
    def name(self) -> str:
        """What a recipe calls it."""
        ...

    @property
    def chain(self) -> list[dict[str, Any]]:
        """The codecs of a picture in the array's ``zarr.json``, without the checksum."""
        ...

    def encode(self, planes: tuple[Samples, ...]) -> bytes:
        """Makes the stored bytes of one picture; of planes on a GPU, those it needs are copied."""
        ...

    def check(self, data: bytes, size: tuple[int, int]) -> None:
        """Refuses with a ValueError what can be no picture of this size, from its header."""
        ...

    def decode(self, data: U8, size: tuple[int, int], out: U8) -> None:
        """Fills ``out``, ``[h, w, 3] u8`` of any size, from the bytes of a picture of ``size``.

        Raises ValueError for bytes that are no such picture.
        """
        ...


@dataclass(frozen=True, slots=True)
class Jpeg:
    """JPEG files, 4:2:0, full-range BT.601 (JFIF).

    Smaller sizes are decoded by libjpeg's scaled DCT (1/2, 1/4 or 1/8, the smallest that is no
    smaller than asked for) and averaged by area from there.
    """

    quality: int = QUALITY

    name = "jpeg"
    format: ClassVar[Format] = "jpeg"

    @property
    def chain(self) -> list[dict[str, Any]]:
        """Name and options are those of the package imagecodecs."""
        options = {"level": self.quality, "subsampling": "420"}
        return [{"name": "imagecodecs_jpeg", "configuration": options}]

    def encode(self, planes: tuple[Samples, ...]) -> bytes:
        """Takes luma, blue and red."""
        from simplejpeg import encode_jpeg_yuv_planes

        jpeg: bytes = encode_jpeg_yuv_planes(*map(on_host, planes[:3]), quality=self.quality)
        return jpeg

    def check(self, data: bytes, size: tuple[int, int]) -> None:
        """Reads the header."""
        from simplejpeg import decode_jpeg_header

        try:
            height, width, colours, _ = decode_jpeg_header(data)
        except ValueError as error:
            raise ValueError(f"must be a JPEG file: {error}") from error
        if (height, width) != size or colours != "YCbCr":
            raise ValueError(f"is a {colours} JPEG of {height}x{width}")

    def decode(self, data: U8, size: tuple[int, int], out: U8) -> None:
        """Decodes straight into ``out`` where a scale of the DCT gives its size."""
        from simplejpeg import decode_jpeg

        step = dct_step(size, (out.shape[0], out.shape[1]))
        height, width = (-(-side // step) for side in size)
        is_direct = (height, width) == out.shape[:2]
        pixels = out if is_direct else np.empty((height, width, 3), np.uint8)
        got = decode_jpeg(data, "RGB", min_height=height, min_width=width, buffer=pixels)
        if got.shape != pixels.shape:
            raise ValueError(f"it gives {got.shape[0]}x{got.shape[1]}, not {height}x{width}")
        if not is_direct:
            fit(pixels, out, size=size, block=step)


@dataclass(frozen=True, slots=True)
class Zstd:
    """RGB in one zstd frame that says its size."""

    name = "zstd"
    format: ClassVar[Format] = "jpeg+rgb"

    @property
    def chain(self) -> list[dict[str, Any]]:
        """Codecs of Zarr v3's own list; the checksum of zstd is off, since crc32c follows."""
        options = {"level": ZSTD_LEVEL, "checksum": False}
        return [{"name": "bytes"}, {"name": "zstd", "configuration": options}]

    def encode(self, planes: tuple[Samples, ...]) -> bytes:
        """Takes the last plane, ``[h, w, 3] u8``."""
        from numcodecs.zstd import compress

        data: bytes = compress(np.ascontiguousarray(on_host(planes[-1])), ZSTD_LEVEL)
        return data

    def check(self, data: bytes, size: tuple[int, int]) -> None:
        """Reads the frame's header."""
        expect_bytes(zstd_content_bytes(data), size)

    def decode(self, data: U8, size: tuple[int, int], out: U8) -> None:
        """Decompresses straight into ``out`` where it has the picture's size."""
        from numcodecs.zstd import decompress

        expect_bytes(zstd_content_bytes(data[:18].tobytes()), size)
        pixels = out if out.shape[:2] == size else np.empty((*size, 3), np.uint8)
        try:
            decompress(data, pixels)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        if pixels is not out:
            fit(pixels, out)


@dataclass(frozen=True, slots=True)
class Raw:
    """RGB as it lies in memory."""

    name = "raw"
    format: ClassVar[Format] = "jpeg+rgb"

    @property
    def chain(self) -> list[dict[str, Any]]:
        """The codec ``bytes`` alone."""
        return [{"name": "bytes"}]

    def encode(self, planes: tuple[Samples, ...]) -> bytes:
        """Takes the last plane, ``[h, w, 3] u8``."""
        return bytes(on_host(planes[-1]).tobytes())

    def check(self, data: bytes, size: tuple[int, int]) -> None:
        """Counts the bytes."""
        expect_bytes(len(data), size)

    def decode(self, data: U8, size: tuple[int, int], out: U8) -> None:
        """Copies; a reader spares even that by reading into place."""
        expect_bytes(len(data), size)
        fit(data.reshape(*size, 3), out)


@dataclass(frozen=True, slots=True)
class CodecRow:
    """One row of `CODECS`: the class, and what others ask of it without making one."""

    make: Callable[..., PictureCodec]
    """Makes the codec; it takes a quality where it `has_quality`."""
    has_quality: bool = False
    """Whether it is lossy, by a quality of 1 to 100."""
    is_jpeg: bool = False
    """Whether each stored picture is a JPEG file."""
    is_plain: bool = False
    """Whether its bytes are the picture as it lies in memory."""


CODECS: dict[str, CodecRow] = {
    "jpeg": CodecRow(Jpeg, has_quality=True, is_jpeg=True),
    "zstd": CodecRow(Zstd),
    "raw": CodecRow(Raw, is_plain=True),
}
"""Name in a recipe -> codec. A new one is a class of this contract and a row here."""


def picture_codec(name: str, quality: int | None = None) -> PictureCodec:
    """Makes a codec by its name; ``quality`` is that of JPEGs.

    >>> picture_codec("jpeg", 80), picture_codec("raw").chain
    (Jpeg(quality=80), [{'name': 'bytes'}])
    >>> picture_codec("png")
    Traceback (most recent call last):
    ValueError: codec='png' is unknown; codecs: jpeg, zstd, raw
    """
    row = codec_row(name)
    if row.has_quality:
        return row.make(QUALITY if quality is None else quality)
    return row.make()


def codec_row(name: str) -> CodecRow:
    """Gives the facts of a codec; ValueError for a name that is not in the table."""
    if name not in CODECS:
        raise ValueError(f"codec={name!r} is unknown; codecs: {', '.join(CODECS)}")
    return CODECS[name]


def codec_of(chain: list[dict[str, Any]]) -> PictureCodec:
    """Finds the codec whose entries in a ``zarr.json`` these are; ValueError if there is none.

    >>> codec_of(Jpeg(80).chain)
    Jpeg(quality=80)
    """
    options = chain[0].get("configuration") or {}
    for name in CODECS:
        codec = picture_codec(name, options.get("level"))
        if codec.chain == chain:
            return codec
    raise ValueError(f"its pictures have codecs that are not known here: {chain}")


@lru_cache
def dct_step(size: tuple[int, int], requested: tuple[int, int]) -> int:
    """Gives the largest of 8, 4, 2 and 1 by which both sides can be cut and not be too small.

    >>> dct_step((252, 448), (63, 112)), dct_step((252, 448), (64, 112)), dct_step((9, 9), (20, 1))
    (4, 2, 1)
    """
    for step in DCT_STEPS:
        if all(-(-side // step) >= want for side, want in zip(size, requested, strict=True)):
            return step
    return 1


def fit(pixels: U8, out: U8, *, size: tuple[int, int] | None = None, block: int = 1) -> None:
    """Fills ``out`` from a picture of any size: averaged by area, or interpolated to enlarge.

    Where the samples are means of blocks, ``size`` is that of the picture that was cut into them.
    """
    if pixels.shape == out.shape:
        out[:] = pixels
        return
    from fewframes.kernels import axis_taps, resize

    sides = zip(size or pixels.shape[:2], out.shape[:2], strict=True)
    rows, columns = (axis_taps(side, requested, block=block) for side, requested in sides)
    out[:] = resize(pixels, rows, columns)


def expect_bytes(count: int, size: tuple[int, int]) -> None:
    """Raises ValueError unless so many bytes are an RGB picture of ``size``."""
    if count != 3 * size[0] * size[1]:
        raise ValueError(f"holds {count} bytes of pixels, not {3 * size[0] * size[1]}")


def zstd_content_bytes(frame: bytes) -> int:
    """Reads from a zstd frame's header how much it holds (RFC 8878, 3.1.1.1), -1 if unsaid.

    Raises ValueError for what is no zstd frame.

    >>> zstd_content_bytes(bytes.fromhex("28b52ffd2003000000"))
    3
    """
    if frame[:4] != ZSTD_MAGIC or len(frame) < 6:
        raise ValueError("must be a zstd frame")
    flag, is_single, dictionary = frame[4] >> 6, frame[4] >> 5 & 1, frame[4] & 3
    if not flag and not is_single:
        return -1
    start = 6 - is_single + (0, 1, 2, 4)[dictionary]
    field = frame[start : start + (1, 2, 4, 8)[flag]]
    return int.from_bytes(field, "little") + (256 if flag == 1 else 0)
