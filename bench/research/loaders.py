"""Clips through worker processes.

    python -m fewframes.bench.research.loaders FILM -o loaders.json

FILM is indexed, and clips of it are read in three ways; needs PyTorch.

1. ``direct``: two processes that do nothing else read half of the clips each, on one thread.
2. ``ours``: `ClipLoader` with two workers.
3. ``pytorch``: PyTorch's own loader with two workers over a `ClipDataset`, which moves each batch
   to new shared memory.

They run in turn, several rounds; each is measured in frames a second of wall time, and in the CPU
time that the processes which read spend on a frame, once all have started.
"""

import json
import multiprocessing
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import click

import fewframes as ff
from fewframes.bench.measure import keep_result, machine
from fewframes.training.clips import ClipPlan, epoch_order

WORKERS, BATCH, ROUNDS = 2, 4, 5
CLIPS = 480
WARM, TAIL = 24, 8
"""Batches before measuring: processes have started and know their buffers; and after it, since
then nothing is left to read ahead."""
TICKS = os.sysconf("SC_CLK_TCK")


class Speed(NamedTuple):
    """How fast clips came."""

    frames_a_second: float
    cpu_ms_a_frame: float


def loader_speeds(store: Path) -> dict[str, Any]:
    """Medians of all ways, and of the ratios of a round."""
    plan = ClipPlan(store, past_seconds=8, stride_seconds=1, past_frames=16)
    order = epoch_order(len(plan), seed=0).tolist()
    numbers = (order * (1 + CLIPS // len(order)))[:CLIPS]
    plan.clip(numbers[0])
    ways: dict[str, Callable[[], Speed]] = {
        "direct": partial(directly, plan, numbers),
        "ours": partial(loaded, plan, partial(our_batches, plan, numbers)),
        "pytorch": partial(loaded, plan, partial(pytorch_batches, plan, numbers)),
    }
    rounds = [{name: way() for name, way in ways.items()} for _ in range(ROUNDS)]
    found: dict[str, Any] = {
        name: {
            "frames_a_second": round(median(one[name].frames_a_second for one in rounds)),
            "cpu_ms_a_frame": round(median(one[name].cpu_ms_a_frame for one in rounds), 3),
        }
        for name in ways
    }
    for name in ("ours", "pytorch"):
        rates = [one[name].frames_a_second / one["direct"].frames_a_second for one in rounds]
        costs = [one["direct"].cpu_ms_a_frame / one[name].cpu_ms_a_frame for one in rounds]
        found[name]["rate_to_direct"] = round(median(rates), 2)
        found[name]["cpu_rate_to_direct"] = round(median(costs), 2)
    return found


def directly(plan: ClipPlan, numbers: list[int]) -> Speed:
    """Reads with as many processes as there are workers, and no loader."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WORKERS)
    shares = [numbers[at::WORKERS] for at in range(WORKERS)]
    with ProcessPoolExecutor(WORKERS, context, _begin, (barrier,)) as pool:
        spent = list(pool.map(partial(_read, plan), shares))
    frames = plan.past_frames * len(numbers)
    wall, cpu = max(one for one, _ in spent), sum(one for _, one in spent)
    return Speed(frames / wall, 1e3 * cpu / frames)


_BARRIER: list[Barrier] = []
"""In a process that reads: what it waits at until the other one has started, too."""


def _begin(barrier: Barrier) -> None:
    _BARRIER.append(barrier)


def _read(plan: ClipPlan, numbers: list[int]) -> tuple[float, float]:
    plan.clip(numbers[0])
    _BARRIER[0].wait()
    wall, cpu = time.perf_counter(), time.process_time()
    for number in numbers:
        plan.clip(number)
    return time.perf_counter() - wall, time.process_time() - cpu


def our_batches(plan: ClipPlan, numbers: list[int]) -> Iterator[Any]:
    """Batches of `ClipLoader`."""
    from fewframes.bindings.torch.loader import ClipLoader

    return iter(ClipLoader(plan, numbers, batch_size=BATCH, workers=WORKERS))


def pytorch_batches(plan: ClipPlan, numbers: list[int]) -> Iterator[Any]:
    """Batches of PyTorch's own loader."""
    from torch.utils.data import DataLoader

    from fewframes.bindings.torch.dataset import ClipDataset

    options = {"num_workers": WORKERS, "multiprocessing_context": "spawn"}
    loader = DataLoader(ClipDataset(plan), sampler=numbers, batch_size=BATCH, **options)
    return iter(loader)


def loaded(plan: ClipPlan, batches: Callable[[], Iterator[Any]]) -> Speed:
    """Measures a loader in the middle of its pass."""
    came = batches()
    deque(islice(came, WARM), maxlen=0)  # keeps none: a batch that is kept keeps its memory
    wall, cpu = time.perf_counter(), _cpu_of_children()
    frames = 0
    for batch in islice(came, CLIPS // BATCH - WARM - TAIL):
        frames += plan.past_frames * len(batch["clip"])
    speed = Speed(frames / (time.perf_counter() - wall), 1e3 * (_cpu_of_children() - cpu) / frames)
    deque(came, maxlen=0)  # to its end, so that the workers leave
    return speed


def _cpu_of_children() -> float:
    """CPU seconds so far of the processes that this one has started and that still run."""
    ticks = 0
    for child in multiprocessing.active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


@click.command()
@click.argument("film", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(film: Path, output: Path | None) -> None:
    """Measures loaders over clips of FILM."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.zarr"
        ff.index([film], store)
        speeds = loader_speeds(store)
    result = {"machine": machine(["torch"]), "film": film.name, "clips": CLIPS, **speeds}
    click.echo(json.dumps(result, indent=1))
    keep_result(result, output)


if __name__ == "__main__":
    main()
