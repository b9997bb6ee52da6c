"""Hashes of planes that lie on a GPU: of luma, and of all planes, as FFmpeg's are made.

xxh64 goes through a picture's bytes one after the other, which a GPU does slowly and a core at
8 GB/s. So planes cross once, to memory that the GPU copies to without help, and threads hash them.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from fewframes.arrays import U64
from fewframes.kernels import gpu
from fewframes.kernels.gpu import DeviceArray
from fewframes.kernels.memory import is_on_gpu

THREADS = 8
"""Each hashes 2,700 pictures of 1080p a second."""


class Hasher:
    """Hashes pictures of one form, up to so many at a time; its memory is used again."""

    def __init__(self, most: int) -> None:
        self._most, self._rooms = most, dict[int, npt.NDArray[Any]]()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="hashes")

    def columns(self, planes: tuple[DeviceArray, ...]) -> dict[str, U64]:
        """The hash columns of some pictures' planes, ``[m] u64`` each."""
        here = [self._here(at, plane) for at, plane in enumerate(planes)]
        luma, whole = np.array(list(self._threads.map(_digests, *here)), np.uint64).T.copy()
        return {"luma_xxh64": luma, "picture_xxh64": whole}

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown()

    def _here(self, at: int, plane: DeviceArray) -> npt.NDArray[Any]:
        """A plane of each picture in memory, which lasts up to the next call."""
        if not is_on_gpu(plane):
            there: npt.NDArray[Any] = plane
            return there
        if at not in self._rooms:
            self._rooms[at] = gpu.pinned((self._most, *plane.shape[1:]), plane.dtype)
        room = self._rooms[at][: len(plane)]
        plane.copy_to_host(room)
        return room


def _digests(*picture: npt.NDArray[Any]) -> tuple[int, int]:
    """The hash of the first plane, and of all of them in turn."""
    digest, luma = xxhash.xxh64(), 0
    for at, plane in enumerate(picture):
        digest.update(np.ascontiguousarray(plane).data)
        luma = digest.intdigest() if at == 0 else luma
    return luma, digest.intdigest()
