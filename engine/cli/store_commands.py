"""Commands on stores: ls, info, verify, rm, compact, export."""

import json
import sys
from itertools import chain
from pathlib import Path

import click

import fewframes
from fewframes.cli.params import (
    WHERE,
    apart,
    cli_errors,
    is_store,
    on_disk,
    say,
    show,
    the_video,
)
from fewframes.indexing.results import ExitStatus
from fewframes.naming import byte_words, quoted
from fewframes.plugins import plugin
from fewframes.store.dataset_export import FORMATS, export_videos
from fewframes.store.resolve import resolve_store

FORMAT = click.Choice(list(FORMATS))


@click.command()
@click.argument("store", type=WHERE)
@click.option("--where", help='SQL condition on the columns, such as "rows > 10".')
@click.option("--parquet", type=click.Path(path_type=Path), help="Write the rows to this file.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print all columns, one JSON object per line."
)
@cli_errors
def ls(store: str | Path, where: str | None, parquet: Path | None, as_json: bool) -> None:
    """Lists the videos of a store and its failed films, or those that match a condition."""
    from fewframes.cli.formatting import LISTED, listed_line

    opened = fewframes.open(store)
    if parquet is not None:
        from fewframes.store.sql import write_parquet

        write_parquet(opened.to_table(where), parquet)
        return
    if where is None:
        rows = chain(opened.lines(None if as_json else LISTED), opened.failures())
    else:
        rows = iter(opened.to_table(where).to_pylist())
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
@click.option("--recipe", help="Key of another recipe than the current one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@cli_errors
def info(store: str | Path, video: str | None, recipe: str | None, as_json: bool) -> None:
    """Prints the record of one video: its film, recipes, counts and status."""
    from fewframes.cli.formatting import video_facts

    show(video_facts(the_video(fewframes.open(store), video, recipe)), as_json=as_json)


@click.command()
@click.argument("source", type=WHERE)
@click.option(
    "--film",
    "films",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Film or folder that was indexed; repeat it for more.",
)
@click.option("--repair", is_flag=True, help="Index broken videos again, from --film.")
@click.option("--drop", is_flag=True, help="With --repair, delete videos that cannot be repaired.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per video.")
@cli_errors
def verify(
    source: str | Path, films: tuple[Path, ...], repair: bool, drop: bool, as_json: bool
) -> None:
    """Checks a film by decoding it, or every byte of a store; --film also checks its frames."""
    from fewframes.checking.repair import repair_store
    from fewframes.checking.verify import verify_film, verify_store

    if repair and not is_store(source):
        raise click.UsageError(f"{str(source)!r} is not a store; only a store can be repaired")
    if drop and not repair:
        raise click.UsageError("--drop goes with --repair")
    if is_store(source):
        verdicts = verify_store(resolve_store(source), films)
    else:
        verdicts = [apart(verify_film, on_disk(source))]
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
@click.option("--recipe", help="Delete one recipe only, by its key; see 'fewframes info'.")
@cli_errors
def rm(store: str | Path, videos: tuple[str, ...], recipe: str | None) -> None:
    """Deletes videos from a store: their pictures, tables and names."""
    from fewframes.store.removal import remove_recipe, remove_videos

    if recipe is None:
        remove_videos(store, videos)
        return
    for video in videos:
        remove_recipe(store, video, recipe)


@click.command()
@click.argument("store", type=WHERE)
@click.option("--prune", is_flag=True, help="Delete every recipe that is not the current one.")
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
@click.option(
    "--to", "folder", required=True, type=click.Path(path_type=Path), help="Folder to create."
)
@click.option(
    "--format",
    "form",
    required=True,
    type=FORMAT,
    help="Form of the files; README describes each.",
)
@cli_errors
def export(store: str | Path, videos: tuple[str, ...], folder: Path, form: str) -> None:
    """Writes indexed frames of videos, with their exact times, for other programs."""
    opened = fewframes.open(store)
    export_videos([opened[video] for video in videos], folder, form=form)


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.option(
    "--max-frames", type=click.IntRange(1), help="Most frames per video that a client may see."
)
@click.option(
    "--film",
    "films",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Film or folder that clients may zoom into; repeat it for more.",
)
@click.option("--log", type=click.Path(path_type=Path), help="File that records each look as JSON.")
@cli_errors
def mcp(store: Path, max_frames: int | None, films: tuple[Path, ...], log: Path | None) -> None:
    """Serves a store to agents by the Model Context Protocol, over stdin and stdout."""
    plugin("mcp.serve")(store, max_frames=max_frames, films=films, log=log)
