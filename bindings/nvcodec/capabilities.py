"""PyNvVideoCodec and the GPU's video engines: are they here, and what do they take?"""

import ctypes
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from fewframes.bindings.dali import capabilities as dali_capabilities
from fewframes.decode.backend_choice import nvdec_refusal
from fewframes.errors import MissingBackendError, UnsupportedStreamError
from fewframes.media.timeline import StreamInfo

OLDEST = (2, 2)
"""The first version that was tried with everything this package asks of it."""
CODECS = {"h264": "H264", "hevc": "HEVC", "vp8": "VP8", "vp9": "VP9"}
"""How the library calls a codec."""
DRIVER = ("libnvcuvid.so.1", "libnvidia-encode.so.1")
"""Libraries of the driver that PyNvVideoCodec loads: it does not start without the encoder's."""
NO_VIDEO = (
    "the driver's video libraries are not here ({} is not found); "
    "start a container with NVIDIA_DRIVER_CAPABILITIES=compute,utility,video"
)


def require(stream: StreamInfo) -> str:
    """Gives the library's version, or raises the error that says what is missing."""
    version, missing = facts()
    if missing:
        raise MissingBackendError(
            f"backend='nvdec' cannot be used: {missing}; or pass backend='ffmpeg'"
        )
    if reason := refusal(stream):
        raise UnsupportedStreamError(
            f"the video engines cannot decode this stream: {reason}; "
            "pass backend='ffmpeg', or device='auto'"
        )
    return version


@cache
def facts() -> tuple[str, str]:
    """The library's version, or why it cannot be used; looked up once a process."""
    _, no_gpu = dali_capabilities.gpu_facts()
    if no_gpu:
        return "", no_gpu
    if find_spec("PyNvVideoCodec") is None:
        return "", "PyNvVideoCodec is not installed; pip install 'fewframes[gpu]'"
    for name in DRIVER:
        if not _is_there(name):
            return "", NO_VIDEO.format(name)
    try:
        version: str = library().__version__
    except Exception as error:  # it raises RuntimeError where the driver does not suit it
        return "", f"PyNvVideoCodec does not load ({str(error).strip().splitlines()[0]})"
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        why = f"PyNvVideoCodec {version} is older than {needed}"
        return "", f"{why}; pip install -U 'fewframes[gpu]'"
    return version, ""


def library() -> Any:  # noqa: ANN401 (a module)
    """PyNvVideoCodec, which is loaded when it is first used."""
    return import_module("PyNvVideoCodec")


def _is_there(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def engines_of(stream: StreamInfo) -> int:
    """How many video engines there are for a stream's codec, at least one."""
    return max(1, caps_of(stream.codec, bits_of(stream)).get("num_decoder_engines", 1))


def bits_of(stream: StreamInfo) -> int:
    """Bits of a sample, of the formats that engines are given."""
    return 10 if stream.pixel_format.endswith("10le") else 8


def refusal(stream: StreamInfo) -> str:
    """Why the engines of this GPU do not take a stream; empty where they do."""
    if reason := nvdec_refusal(stream):
        return reason
    bits = bits_of(stream)
    caps, of = caps_of(stream.codec, bits), f"{stream.codec} of {bits} bits"
    if not caps.get("supported"):
        return f"this GPU's video engines do not decode {of}"
    size = stream.width, stream.height
    least = caps["width_min"], caps["height_min"]
    most = caps["width_max"], caps["height_max"]
    blocks = -(-size[0] // 16) * -(-size[1] // 16)
    fits = all(a <= side <= b for a, side, b in zip(least, size, most, strict=True))
    if not fits or blocks > caps["mb_num_max"]:
        told = " to ".join(f"{width}x{height}" for width, height in (least, most))
        return f"this GPU's video engines decode {of} from {told}, not {size[0]}x{size[1]}"
    return ""


@cache
def caps_of(codec: str, bits: int) -> dict[str, int]:
    """What the engines of this GPU take of a codec in 4:2:0, in the library's words."""
    nvc = library()
    chroma = getattr(nvc.cudaVideoChromaFormat, "420")
    return dict(nvc.GetDecoderCaps(0, getattr(nvc.cudaVideoCodec, CODECS[codec]), chroma, bits))
