"""Cold processes side by side: CPU seconds, wall seconds and peak memory, interleaved, medians."""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, TypedDict


class Measurement(TypedDict):
    """One process."""

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float
    said: dict[str, Any]
    """The JSON object that the process printed last."""


def run_cold(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Measurement:
    """Runs a Python process to its end and measures it with its children.

    Raises RuntimeError with what it wrote to stderr, where it fails.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=out,
            stderr=errors,
            env={**os.environ, **(environment or {})},
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, errors):
            file.seek(0)
        lines = out.read().decode().strip().splitlines()
        if process.returncode not in (0, 3):
            raise RuntimeError(errors.read().decode()[-2000:])
    said = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    cpu = usage.ru_utime + usage.ru_stime
    return Measurement(
        cpu_seconds=cpu, wall_seconds=wall, peak_mb=usage.ru_maxrss / 1024, said=said
    )


def interleave(cases: Mapping[str, Sequence[str]], rounds: int) -> dict[str, dict[str, Any]]:
    """Runs every case once a round, in turn, and gives the medians of each case.

    A case that cannot run is reported with its last line of complaint, not left out.
    """
    runs: dict[str, list[Measurement]] = {name: [] for name in cases}
    broken: dict[str, str] = {}
    for _ in range(rounds):
        for name, arguments in cases.items():
            if name in broken:
                continue
            try:
                runs[name].append(run_cold(arguments))
            except RuntimeError as error:
                broken[name] = complaint(error)
    return {
        name: {"error": broken[name]} if name in broken else _medians(r) for name, r in runs.items()
    }


def complaint(error: Exception) -> str:
    r"""The last line of an error, without the folders of this machine, at most 200 letters.

    >>> complaint(RuntimeError("Traceback …\nOSError: could not load /opt/venv/lib/x.so"))
    'OSError: could not load x.so'
    """
    last = str(error).strip().splitlines()[-1]
    return re.sub(r"(?<![\w.])/(?:[^\s/:'\"]+/)+", "", last)[:200]


def _medians(runs: Sequence[Measurement]) -> dict[str, Any]:
    cpu = [run["cpu_seconds"] for run in runs]
    return {
        "cpu_seconds": round(median(cpu), 3),
        "cpu_seconds_all": [round(value, 3) for value in cpu],
        "wall_seconds": round(median(run["wall_seconds"] for run in runs), 3),
        "peak_mb": round(median(run["peak_mb"] for run in runs), 1),
        "said": runs[-1]["said"],
    }


def machine(peers: Sequence[str] = ()) -> dict[str, Any]:
    """Describes the machine and the versions that a result belongs to, further peers' too."""
    names = ["fewframes", "av", "numpy", "numba", "simplejpeg", "decord2", "opencv-python-headless"]
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in [*names, "torchcodec", *peers]},
    }


def keep_result(result: Mapping[str, Any] | Sequence[Any], output: Path | None) -> None:
    """Writes a result as JSON, where a file for it was named."""
    if output:
        output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
