"""The command that embeds stored pictures with a model."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

import fewframes
from fewframes.cli.params import WHERE, cli_errors, say
from fewframes.indexing.results import ExitStatus
from fewframes.naming import one_line, quoted
from fewframes.store.results import Status

MODEL_HELP = "Folder of a CLIP- or SigLIP-like model, or its name on the hub."


@click.command()
@click.argument("store", type=WHERE)
@click.option("--model", required=True, help=MODEL_HELP)
@click.option("--revision", help="Branch, tag or commit of a model on the hub.")
@click.option("--device", default="cpu", show_default=True, help="Device, as PyTorch names it.")
@click.option(
    "--batch", type=click.IntRange(1), default=32, show_default=True, help="Pictures per batch."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per video.")
@cli_errors
def embed(
    store: str | Path, model: str, revision: str | None, device: str, batch: int, as_json: bool
) -> None:
    """Embeds the pictures of a store with a model. A second run continues the first."""
    from fewframes.store.embedding import load_embedder

    videos = fewframes.open(store)
    embedder = load_embedder(model, revision=revision, device=device)
    report_progress = show_progress if sys.stderr.isatty() else None
    outcomes = videos.embed(embedder, batch=batch, progress=report_progress)
    for outcome in outcomes:
        words = outcome.reason or f"{outcome.stored} pictures"
        line = f"{quoted(outcome.video_id)}: {outcome.status}, {words}"
        facts = {"video": outcome.video_id, "embedder": embedder.name, **asdict(outcome)}
        say(json.dumps(facts) if as_json else line)
    is_all = all(outcome.status != Status.FAILED for outcome in outcomes)
    sys.exit(ExitStatus.DONE if is_all else ExitStatus.NOT_ALL)


def show_progress(video_id: str, done: int, total: int) -> None:
    """Shows the progress of a video on one line of a terminal."""
    click.echo(f"\r{one_line(video_id[-60:])}: {done} of {total}", nl=done == total, err=True)
