"""How well does the model of costs fit? ``python -m fewframes.bench.research.effort FOLDER``.

1. Each film is decoded as the plan says, and nothing else; least squares without negative terms
   give CPU seconds for a million samples and a megabyte of packets, by codec.
2. Each film is indexed; what is left is put down to rows (each, and by the samples they are scaled
   from and to) and to the film.
3. The JSON has the constants, to be copied to `fewframes.indexing.cost_model`, and how far each
film is
   from what that module, as it is, predicts for it.
"""

import json
import os
import tempfile
import time
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from fewframes.arrays import F64
from fewframes.bench.measure import keep_result, machine
from fewframes.decode.decoder import DecodeReport, decoder
from fewframes.decode.plan import plan_frames
from fewframes.errors import FewframesError
from fewframes.files.probing import probe
from fewframes.indexing.discovery import find_films
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import Scan, index_film
from fewframes.store.recipes import Recipe

LEAST_SECONDS = 0.05
"""Films that take less CPU time say nothing."""


def features(film: Scan) -> dict[str, float]:
    """What the effort of a film is made of."""
    stream, plan = film.timeline.stream, plan_frames(film.timeline, film.numbers)
    fed = np.concatenate([run.feed for run in plan.runs])
    read = stream.height * stream.width / 1e6
    height, width = film.size or stream.display_size
    rows = len(film.numbers)
    return {
        "megapixels": len(fed) * read,
        "megabytes": float(film.timeline.packets.size_bytes[fed].sum()) / 1e6,
        "rows": rows,
        "rows_read": rows * read,
        "rows_made": rows * height * width / 1e6,
        "films": 1.0,
    }


def decoding_seconds(film: Scan) -> float:
    """CPU time of decoding alone."""
    plan = plan_frames(film.timeline, film.numbers)
    started = time.process_time()
    run = decoder()(film.timeline, plan.runs, format="yuv", size=None, report=DecodeReport())
    for _ in run:
        pass
    return time.process_time() - started


def indexing_seconds(path: Path, recipe: Recipe) -> float:
    """CPU time of indexing, with a process that is warm and a timeline that is remembered."""
    with tempfile.TemporaryDirectory() as store:
        started = time.process_time()
        index_film(FilmTask(path, Path(store), "film", recipe))
        return time.process_time() - started


def measured(path: Path, recipe: Recipe, rounds: int) -> dict[str, Any] | None:
    """Everything about one film; None for one that is too short, or is damaged."""
    try:
        film = Scan.of(probe(path), FilmTask(path, Path("s"), "a", recipe))
        decoding = median(decoding_seconds(film) for _ in range(rounds))
        if film.timeline.damage or decoding < LEAST_SECONDS:
            return None
        indexing = median(indexing_seconds(path, recipe) for _ in range(rounds))
    except FewframesError:
        return None
    facts = {name: round(value, 4) for name, value in features(film).items()}
    return {
        "film": path.name,
        "codec": film.timeline.stream.codec,
        "decoding_seconds": round(decoding, 3),
        "indexing_seconds": round(indexing, 3),
        "predicted_seconds": round(film.effort.cpu_seconds, 3),
        **facts,
    }


def fitted(films: list[dict[str, Any]], names: list[str], wanted: F64) -> dict[str, float]:
    """Least squares of the relative error, over all subsets of terms that are not negative."""
    table = np.array([[film[name] for name in names] for film in films])
    weights = 1 / np.array([film["indexing_seconds"] for film in films])
    best, least = np.zeros(len(names)), np.inf
    for count in range(1, len(names) + 1):
        for chosen in map(list, combinations(range(len(names)), count)):
            given = table[:, chosen] * weights[:, None]
            terms, *_ = np.linalg.lstsq(given, wanted * weights, rcond=None)
            error = float(np.square(given @ terms - wanted * weights).sum())
            if (terms >= 0).all() and error < least:
                best, least = np.zeros(len(names)), error
                best[chosen] = terms
    return {name: float(f"{value:.3g}") for name, value in zip(names, best, strict=True)}


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--rounds", default=2, show_default=True)
@click.option("--most-mb", default=20.0, show_default=True, help="Larger films are passed over.")
@click.option("-o", "--output", type=click.Path(path_type=Path))
def main(folder: Path, rounds: int, most_mb: float, output: Path | None) -> None:
    """Measures the films below FOLDER and fits the model."""
    paths = [p for p in find_films([folder]).values() if p.stat().st_size <= most_mb * 1e6]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FEWFRAMES_CACHE"] = cache
        found = [measured(path, Recipe(), rounds) for path in paths]
    result = {"machine": machine(), **fit([film for film in found if film])}
    click.echo(json.dumps({name: result[name] for name in list(result)[1:4]}, indent=1))
    keep_result(result, output)


def fit(films: list[dict[str, Any]]) -> dict[str, Any]:
    """Fits the model to films that were measured, and says how well it predicts them."""
    decoding = {}
    for codec in sorted({film["codec"] for film in films}):
        mine = [film for film in films if film["codec"] == codec]
        seconds = np.array([film["decoding_seconds"] for film in mine])
        decoding[codec] = {**fitted(mine, ["megapixels", "megabytes"], seconds), "films": len(mine)}
    rest = np.array([film["indexing_seconds"] - film["decoding_seconds"] for film in films])
    rows = fitted(films, ["rows", "rows_read", "rows_made", "films"], rest)
    ratios = [film["predicted_seconds"] / film["indexing_seconds"] for film in films]
    low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9]).round(3).tolist()
    total = sum(film["predicted_seconds"] for film in films)
    return {
        "decoding": decoding,
        "rows": rows,
        "predicted_by_measured": {
            "tenth": low,
            "median": middle,
            "ninetieth": high,
            "of_the_sum": round(total / sum(film["indexing_seconds"] for film in films), 3),
        },
        "films": films,
    }


if __name__ == "__main__":
    main()
