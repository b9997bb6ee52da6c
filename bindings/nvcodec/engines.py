"""A GPU's video engines: are they usable here, and which streams do they take?

NVIDIA's driver is asked, through ctypes (NVIDIA Video Codec SDK, NVDECODE API, ``cuviddec.h``).
DALI itself loads the same library, and without it refuses every stream.
"""

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from fewframes.decode.backend_choice import EngineLimits

LIBRARY = "libnvcuvid.so.1"
CODECS = {"mpeg4": 2, "h264": 4, "hevc": 8, "vp8": 9, "vp9": 10, "av1": 11}
"""cudaVideoCodec."""
IS_420 = 1
"""cudaVideoChromaFormat_420."""
DEPTHS = (8, 10)
GIVES_NV12 = 1
"""The bit of ``nOutputFormatMask`` for 8 bits of 4:2:0, which is what DALI asks for."""


class _Capabilities(ctypes.Structure):
    """CUVIDDECODECAPS."""

    _fields_ = (
        ("codec", ctypes.c_int),
        ("chroma", ctypes.c_int),
        ("bits_minus_8", ctypes.c_uint),
        ("reserved_in", ctypes.c_uint * 3),
        ("is_supported", ctypes.c_ubyte),
        ("engines", ctypes.c_ubyte),
        ("outputs", ctypes.c_ushort),
        ("most_width", ctypes.c_uint),
        ("most_height", ctypes.c_uint),
        ("most_macroblocks", ctypes.c_uint),
        ("least_width", ctypes.c_ushort),
        ("least_height", ctypes.c_ushort),
        ("histogram", ctypes.c_ubyte * 4),
        ("reserved_out", ctypes.c_uint * 10),
    )


def missing() -> str:
    """Says why a GPU's video engines cannot be used, as far as a library is missing."""
    try:
        _library(LIBRARY)
    except OSError:
        return (
            f"the NVIDIA driver here decodes no video ({LIBRARY} is not found; a container needs "
            "NVIDIA_DRIVER_CAPABILITIES=video, or all)"
        )
    return ""


@cache
def engine_limits() -> Mapping[tuple[str, int], EngineLimits]:
    """What the engines of the first GPU take, by codec and bits of a sample.

    Empty where the driver does not say. Asks once a process, in a context that is let go again.
    """
    try:
        driver, video = _library("libcuda.so.1"), _library(LIBRARY)
    except OSError:
        return {}
    with _context(driver) as is_there:
        kinds = [(codec, bits) for codec in CODECS for bits in DEPTHS] if is_there else []
        found = {kind: _limits(video, *kind) for kind in kinds}
    return {kind: limits for kind, limits in found.items() if limits}


def _library(name: str) -> Any:  # noqa: ANN401 (functions by name)
    return ctypes.CDLL(name)


@contextmanager
def _context(driver: Any) -> Iterator[bool]:  # noqa: ANN401
    """The first GPU's primary context, current in between; False where there is none."""
    context, device = ctypes.c_void_p(), ctypes.c_int()
    is_bad = driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0)
    if is_bad or driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device):
        yield False
        return
    try:
        is_current = driver.cuCtxPushCurrent_v2(context) == 0
        yield is_current
        if is_current:
            driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(device)


def _limits(video: Any, codec: str, bits: int) -> EngineLimits | None:  # noqa: ANN401
    request = _Capabilities(codec=CODECS[codec], chroma=IS_420, bits_minus_8=bits - 8)
    if video.cuvidGetDecoderCaps(ctypes.byref(request)):
        return None
    return EngineLimits(
        is_taken=bool(request.is_supported) and bool(request.outputs & GIVES_NV12),
        engines=request.engines,
        least=(request.least_height, request.least_width),
        most=(request.most_height, request.most_width),
        macroblocks=request.most_macroblocks,
    )
