"""Does a policy find the evidence? ``fewframes bench recall [STORE] ANNOTATIONS``.

`fewframes.bench.evaluation` measures; this asks it, prints tables, and writes JSON and a chart.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy.typing as npt

from fewframes.bench.charts import lines
from fewframes.bench.evaluation import (
    BUDGETS,
    Scores,
    Subject,
    evaluate,
    made_up_subjects,
    stored_subjects,
)
from fewframes.bench.measure import keep_result, machine
from fewframes.cli.params import WHERE, cli_errors
from fewframes.metrics.annotations import read_annotations
from fewframes.store.store import Store

SHOWN = ("recall", "hit", "all", "precision", "near f1", "lift", "gap", "facility", "radius")
"""Measures that are printed at one budget; all are in the JSON."""


def read_budgets(_context: object, _parameter: object, text: str) -> list[int]:
    """Reads ``8,16,32``; raises BadParameter where that is no list of budgets."""
    try:
        budgets = sorted({int(part) for part in text.split(",")})
    except ValueError:
        budgets = [0]
    if budgets[0] < 1:
        raise click.BadParameter(f"{text!r} is no list of budgets; pass numbers such as 8,16,32")
    return budgets


def by_signal(name: str) -> Scores:
    """The same signal for every question."""

    def score(subject: Subject, _question: str) -> npt.ArrayLike:
        if name not in subject.table.signals:
            known = ", ".join(subject.table.signals) or "none"
            raise ValueError(f"relevance={name!r} is no signal of the store; it has {known}")
        return subject.table.signals[name]

    return score


def by_model(store: Store, name: str) -> Scores:
    """The likeness of each frame to the question's text, by a model whose vectors are stored."""
    from fewframes.store.embedding import load_embedder

    model = load_embedder(name)

    def score(subject: Subject, question: str) -> npt.ArrayLike:
        text = subject.annotation.questions.get(question)
        if not text:
            raise ValueError(
                f"question {question!r} of {subject.annotation.video!r} has no text to score "
                "frames by; add it to the annotation's questions"
            )
        scores: npt.ArrayLike = store[subject.annotation.video].relevance(text, embedder=model)
        return scores

    return score


@click.command("recall")
@click.argument("paths", metavar="[STORE] ANNOTATIONS", nargs=-1, required=True, type=WHERE)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    help="Policy to measure; repeat it, or leave it out for all.",
)
@click.option(
    "--budgets",
    callback=read_budgets,
    default=",".join(map(str, BUDGETS)),
    show_default=True,
    help="Numbers of frames K, with commas between.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=0.0,
    help="Seconds by which a frame may miss an event and still count.",
)
@click.option("--relevance", help="Signal that scores frames for policies that read relevance.")
@click.option("--model", help="Model that scores frames by the texts of the questions.")
@click.option(
    "--fps",
    type=click.FloatRange(0, min_open=True),
    default=2.0,
    show_default=True,
    help="Candidate frames per second, without a STORE.",
)
@click.option(
    "--plot", type=click.Path(path_type=Path), help="File for a chart of recall over K, as SVG."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File for the result, as JSON."
)
@cli_errors
def main(
    paths: Sequence[str | Path],
    policies: tuple[str, ...],
    budgets: list[int],
    tolerance: float,
    relevance: str | None,
    model: str | None,
    fps: float,
    plot: Path | None,
    output: Path | None,
) -> None:
    """Measures how much of the evidence in ANNOTATIONS policies find with K frames per video.

    ANNOTATIONS are JSON lines (see fewframes.metrics). Without a STORE only policies that need
    times alone are measured.
    """
    store, annotations = opened(paths)
    given = read_annotations(annotations)
    subjects = made_up_subjects(given, fps=fps) if store is None else stored_subjects(given, store)
    scores = scores_for(store, relevance, model)
    request: dict[str, Any] = {"policies": policies, "budgets": budgets, "tolerance": tolerance}
    result = evaluate(subjects, **request, scores=scores)
    candidates = "the store's rows" if store is not None else f"{fps:g} a second"
    scored = {"relevance": relevance, "model": model}
    about = {"annotations": annotations.name, "candidates_from": candidates, **scored}
    result = {"machine": machine(), **about, **result}
    print_table(result)
    if plot:
        plot.write_text(recall_chart(result))
    keep_result(result, output)


def opened(paths: Sequence[str | Path]) -> tuple[Any, Path]:
    """The store, None where there is none, and the file of annotations."""
    import fewframes as ff

    if len(paths) > 2 or not isinstance(paths[-1], Path):
        raise click.UsageError("pass a STORE and a file of ANNOTATIONS, or the file alone")
    return (ff.open(paths[0]) if len(paths) == 2 else None), paths[-1]


def scores_for(store: Store | None, relevance: str | None, model: str | None) -> Scores | None:
    """What scores frames: a signal, a model, or nothing."""
    if store is None:
        if relevance or model:
            raise click.UsageError("--relevance and --model need a STORE; 'index' makes one")
        return None
    if relevance and model:
        raise click.UsageError("--relevance and --model both score frames; pass one")
    if model:
        return by_model(store, model)
    return by_signal(relevance) if relevance else None


def print_table(result: dict[str, Any]) -> None:
    """Prints recall by budget, for each grade, and the other measures in the middle of them."""
    about, budgets = result["about"], result["budgets"]
    click.echo(
        f"{about['videos']} videos, {about['hours']} h, {about['questions']} questions, "
        f"{about['events']} events, {about['candidates']} candidates"
    )
    for name, ceiling in about["ceiling"].items():
        if name.startswith("recall"):
            click.echo(f"\n{name} (with all candidates {ceiling:.3f})")
            click.echo(_heads("", [*(f"K={k}" for k in budgets), "area"]))
            say_curve(result, name)
    middle = str(budgets[len(budgets) // 2])
    click.echo(f"\nat K={middle}")
    first = next(iter(result["policies"].values()))["budgets"][middle]
    names = [name for name in SHOWN if name in first]
    click.echo(_heads("", names))
    for policy, row in result["policies"].items():
        cells = [_number(row["budgets"][middle][name]["mean"]) for name in names]
        click.echo(_heads(policy, cells))


def say_curve(result: dict[str, Any], name: str) -> None:
    """Prints a line a policy: a measure at each budget, the area with its interval."""
    expected = [_number(row[name]["mean"]) for row in result["expected_uniform"].values()]
    click.echo(_heads("evenly, by chance", expected))
    for policy, row in result["policies"].items():
        cells = [_number(cell[name]["mean"]) for cell in row["budgets"].values()]
        under = row["area"][name]
        interval = f"  [{_number(under['low'])}, {_number(under['high'])}]"
        click.echo(_heads(policy, [*cells, _number(under["mean"])]) + interval)


def recall_chart(result: dict[str, Any]) -> str:
    """Recall over K with its intervals, a line a policy, as SVG."""
    series = {
        policy: [
            (float(k), cell["recall"]["mean"], cell["recall"]["low"], cell["recall"]["high"])
            for k, cell in row["budgets"].items()
        ]
        for policy, row in result["policies"].items()
    }
    title = f"Share of {result['about']['events']} events that hold a chosen frame"
    return lines(series, title=title, across="frames a video", up="interval recall")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _heads(name: str, cells: Sequence[str]) -> str:
    return f"{name:<22}" + "".join(f"{cell:>10}" for cell in cells)


if __name__ == "__main__":
    main()
