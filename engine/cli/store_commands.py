"""Commands on stores: ls, info, embed, verify, rm, compact, export, mcp."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from itertools import chain
from pathlib import Path

import click

import fewframes
from fewframes.cli import params
from fewframes.cli.params import PATH, WHERE, cli_errors, on_disk, option, say
from fewframes.indexing.results import ExitStatus
from fewframes.naming import byte_words, one_line, quoted
from fewframes.plugins import plugin
from fewframes.store.dataset_export import FORMATS, export_videos
from fewframes.store.resolve import resolve_store
from fewframes.store.results import Status

FORMAT = click.Choice(list(FORMATS))
MODEL_HELP = "Folder of a CLIP- or SigLIP-like model, or its name on the hub."


def film_option(words: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes the option of films, which says what they are for."""
    words = f"Film or folder that {words}; repeat it for more."
    return option("--film", "films", multiple=True, type=PATH, help=words)


@click.command()
@click.argument("store", type=WHERE)
@option("--where", help='SQL condition on the columns, such as "rows > 10".')
@option("--failed", is_flag=True, help="List only films that failed, and why.")
@option("--parquet", type=PATH, help="Write the rows to this file.")
@option("--json", "as_json", is_flag=True, help="Print all columns, one JSON object per line.")
@cli_errors
def ls(
    store: str | Path, where: str | None, failed: bool, parquet: Path | None, as_json: bool
) -> None:
    """Lists the videos of a store and its failed films, or those that match a condition."""
    from fewframes.cli.formatting import LISTED, listed_line

    opened = fewframes.open(store)
    if parquet is not None:
        from fewframes.store.sql import write_parquet

        write_parquet(opened.to_table(where, failed=failed), parquet)
        return
    if where is not None:
        rows = iter(opened.to_table(where, failed=failed).to_pylist())
    else:
        listed = iter(()) if failed else opened.lines(None if as_json else LISTED)
        rows = chain(listed, opened.failures())
    for row in rows:
        line = listed_line(row)
        words = [row[name] for name in ("reason", "notes") if row[name]]
        if len(row["recipes"] or ()) > 1:
            words.insert(0, f"{len(row['recipes'])} recipes of {byte_words(row['total_bytes'])}")
        plain = {**line, "id": quoted(row["id"])}
        shown = "  ".join(map(str, [*plain.values(), *words]))
        say(json.dumps(line | row) if as_json else shown)


@click.command()
@click.argument("store", type=WHERE)
@click.argument("video", required=False)
@option("--recipe", help="Key of another recipe than the current one.")
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@cli_errors
def info(store: str | Path, video: str | None, recipe: str | None, as_json: bool) -> None:
    """Prints the record of one video: its film, recipes, counts and status."""
    from fewframes.cli.formatting import video_facts

    params.show(
        video_facts(params.the_video(fewframes.open(store), video, recipe)), as_json=as_json
    )


@click.command()
@click.argument("store", type=WHERE)
@option("--model", required=True, help=MODEL_HELP)
@option("--revision", help="Branch, tag or commit of a model on the hub.")
@option("--device", default="cpu", help="Device, as PyTorch names it.")
@option("--batch", type=click.IntRange(1), default=32, help="Pictures per batch.")
@option("--json", "as_json", is_flag=True, help="Print one JSON object per video.")
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


