"""How long do policies take beside their peers?

    python -m fewframes.bench.research.selection -o FILE

1. Every case of `CASES` picks K = 64 rows of a made-up film's signatures ``[n, 256] f32``, in a
   process of its own with one thread for BLAS and for Numba, so that CPU seconds are those of one
   core. A call on a small film comes first: it loads the compiled kernels, and is told apart.
2. The facility location of apricot-select and submodlib, where they are installed, picks from the
   same rows, from signatures to picks, with the similarities made by BLAS for all.
3. Their objective is computed from the picks alone: how similar, on average, a row is to the most
   similar one picked.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from fewframes.arrays import F32, F64, I64
from fewframes.bench.measure import keep_result, machine, run_cold
from fewframes.features.table import FrameTable
from fewframes.metrics.measures import nearest_cosines
from fewframes.selection.candidates import Candidates
from fewframes.selection.facility import represented
from fewframes.selection.selection import select

BUDGET, DIMENSIONS = 64, 256
ONE_THREAD: dict[str, str] = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
PEERS = {"apricot": "apricot-select", "submodlib": "submodlib-py"}
"""Import name -> package."""

Pick = Callable[[F32, F64], I64]
"""Signatures and relevance to rows."""


def by_policy(name: str, *, is_scored: bool = False) -> Pick:
    """A policy through `select`, as a user calls it.

    >>> picks = by_policy("kcenter")(film_signatures(200), np.zeros(200))
    >>> len(picks)
    64
    """

    def pick(signatures: F32, relevance: F64) -> I64:
        table = FrameTable.from_seconds(np.arange(len(signatures)) / 2, signatures=signatures)
        scores = relevance if is_scored else None
        return select(table, budget=BUDGET, policy=name, relevance=scores).rows

    return pick


def facility_on_all(signatures: F32, _relevance: F64) -> I64:
    """Facility location where every row is an anchor, as peers have it."""
    seconds = np.arange(len(signatures)) / 2
    everything = Candidates(
        seconds=seconds, is_keyframe=seconds == 0, signatures=signatures, coverage=0.0
    )
    return represented(everything, budget=BUDGET, redundancy=0.0, anchors=len(signatures)).rows


def apricot(signatures: F32, _relevance: F64) -> I64:
    """Lazy greedy facility location of apricot-select, on similarities by BLAS."""
    from apricot import FacilityLocationSelection

    alike = np.clip(signatures @ signatures.T, 0, 1).astype(np.float64)
    chooser = FacilityLocationSelection(BUDGET, metric="precomputed", optimizer="lazy")
    rows: I64 = chooser.fit(alike).ranking
    return rows


def submodlib(signatures: F32, _relevance: F64) -> I64:
    """Lazy greedy facility location of submodlib, on similarities by BLAS."""
    from submodlib import FacilityLocationFunction

    alike = np.clip(signatures @ signatures.T, 0, 1)
    function = FacilityLocationFunction(
        n=len(signatures), mode="dense", sijs=alike, separate_rep=False
    )
    chosen = function.maximize(budget=BUDGET, optimizer="LazyGreedy", show_progress=False)
    return np.array([row for row, _ in chosen])


@dataclass(frozen=True, slots=True)
class Case:
    """One row of `CASES`."""

    pick: Pick
    """What is measured."""
    rows: int
    """How many candidates."""
    kind: str = "film"
    """``film``: shots of slowly changing pictures; ``noise``: nothing is like anything."""
    peer: str | None = None
    """The import name of the package it measures, if another's."""


LARGE, SMALL = 100_000, 5_000
CASES: dict[str, Case] = {
    "adaptive": Case(by_policy("adaptive"), LARGE),
    "adaptive, relevance": Case(by_policy("adaptive", is_scored=True), LARGE),
    "adaptive, noise": Case(by_policy("adaptive"), LARGE, "noise"),
    "kcenter": Case(by_policy("kcenter"), LARGE),
    "dpp": Case(by_policy("dpp"), LARGE),
    "dpp, relevance": Case(by_policy("dpp", is_scored=True), LARGE),
    "dpp, noise": Case(by_policy("dpp"), LARGE, "noise"),
    "facility": Case(by_policy("facility"), LARGE),
    "facility, relevance": Case(by_policy("facility", is_scored=True), LARGE),
    "facility, noise": Case(by_policy("facility"), LARGE, "noise"),
    "query, relevance": Case(by_policy("query", is_scored=True), LARGE),
    "maxvol": Case(by_policy("maxvol"), LARGE),
    "cdf, relevance": Case(by_policy("cdf", is_scored=True), LARGE),
    "aks, relevance": Case(by_policy("aks", is_scored=True), LARGE),
    **{
        f"{name} of {SMALL}, {kind}": Case(pick, SMALL, kind, peer)
        for kind in ("film", "noise")
        for name, pick, peer in (
            ("facility", by_policy("facility"), None),
            ("facility on all", facility_on_all, None),
            ("apricot", apricot, "apricot"),
            ("submodlib", submodlib, "submodlib"),
        )
    },
}
"""Name -> case: the command, the benchmark suite and its check run over this table."""


