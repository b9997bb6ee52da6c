"""The GPU: is it right, and how fast? ``python -m fewframes.bench.research.gpu [FILM ...]``.

Run it through ``bench/research/gpu_check.sh``. One row a job (`gpu_jobs.py`): frames a second, or
why it was not run. Every frame is checked before it is timed: at the same numbers, DALI's pixels
must be near FFmpeg's. Then two promises: memory stays below a bound, whatever the film, and
``device="auto"`` is never slower than the faster of the two by more than `SLACK`. With
``--device cpu``, DALI's CPU decoder takes the GPU's place, which shows that the script itself runs;
its numbers then say nothing of a GPU.
"""

import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

import fewframes
from fewframes.bench.research.films import RECIPES, write_film
from fewframes.bench.research.gpu_jobs import (
    INDEX,
    INDEX_AUTO,
    INDEX_FFMPEG,
    SIZE,
    Bench,
    NotRunError,
)
from fewframes.bindings.dali.capabilities import machine_facts
from fewframes.decode.backend_choice import refusal
from fewframes.decode.decoder import Device

MEAN_LEVELS = 2.0
"""Largest mean difference of RGB from FFmpeg's."""
SLACK = 0.15
MEMORY_MIB = 2048
"""Most memory of this process, on the CPU."""
MEMORY_SHARE = 0.5
"""Most of a GPU's memory that all jobs may take: a third of what is free for what DALI makes
(`groups.SHARE`), the rest for what kernels make, and for CUDA's own."""
TRIES = 2
"""A job's time is the least of so many, after one that is not timed."""
GENERATED = replace(
    RECIPES["x264_pyramid"],
    frames=1500,
    size=(720, 1280),
    options={"g": "50", "bf": "3", "preset": "veryfast", "x264-params": "b-pyramid=normal"},
)


def check(bench: Bench) -> str:
    """Compares pixels and times with FFmpeg's; gives what is wrong, or nothing."""
    numbers = bench.numbers[:60]
    ours = fewframes.read(bench.timeline, frames=numbers, size=SIZE)
    found = fewframes.read(
        bench.timeline, frames=numbers, size=SIZE, backend="dali", device=bench.device
    )
    means = np.abs(ours.frames.astype(int) - found.frames).mean(axis=(1, 2, 3))
    if not np.array_equal(ours.pts, found.pts):
        return "times differ"
    worst = int(means.argmax())
    if means[worst] > MEAN_LEVELS:
        return f"frame {numbers[worst]} differs by {means[worst]:.1f} levels in the mean"
    fallbacks = found.report.get("fallbacks_to_ffmpeg", "")
    return f"by ffmpeg, not by DALI: {fallbacks}" if fallbacks else ""


def run(bench: Bench) -> bool:
    """Checks one film, then prints its table; gives whether all promises were kept."""
    click.echo(f"\n{bench.timeline!r} on {bench.device}")
    wrong = check(bench)
    click.echo(f"pixels and times beside ffmpeg: {wrong or 'as they should be'}")
    seconds: dict[str, float] = {}
    with peak_mib(bench.device) as peak:
        for name, job in bench.rows():
            try:
                job()  # what starts once is not timed
                count, seconds[name] = timed(job)
                words = f"{count / seconds[name]:10.1f} frames/s"
            except (NotRunError, RuntimeError, ImportError, ValueError) as error:
                words = f"not run: {str(error).splitlines()[0]}"
            click.echo(f"{name:<34} {words}")
    broken = [wrong, *promises(seconds, max(peak), most_mib(bench.device))]
    for words in filter(None, broken):
        click.echo(f"WRONG: {words}")
    return not any(broken)


def timed(job: Callable[[], int]) -> tuple[int, float]:
    """How many frames a job made, and the least time of some tries."""
    count, least = 0, float("inf")
    for _ in range(TRIES):
        started = time.monotonic()
        count = job()
        least = min(least, time.monotonic() - started)
    return count, least


def promises(seconds: Mapping[str, float], mib: float, most: float) -> list[str]:
    """What was promised of time and memory and not kept, in words.

    >>> promises({INDEX: 2.0, INDEX_FFMPEG: 1.0, INDEX_AUTO: 1.1}, 100, 2048)
    []
    >>> promises({INDEX: 2.0, INDEX_FFMPEG: 1.0, INDEX_AUTO: 1.9}, 9000, 8192)
    ['9000 MiB of memory, more than 8192', "device='auto' takes 1.90 times as long as the faster"]
    """
    broken = []
    if mib > most:
        broken.append(f"{mib:.0f} MiB of memory, more than {most:.0f}")
    if {INDEX, INDEX_FFMPEG, INDEX_AUTO} <= seconds.keys():
        ratio = seconds[INDEX_AUTO] / min(seconds[INDEX], seconds[INDEX_FFMPEG])
        if ratio > 1 + SLACK:
            broken.append(f"device='auto' takes {ratio:.2f} times as long as the faster")
    return broken


@contextmanager
def peak_mib(device: Device) -> Iterator[list[float]]:
    """Watches memory; the list that it gives then holds what was seen: on a GPU, what was added."""
    if device == "cpu":
        seen = [0.0]
        yield seen
        seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    before, is_over = _gpu_mib(), threading.Event()
    seen = [0.0]

    def watch() -> None:
        while not is_over.wait(0.2):
            seen.append(_gpu_mib() - before)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        is_over.set()
        watcher.join()
        click.echo(f"memory of the GPU, at most: {max(seen):.0f} MiB")


def most_mib(device: Device) -> float:
    """The bound on memory that is promised."""
    return MEMORY_MIB if device == "cpu" else MEMORY_SHARE * _gpu_mib("total")


def _gpu_mib(which: str = "used") -> float:
    words = ["nvidia-smi", "--id=0", f"--query-gpu=memory.{which}", "--format=csv,noheader,nounits"]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


@click.command()
@click.argument("films", nargs=-1, type=click.Path(path_type=Path))
@click.option("--device", type=click.Choice(["cuda", "cpu"]), default="cuda", show_default=True)
def main(films: tuple[Path, ...], device: Device) -> None:
    """Checks and times DALI on FILMS, or on a generated one."""
    machine = machine_facts()
    if machine.missing(device):
        click.echo(f"NOT RUN: {machine.missing(device)}")
        sys.exit(3)
    click.echo(f"DALI {machine.dali}, compute capability {machine.capability}")
    with tempfile.TemporaryDirectory() as folder:
        if not films:
            recipe = GENERATED if device == "cuda" else RECIPES["vp9"]
            films = (Path(folder) / f"generated{recipe.suffix}",)
            write_film(films[0], recipe)
        is_right = True
        for number, film in enumerate(films):
            timeline = fewframes.probe(film)
            reason = refusal(timeline.stream, device, machine)
            if reason:
                click.echo(f"\n{film.name}: NOT RUN: {reason}")
                continue
            own = Path(folder) / f"{number}"
            own.mkdir()
            is_right &= run(Bench(film, timeline, device, own))
    sys.exit(0 if is_right else 1)


if __name__ == "__main__":
    main()
