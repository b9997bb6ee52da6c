"""Commands on stores: ls, info, verify."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

import fewframes
from fewframes.wording import STORE_MARK, plainly, show, the_video


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@plainly
def ls(store: Path, as_json: bool) -> None:
    """Lists the videos of a store."""
    from fewframes.describing import listed_line

    for row in fewframes.open(store).lines():
        facts = listed_line(row)
        click.echo(json.dumps(facts) if as_json else "  ".join(str(v) for v in facts.values()))


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.argument("video", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plainly
def info(store: Path, video: str | None, as_json: bool) -> None:
    """Says all that a store knows of one video."""
    from fewframes.describing import video_facts

    show(video_facts(the_video(fewframes.open(store), video)), as_json=as_json)


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--film",
    "films",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Film or folder indexed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a video.")
@plainly
def verify(source: Path, films: tuple[Path, ...], as_json: bool) -> None:
    """Checks a film by decoding it, or every byte of a STORE; with --film also its frames."""
    from fewframes.verifying import verify_film, verify_store

    if (source / STORE_MARK).is_file():
        verdicts = verify_store(source, films)
    else:
        verdicts = [verify_film(source)]
    for verdict in verdicts:
        words = verdict.differences[0] if verdict.differences else "as it should be"
        line = f"{verdict.video}: {words} ({verdict.compared} compared)"
        click.echo(json.dumps(asdict(verdict)) if as_json else line)
    sys.exit(3 if any(verdict.differences for verdict in verdicts) else 0)