def film_signatures(rows: int, *, kind: str = "film") -> F32:
    """Makes unit rows ``[n, 256] f32``: shots of about 60 rows around a picture, or noise.

    >>> film_signatures(3).shape
    (3, 256)
    """
    rng = np.random.default_rng(0)
    signatures = rng.standard_normal((rows, DIMENSIONS), np.float32)
    if kind == "film":
        shot = np.cumsum(rng.random(rows) < 1 / 60)
        signatures = rng.standard_normal((rows, DIMENSIONS), np.float32)[shot] + 0.15 * signatures
    signatures /= np.linalg.norm(signatures, axis=1, keepdims=True)
    return signatures.astype(np.float32)


def objective(signatures: F32, rows: I64) -> float:
    """The mean over all rows of the similarity (cosine, at least 0) to the nearest row picked."""
    return float(nearest_cosines(signatures, rows).clip(0).mean())


def measure(name: str, *, rounds: int) -> dict[str, Any]:
    """Runs one case in this process: CPU and wall seconds of a call, medians."""
    case = CASES[name]
    few = film_signatures(200)
    started = time.process_time()
    case.pick(few, np.arange(200) / 200)
    loaded = time.process_time() - started
    signatures = film_signatures(case.rows, kind=case.kind)
    relevance = np.random.default_rng(1).random(case.rows)
    cpu, wall = [], []
    for _ in range(rounds):
        starts = time.process_time(), time.perf_counter()
        rows = case.pick(signatures, relevance)
        cpu.append(time.process_time() - starts[0])
        wall.append(time.perf_counter() - starts[1])
    return {
        "rows": case.rows,
        "cpu_seconds": round(median(cpu), 4),
        "wall_seconds": round(median(wall), 4),
        "first_small_call_cpu_seconds": round(loaded, 4),
        "objective": round(objective(signatures, rows), 6),
    }


def compare(results: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """How many times a peer's CPU seconds ours are in, and our share of its objective."""
    ratios = {}
    for name, theirs in results.items():
        if CASES[name].peer is None:
            continue
        for ours in ("facility", "facility on all"):
            mine = results[f"{ours}{name.removeprefix(str(CASES[name].peer))}"]
            ratios[f"{ours} / {name}"] = {
                "times_faster": round(theirs["cpu_seconds"] / mine["cpu_seconds"], 1),
                "share_of_objective": round(mine["objective"] / theirs["objective"], 6),
            }
    return ratios


JOB = ["-m", "fewframes.bench.research.selection"]
"""This module as a process of its own."""


@click.command()
@click.option("--case", type=click.Choice(list(CASES)), help="Measure this one, in this process.")
@click.option("--rounds", default=5, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(case: str | None, rounds: int, output: Path | None) -> None:
    """Measures every policy that works on pictures or scores, and its peers."""
    if case is not None:
        click.echo(json.dumps(measure(case, rounds=rounds)))
        return
    results = {}
    for name, row in CASES.items():
        if row.peer is not None and find_spec(row.peer) is None:
            click.echo(f"{name:<34} not measured: {PEERS[row.peer]} is not installed")
            continue
        arguments = [*JOB, "--case", name, "--rounds", str(rounds)]
        run_cold(arguments, ONE_THREAD)  # compiles, where that has not been done yet
        results[name] = run_cold(arguments, ONE_THREAD)["said"]
        seconds = results[name]["cpu_seconds"]
        click.echo(f"{name:<34} {seconds:8.3f} CPU s   objective {results[name]['objective']:.4f}")
    ratios = compare(results)
    for name, ratio in ratios.items():
        faster, share = ratio["times_faster"], ratio["share_of_objective"]
        click.echo(f"{name:<52} {faster:7.1f} x faster, {share:.4f} of its objective")
    about = {"budget": BUDGET, "dimensions": DIMENSIONS, "threads": 1, "rounds": rounds}
    facts = {"machine": machine(tuple(PEERS.values())), **about}
    record = {**facts, "results": results, "ratios": ratios}
    keep_result(record, output)


if __name__ == "__main__":
    main()
