"""DALI and the GPU: are they here, and what do they take?"""

import ctypes
import sys
from functools import cache
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from pathlib import Path

from fewframes.bindings.nvcodec import engines as nvcodec_engines
from fewframes.decode.backend_choice import Capabilities, refusal
from fewframes.decode.decoder import Device
from fewframes.errors import MissingBackendError, UnsupportedStreamError
from fewframes.media.timeline import StreamInfo

OLDEST = (2, 4)
"""The first version whose CPU decoder was tried with everything this package asks of it."""
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76
"""Attributes of a device (CUDA driver API, CUdevice_attribute)."""


def require_here(device: Device) -> str:
    """Gives DALI's version, or raises the error that says what is missing."""
    machine = machine_facts()
    if missing := machine.missing(device):
        raise MissingBackendError(missing)
    return machine.dali


def require_gpu() -> None:
    """Raises the error that says why no GPU can be used, if none can; asks nothing of DALI."""
    if no_gpu := gpu_facts()[1]:
        raise MissingBackendError(f"device='cuda' cannot be used: {no_gpu}; use device='cpu'")


def require(stream: StreamInfo, device: Device) -> str:
    """Gives DALI's version, or raises the error that says what is missing for this stream."""
    machine = machine_facts()
    if missing := machine.missing(device, for_video=True):
        raise MissingBackendError(missing)
    if reason := refusal(stream, device, machine):
        raise UnsupportedStreamError(
            f"DALI cannot decode this stream on device={device!r}: {reason}; "
            "pass backend='ffmpeg', or device='auto'"
        )
    return machine.dali


@cache
def machine_facts() -> Capabilities:
    """Looks once a process what is installed, and whether there is a GPU, and what it takes."""
    (dali, no_dali), (capability, no_gpu) = _dali(), gpu_facts()
    no_video = "" if no_gpu else nvcodec_engines.missing()
    engines = {} if no_gpu or no_video else nvcodec_engines.engine_limits()
    return Capabilities(dali, no_dali, capability, no_gpu, no_video, engines)


def _dali() -> tuple[str, str]:
    """Its version, or why there is none."""
    try:
        _unhide()
        version: str = import_module("nvidia.dali").__version__
    except ImportError as error:
        missing = getattr(error, "name", "") or ""
        why = "is not installed" if missing.startswith("nvidia") else f"does not load ({error})"
        return "", f"DALI {why}; pip install 'fewframes[gpu]'"
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < OLDEST:
        needed = ".".join(map(str, OLDEST))
        return "", f"DALI {version} is older than {needed}; pip install -U 'fewframes[gpu]'"
    return version, ""


def _unhide() -> None:
    """Lets DALI be found where another package brings an ``nvidia/__init__.py``.

    NVIDIA's packages share the folder name without such a file. Where one has it, Python looks for
    all of them in that one's folder alone.
    """
    if find_spec("nvidia") is None or find_spec("nvidia.dali") is not None:
        return
    folders = [str(Path(folder, "nvidia")) for folder in sys.path]
    there = [folder for folder in folders if Path(folder, "dali", "__init__.py").exists()]
    import_module("nvidia").__path__.extend(there)
    invalidate_caches()


@cache
def gpu_facts() -> tuple[tuple[int, int], str]:
    """Compute capability of the first GPU, or why none can be used (CUDA driver API)."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return (0, 0), "there is no NVIDIA driver (libcuda.so.1 is not found)"
    count, device, value = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return (0, 0), "there is no NVIDIA GPU"
    driver.cuDeviceGet(ctypes.byref(device), 0)
    parts = []
    for attribute in (CAPABILITY_MAJOR, CAPABILITY_MINOR):
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        parts.append(value.value)
    packages = {"numba_cuda": "numba-cuda", "cupy": "CuPy"}
    absent = [words for name, words in packages.items() if find_spec(name) is None]
    missing = f"{absent[0]} is not installed; pip install 'fewframes[gpu]'" if absent else ""
    return (parts[0], parts[1]), missing
