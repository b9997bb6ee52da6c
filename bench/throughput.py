"""A film beside peers: ``fewframes bench throughput FILM…``.

1. Reading, for each of `WORKLOADS`: the same exact frames at full size, in a cold process, by every
   row of `fewframes.bench.readers.READERS` whose package is installed. First each shows thumbnails
   of what it gives; one that gives other pictures is named, and not timed. One that takes
   `HOPELESS` times the least CPU time while it shows them is not run again: that time stands.
2. ``index``: ``fewframes index`` beside PyAV decoding the same plan's pictures and throwing them
   away. ``choose``: what selecting costs on the result, by policy.
3. With ``--stores``, `fewframes.bench.store`: reading and writing stored pictures of the film
   beside zarr, TensorStore and Lance.

Runs are interleaved; medians of CPU seconds and wall seconds go into one JSON with the
machine in it, and tables are printed, with what we lose.
"""

import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

import fewframes as ff
from fewframes.arrays import F32, I64
from fewframes.bench import store as stores
from fewframes.bench.correctness import in_order, wrong_words
from fewframes.bench.jobs import write_plan
from fewframes.bench.measure import complaint, interleave, keep_result, machine, run_cold
from fewframes.bench.readers import OURS, READERS
from fewframes.cli.params import cli_errors
from fewframes.media.timeline import Timeline

JOBS = ["-m", "fewframes.bench.jobs"]
EVEN = "64 evenly spaced"
MOST = 600
"""Frames of the film's beginning that are decoded where all of them are wanted."""

HOPELESS = 3.0
"""Readers that take so many times as long as the fastest are timed once only."""


def keyframes(timeline: Timeline) -> I64:
    """Up to 64 keyframes, evenly among all."""
    keys = np.flatnonzero(timeline.is_keyframe)
    return keys[np.unique(np.linspace(0, len(keys) - 1, 64).round().astype(np.int64))]


def scattered(timeline: Timeline) -> I64:
    """32 frames anywhere, the same at each call."""
    few = np.random.default_rng(0).permutation(len(timeline))[:32]
    return np.sort(few).astype(np.int64)


WORKLOADS: dict[str, Callable[[Timeline], I64]] = {
    "every frame": lambda timeline: np.arange(min(len(timeline), MOST)),
    "1 of 30": lambda timeline: np.arange(0, min(len(timeline), 30 * 100), 30),
    EVEN: lambda timeline: np.unique(np.linspace(0, len(timeline) - 1, 64).round().astype(int)),
    "32 anywhere": scattered,
    "keyframes": keyframes,
}
"""Name -> the frames that are read, in rising order."""


