"""The command that indexes films into a store, or estimates the work (``--dry-run``)."""

import json
import sys
from pathlib import Path
from typing import Any

import click

import fewframes
from fewframes.cli.film_commands import BACKEND, DEVICE
from fewframes.cli.params import RATE, SIZE, WHERE, as_typed, cli_errors, option, say
from fewframes.decode.batch import QUALITY
from fewframes.indexing.discovery import FilmPath
from fewframes.indexing.inputs import find_inputs
from fewframes.indexing.isolation import SECONDS_PER_GB
from fewframes.indexing.options import DUPLICATES, WORKERS_OF_GPU, IndexOptions
from fewframes.naming import quoted
from fewframes.store.codecs import CODECS, QUALITIES

DEFAULTS = IndexOptions()
LIMIT_HELP = (
    f"Seconds without progress, and {SECONDS_PER_GB:g} more per GB, after which a film fails."
)
MEMORY_HELP = "Memory limit of each worker process, in MB."
RANGE_HELP = "Least CPU seconds of a range into which a long film is cut."
LOG_HELP = "Form of progress on stderr; json is one object per line."


@click.command()
@click.argument("paths", nargs=-1, required=True)
@option("-o", "--output", "store", required=True, type=WHERE, help="Folder or URL of the store.")
@option(
    "--fps",
    type=RATE,
    default=f"{DEFAULTS.fps:g}",
    help="Frames scanned per second of film, or 'all'.",
)
@option(
    "--size", type=SIZE, default=str(DEFAULTS.size), help="Longer side of stored pictures, or HxW."
)
@option(
    "--codec",
    type=click.Choice(list(CODECS)),
    default=DEFAULTS.codec,
    help="Codec of stored pictures; zstd and raw are lossless.",
)
@option("--quality", type=click.IntRange(*QUALITIES), help=f"JPEG quality; {QUALITY} if not given.")
@option(
    "--dedup",
    type=click.FloatRange(0, 1),
    default=DEFAULTS.dedup,
    help="Largest local difference, 0 to 1, of frames that share one picture; 0 stores all.",
)
@option("--id", "ids", metavar="NAME", help="Id of the video; only with one film.")
@option("--replace", is_flag=True, help="Replace another film that is stored under the same id.")
@option(
    "--duplicates",
    type=click.Choice(list(DUPLICATES)),
    default=DEFAULTS.duplicates,
    help="Films whose content is stored under another id: skip them, or keep both.",
)
@option("--stream", type=int, help="Index of the video stream in the container.")
@option(
    "--workers",
    type=click.IntRange(1),
    help=f"Worker processes; one per core if not given, {WORKERS_OF_GPU} with --device cuda.",
)
@option("--ray", metavar="ADDRESS", help="Ray cluster to run on: auto, host:port or local.")
@BACKEND
@DEVICE
@option("--limit", "limit_seconds", type=float, default=DEFAULTS.limit_seconds, help=LIMIT_HELP)
@click.option(
    "--space-check/--no-space-check",
    "check_space",
    default=DEFAULTS.check_space,
    help="Refuse a run that may not fit on the disk (the default).",
)
@option("--strict", is_flag=True, help="Refuse films that do not decode completely.")
@option("--memory", type=click.IntRange(64), default=DEFAULTS.memory_bytes >> 20, help=MEMORY_HELP)
@option("--since", metavar="DATE", help="Index only films changed at or after this date or time.")
@option(
    "--only",
    multiple=True,
    metavar="GLOB",
    help="Index only films whose ids match; repeat it for more.",
)
@option("--shard", metavar="I/N", help="Index only part I of N of the films, as in 2/5.")
@option("--retry-failed", is_flag=True, help="Retry films that crashed or hung before.")
@option("--range-seconds", type=float, default=DEFAULTS.range_seconds, help=RANGE_HELP)
@option(
    "--dry-run", is_flag=True, help="Estimate decode work, CPU time and disk use; write nothing."
)
@option("--json", "as_json", is_flag=True, help="With --dry-run, print one JSON object.")
@click.option("--log", type=click.Choice(["plain", "json"]), default="plain", help=LOG_HELP)
@option("--quiet", is_flag=True, help="Print only errors.")
@cli_errors
def index(
    paths: tuple[str, ...],
    store: str | Path,
    ids: str | None,
    memory: int,
    quiet: bool,
    log: str,
    dry_run: bool,
    as_json: bool,
    **more: Any,  # noqa: ANN401 (the other fields of IndexOptions)
) -> None:
    """Indexes films into a store. A second run continues an interrupted one.

    The id of a film is its path below the folder, pattern or prefix given, with its suffix.

    PATHS are films, folders, patterns, URLs (of a film, or of a prefix that ends in /), and lists:
    @films.txt with one of those per line, @films.csv or @films.parquet with a column "path" and
    optionally a column "id".
    """
    options = IndexOptions(ids=ids_of(paths, ids), memory_bytes=memory << 20, **more)
    if dry_run:
        show_forecast(paths, store, options, as_json=as_json)
        return
    if as_json:
        raise click.UsageError("--json is the form of --dry-run; for a run, pass --log json")
    from fewframes.indexing.reporting import JsonReporter, Reporter

    kind = JsonReporter if log == "json" else Reporter
    with kind(quiet=quiet, as_typed=as_typed) as reporter:
        report = fewframes.index(
            list(paths), store, options, progress=reporter, allow_all_failed=True
        )
        reporter.finish(report)
    sys.exit(report.exit_status)


def ids_of(paths: tuple[str, ...], name: str | None) -> dict[FilmPath, str] | None:
    """The id of the one film that is meant; None where no id is given."""
    if name is None:
        return None
    films = list(find_inputs(paths).values()) if len(paths) == 1 else paths
    if len(films) != 1:
        raise click.UsageError(f"--id names one film, and {len(films)} are given; pass one")
    return {films[0]: name}


def show_forecast(
    paths: tuple[str, ...], store: str | Path, options: IndexOptions, *, as_json: bool
) -> None:
    """Prints the estimate of a run: a line per film, then the total."""
    from fewframes.indexing.forecast import clock, forecast

    if not options.is_on_cpu_here:
        raise click.UsageError("--dry-run predicts runs on this machine's CPU cores alone")
    found = forecast(list(paths), store, options)
    if as_json:
        click.echo(json.dumps(found.to_dict()))
        return
    for look in found.looks:
        say(
            f"{quoted(look.video_id)}: {clock(look.film_seconds)} of film, "
            f"{look.effort.rows} frames, "
            f"{look.effort.pictures} pictures to decode, "
            f"{look.effort.cpu_seconds:.1f} CPU seconds, "
            f"likely at most {look.most_bytes / 1e6:.1f} MB, "
            f"{look.ranges} range{'s' * (look.ranges != 1)}"
        )
    for other in found.others:
        say(f"{quoted(other.video_id)}: {other.status}{': ' * bool(other.reason)}{other.reason}")
    click.echo(repr(found))