@click.command()
@click.argument("source", type=WHERE)
@film_option("was indexed")
@option("--repair", is_flag=True, help="Index broken videos again, from --film.")
@option("--drop", is_flag=True, help="With --repair, delete videos that cannot be repaired.")
@option("--json", "as_json", is_flag=True, help="Print one JSON object per video.")
@cli_errors
def verify(
    source: str | Path, films: tuple[Path, ...], repair: bool, drop: bool, as_json: bool
) -> None:
    """Checks a film by decoding it, or every byte of a store; --film also checks its frames."""
    from fewframes.checking.repair import repair_store
    from fewframes.checking.verify import verify_film, verify_store

    if repair and not params.is_store(source):
        raise click.UsageError(f"{str(source)!r} is not a store; only a store can be repaired")
    if drop and not repair:
        raise click.UsageError("--drop goes with --repair")
    if params.is_store(source):
        verdicts = verify_store(resolve_store(source), films)
    else:
        verdicts = [params.apart(verify_film, on_disk(source))]
    for verdict in verdicts:
        words = verdict.differences[0] if verdict.differences else "as it should be"
        notes = "".join(f"; {note}" for note in verdict.notes)
        line = f"{quoted(verdict.video)}: {words} ({verdict.compared} compared{notes})"
        say(json.dumps(verdict.to_dict()) if as_json else line)
    is_well = all(verdict.is_well for verdict in verdicts)
    if repair and not is_well:
        repairs = list(repair_store(source, verdicts, films, drop=drop))
        for done in repairs:
            line = f"{quoted(done.video)}: {done.words}"
            say(json.dumps(done.to_dict()) if as_json else line)
        is_well = all(done.is_repaired for done in repairs)
    sys.exit(ExitStatus.DONE if is_well else ExitStatus.NOT_ALL)


@click.command()
@click.argument("store", type=WHERE)
@click.argument("videos", nargs=-1, required=True)
@option("--recipe", help="Delete one recipe only, by its key; see 'fewframes info'.")
@cli_errors
def rm(store: str | Path, videos: tuple[str, ...], recipe: str | None) -> None:
    """Deletes videos from a store: their pictures, tables and names."""
    from fewframes.store.removal import remove_recipe, remove_videos

    if recipe is None:
        remove_videos(store, videos)
        return
    for video in videos:
        say(f"{quoted(video)}: {remove_recipe(store, video, recipe)} deleted")


@click.command()
@click.argument("store", type=WHERE)
@option("--prune", is_flag=True, help="Delete every recipe that is not the current one.")
@cli_errors
def compact(store: str | Path, prune: bool) -> None:
    """Rebuilds the catalogue of a store from its records, and deletes unfinished files."""
    from fewframes.store.compaction import compact as make_anew
    from fewframes.store.gc import sweep
    from fewframes.store.marker import check_store
    from fewframes.store.removal import prune as prune_recipes

    files = resolve_store(store)
    check_store(files)
    sweep(files)
    if prune:
        say(f"{byte_words(prune_recipes(files))} given back")
    say(f"{make_anew(files)} videos")


@click.command()
@click.argument("store", type=WHERE)
@cli_errors
def migrate(store: str | Path) -> None:
    """Brings a store that an older fewframes wrote up to date. No film is decoded."""
    from fewframes.store.migrate import migrate as bring_up_to_date

    problems = bring_up_to_date(store)
    for words in problems:
        say(f"left as it is: {words}")
    say(f"{len(fewframes.open(store))} videos")
    sys.exit(ExitStatus.NOT_ALL if problems else ExitStatus.DONE)


@click.command()
@click.argument("store", type=WHERE)
@click.argument("videos", nargs=-1, required=True)
@option("--to", "folder", required=True, type=PATH, help="Folder to create.")
@option(
    "--format", "form", required=True, type=FORMAT, help="Form of the files; README describes each."
)
@cli_errors
def export(store: str | Path, videos: tuple[str, ...], folder: Path, form: str) -> None:
    """Writes indexed frames of videos, with their exact times, for other programs."""
    opened = fewframes.open(store)
    export_videos([opened[video] for video in videos], folder, form=form)


@click.command()
@click.argument("store", type=PATH)
@option("--max-frames", type=click.IntRange(1), help="Most frames per video that a client may see.")
@film_option("clients may zoom into")
@click.option("--log", type=PATH, help="File that records each look as JSON.")
@cli_errors
def mcp(store: Path, max_frames: int | None, films: tuple[Path, ...], log: Path | None) -> None:
    """Serves a store to agents by the Model Context Protocol, over stdin and stdout."""
    plugin("mcp.serve")(store, max_frames=max_frames, films=films, log=log)
