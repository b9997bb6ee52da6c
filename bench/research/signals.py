"""Measuring signals beside decoding.

    python -m fewframes.bench.research.signals FILM… -o signals.json

1. One process decodes the first frames of a film with PyAV on one thread, and measures each: the
   CPU clock is read before and after the decode, the conversion to full-range planes, a plain copy
   of the planes (the least that any pass can cost), and the signal pass.
2. That is done at the film's own size and at the size a store has by default, in fresh processes,
   in turn; medians count.
"""

from pathlib import Path
from statistics import median
from typing import Any

import click

from fewframes.bench.measure import keep_result, machine, run_cold

JOBS = ["-m", "fewframes.bench.research.picture_jobs"]
SIZES = {"native": "0", "448": "448"}
PARTS = ("decode", "convert", "copy", "signals")


def measure(film: Path, frames: int, rounds: int) -> dict[str, Any]:
    """Gives the medians of the parts in microseconds a frame, and the pass as a share of decode."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in SIZES}
    for _ in range(rounds):
        for name, side in SIZES.items():
            arguments = [*JOBS, "signals", str(film), str(frames), side]
            runs[name].append(run_cold(arguments)["said"])
    return {name: summary(said) for name, said in runs.items()}


def summary(said: list[dict[str, Any]]) -> dict[str, Any]:
    """Takes medians over the rounds.

    >>> summary([{"frames": 2, "shape": [4, 6], "decode": 9.0, "convert": 1, "copy": 1,
    ...           "signals": 3.0}])["share_of_decode"]
    0.333
    """
    parts = {part: round(median(run[part] for run in said), 1) for part in PARTS}
    return {
        "shape": said[-1]["shape"],
        "frames": said[-1]["frames"],
        "microseconds_a_frame": parts,
        "share_of_decode": round(parts["signals"] / parts["decode"], 3),
        "signals_all": [round(run["signals"], 1) for run in said],
    }


@click.command()
@click.argument("films", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--frames", default=1500, show_default=True, help="Frames of each film.")
@click.option("--rounds", default=5, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(films: tuple[Path, ...], frames: int, rounds: int, output: Path | None) -> None:
    """Measures the signal pass on FILMS beside PyAV's decode of the same frames."""
    results = []
    for film in films:
        result = {"film": film.name, "sizes": measure(film, frames, rounds)}
        results.append(result)
        print_table(result)
    keep_result({"machine": machine(), "films": results}, output)


def print_table(result: dict[str, Any]) -> None:
    """Prints one film's table."""
    click.echo(result["film"])
    for name, row in result["sizes"].items():
        height, width = row["shape"]
        parts = "  ".join(f"{part} {us:7.1f}" for part, us in row["microseconds_a_frame"].items())
        click.echo(f"  {name:<7}{width}x{height}: {parts} us a frame")
        click.echo(f"         the pass takes {row['share_of_decode']:.1%} of the decode's CPU")


if __name__ == "__main__":
    main()
