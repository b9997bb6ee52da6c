"""Corpus: measures what a run costs beside decoding, and how it scales.

``python -m fewframes.bench.research.corpus FILM LONG_FILM... -o bench/results/corpus.json``

1. Tiny films in a warm process: CPU time of the look and of indexing, less that of decoding the
   frames and encoding their pictures alone.
2. Each long film: CPU time of each range and of the merge, beside that of the film in one go, and
   from these the time on 2 to 64 workers (tasks in their order, to whoever is free).
3. Whole commands on one and two workers, for each long film and for many short ones: wall and CPU
   time, interleaved, medians; and CPU time per film-hour. On a machine that others use, wall times
   say little: ``load`` is what else ran.
"""

import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from heapq import heapreplace
from pathlib import Path
from statistics import median
from typing import Any

import click

from fewframes.bench.measure import interleave, keep_result, machine
from fewframes.bench.research.films import Film, write_film
from fewframes.features.scan import scan
from fewframes.files.probing import probe
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import Scan
from fewframes.indexing.results import RangeResult
from fewframes.indexing.tasks import estimate_film, execute
from fewframes.store.codecs import picture_codec
from fewframes.store.recipes import Recipe
from fewframes.store.results import Outcome

TINY = 60
RANGE_SECONDS = 0.5
"""Ranges here, so that a film of minutes has as many as one of hours has of the usual length."""
WORKERS = (1, 2, 4, 8, 16, 32, 64)


