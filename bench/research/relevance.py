"""Which policy makes most of a noisy relevance? ``python -m fewframes.bench.research.relevance``.

1. Films with annotated events come from a STORE and its ANNOTATIONS, such as those of ``fewframes
   bench haystack``; without them, a few procedure-like films are generated and indexed. Each
   question asks for three events of one grade, by chance.
2. The relevance of a question is 1 where it is answered and 0 elsewhere, plus normal noise of
   1 / SNR: ``white``, new at each frame, or ``slow``, which lasts 5 s (an autoregressive process
   of order one). A frame's likeness to a text has both. At SNR ``inf`` there is no noise, and
   ``slow`` is left out.
3. Interval recall at K of ``query`` and of its peers, with 95 % intervals by film; ``behind`` names
   where a peer's mean is above ``query``'s, and whether that is more than chance: whether the
   interval of the difference, film by film, is all below 0.

The result in ``bench/results`` is of the first films of the test set (`numbers.py`);
what `query` does was chosen on films of the training set.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np

import fewframes as ff
from fewframes.arrays import F32, F64, I64
from fewframes.bench.evaluation import BUDGETS, Subject, picked, stored_subjects
from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.markey import markey
from fewframes.cli.params import cli_errors
from fewframes.metrics.annotations import Annotation, Event, read_annotations
from fewframes.metrics.bootstrap import Draws, summed_up
from fewframes.metrics.measures import hits
from fewframes.selection.coverage import unit_scores

SIGNAL_TO_NOISE = (0.5, 1.0, 2.0, float("inf"))
TOGETHER = 3
"""Events that one question asks for."""
SLOW_SECONDS = 5.0
MINE = "query"


def white(rng: np.random.Generator, seconds: F64) -> F64:
    """Noise of spread 1 that is new at each frame."""
    return rng.standard_normal(len(seconds))


def slow(rng: np.random.Generator, seconds: F64) -> F64:
    """Noise of spread 1 that is forgotten by a factor of e in 5 seconds.

    >>> noise = slow(np.random.default_rng(0), np.arange(40_000) / 2)
    >>> round(float(noise.std()), 1), round(float(np.corrcoef(noise[:-10], noise[10:])[0, 1]), 1)
    (1.0, 0.4)
    """
    kept = np.exp(-np.diff(seconds, prepend=seconds[0]) / SLOW_SECONDS)
    fresh = rng.standard_normal(len(seconds)) * np.sqrt(1 - kept**2)
    fresh[0] = rng.standard_normal()
    noise, value = np.empty(len(seconds)), 0.0
    for i, (keep, new) in enumerate(zip(kept.tolist(), fresh.tolist(), strict=True)):
        noise[i] = value = keep * value * (i > 0) + new
    return noise


NOISES: dict[str, Callable[[np.random.Generator, F64], F64]] = {"white": white, "slow": slow}
Rows = Iterator[tuple[int, I64]]
"""Budget and rows."""


def of_policy(name: str) -> Callable[[Subject, F64], Rows]:
    """A policy at every budget."""
    return lambda subject, scores: picked(subject.table, name, BUDGETS, scores)


def of_markey(subject: Subject, scores: F64) -> Rows:
    """MarKey at every budget: a larger one adds to a smaller one."""
    unit: F32 | None = subject.unit
    if unit is None:
        raise ValueError(f"video {subject.annotation.video!r} has no signatures; index it again")
    rows = markey(
        unit, unit_scores(scores, n=len(scores)), subject.table.seconds, budget=max(BUDGETS)
    )
    return ((budget, rows[:budget]) for budget in BUDGETS)


def of_best(_subject: Subject, scores: F64) -> Rows:
    """The frames with the best scores, the earlier on a tie."""
    order = np.argsort(-scores, kind="stable")
    return ((budget, order[:budget]) for budget in BUDGETS)


METHODS: dict[str, Callable[[Subject, F64], Rows]] = {
    MINE: of_policy(MINE),
    "aks": of_policy("aks"),
    "cdf (BOLT)": of_policy("cdf"),
    "MarKey": of_markey,
    "best scores": of_best,
}


def questions_of(annotation: Annotation, rng: np.random.Generator) -> list[list[Event]]:
    """Groups of three events of one grade; what is left over is not asked for."""
    request = []
    for grade in sorted({event.grade or 0 for event in annotation.events}):
        events = [event for event in annotation.events if (event.grade or 0) == grade]
        order = rng.permutation(len(events)).tolist()
        together = min(TOGETHER, len(events))
        firsts = range(0, len(order) - together + 1, together)
        request += [[events[i] for i in order[first : first + together]] for first in firsts]
    return request


def study_film(subject: Subject, *, seed: int) -> dict[tuple[str, float, str, int], list[float]]:
    """Events found and asked for in one film: (noise, SNR, method, K) -> [found, asked]."""
    rng = np.random.default_rng([seed, 1])
    seconds = subject.table.seconds
    totals: dict[tuple[str, float, str, int], list[float]] = {}
    for events in questions_of(subject.annotation, rng):
        starts, ends = (np.array([getattr(e, key) for e in events]) for key in ("start", "end"))
        truth = hits(seconds, starts, ends).any(axis=1).astype(np.float64)
        for noise, make in NOISES.items():
            drawn = make(rng, seconds)
            for ratio in SIGNAL_TO_NOISE if noise == "white" else SIGNAL_TO_NOISE[:-1]:
                scores = truth + drawn / ratio
                for method, pick in METHODS.items():
                    for budget, rows in pick(subject, scores):
                        cell = totals.setdefault((noise, ratio, method, budget), [0.0, 0.0])
                        cell[0] += float(hits(seconds[rows], starts, ends).any(axis=0).sum())
                        cell[1] += len(events)
    return totals


def study(
    subjects: Iterable[Subject], *, progress: Callable[[str], None], workers: int = 1
) -> dict[str, Any]:
    """Runs every film, on so many processes: a JSON-like result without the machine."""
    given = list(subjects)
    if workers == 1:
        films = [study_film(subject, seed=seed) for seed, subject in enumerate(given)]
    else:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            running = [pool.submit(study_film, one, seed=seed) for seed, one in enumerate(given)]
            films = [future.result() for future in running]
    progress(f"{sum(len(subject.table) for subject in given)} rows in {len(films)} films")
    draws = Draws.of(len(films))
    cells = {
        key: draws.means(*(np.array([[film[key][i] for film in films]]) for i in (0, 1)))[:, 0]
        for key in films[0]
    }
    recall: dict[str, Any] = {}
    for (noise, ratio, method, budget), means in cells.items():
        row = recall.setdefault(noise, {}).setdefault(f"{ratio:g}", {}).setdefault(method, {})
        row[str(budget)] = summed_up(means)
    request = int(sum(film[next(iter(film))][1] for film in films))
    return {"films": len(films), "events_asked": request, "recall": recall, "behind": behind(cells)}


def behind(cells: Mapping[tuple[str, float, str, int], F64]) -> list[dict[str, Any]]:
    """Where a peer's mean recall is above that of `query`, and if by more than chance."""
    found = []
    for (noise, ratio, method, budget), means in cells.items():
        less = summed_up(cells[noise, ratio, MINE, budget] - means)
        if less["mean"] is not None and less["mean"] < 0:
            place = {"noise": noise, "snr": f"{ratio:g}", "peer": method, "budget": budget}
            is_sure = less["high"] is not None and less["high"] < 0
            found.append({**place, "less_by": less, "is_more_than_chance": is_sure})
    return found


