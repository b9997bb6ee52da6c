"""Commands on several stores or films together: merge, duplicates."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from fewframes.cli.params import WHERE, clean, cli_errors, option, say
from fewframes.cli.store_commands import show_progress
from fewframes.indexing.results import ExitStatus
from fewframes.naming import byte_words, quoted


@click.command()
@click.argument("stores", type=WHERE, nargs=-1, required=True)
@option("-o", "--out", required=True, type=WHERE, help="Store to make, or to add to.")
@option("--verify", is_flag=True, help="Compare every file with its digest, also linked ones.")
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@cli_errors
def merge(stores: tuple[str | Path, ...], out: str | Path, verify: bool, as_json: bool) -> None:
    """Joins stores into one, by hard links where that can be. A second run continues the first."""
    from fewframes.store.merge import merge_stores

    progress = {"progress": show_progress} if sys.stderr.isatty() else {}
    report = merge_stores(stores, out, verify=verify, **progress)
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        for one in report.problems:
            say(f"left out: {quoted(one.video_id)} of {one.source}: {one.reason}")
        say(
            f"{report.groups} recipes of videos, {report.sidecars} sets of vectors and "
            f"{report.failures} failures came, {report.present} recipes were there; "
            f"{byte_words(report.linked_bytes)} linked, {byte_words(report.server_bytes)} copied "
            f"by the object store, {byte_words(report.copied_bytes)} copied"
        )
    sys.exit(ExitStatus.NOT_ALL if report.problems else ExitStatus.DONE)


@click.command()
@click.argument("store", type=WHERE)
@option("--min-seconds", type=float, default=5.0, help="Shortest stretch that is told.")
@option("--save", is_flag=True, help="Keep what belongs together in the store, for splits.")
@option("--json", "as_json", is_flag=True, help="Print one JSON object per stretch.")
@cli_errors
def duplicates(store: str | Path, min_seconds: float, save: bool, as_json: bool) -> None:
    """Finds stretches that videos of a store share, however they were cut or coded."""
    from fewframes.store.duplicates import find_duplicates

    progress = {"progress": show_progress} if sys.stderr.isatty() else {}
    found = find_duplicates(store, min_seconds=min_seconds, save=save, **progress)
    for one in found.spans:
        places = (f"{one.start_a:.2f} {one.end_a:.2f}", f"{one.start_b:.2f} {one.end_b:.2f}")
        names = (quoted(one.video_a), quoted(one.video_b))
        match = "copy" if one.is_copy else f"{one.share:.0%}"
        line = f"{names[0]}  {places[0]}  {names[1]}  {places[1]}  {one.seconds:.2f} s  {match}"
        say(json.dumps(asdict(one)) if as_json else line)
    for words in found.problems:
        click.echo(f"not compared: {clean(words)}", err=True)
    told = f"{found.rows} rows compared; {found.flat_rows} flat and {found.common_rows} common ones"
    click.echo(f"{told} tell nothing", err=True)
    sys.exit(ExitStatus.NOT_ALL if found.problems else ExitStatus.DONE)
