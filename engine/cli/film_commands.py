"""Commands that start from films: probe, sample, policies; `index_command` has index."""

import json
from pathlib import Path
from typing import Any

import click

import fewframes
from fewframes.cli import params
from fewframes.cli.params import PATH, TIME, WHERE, cli_errors, option
from fewframes.decode.backend_choice import DEVICE_CHOICES, DecoderRequest
from fewframes.decode.decoder import DECODERS
from fewframes.media.sizes import SCAN_FPS

BACKEND = option(
    "--backend",
    type=click.Choice(list(DECODERS)),
    help="Decoder; chosen by device and stream if not given.",
)
DEVICE = option(
    "--device",
    type=click.Choice(DEVICE_CHOICES),
    default=DecoderRequest().device,
    help="Device that decodes; auto picks the one that is predicted to be faster.",
)
OF_FILE = ("scan_fps", "size", "backend", "device", "allow_damaged")
"""Options of `sample` that say how a file is scanned."""


@click.command()
@click.argument("file", type=PATH)
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@option("--stream", type=int, help="Index of the video stream in the container.")
@option("--verify", is_flag=True, help="Decode everything once and correct the prediction.")
@cli_errors
def probe(file: Path, as_json: bool, stream: int | None, verify: bool) -> None:
    """Reports stream, times and damage of a video file from its packets alone."""
    from fewframes.cli.formatting import probed_facts

    params.show(params.apart(probed_facts, file, stream=stream, verify=verify), as_json=as_json)


@click.command()
@click.argument("source", type=WHERE)
@click.argument("video", required=False)
@option("-k", "--budget", type=int, default=16, help="Number of frames.")
@option(
    "--policy",
    default="adaptive",
    help="Policy that picks the frames; 'fewframes policies' lists them.",
)
@option("--start", type=TIME, help="Start of the span: seconds, or HH:MM:SS.")
@option("--end", type=TIME, help="End of the span, inclusive: seconds, or HH:MM:SS.")
@click.option(
    "--min-gap", "min_gap_seconds", type=float, default=0.0, help="Least seconds between frames."
)
@option("--distinct", is_flag=True, help="Take each stored picture once.")
@option("--coverage", type=float, help="Share of the budget, 0 to 1, that covers time.")
@option("--relevance", help="Signal that scores the frames, such as 'sharpness'.")
@option("--query", help="Text that scores the frames of a STORE; needs --model.")
@option("--model", help="Model that 'embed' was run with; it encodes the query.")
@option("--revision", help="Branch, tag or commit of a model on the hub.")
@option("--features", help="Name of a model whose vectors replace signatures.")
@option("--fps", type=float, help="Frames per second of the policies 'fps', 'runtime:…'.")
@option("--k-max", type=int, help="Largest number of frames of the policy 'maxvol'.")
@option("--anchor", "anchor_seconds", type=TIME, help="Time of the policy 'multiscale'.")
@option("--seed", type=int, help="Random seed of the policy 'cdf'.")
@click.option(
    "--scan-fps",
    type=params.RATE,
    default=SCAN_FPS,
    help="Frames scanned per second of a file, or 'all'.",
)
@option("--size", type=params.SIZE, help="Longer side, or HxW, of frames of a file.")
@BACKEND
@DEVICE
@option("--allow-damaged", is_flag=True, help="Also pick frames of a file that may be damaged.")
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@option("--out", type=PATH, help="Folder for JPEGs and frames.json.")
@cli_errors
def sample(
    source: str | Path,
    video: str | None,
    start: float | None,
    end: float | None,
    as_json: bool,
    out: Path | None,
    query: str | None,
    model: str | None,
    revision: str | None,
    features: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Picks frames of a video in a store, or of a video file, by a policy."""
    from fewframes.cli.formatting import sample_facts, write_sample

    options["span"] = None if start is None and end is None else (start, end)
    of_file = {name: options.pop(name) for name in OF_FILE}
    if params.is_store(source):
        if of_file["backend"] or of_file["device"] != "cpu":
            raise click.UsageError("--backend and --device say who decodes a file, not a STORE")
        stored = params.the_video(fewframes.open(source), video)
        batch = stored.sample(features=features, **question(query, model, revision), **options)
    elif video is not None:
        raise click.UsageError(f"{str(source)!r} is not a store, so VIDEO {video!r} means nothing")
    elif query or model or features:
        raise click.UsageError("--query, --model and --features need a STORE; 'index' makes one")
    else:
        batch = params.apart(fewframes.sample, params.on_disk(source), **options, **of_file)
    facts = sample_facts(batch)
    if out is not None:
        write_sample(batch, facts, out)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        params.show_frames(facts["frames"])


def question(query: str | None, model: str | None, revision: str | None) -> dict[str, Any]:
    """The arguments of a question, with its model loaded; none without a question."""
    if query is None and model is None:
        return {}
    if query is None or model is None:
        raise click.UsageError("--query needs --model, and --model a --query")
    from fewframes.store.embedding import load_embedder

    return {"query": query, "embedder": load_embedder(model, revision=revision)}


@click.command()
@option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@cli_errors
def policies(as_json: bool) -> None:
    """Lists the policies, including those of other packages."""
    from fewframes.cli.formatting import policy_facts

    for facts in policy_facts():
        plain = f"{facts['policy']:<30} {facts['picks']}"
        click.echo(json.dumps(facts) if as_json else plain)
