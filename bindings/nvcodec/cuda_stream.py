"""A CUDA stream of one's own, and copies on it (CUDA driver API).

It waits for no other stream, and none waits for it: who hands its work on calls `finish` first.
Numba's streams wait for the default one, which every decoder would then share.
"""

import ctypes
from functools import cache

from fewframes.kernels.gpu import DeviceArray
from fewframes.kernels.memory import numba_cuda

NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING."""


class Stream:
    """A stream of the first GPU, in the context that Numba, CuPy and PyTorch share."""

    def __init__(self) -> None:
        self.enter()
        context, handle = ctypes.c_void_p(), ctypes.c_void_p()
        _check(_driver().cuCtxGetCurrent(ctypes.byref(context)))
        _check(_driver().cuStreamCreate(ctypes.byref(handle), NON_BLOCKING))
        self.context, self.handle = context.value or 0, handle.value or 0

    def enter(self) -> None:
        """Makes the context that of the calling thread; needed once a thread."""
        numba_cuda().current_context()

    def copy(self, pointer: int, target: DeviceArray, at: int) -> None:
        """Copies what lies at an address on the GPU into ``target[at]``, in the stream's order."""
        size = target.strides[0]
        place = int(target.__cuda_array_interface__["data"][0]) + at * size
        copy = _driver().cuMemcpyDtoDAsync_v2
        whole = ctypes.c_uint64(place), ctypes.c_uint64(pointer), ctypes.c_size_t(size)
        _check(copy(*whole, ctypes.c_void_p(self.handle)))

    def finish(self) -> None:
        """Waits until everything on the stream is done."""
        _check(_driver().cuStreamSynchronize(ctypes.c_void_p(self.handle)))

    def close(self) -> None:
        """Gives the stream back."""
        _driver().cuStreamDestroy_v2(ctypes.c_void_p(self.handle))


@cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")


def _check(code: int) -> None:
    if code:
        raise RuntimeError(f"CUDA driver error {code}; see CUresult in cuda.h")