def generated(folder: Path, *, films: int) -> Iterator[Subject]:
    """Procedure-like films of 8 minutes, indexed, with their planted events as one grade."""
    from fewframes.bench.synthetic import make_procedure

    annotations = []
    for seed in range(films):
        path = folder / f"procedure_{seed}.mp4"
        events = make_procedure(path, seed=seed)
        ff.index(path, folder / "s.zarr", progress=None)
        planted = tuple(Event(e.start_seconds, e.end_seconds, label=e.name) for e in events)
        annotations.append(Annotation(path.stem, None, planted))
    yield from stored_subjects(annotations, ff.open(folder / "s.zarr"))


@click.command()
@click.argument("store", required=False)
@click.argument("annotations", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--films", default=6, show_default=True, help="How many are generated, if any.")
@click.option("--workers", default=1, show_default=True, help="Processes, a film each.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
@cli_errors
def main(
    store: str | None, annotations: Path | None, films: int, workers: int, output: Path | None
) -> None:
    """Compares policies that read relevance, on a STORE with ANNOTATIONS or on generated films."""
    if store and annotations is None:
        raise click.UsageError("a STORE needs its ANNOTATIONS; pass both, or neither")
    with tempfile.TemporaryDirectory() as folder:
        subjects = generated(Path(folder), films=films)
        if store and annotations:
            subjects = stored_subjects(read_annotations(annotations), ff.open(store))
        result = study(
            subjects, progress=lambda words: click.echo(words, err=True), workers=workers
        )
    print_table(result)
    source = annotations.name if annotations else "generated procedures"
    whole = {"machine": machine(), "source": source, **result}
    keep_result(whole, output)


def print_table(result: dict[str, Any]) -> None:
    """Prints a table a noise and ratio, and where `query` is behind."""
    click.echo(f"{result['films']} films, {result['events_asked']} events asked for")
    for noise, ratios in result["recall"].items():
        for ratio, methods in ratios.items():
            heads = "".join(f"{f'K={budget}':>8}" for budget in BUDGETS)
            click.echo(f"\n{f'{noise} noise, SNR {ratio}':<24}{heads}")
            for method, row in methods.items():
                cells = "".join(f"{cell['mean']:8.3f}" for cell in row.values())
                click.echo(f"{method:<24}{cells}")
    for row in result["behind"]:
        sure = "more than chance" if row["is_more_than_chance"] else "within the interval"
        place = f"{row['noise']} noise, SNR {row['snr']}, K={row['budget']}"
        click.echo(f"behind {row['peer']} at {place} by {-row['less_by']['mean']:.3f}, {sure}")


if __name__ == "__main__":
    main()
