"""Stored pictures as frames: who decodes them, and where do they then lie?

1. By default this package's own codecs decode into memory.
2. ``backend="dali"`` decodes JPEGs by DALI: the same levels at the stored size on the CPU. Smaller
   ones are averaged from the whole picture, not from libjpeg's scaled one.
3. ``device="cuda"`` decodes JPEGs on the GPU, and the frames stay there: what goes there are the
   stored bytes. Raw and zstd pictures are read into pinned memory, and copied there once.
"""

from typing import Any, cast

import numpy as np

from fewframes.arrays import I32, I64, U8
from fewframes.decode.backend_choice import DecoderRequest
from fewframes.decode.batch import FrameBatch, marks_or_none
from fewframes.decode.decoder import DECODERS, Device
from fewframes.plugins import plugin
from fewframes.store.codecs import CODECS
from fewframes.store.frame_table_io import StoredRows
from fewframes.store.shard_reader import ShardReader

OURS = DecoderRequest()
"""This package's own codecs, into memory."""


def check_asked(backend: str | None, device: str, codec: str, out: U8 | None) -> DecoderRequest:
    """Who is to decode, or a ValueError where the arguments do not go together.

    >>> check_asked(None, "auto", "jpeg", None)
    Traceback (most recent call last):
    ValueError: device='auto' does not say where the frames will lie; pass 'cpu' or 'cuda'
    """
    if device == "auto":
        raise ValueError(
            "device='auto' does not say where the frames will lie; pass 'cpu' or 'cuda'"
        )
    if backend in DECODERS and backend != "dali":
        raise ValueError(
            f"backend={backend!r} decodes films, and these are stored pictures; leave it out, or "
            "pass 'dali'"
        )
    request = DecoderRequest(backend, device)
    if backend == "dali" and not CODECS[codec].is_jpeg:
        raise ValueError(
            f"backend='dali' decodes JPEGs, and these pictures are {codec}; leave it out"
        )
    if out is not None and request != OURS:
        raise ValueError("out= is in memory and filled by the default backend; leave out= out")
    return request


def stored_batch(
    name: str,
    rows: StoredRows,
    shards: ShardReader,
    at: I64,
    size: tuple[int, int] | None = None,
    out: U8 | None = None,
    workers: int | None = None,
    request: DecoderRequest = OURS,
) -> FrameBatch:
    """Reads the pictures of some rows of the video of a name, in their order.

    Raises `CorruptStoreError` for a picture that is missing or damaged, and `MissingBackendError`
    where who was asked for is not there.
    """
    table, slots, damaged = rows.table, rows.slots[at], rows.is_damaged[at]
    repaired = rows.is_repaired[at]
    report: dict[str, Any] = {"source": "store", "pictures": len(np.unique(slots))}
    report["repaired_times"] = int(repaired.sum())
    if request == OURS:
        frames = shards.read(slots, size=size, out=out, workers=workers)
    else:
        frames, report["decoder"] = _elsewhere(shards, slots, size, workers, request)
    return FrameBatch(
        (frames,),
        "rgb",
        table.frame_numbers[at],
        table.pts[at],
        table.time_base,
        table.start_pts,
        name,
        is_damaged=marks_or_none(damaged),
        is_repaired=marks_or_none(repaired),
        report=report,
    )


def _elsewhere(
    shards: ShardReader,
    slots: I32,
    size: tuple[int, int] | None,
    workers: int | None,
    request: DecoderRequest,
) -> tuple[U8, str]:
    """Frames that DALI decodes, or that are copied to the GPU, and who did it."""
    device = cast(Device, request.device)
    if CODECS[shards.codec.name].is_jpeg:
        version = plugin("dali.require_here")(device)
        unique, places = np.unique(slots, return_inverse=True)
        frames = plugin("dali.decode_jpegs")(
            shards.encoded(unique),
            places,
            stored=shards.shape[1:3],
            size=size or shards.shape[1:3],
            device=device,
            threads=workers,
        )
        return frames, f"dali {version} on {device}"
    from fewframes.kernels import gpu

    plugin("dali.require_gpu")()
    pinned = gpu.pinned((len(slots), *(size or shards.shape[1:3]), 3), np.uint8)
    shards.read(slots, size=size, out=pinned, workers=workers)
    return gpu.to_device(pinned), f"{shards.codec.name} on cpu, copied to cuda"
