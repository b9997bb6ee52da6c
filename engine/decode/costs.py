"""Costs: predicts decoding time on this machine, on the CPU and on the GPU.

A linear model with few constants, measured once (`bindings/gpu_costs.py`) and kept in the user's
cache folder. It only has to tell a hundred frames from a hundred thousand: one film in a worker
process of its own, as an index run decodes it.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from fewframes.atomic import write_atomic
from fewframes.media import timeline_cache


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to be decoded."""

    pictures: int
    """Pictures given to the decoder."""
    megapixels: float
    """Size of each, in million samples."""
    slices: int
    """Stretches that can be decoded side by side."""
    threads: int = 1
    """Threads of the CPU that would decode."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of one machine.

    >>> costs = Costs(0.004, 0.002, 2.0, 7)
    >>> few, many = Workload(100, 2.0, 9), Workload(9000, 2.0, 9)
    >>> [costs.gpu_seconds(job) < costs.cpu_seconds(job) for job in (few, many)]
    [False, True]
    """

    cpu: float
    """To decode a million samples on one thread."""
    gpu: float
    """The same on one video engine."""
    start: float
    """To load the library and to start the GPU, once a process."""
    engines: float
    """How many times as much several slices are decoded side by side as one."""

    def cpu_seconds(self, job: Workload) -> float:
        """Time of a job on the CPU."""
        return self.cpu * job.pictures * job.megapixels / max(1, min(job.threads, job.slices))

    def gpu_seconds(self, job: Workload) -> float:
        """Time of a job on the GPU, its start included."""
        engines = max(1, min(self.engines, job.slices))
        return self.start + self.gpu * job.pictures * job.megapixels / engines


def load(machine: str) -> Costs | None:
    """What was measured on a machine of this description; None where nothing was."""
    file = _file()
    if file is None:
        return None
    with suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads(file.read_text(encoding="utf-8"))
        return Costs(**known[machine])
    return None


def save(machine: str, costs: Costs) -> None:
    """Remembers what was measured; other machines in the file stay."""
    file = _file()
    if file is None:
        return
    known = {}
    with suppress(OSError, ValueError):
        known = json.loads(file.read_text(encoding="utf-8"))
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**known, machine: asdict(costs)}, indent=1) + "\n"
    write_atomic(file, text.encode("ascii"))


def _file() -> Path | None:
    """Beside the remembered timelines; None where remembering is switched off."""
    folder = timeline_cache.folder()
    return None if folder is None else folder.parent / "costs.json"
