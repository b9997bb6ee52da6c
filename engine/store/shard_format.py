"""The format of shards: how the pictures of one video lie in files, bit for bit.

1. The array ``[slots, h, w, 3] u8`` is cut into shards of 256 pictures, one file each.
2. A shard is its pictures one after the other, as a `PictureCodec` has made them, each followed by
   its crc32c; then an index of
   ``(offset, bytes)`` for each of its 256 pictures, all ones where there is none, and the crc32c
   of that index.

It is Zarr v3 with the codec sharding_indexed (https://zarr-specs.readthedocs.io).
"""

from typing import Any

import numpy as np

from fewframes.arrays import I64, U64
from fewframes.store.codecs import PictureCodec, codec_of
from fewframes.store.record_rules import MOST_PIXELS, MOST_ROWS

SHARD_FRAMES = 256
INDEX_BYTES = SHARD_FRAMES * 16 + 4
CHECKSUM_BYTES = 4


def array_metadata(*, slots: int, height: int, width: int, codec: PictureCodec) -> dict[str, Any]:
    """Gives the ``zarr.json`` of an array of pictures.

    >>> from fewframes.store.codecs import picture_codec
    >>> array_metadata(slots=20, height=120, width=160, codec=picture_codec("raw"))["shape"]
    [20, 120, 160, 3]
    """
    checksum = {"name": "crc32c"}
    sharding = {
        "chunk_shape": [1, height, width, 3],
        "codecs": [*codec.chain, checksum],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, checksum],
        "index_location": "end",
    }
    shard = {"chunk_shape": [SHARD_FRAMES, height, width, 3]}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [slots, height, width, 3],
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": shard},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "dimension_names": ["slot", "y", "x", "channel"],
        "attributes": {},
    }


def read_metadata(
    metadata: dict[str, Any],
) -> tuple[tuple[int, int, int, int], PictureCodec]:
    """Gives slots, height, width and 3, and the codec; ValueError for any other ``zarr.json``.

    >>> from fewframes.store.codecs import picture_codec
    >>> read_metadata(array_metadata(slots=20, height=12, width=16, codec=picture_codec("zstd")))
    ((20, 12, 16, 3), Zstd())
    """
    try:
        slots, height, width, _ = metadata["shape"]
        chain = metadata["codecs"][0]["configuration"]["codecs"]
        codec = codec_of(chain[:-1])
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError("it does not describe an array of pictures") from error
    if {type(slots), type(height), type(width)} != {int}:
        raise ValueError("it does not describe an array of pictures")
    if not 0 <= slots <= MOST_ROWS or min(height, width) < 1 or height * width > MOST_PIXELS:
        raise ValueError(f"{slots} pictures of {height}x{width} are more than a store holds")
    if metadata != array_metadata(slots=slots, height=height, width=width, codec=codec):
        raise ValueError("it does not describe an array of pictures in shards of version 1")
    return (slots, height, width, 3), codec


def shard_path(shard: int) -> str:
    """Gives the place of a shard below the folder of its array.

    >>> shard_path(3)
    'c/3/0/0/0'
    """
    return f"c/{shard}/0/0/0"


def checksum(data: bytes | memoryview) -> bytes:
    """Gives the crc32c of the bytes as four bytes, least significant first.

    >>> checksum(b"123456789").hex()
    '839206e3'
    """
    from fastcrc.crc32 import iscsi

    return iscsi(data).to_bytes(CHECKSUM_BYTES, "little")


def empty_index() -> U64:
    """Gives the index of a shard without pictures, ``[256, 2] u64``: offset and bytes."""
    return np.full((SHARD_FRAMES, 2), 2**64 - 1, np.uint64)


def encode_index(index: U64) -> bytes:
    """Gives the last bytes of a shard."""
    data = index.astype("<u8").tobytes()
    return data + checksum(data)


def decode_index(data: bytes, *, shard_bytes: int, most_bytes: int) -> I64:
    """Reads the last bytes of a shard, ``[256, 2] i64``; -1 where there is no picture.

    Raises:
        ValueError: The bytes are not those of an index, or point out of the shard, or a picture
            has more than ``most_bytes``.
    """
    if len(data) != INDEX_BYTES or checksum(data[:-CHECKSUM_BYTES]) != data[-CHECKSUM_BYTES:]:
        raise ValueError("its index has a wrong checksum")
    index = np.frombuffer(data[:-CHECKSUM_BYTES], "<u8").reshape(-1, 2).astype(np.int64)
    held = index[index[:, 0] >= 0]
    ends = held.sum(axis=1)
    is_out = (held > shard_bytes).any() or (ends > shard_bytes - INDEX_BYTES).any()
    if is_out or (held[:, 1] <= CHECKSUM_BYTES).any():
        raise ValueError("its index points out of the file")
    if (held[:, 1] > most_bytes).any():
        raise ValueError(f"its index has a picture of more than {most_bytes} bytes")
    return index


def most_picture_bytes(height: int, width: int) -> int:
    """Bytes that no codec exceeds for a picture of this size: twice its levels, and its tables."""
    return 6 * height * width + (64 << 10)
