"""DALI: JPEG files decoded on a GPU, or on the CPU, into one array of one size.

1. `AT_ONCE` files a run are decoded by a pipeline that each process keeps. On a GPU, what goes
   there are the files, and no pixel comes back.
2. Each picture is brought to the size asked for by the kernel `resize`, where it lies, and put in
   its places.

On the CPU the levels are libjpeg-turbo's, which are those of this package. nvJPEG's, on a GPU, may
differ by rounding; no bound is given here, since it has not been measured.
"""

# DALI takes the names of its types from an extension module.
# pyright: reportAttributeAccessIssue=false

import atexit
import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from fewframes.arrays import I64, U8
from fewframes.bindings.dali.video import new_pipeline, there_or_here
from fewframes.decode.decoder import Device
from fewframes.errors import CorruptStoreError
from fewframes.kernels import axis_taps, gpu, resize
from fewframes.kernels.memory import is_on_gpu

AT_ONCE = 64
THREADS = {"cpu": 1, "cuda": 4}
"""On a GPU, threads read headers and what its own decoder does not take."""
_one_at_a_time = threading.Lock()


def decode(
    files: Sequence[bytes],
    places: I64,
    *,
    stored: tuple[int, int],
    size: tuple[int, int],
    device: Device,
    threads: int | None = None,
) -> U8:
    """Decodes JPEG files to the places where they are wanted, ``-> [k, height, width, 3] u8``.

    ``places [k]`` names the file of each frame; ``stored`` is the height and width of all files,
    ``size`` of the frames. On a GPU the array is Numba's and lies there.

    Raises:
        CorruptStoreError: DALI cannot decode a file, or it has another size.
    """
    room = gpu.empty if device == "cuda" else np.empty
    out: U8 = room((len(places), *size, 3), np.uint8)
    taps = tuple(axis_taps(*sides) for sides in zip(stored, size, strict=True))
    with _one_at_a_time:
        pipeline = _pipeline(os.getpid(), device, threads or THREADS[device])
        for first in range(0, len(files), AT_ONCE):
            for at, picture in enumerate(_decoded(pipeline, files[first : first + AT_ONCE]), first):
                if tuple(picture.shape) != (*stored, 3):
                    raise CorruptStoreError(
                        f"a stored picture is {list(picture.shape)}, not {[*stored, 3]}"
                    )
                fitted = picture if size == stored else resize(picture, *taps)
                for place in np.flatnonzero(places == at).tolist():
                    _put(fitted, out[place])
        if device == "cuda":
            gpu.finish()
    return out


def _put(picture: U8, room: U8) -> None:
    """Copies where both lie."""
    if is_on_gpu(room):
        room.copy_to_device(picture)  # type: ignore[attr-defined]  # an array of Numba's
    else:
        room[:] = picture


def _decoded(pipeline: Any, files: Sequence[bytes]) -> list[Any]:  # noqa: ANN401 (DALI's)
    """Pictures that share DALI's memory, until its next run."""
    try:
        pipeline.feed_input("encoded", [np.frombuffer(data, np.uint8) for data in files])
        (decoded,) = pipeline.run()
    except RuntimeError as error:
        _pipeline.cache_clear()
        raise CorruptStoreError(f"DALI cannot decode a stored picture: {error}") from error
    return [there_or_here(decoded, at) for at in range(len(files))]


@lru_cache(maxsize=4)
def _pipeline(process: int, device: Device, threads: int) -> Any:  # noqa: ANN401 (DALI's)
    """A pipeline of a process for up to `AT_ONCE` files a run; it cannot be taken over a fork."""
    from nvidia.dali import fn, types

    pipeline = new_pipeline(device, AT_ONCE, threads)
    with pipeline:
        encoded = fn.external_source(name="encoded", dtype=types.UINT8, ndim=1)
        pictures = fn.decoders.image(
            encoded,
            device="cpu" if device == "cpu" else "mixed",
            output_type=types.RGB,
            adjust_orientation=False,
            jpeg_fancy_upsampling=True,
        )
        pipeline.set_outputs(pictures)
    pipeline.build()
    return pipeline


atexit.register(_pipeline.cache_clear)  # while there still is a DALI to take them down
