"""One film, one store, every policy: ``python -m fewframes.bench.research.policies FILM -o …``.

1. A copy of the film is indexed once, and then deleted.
2. In a fresh process of one thread, every policy that promises a number of frames samples the
   store at every budget: selecting and reading are timed, and the promises are checked.
3. PyAV must not even have been loaded there: without it nothing can have been decoded.
"""

import json
import math
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from fewframes.arrays import F64
from fewframes.bench.measure import keep_result, machine, run_cold
from fewframes.bench.research.selection import ONE_THREAD
from fewframes.features.table import FrameTable
from fewframes.selection.candidates import ROUNDING_SECONDS
from fewframes.selection.policies import POLICIES
from fewframes.selection.selection import Selection, select
from fewframes.store.store import open_store
from fewframes.store.video import Video

BUDGETS = (8, 16, 32, 64, 128, 256)
COVERAGE = 0.5
"""Asked of every policy that reads it."""


def wishes_of(policy: str, seconds: float) -> dict[str, Any]:
    """What a policy is asked for, of a film of so many seconds.

    >>> wishes_of("fps", 100.0)
    {'span': (5.0, 95.0), 'fps': 1.0}
    """
    known = {
        "coverage": COVERAGE,
        "relevance": "sharpness",
        "fps": 1.0,
        "anchor_seconds": seconds / 2,
    }
    reads = {name: value for name, value in known.items() if name in POLICIES[policy].uses}
    return {"span": (0.05 * seconds, 0.95 * seconds), **reads}


def available_seconds(table: FrameTable, policy: str, options: dict[str, Any]) -> F64:
    """Times of the frames that a policy may pick, ``[n] f64``."""
    low, high = options["span"]
    rows = np.flatnonzero((table.seconds >= low) & (table.seconds <= high))
    domain = POLICIES[policy].domain
    if domain is not None:
        rows = domain(table, rows=rows, fps=options.get("fps"))
    return table.seconds[rows]


def broken_promises(
    chosen: Selection, again: Selection, available: F64, *, budget: int, options: dict[str, Any]
) -> list[str]:
    """Names the promises that a selection and its repetition do not hold."""
    low, high = options["span"]
    seconds, count = chosen.seconds, min(budget, len(available))
    away = np.abs(available[:, None] - seconds).min(axis=1, initial=math.inf)
    bins = math.ceil(COVERAGE * len(chosen) - 1e-9)
    reach = (available[-1] - available[0]) / bins if bins else math.inf
    holds = {
        "exactly min(K, available)": len(chosen) == count,
        "unique and sorted": bool((np.diff(chosen.frame_numbers) > 0).all()),
        "in span": bool(((seconds >= low) & (seconds <= high)).all()),
        "among the candidates": bool(np.isin(seconds, available).all()),
        "deterministic": np.array_equal(chosen.frame_numbers, again.frame_numbers)
        and np.array_equal(chosen.scores, again.scores)
        and chosen.reasons == again.reasons,
        "coverage": "coverage" not in options or away.max() <= reach + ROUNDING_SECONDS,
    }
    return [name for name, is_held in holds.items() if not is_held]


def measure(video: Video, *, rounds: int) -> dict[str, Any]:
    """Samples a video by every policy and budget in this process, times as medians."""
    results: dict[str, Any] = {}
    broken: list[str] = []
    for policy in [name for name, rule in POLICIES.items() if not rule.is_upstream_sampler]:
        options = wishes_of(policy, video.duration_seconds)
        available = available_seconds(video.table, policy, options)
        select(video.table, budget=4, policy=policy, **options)  # loads the compiled kernels
        results[policy] = {"available": len(available), "budgets": {}}
        for budget in BUDGETS:
            chosen, seconds = _timed(video, policy, budget, options, rounds=rounds)
            again = select(open_again(video).table, budget=budget, policy=policy, **options)
            names = broken_promises(chosen, again, available, budget=budget, options=options)
            broken += [f"{policy} at {budget}: {name}" for name in names]
            results[policy]["budgets"][str(budget)] = {"frames": len(chosen), **seconds}
    return {"policies": results, "broken": broken, "is_decoder_loaded": "av" in sys.modules}


def open_again(video: Video) -> Video:
    """The same video, of which nothing has been read yet."""
    return Video(video.commit)


def _timed(
    video: Video, policy: str, budget: int, options: dict[str, Any], *, rounds: int
) -> tuple[Selection, dict[str, float]]:
    """A selection, and the medians of its CPU seconds and of reading its pictures."""
    selecting, reading = [], []
    for _ in range(rounds):
        started = time.process_time()
        chosen = select(video.table, budget=budget, policy=policy, **options)
        picked = time.process_time()
        batch = video.read(rows=chosen.rows)
        selecting.append(picked - started)
        reading.append(time.process_time() - picked)
    if not np.array_equal(batch.frame_numbers, chosen.frame_numbers):
        raise RuntimeError(f"policy {policy!r} read other frames than it chose; mend the store")
    return chosen, {
        "select_cpu_ms": round(1000 * median(selecting), 3),
        "read_cpu_ms": round(1000 * median(reading), 3),
    }


def index_and_delete(film: Path, folder: Path, *, fps: str) -> dict[str, Any]:
    """Indexes a copy of a film into ``folder/s.zarr`` and deletes the copy."""
    copy = folder / f"film{film.suffix}"
    shutil.copy(film, copy)
    run = run_cold(
        ["-m", "fewframes", "index", str(copy), "-o", str(folder / "s.zarr"), "--fps", fps]
    )
    copy.unlink()
    video = open_store(folder / "s.zarr")["film"]
    return {
        "name": film.name,
        "seconds": round(video.duration_seconds, 3),
        **video.facts["counts"],
        "index_cpu_seconds": round(run["cpu_seconds"], 3),
    }


@click.command()
@click.argument("film", type=click.Path(path_type=Path))
@click.option("--fps", default="2", show_default=True, help="Frames indexed a second, or 'all'.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--store", is_flag=True, help="FILM is a store: sample its one video, here.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(film: Path, fps: str, rounds: int, store: bool, output: Path | None) -> None:
    """Indexes a film once, and samples the store by every policy and budget without it."""
    if store:
        (video,) = open_store(film).values()
        click.echo(json.dumps(measure(video, rounds=rounds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        about = index_and_delete(film, Path(folder), fps=fps)
        arguments = [
            "-m",
            "fewframes.bench.research.policies",
            str(Path(folder) / "s.zarr"),
            "--store",
        ]
        arguments += ["--rounds", str(rounds)]
        said = run_cold(arguments, ONE_THREAD)["said"]
    result = {"machine": machine(), "film": about, "threads": 1, "rounds": rounds, **said}
    for policy, row in said["policies"].items():
        times = [cell["select_cpu_ms"] for cell in row["budgets"].values()]
        click.echo(f"{policy:<12} {'  '.join(f'{ms:9.2f}' for ms in times)} CPU ms to select")
    click.echo(f"broken promises: {len(said['broken'])}; decoder: {said['is_decoder_loaded']}")
    keep_result(result, output)
    sys.exit(1 if said["broken"] or said["is_decoder_loaded"] else 0)


if __name__ == "__main__":
    main()