def measure_reading(
    film: Path, request: Mapping[str, I64], folder: Path, *, rounds: int, readers: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Judges readers on each workload, and times those that give the right pictures."""
    truth = in_order(film, np.unique(np.concatenate(list(request.values()))))
    measured = {}
    for name, numbers in request.items():
        np.save(folder / "numbers.npy", numbers)
        jobs = {
            reader: [*JOBS, "read", str(film), str(folder / "numbers.npy"), reader]
            for reader in readers
        }
        results = {
            reader: judged([*job, str(folder / "shown.npy")], folder / "shown.npy", numbers, truth)
            for reader, job in jobs.items()
        }
        again = {reader: jobs[reader] for reader in worth_timing(results)}
        results |= without_peaks(interleave(again, rounds))
        measured[name] = {
            "frames": len(numbers),
            "judged": True,
            **beside_best(results),
            "results": results,
        }
        click.echo(f"{film.name}: {name} is measured", err=True)
    return measured


def worth_timing(judged: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Who gave the right pictures, without taking `HOPELESS` times as long as another.

    >>> cpu = {"a": 1.0, "b": 9.0, OURS: 12.0}
    >>> worth_timing({"c": {"wrong": "…"}, **{name: {"cpu_seconds": s} for name, s in cpu.items()}})
    ['a', 'fewframes workers=1']
    """
    cpu = {name: row["cpu_seconds"] for name, row in judged.items() if "cpu_seconds" in row}
    most = HOPELESS * min(cpu.values(), default=0.0)
    return [name for name in cpu if cpu[name] <= most or name.startswith("fewframes")]


def without_peaks(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Leaves peaks of memory out: a child's begins at its parent's, which holds the thumbnails."""
    return {
        name: {key: v for key, v in row.items() if key != "peak_mb"} for name, row in rows.items()
    }


def judged(job: list[str], shown: Path, numbers: I64, truth: Mapping[int, F32]) -> dict[str, Any]:
    """What a reader's first run took; or what is "wrong" with it, or the "error" it ends with."""
    try:
        run = run_cold(job)
    except RuntimeError as error:
        return {"error": complaint(error)}
    if words := wrong_words(np.load(shown), numbers, truth):
        return {"wrong": words}
    cpu, wall = (round(run[key], 3) for key in ("cpu_seconds", "wall_seconds"))
    return {"cpu_seconds": cpu, "cpu_seconds_all": [cpu], "wall_seconds": wall}


def beside_best(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Names the peer that takes least CPU time, and our share of it.

    >>> beside_best({OURS: {"cpu_seconds": 1.0}, "x": {"cpu_seconds": 2.0}, "y": {"wrong": "…"}})
    {'best_peer': 'x', 'cpu_ratio': 0.5}
    """
    cpu = {name: row["cpu_seconds"] for name, row in results.items() if "cpu_seconds" in row}
    peers = [name for name in cpu if not name.startswith("fewframes")]
    best = min(peers, key=lambda name: cpu[name]) if peers else None
    ratio = round(cpu[OURS] / cpu[best], 3) if best and OURS in cpu else None
    return {"best_peer": best, "cpu_ratio": ratio}


def measure_index(film: Path, fps: float, budget: int, rounds: int) -> dict[str, Any]:
    """Compares indexing with decoding alone, and times selections on the index."""
    store, plan = tempfile.mkdtemp(suffix=".zarr"), Path(tempfile.mkdtemp(), "plan.npy")
    pictures = write_plan(str(film), fps, plan)
    cases = {
        "fewframes index": [*JOBS, "index", str(film), store, f"{fps:.1f}"],
        "PyAV decodes the plan": [*JOBS, "plan_alone", str(film), str(plan)],
    }
    results = without_peaks(interleave(cases, rounds))
    choose = run_cold([*JOBS, "choose", store, str(budget)])["said"]
    for folder in (store, plan.parent):
        shutil.rmtree(folder, ignore_errors=True)
    cpu = [result["cpu_seconds"] for result in results.values()]
    return {
        "fps": fps,
        "cpu_ratio": round(cpu[0] / cpu[1], 3),
        "pictures": pictures,
        "results": results,
        "choose": {"budget": budget, **choose},
    }


def measure_film(
    film: Path,
    workloads: tuple[str, ...],
    *,
    fps: float,
    rounds: int,
    with_stores: bool = False,
    readers: Collection[str] = (),
) -> dict[str, Any]:
    """All of one film, by ``readers``, rows of `READERS` (none: all of them).

    Raises ValueError where its pictures have to be turned.
    """
    timeline = ff.probe(film)
    if timeline.stream.rotation:
        raise ValueError(
            f"{film.name!r} is turned by {timeline.stream.rotation} degrees, which some libraries "
            "undo and others do not; pass a film that is upright"
        )
    with tempfile.TemporaryDirectory() as folder:
        request = {name: WORKLOADS[name](timeline) for name in workloads}
        some = readers or READERS
        reading = measure_reading(film, request, Path(folder), rounds=rounds, readers=some)
    result = {
        "film": film.name,
        "about": repr(timeline),
        "pictures_in_film": len(timeline.packets),
        "reading": reading,
        "index": measure_index(film, fps, 64, rounds),
    }
    if with_stores:
        result["stores"] = stores.measured(film, frames=256, calls=5, rounds=rounds)
    return result


@click.command("throughput")
@click.argument("films", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--workload",
    "workloads",
    multiple=True,
    type=click.Choice(list(WORKLOADS)),
    help="Frames to read; all of these workloads if not given.",
)
@click.option("--fps", default=2.0, show_default=True, help="Frames indexed per second.")
@click.option("--rounds", default=5, show_default=True, help="Rounds; medians are shown.")
@click.option("--stores", "with_stores", is_flag=True, help="Also measure stored pictures.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File for the result, as JSON."
)
@cli_errors
def main(
    films: tuple[Path, ...],
    workloads: tuple[str, ...],
    fps: float,
    rounds: int,
    with_stores: bool,
    output: Path | None,
) -> None:
    """Times reading and indexing FILMS, or a generated film, beside the installed peers."""
    request = workloads or tuple(WORKLOADS)
    with tempfile.TemporaryDirectory() as folder:
        if not films:
            from fewframes.bench.synthetic import make_procedure

            films = (Path(folder) / "procedure.mp4",)
            make_procedure(films[0], seed=0)
        results = []
        for film in films:
            results.append(
                measure_film(film, request, fps=fps, rounds=rounds, with_stores=with_stores)
            )
            print_table(results[-1])
    packages = [row.package for row in READERS.values() if row.package]
    peers = machine([*dict.fromkeys(packages), *stores.PEERS])
    keep_result({"machine": peers, "films": results}, output)


def print_table(result: dict[str, Any]) -> None:
    """Prints one film's tables."""
    click.echo(result["about"])
    parts = {**result["reading"], "index": result["index"]}
    for name, part in parts.items():
        than = part.get("best_peer") or ("the decode" if name == "index" else "no peer")
        count = f"{part['frames']} frames, " if "frames" in part else ""
        click.echo(f"  {name}: {count}CPU {part['cpu_ratio']} x of {than}")
        for case, row in part["results"].items():
            click.echo(f"    {case:<24}{say_row(row)}")
    choose = result["index"]["choose"]
    costs = ", ".join(f"{policy} {cost:.2f}" for policy, cost in choose["cpu_ms"].items())
    click.echo(f"  {choose['budget']} of {choose['rows']} rows, CPU ms: {costs}")
    if "stores" in result:
        stores.print_table(result["stores"])


def say_row(row: dict[str, Any]) -> str:
    """One case: its medians, or why there are none."""
    if "cpu_seconds" in row:
        return f"{row['cpu_seconds']:8.2f} CPU s {row['wall_seconds']:8.2f} s"
    return f"not timed: {row['wrong']}" if "wrong" in row else str(row["error"])


if __name__ == "__main__":
    main()