def tiny_films(folder: Path) -> dict[str, Any]:
    """CPU milliseconds of a film of 2 s beside its decode, in a warm process with an open store."""
    films, store, recipe = [], folder / "tiny.zarr", Recipe()
    for number in range(TINY):
        films.append(folder / f"{number:03d}.mp4")
        write_film(films[-1], Film(frames=50 + number % 9, options={"g": "25"}))
    looks, whole, bare = [], [], []
    for number, film in enumerate(films):
        started = time.process_time()
        estimate_film(FilmTask(film, store, str(number), recipe))
        looked = time.process_time()
        execute(FilmTask(film, store, str(number), recipe))
        ended = time.process_time()
        looks.append(looked - started)
        whole.append(ended - looked)
        bare.append(bare_seconds(film, recipe))
    warm = slice(TINY // 6, None)
    look, index, decode = (1e3 * median(times[warm]) for times in (looks, whole, bare))
    return {
        "films": TINY,
        "look_ms": round(look, 2),
        "index_ms": round(index, 2),
        "decode_and_encode_ms": round(decode, 2),
        "overhead_ms": round(look + index - decode, 2),
    }


def bare_seconds(film: Path, recipe: Recipe) -> float:
    """CPU time of decoding the frames, measuring them and encoding their pictures, and no more."""
    what = Scan.of(probe(film), FilmTask(film, Path("s"), "a", recipe, range_seconds=1e9))
    codec, started = picture_codec(recipe.codec, recipe.quality), time.process_time()
    scan(
        what.timeline,
        what.numbers,
        size=what.size,
        dedup=recipe.dedup,
        format=codec.format,
        keep=lambda planes: len(codec.encode(planes)),
    )
    return time.process_time() - started


def tasks_of(film: Path, folder: Path, recipe: Recipe) -> dict[str, Any]:
    """CPU seconds of the tasks of a long film, and what follows for several workers."""
    cut = FilmTask(film, folder / "cut", "a", recipe, range_seconds=RANGE_SECONDS)
    what = Scan.of(probe(film), cut)
    count = len(what.ranges)
    timed(FilmTask(film, folder / "warm", "a", recipe, range_seconds=1e9))
    single, outcome = timed_film(FilmTask(film, folder / "one-go", "a", recipe, range_seconds=1e9))
    ranges = [timed(replace(cut, part=part))[0] for part in range(count)] if count > 1 else []
    merge = timed(cut)[0] if ranges else 0.0
    stream, hours = what.timeline.stream, what.timeline.duration_seconds / 3600
    return {
        "film": f"{film.name}: {stream.codec} {stream.width}x{stream.height}",
        "film_hours": round(hours, 4),
        **{name: getattr(outcome, name) for name in ("rows", "stored", "stored_bytes")},
        "pictures_by_frames": round(outcome.pictures / len(what.timeline), 3),
        "ranges": count,
        "one_go_seconds": round(single, 3),
        "ranges_seconds": round(sum(ranges), 3),
        "merge_seconds": round(merge, 3),
        "predicted_seconds": round(what.effort.cpu_seconds, 3),
        "cpu_seconds_a_film_hour": round(single / hours, 2),
        "cpu_in_ranges_by_one_go": round((sum(ranges) + merge) / single, 3) if ranges else None,
        "times_faster_on_workers": times_faster(single, ranges, merge),
    }


def timed(task: FilmTask) -> tuple[float, Outcome | RangeResult]:
    """CPU seconds of a task in this process, and its outcome."""
    started = time.process_time()
    outcome = execute(task)
    return time.process_time() - started, outcome


def timed_film(task: FilmTask) -> tuple[float, Outcome]:
    """The same of the task of a whole film."""
    seconds, outcome = timed(task)
    assert isinstance(outcome, Outcome)
    return seconds, outcome


def times_faster(single: float, ranges: list[float], merge: float) -> dict[str, float]:
    """How much sooner so many workers are done with ranges than one is with the film."""
    counts = [count for count in WORKERS if 1 < count <= len(ranges)]
    return {str(n): round(single / (makespan(ranges, n) + merge), 2) for n in counts}


def makespan(tasks: list[float], workers: int) -> float:
    """When the last task ends, if each goes to the worker that is free first.

    >>> makespan([3.0, 2.0, 2.0, 1.0], 2)
    4.0
    """
    busy = [0.0] * workers
    for task in tasks:
        heapreplace(busy, busy[0] + task)
    return max(busy)


def commands(films: Mapping[str, Path], folder: Path, rounds: int, *more: str) -> dict[str, Any]:
    """Wall and CPU seconds of whole commands; each store is new."""
    cases = {}
    for name, path in films.items():
        for workers in (1, 2):
            cases[f"{name}, {workers}"] = ["-c", COMMAND, str(path), str(workers), *more]
    os.environ["FEWFRAMES_BENCH_FOLDER"] = str(folder)
    runs = interleave(cases, rounds)
    found: dict[str, Any] = {}
    for name in films:
        one, two = runs[f"{name}, 1"], runs[f"{name}, 2"]
        found[name] = {
            "one_worker": one,
            "two_workers": two,
            "times_faster": round(one["wall_seconds"] / two["wall_seconds"], 3),
            "cpu_of_two_by_one": round(two["cpu_seconds"] / one["cpu_seconds"], 3),
        }
    return found


COMMAND = """
import json, os, shutil, sys, tempfile
import fewframes as ff
store = tempfile.mkdtemp(dir=os.environ["FEWFRAMES_BENCH_FOLDER"])
workers, least = int(sys.argv[2]), float(sys.argv[3])
how = {"workers": workers, "range_seconds": least, "duplicates": "keep"}
report = ff.index(sys.argv[1], store + "/s", **how)
hours = sum(outcome.film_seconds for outcome in report.outcomes) / 3600
print(json.dumps({"film_hours": round(hours, 4), "statuses": repr(report).split(",")[0]}))
shutil.rmtree(store)
"""


@click.command()
@click.argument("film", type=click.Path(exists=True, path_type=Path))
@click.argument("long_films", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--copies", default=24, show_default=True, help="Films of many, all like FILM.")
@click.option("--rounds", default=3, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(
    film: Path, long_films: tuple[Path, ...], copies: int, rounds: int, output: Path | None
) -> None:
    """Measures with each of LONG_FILMS, and with many copies of a short FILM."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FEWFRAMES_CACHE"] = str(folder / "cache")
        many = folder / "many"
        many.mkdir()
        for number in range(copies):
            (many / f"{number:03d}{film.suffix}").symlink_to(film.resolve())
        result = {
            "machine": machine(),
            "load": os.getloadavg()[0],
            "tiny": tiny_films(folder),
            "short": tasks_of(film, folder / "short", Recipe()),
            "long": {
                path.stem: tasks_of(path, folder / path.stem, Recipe()) for path in long_films
            },
        }
        paths = {path.stem: path for path in long_films} | {"many": many}
        result["commands"] = commands(paths, folder, rounds, str(RANGE_SECONDS))
        result["load_after"] = os.getloadavg()[0]
    click.echo(json.dumps(result, indent=1))
    keep_result(result, output)


if __name__ == "__main__":
    main()
