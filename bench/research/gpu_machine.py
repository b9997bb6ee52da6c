"""What is there to decode and compute with? One line of JSON: the GPU, its driver, libraries.

Versions are those that load, not those that are said to be installed. What the video engines take
is asked of the driver.
"""

import json
import subprocess
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from fewframes.bindings.dali.capabilities import machine_facts
from fewframes.kernels import gpu

LIBRARIES = (
    "numpy", "numba", "numba_cuda", "cupy", "torch", "nvidia.dali", "PyNvVideoCodec", "av", "zarr",
    "pyarrow",
)  # fmt: skip


def version(name: str) -> str:
    """A library's version, or why it does not load."""
    try:
        found = import_module(name)
    except Exception as error:  # a broken install raises whatever it likes
        return f"not there: {type(error).__name__}: {error}"[:200]
    return str(getattr(found, "__version__", "of no stated version"))


def said(command: str, *words: str) -> str:
    """What a command says, or that it is not there."""
    try:
        return subprocess.run([command, *words], capture_output=True, text=True).stdout.strip()
    except OSError as error:
        return f"not there: {error}"


def attempt(call: Callable[[], Any]) -> Any:  # noqa: ANN401 (what the call gives)
    """What a call gives, or its error in words."""
    try:
        return call()
    except Exception as error:  # it is reported, whatever it is
        return f"{type(error).__name__}: {error}"[:300]


def numba_sum() -> int:
    """Copies an array to the GPU and back."""
    return int(gpu.to_device(np.arange(1000)).copy_to_host().sum())


def cupy_sum() -> int:
    """The sum of an array on the GPU, by CuPy."""
    return int(import_module("cupy").arange(1000).sum())


def main() -> None:
    """Prints the line."""
    query = "name,driver_version,memory.total,memory.used"
    machine = machine_facts()
    facts = {
        "gpu": said("nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"),
        "capability": machine.capability,
        "no_gpu": machine.no_gpu,
        "no_dali": machine.no_dali,
        "libraries": {name: version(name) for name in LIBRARIES},
        "numba": attempt(numba_sum),
        "cupy": attempt(cupy_sum),
    }
    print(json.dumps(facts))  # noqa: T201 (its only output)


if __name__ == "__main__":
    main()
