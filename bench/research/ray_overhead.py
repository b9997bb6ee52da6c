"""Ray beside the pool of one machine: ``python -m fewframes.bench.research.ray_overhead``.

1. The same films are indexed by as many workers of the local pool, and of a Ray cluster that
   already runs on this machine, in turn.
2. Each is done for a few films and for many: the difference, divided by that of the numbers, is
   what a film costs; the rest is what a run costs to start.
3. CPU seconds are those of all processes that take part, Ray's own included.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import click
import psutil

import fewframes as ff
from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.films import Film, write_film

WORKERS = 2
FILM = Film(frames=400, size=(360, 640), options={"g": "50"})


def spent() -> float:
    """CPU seconds of this process and all below it, those that have ended included."""
    return sum(_seconds(process) for process in _below())


def _below() -> Iterator[psutil.Process]:
    me = psutil.Process()
    yield from [me, *me.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(sum(times[:4]))


def timed(films: list[Path], store: Path, address: str | None) -> tuple[float, float]:
    """CPU and wall seconds of a run."""
    cpu, wall = spent(), time.monotonic()
    index(films, store, address)
    return spent() - cpu, time.monotonic() - wall


def index(films: list[Path], store: Path, address: str | None) -> None:
    """Indexes films into a new store, and insists that all of them are there."""
    report = ff.index(films, store, workers=WORKERS, ray=address, duplicates="keep")
    if len(report.with_status("ok")) != len(films):
        raise RuntimeError(f"not all were indexed: {report.outcomes}")
    shutil.rmtree(store)


def slopes(few: int, many: int, runs: dict[int, list[tuple[float, float]]]) -> dict[str, float]:
    """What a film and what a run costs, of the medians of the rounds."""
    result = {}
    for at, name in enumerate(("cpu", "wall")):
        small, large = (median(run[at] for run in runs[count]) for count in (few, many))
        film = (large - small) / (many - few)
        result[f"{name}_ms_a_film"] = round(1000 * film, 1)
        result[f"{name}_seconds_a_run"] = round(small - few * film, 2)
    return result


def measure(folder: Path, few: int, many: int, rounds: int) -> dict[str, Any]:
    """Indexes by either, in turn, and says what they cost."""
    import ray

    write_film(folder / "film.mp4", FILM)
    films = [folder / f"{number:04d}.mp4" for number in range(many)]
    for film in films:
        os.link(folder / "film.mp4", film)
    ray.init(address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    address = ray.get_runtime_context().gcs_address
    places = {"local pool": None, "ray": address}
    costs: dict[str, dict[int, list[tuple[float, float]]]] = {
        name: {few: [], many: []} for name in places
    }
    for where in places.values():
        index(films[:WORKERS], folder / "warm", where)
    for _ in range(rounds):
        for count in (few, many):
            for name, where in places.items():
                store = folder / f"{name}-{count}"
                costs[name][count].append(timed(films[:count], store, where))
    ray.shutdown()
    results = {name: slopes(few, many, runs) for name, runs in costs.items()}
    pool, there = results["local pool"], results["ray"]
    ratio = round(there["cpu_ms_a_film"] / pool["cpu_ms_a_film"], 3)
    facts = {"films": [few, many], "rounds": rounds, "workers": WORKERS}
    return {**facts, "cpu_ms_a_film_ratio": ratio, **results}


@click.command()
@click.option("--few", default=10, show_default=True)
@click.option("--many", default=60, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(few: int, many: int, rounds: int, output: Path | None) -> None:
    """Measures Ray beside the local pool."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FEWFRAMES_CACHE"] = f"{folder}/cache"
        result = measure(Path(folder), few, many, rounds)
    click.echo(json.dumps(result, indent=1))
    facts = {"machine": machine(["ray", "av"]), "film": repr(FILM), **result}
    keep_result(facts, output)


if __name__ == "__main__":
    main()
