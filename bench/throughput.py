"""Decoding few frames, and indexing, beside peers: ``python -m fewframes.bench.throughput FILM…``.

1. ``read``: evenly spaced exact frames at full size, cold process, by fewframes and by each peer
   that is installed, in the peer's fastest setting (several are tried, the best one counts).
2. ``index``: ``fewframes index --fps 2`` beside PyAV decoding the same plan's pictures and throwing
   them away.

Runs are interleaved; medians of CPU seconds, wall seconds and peak memory go into one JSON with the
machine in it, and a table is printed.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

import fewframes as ff
from fewframes.bench.jobs import write_plan
from fewframes.bench.measure import interleave, machine

JOBS = ["-m", "fewframes.bench.jobs"]
PEERS = ("decord2", "opencv", "torchcodec")


def read_cases(film: Path, count: int, budget: int) -> dict[str, list[str]]:
    """Names the processes that read frames."""
    common = [str(film), str(count), str(budget)]
    settings = {
        "fewframes workers=1": ["ours"],
        "fewframes, seen before": ["ours_again"],
        "fewframes default": ["ours_parallel"],
        "decord2 num_threads=1": ["decord2", "1"],
        "decord2 default": ["decord2", "0"],
        "opencv 1 thread": ["opencv", "1"],
        "opencv default": ["opencv", "0"],
        "torchcodec exact": ["torchcodec"],
    }
    return {name: [*JOBS, job, *common, *rest] for name, (job, *rest) in settings.items()}


def measure_read(film: Path, budget: int, rounds: int) -> dict[str, Any]:
    """Compares reading ``budget`` frames."""
    timeline = ff.probe(film)
    results = interleave(read_cases(film, len(timeline), budget), rounds)
    mine = results["fewframes workers=1"]
    others = {
        name: result["cpu_seconds"]
        for name, result in results.items()
        if name.startswith(PEERS) and "error" not in result
    }
    best = min(others, key=lambda name: others[name]) if others else None
    ratio = round(mine["cpu_seconds"] / others[best], 3) if best else None
    said = mine["said"]
    return {
        "frames": budget,
        "best_peer": best,
        "cpu_ratio": ratio,
        "pictures_planned": said["pictures_planned"],
        "pictures_decoded": said["pictures"],
        "pictures_in_film": len(timeline.packets),
        "results": results,
    }


def measure_index(film: Path, fps: float, rounds: int) -> dict[str, Any]:
    """Compares indexing with decoding alone."""
    pictures = write_plan(str(film), fps)
    store = tempfile.mkdtemp(suffix=".zarr")
    cases = {
        "fewframes index": [*JOBS, "index", str(film), store, f"{fps:.1f}"],
        "PyAV decodes the plan": [*JOBS, "plan_alone", str(film), f"{fps:.1f}"],
    }
    results = interleave(cases, rounds)
    shutil.rmtree(store, ignore_errors=True)
    cpu = [result["cpu_seconds"] for result in results.values()]
    return {
        "fps": fps,
        "cpu_ratio": round(cpu[0] / cpu[1], 3),
        "pictures": pictures,
        "results": results,
    }


@click.command()
@click.argument("films", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("-k", "--budget", default=64, show_default=True)
@click.option("--fps", default=2.0, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(
    films: tuple[Path, ...], budget: int, fps: float, rounds: int, output: Path | None
) -> None:
    """Measures FILMS, or a generated film where none is given."""
    with tempfile.TemporaryDirectory() as folder:
        if not films:
            from fewframes.bench.procedure import make_procedure

            films = (Path(folder) / "procedure.mp4",)
            make_procedure(films[0], seed=0)
        results = []
        for film in films:
            timeline = ff.probe(film)
            result = {
                "film": film.name,
                "about": repr(timeline),
                "read": measure_read(film, budget, rounds),
                "index": measure_index(film, fps, rounds),
            }
            results.append(result)
            say(result)
    if output:
        output.write_text(json.dumps({"machine": machine(), "films": results}, indent=1) + "\n")


def say(result: dict[str, Any]) -> None:
    """Prints one film's table."""
    click.echo(result["about"])
    for part in ("read", "index"):
        ratio = result[part]["cpu_ratio"]
        click.echo(f"  {part}: CPU {ratio} x of {result[part].get('best_peer') or 'the decode'}")
        for name, row in result[part]["results"].items():
            words = row.get("error") or (
                f"{row['cpu_seconds']:8.2f} CPU s {row['wall_seconds']:8.2f} s"
                f" {row['peak_mb']:8.0f} MB"
            )
            click.echo(f"    {name:<24}{words}")


if __name__ == "__main__":
    main()
