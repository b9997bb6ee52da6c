"""JpegCodec: how stock zarr reads and writes the pictures of a store.

Zarr finds the codec by its entry point. Name and configuration are those of the package
imagecodecs-zarr, so that either reads the other's arrays; the bits are those of libjpeg-turbo.
Damaged pictures are refused here, also truncated ones.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer

from fewframes.errors import CorruptStoreError

NAME = "imagecodecs_jpeg"
DEFAULT_LEVEL = 95
SUBSAMPLINGS = {(1, 1): "444", (2, 1): "422", (2, 2): "420", (1, 2): "440", (4, 1): "411"}
READABLE: dict[str, tuple[object, ...]] = {
    "bitspersample": (None, 8),
    "colorspace_data": (None, "RGB"),
    "colorspace_jpeg": (None, "YCbCr"),
    "lossless": (None, False),
    "predictor": (None, 0),
    "tables": (None,),
    "header": (None,),
}
"""Options that change what the bytes mean, with the values this codec can read."""


@dataclass(frozen=True)
class JpegCodec(ArrayBytesCodec):
    """Codec of one RGB picture a chunk, ``[1, h, w, 3] u8``.

    Options that have no field here (``optimize``, ``smoothing``) only steer an encoder; they are
    read over. Options that change what the bytes mean are refused with a ValueError.

    >>> JpegCodec.from_dict({"name": "imagecodecs_jpeg", "configuration": {"level": 90}})
    JpegCodec(level=90, subsampling=None, fancyupsampling=None)
    """

    is_fixed_size = False

    level: int | None = None
    """Quality 1 to 100; None encodes with 95."""
    subsampling: str | None = None
    """Chroma subsampling to encode with, such as "420" (which is what None means)."""
    fancyupsampling: bool | None = None
    """False decodes chroma by repeating samples; else they are interpolated."""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Reads the codec's entry in an array's ``zarr.json``."""
        options = dict(data.get("configuration") or {})
        for name, values in READABLE.items():
            if options.get(name) not in values:
                raise ValueError(
                    f"{NAME} with {name}={options[name]!r} cannot be read by this codec; "
                    "pip install imagecodecs-zarr"
                )
        subsampling = options.get("subsampling")
        if isinstance(subsampling, list | tuple):
            subsampling = SUBSAMPLINGS[subsampling[0], subsampling[1]]
        return cls(options.get("level"), subsampling, options.get("fancyupsampling"))

    def to_dict(self) -> dict[str, Any]:
        """Gives the codec's entry for an array's ``zarr.json``.

        >>> JpegCodec(level=90).to_dict()
        {'name': 'imagecodecs_jpeg', 'configuration': {'level': 90}}
        """
        options = {
            "level": self.level,
            "subsampling": self.subsampling,
            "fancyupsampling": self.fancyupsampling,
        }
        given = {name: value for name, value in options.items() if value is not None}
        return {"name": NAME, "configuration": given} if given else {"name": NAME}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Raises NotImplementedError: the size of a JPEG is known once it is made."""
        raise NotImplementedError

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        from simplejpeg import decode_jpeg

        height, width = _picture_size(chunk_spec.shape)
        try:
            pixels = decode_jpeg(
                chunk_bytes.as_numpy_array(),
                colorspace="RGB",
                fastupsample=self.fancyupsampling is False,
            )
        except ValueError as error:
            raise CorruptStoreError(f"a JPEG picture is damaged: {error}") from error
        if pixels.shape != (height, width, 3):
            raise CorruptStoreError(
                f"a JPEG picture is {pixels.shape[0]}x{pixels.shape[1]}, "
                f"but its array holds {height}x{width}"
            )
        return chunk_spec.prototype.nd_buffer.from_numpy_array(pixels.reshape(chunk_spec.shape))

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)

    def _encode_sync(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        from simplejpeg import encode_jpeg

        height, width = _picture_size(chunk_spec.shape)
        pixels = chunk_array.as_numpy_array()
        if pixels.dtype != np.uint8:
            raise ValueError(f"{NAME} takes u8 pictures, got {pixels.dtype}")
        encoded: bytes = encode_jpeg(
            np.ascontiguousarray(pixels.reshape(height, width, 3)),
            quality=DEFAULT_LEVEL if self.level is None else self.level,
            colorsubsampling=self.subsampling or "420",
        )
        return chunk_spec.prototype.buffer.from_bytes(encoded)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        return await asyncio.to_thread(self._encode_sync, chunk_data, chunk_spec)


def _picture_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of the one picture of a chunk."""
    if len(shape) < 3 or shape[-1] != 3 or math.prod(shape[:-3]) != 1:
        raise ValueError(f"{NAME} takes chunks of one picture [1, h, w, 3], got {list(shape)}")
    return shape[-3], shape[-2]
