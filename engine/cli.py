"""The command line: probe, index, ls, info, sample, verify, policies.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 done with damaged or failed films (listed).
"""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any

import click

import fewframes
from fewframes.errors import FewframesError
from fewframes.recipes import DEDUP
from fewframes.sizes import parse_size

LIMIT_HELP = "Seconds a film may give no sign (and 50 s more a GB) before it fails."
STORE_MARK = "fewframes-store.json"


def plainly(command: Callable[..., None]) -> Callable[..., None]:
    """Turns an expected error into one sentence and exit status 1."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:  # noqa: ANN401
        try:
            command(*args, **options)
        except KeyError as error:
            raise click.ClickException(str(error.args[0])) from error
        except (FewframesError, ValueError, IndexError, OSError) as error:
            raise click.ClickException(str(error)) from error

    return run


def read_size(
    _context: click.Context, _option: click.Parameter, words: str | None
) -> int | tuple[int, int] | None:
    """Reads 448 or 252x448, or says what a size is."""
    try:
        return parse_size(words)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def read_rate(_context: click.Context, _option: click.Parameter, words: str) -> float | None:
    """Reads frames a second; ``all`` is None."""
    try:
        return None if words.lower() == "all" else float(words)
    except ValueError as error:
        raise click.BadParameter(f"{words!r} is no rate; pass a number, or 'all'") from error


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fewframes.__version__, prog_name="fewframes")
def main() -> None:
    """Index long video once; get the few frames that matter, with their exact times."""
    if sys.platform == "win32":
        raise click.ClickException("fewframes does not run on Windows; use Linux, macOS or WSL")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--stream", type=int, help="Index of the video stream in the container.")
@click.option("--verify", is_flag=True, help="Decode everything once and correct the prediction.")
@plainly
def probe(file: Path, as_json: bool, stream: int | None, verify: bool) -> None:
    """Says what a video file holds, from its packets alone."""
    from fewframes.describing import timeline_facts

    facts = timeline_facts(fewframes.probe(file, stream=stream, verify=verify))
    show(facts, as_json=as_json)


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", "store", required=True, type=click.Path(path_type=Path))
@click.option("--fps", callback=read_rate, default="2", show_default=True, help="Or 'all'.")
@click.option(
    "--size", callback=read_size, default="448", show_default=True, help="Longer side, or HxW."
)
@click.option("--quality", type=click.IntRange(1, 100), default=90, show_default=True)
@click.option(
    "--dedup",
    type=click.FloatRange(0, 1),
    default=DEDUP,
    show_default=True,
    help="Largest local difference, 0 to 1, of frames that share a picture; 0 stores all.",
)
@click.option("--id", "video_id", help="Id of the video, where one file is given.")
@click.option("--stream", type=int, help="Index of the video stream in the container.")
@click.option("--workers", type=click.IntRange(1), help="Processes; one a core if not given.")
@click.option("--backend", type=click.Choice(["ffmpeg", "dali"]), help="Who decodes.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda", "auto"]), default="cpu", show_default=True
)
@click.option(
    "--limit", "limit_seconds", type=float, default=60.0, show_default=True, help=LIMIT_HELP
)
@click.option("--strict", is_flag=True, help="Refuse films that do not decode completely.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
@plainly
def index(
    paths: tuple[Path, ...],
    store: Path,
    video_id: str | None,
    quiet: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Indexes films, and all films below folders, into STORE. Run it again to go on."""
    from fewframes.progress import Reporter

    if video_id and len(paths) != 1:
        raise click.UsageError("--id names one video; pass one file")
    ids = {paths[0]: video_id} if video_id else None
    with Reporter(quiet=quiet) as reporter:
        report = fewframes.index(list(paths), store, ids=ids, progress=reporter, **options)
        reporter.finish(report)
    sys.exit(report.exit_status)


@main.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@plainly
def ls(store: Path, as_json: bool) -> None:
    """Lists the videos of a store."""
    from fewframes.describing import video_line

    videos = fewframes.open(store)
    for video in videos.values():
        facts = video_line(video)
        click.echo(json.dumps(facts) if as_json else "  ".join(str(v) for v in facts.values()))


