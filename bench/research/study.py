"""Which policy finds short evidence without a query?

    python -m fewframes.bench.research.study FOOTAGE -w WORK --set test -o adaptive.json

1. The films of a set are made and indexed, unless they are there (`fewframes.bench.haystack`).
2. Every policy that asks for no query picks K = 8 … 256 frames of each film. An event is found
   where a picked frame shows it: start <= time < end.
3. Recall is the share of events found, by grade; its 95 % interval is a bootstrap over films. The
   ceiling is the share of events that hold at least one candidate. The area under the curve is the
   mean over budgets, which are even on a logarithmic scale, and grades.
4. Evidence that is spread evenly and looks like nothing else: of every moment at which an interval
   of some seconds could begin, the share whose interval holds a picked frame, beside uniform's.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from fewframes.arrays import F64
from fewframes.bench.haystack import Work, make_films, truth_of, video_id
from fewframes.bench.haystack_clips import SetName
from fewframes.bench.measure import keep_result, machine
from fewframes.features.table import FrameTable
from fewframes.selection.candidates import Candidates
from fewframes.selection.policies import POLICIES
from fewframes.selection.selection import select
from fewframes.store.store import open_store

BUDGETS = (8, 16, 32, 64, 128, 256)
COMPARED = (
    "adaptive",
    "uniform",
    "segment_mid",
    "keyframes",
    "shots",
    "kcenter",
    "dpp",
    "facility",
    "maxvol",
)
"""Policies that read no query; those that read one have none to read here."""
GRADES = (1, 2, 3)
SPREAD_SECONDS = (2.0, 4.0, 8.0, 15.0, 30.0)
"""How long evidence is that is spread evenly."""
DRAWS = 2000
"""Films are drawn with replacement so often for an interval."""


def events_of(truth: Mapping[str, Any]) -> F64:
    """Start, end and grade of each event of a film, ``[e, 3] f64``."""
    rows = [(event["start"], event["end"], event["grade"]) for event in truth["events"]]
    return np.array(rows, np.float64).reshape(-1, 3)


def found(seconds: F64, events: F64) -> F64:
    """Share of the events of each grade that hold one of these times, ``[3] f64``.

    >>> events = np.array([[1.0, 2.0, 1], [3.0, 4.0, 1], [5.0, 6.0, 2], [7.0, 7.5, 3]])
    >>> found(np.array([2.0, 3.0, 5.5]), events).tolist()
    [0.5, 1.0, 0.0]
    """
    holds = np.searchsorted(seconds, events[:, 1]) > np.searchsorted(seconds, events[:, 0])
    return np.array([holds[events[:, 2] == grade].mean() for grade in GRADES])


def spread_share(seconds: F64, end: float, length: float) -> float:
    """Share of the intervals of a length, wherever they begin, that hold one of the times.

    >>> spread_share(np.array([5.0]), 10.0, 2.0)
    0.25
    """
    firsts = np.clip(seconds - length, 0, end - length)
    lasts = np.clip(seconds, 0, end - length)
    firsts[1:] = np.maximum(firsts[1:], lasts[:-1])
    return float(np.maximum(0, lasts - firsts).sum() / (end - length))


def interval(by_film: F64, rng: np.random.Generator) -> list[float]:
    """The 95 % interval of a mean over films, by bootstrap: ``[films] f64 -> [low, high]``."""
    draws = rng.integers(0, len(by_film), (DRAWS, len(by_film)))
    return [round(float(q), 4) for q in np.quantile(by_film[draws].mean(axis=1), [0.025, 0.975])]


def picks_of(table: FrameTable, policy: str) -> dict[int, F64]:
    """Times that a policy picks, in order, by budget; a nested policy is asked once."""
    rule = POLICIES[policy]
    if not rule.is_nested or table.signatures is None:
        return {k: select(table, budget=k, policy=policy).seconds for k in BUDGETS}
    frames = Candidates(
        seconds=table.seconds,
        is_keyframe=table.is_keyframe,
        signatures=table.signatures,
        coverage=rule.coverage,
    )
    rows = rule.function(frames, budget=min(BUDGETS[-1], len(frames))).rows
    return {k: np.sort(table.seconds[rows[:k]]) for k in BUDGETS}


def measure(tables: list[FrameTable], events: list[F64], policy: str) -> dict[str, Any]:
    """Recall by budget and grade with intervals, the area, evenly spread evidence, CPU seconds."""
    rng, budgets, shares = np.random.default_rng(0), {}, []
    started = time.process_time()
    chosen = [picks_of(table, policy) for table in tables]
    cpu = time.process_time() - started
    for budget in BUDGETS:
        picks = [seconds[budget] for seconds in chosen]
        by_film = np.array([found(*pair) for pair in zip(picks, events, strict=True)])
        shares.append(by_film.mean(axis=1))
        budgets[str(budget)] = {
            "recall": by_film.mean(axis=0).round(4).tolist(),
            "interval": [interval(by_film[:, grade], rng) for grade in range(len(GRADES))],
            "spread": [spread_of(picks, tables, length) for length in SPREAD_SECONDS],
        }
    area = np.mean(shares, axis=0)
    return {
        "area": round(float(area.mean()), 4),
        "area_interval": interval(area, rng),
        "budgets": budgets,
        "cpu_seconds_a_film": round(cpu / len(tables), 4),
    }


def spread_of(picks: list[F64], tables: list[FrameTable], length: float) -> float:
    """The mean of `spread_share` over films."""
    ends = [float(table.seconds[-1]) for table in tables]
    shares = [spread_share(*pair, length) for pair in zip(picks, ends, strict=True)]
    return round(float(np.mean(shares)), 4)


def against_uniform(policies: Mapping[str, Any], policy: str) -> dict[str, list[float]]:
    """By budget: what a policy finds of evenly spread evidence, as a share of what uniform does."""
    mine, even = (policies[name]["budgets"] for name in (policy, "uniform"))
    return {
        budget: np.divide(mine[budget]["spread"], even[budget]["spread"]).round(3).tolist()
        for budget in mine
    }


def study(work: Work, seeds: range) -> dict[str, Any]:
    """Measures every policy on the films of these seeds."""
    truths, store = truth_of(work), open_store(work.store)
    tables = [store[video_id(seed)].table for seed in seeds]
    events = [events_of(truths[video_id(seed)]) for seed in seeds]
    ceiling = np.array(
        [found(*pair) for pair in zip((t.seconds for t in tables), events, strict=True)]
    )
    policies = {}
    for policy in COMPARED:
        policies[policy] = row = measure(tables, events, policy)
        recalls = "  ".join(
            "/".join(f"{share:.2f}" for share in cell["recall"]) for cell in row["budgets"].values()
        )
        click.echo(f"{policy:<12} area {row['area']:.3f}  {recalls}")
    return {
        "machine": machine(),
        "set": work.set_name,
        "films": len(seeds),
        "events_a_grade": int(sum((e[:, 2] == 1).sum() for e in events)),
        "minutes_a_film": work.minutes,
        "ceiling": ceiling.mean(axis=0).round(4).tolist(),
        "spread_seconds": SPREAD_SECONDS,
        "spread_of_adaptive_beside_uniform": against_uniform(policies, "adaptive"),
        "policies": policies,
    }


@click.command()
@click.argument("footage", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-w", "--work", "folder", required=True, type=click.Path(path_type=Path))
@click.option(
    "--set", "set_name", type=click.Choice(["train", "test"]), default="train", show_default=True
)
@click.option("--films", default=34, show_default=True)
@click.option("--same", multiple=True, help="Names with this word are one recording; repeat it.")
@click.option("--workers", default=2, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(
    footage: Path,
    folder: Path,
    set_name: SetName,
    films: int,
    same: tuple[str, ...],
    workers: int,
    output: Path | None,
) -> None:
    """Makes and indexes films of FOOTAGE, and measures what each policy finds in them."""
    work = Work(footage, folder, set_name, same=same)
    make_films(work, range(films), workers=workers)
    result = study(work, range(films))
    keep_result(result, output)


if __name__ == "__main__":
    main()