@main.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.argument("video", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plainly
def info(store: Path, video: str | None, as_json: bool) -> None:
    """Says all that a store knows of one video."""
    from fewframes.describing import video_facts

    show(video_facts(the_video(fewframes.open(store), video)), as_json=as_json)


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("video", required=False)
@click.option("-k", "--budget", type=int, default=16, show_default=True, help="How many frames.")
@click.option("--policy", default="adaptive", show_default=True)
@click.option("--start", type=float, help="First second of the span.")
@click.option("--end", type=float, help="Last second of the span.")
@click.option(
    "--min-gap", "min_gap_seconds", type=float, default=0.0, help="Seconds between frames."
)
@click.option("--distinct", is_flag=True, help="Take each stored picture once.")
@click.option("--coverage", type=float, help="Share of the budget spent on time first, 0 to 1.")
@click.option("--relevance", help="The signal that scores the frames, such as 'sharpness'.")
@click.option("--fps", type=float, help="Rate of the policies 'fps' and 'runtime:…'.")
@click.option("--k-max", type=int, help="Most frames of the policy 'maxvol'.")
@click.option("--anchor", "anchor_seconds", type=float, help="Moment of the policy 'multiscale'.")
@click.option("--seed", type=int, help="Start of the policy 'cdf', by chance.")
@click.option("--scan-fps", callback=read_rate, default="2", help="Scan of a file; or 'all'.")
@click.option("--size", callback=read_size, help="Longer side, or HxW, of frames from a file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--out", type=click.Path(path_type=Path), help="Write JPEGs and frames.json here.")
@plainly
def sample(
    source: Path,
    video: str | None,
    start: float | None,
    end: float | None,
    scan_fps: float | None,
    size: Any,  # noqa: ANN401
    as_json: bool,
    out: Path | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Picks frames of a video in a STORE, or of a video file, by a policy."""
    from fewframes.describing import sample_facts, write_sample

    span = None if start is None and end is None else (start, end)
    if (source / STORE_MARK).is_file():
        batch = the_video(fewframes.open(source), video).sample(span=span, **options)
    elif video is not None:
        raise click.UsageError(f"{str(source)!r} is not a store, so VIDEO {video!r} means nothing")
    else:
        batch = fewframes.sample(source, span=span, scan_fps=scan_fps, size=size, **options)
    facts = sample_facts(batch)
    if out is not None:
        write_sample(batch, facts, out)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        show_frames(facts["frames"])


@main.command()
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
        notes = "".join(f"; {note}" for note in verdict.notes)
        line = f"{verdict.video}: {words} ({verdict.compared} compared{notes})"
        click.echo(json.dumps(asdict(verdict)) if as_json else line)
    sys.exit(3 if any(verdict.differences for verdict in verdicts) else 0)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@plainly
def policies(as_json: bool) -> None:
    """Lists the policies, those of other packages too."""
    from fewframes.describing import policy_facts

    for facts in policy_facts():
        plain = f"{facts['policy']:<30} {facts['picks']}"
        click.echo(json.dumps(facts) if as_json else plain)


def the_video(store: Any, video: str | None) -> Any:  # noqa: ANN401 (a Store, loaded lazily)
    """Gives the video asked for, or the only one there is."""
    if video is not None:
        return store[video]
    if len(store) != 1:
        raise click.UsageError(f"the store has {len(store)} videos; name one ('fewframes ls')")
    return next(iter(store.values()))


def show(facts: dict[str, Any], *, as_json: bool) -> None:
    """Prints facts as JSON, or one a line."""
    if as_json:
        click.echo(json.dumps(facts))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        lines = value if isinstance(value, list) else [value]
        for i, line in enumerate(lines or ["none"]):
            click.echo(f"{name.replace('_', ' ') if i == 0 else '':<{width}}  {line}")


def show_frames(frames: Iterable[dict[str, Any]]) -> None:
    """Prints chosen frames as a table."""
    click.echo(f"{'frame':>8}  {'seconds':>10}  {'score':>8}")
    for row in frames:
        click.echo(f"{row['frame']:>8}  {row['seconds']:>10.3f}  {row['score']:>8.4f}")


if __name__ == "__main__":
    main()
