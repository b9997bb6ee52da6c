"""What the commands share: options as people write them, errors as sentences, facts as lines."""

import io
import json
import os
import re
import select
import sys
from collections.abc import Callable, Iterable
from functools import partial, wraps
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from fewframes.errors import FewframesError
from fewframes.indexing.results import ExitStatus
from fewframes.media.sizes import parse_size
from fewframes.naming import one_line, plain, shown
from fewframes.store.layout import MARKER
from fewframes.store.resolve import is_url
from fewframes.times import as_seconds

R = TypeVar("R")
FILM_SECONDS, SECONDS_A_GB = 600.0, 3600.0


class Words(click.ParamType):  # type: ignore[type-arg]
    """What a function makes of an option's words; its ValueError says what is wrong with them."""

    def __init__(self, name: str, read: Callable[[Any], Any]) -> None:
        self.name, self.read = name, read

    def convert(
        self,
        value: Any,  # noqa: ANN401 (as click has it)
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401 (what the function gives)
        """Gives what the function gives."""
        try:
            return self.read(value)
        except ValueError as error:
            self.fail(str(error).removeprefix(f"{self.name}="), param, ctx)


def read_rate(words: Any) -> float | None:  # noqa: ANN401 (text, or a default)
    """Reads frames a second; ``all`` is None."""
    try:
        return None if str(words).lower() == "all" else float(words)
    except ValueError:
        raise ValueError(f"{words!r} is no rate; pass a number, or 'all'") from None


WHERE = Words("path", lambda words: words if is_url(str(words)) else Path(words))
"""A path, or the URL of a store, which stays text."""
PATH = click.Path(path_type=Path)
TIME = Words("time", as_seconds)
SIZE = Words("text", parse_size)
RATE = Words("text", read_rate)
option = partial(click.option, show_default=True)
"""An option that shows its default."""


def is_store(source: str | Path) -> bool:
    """Whether a store is meant, and not a film: a URL is one."""
    return isinstance(source, str) or (source / MARKER).is_file()


def on_disk(store: str | Path) -> Path:
    """Refuses a URL where a command works on disk alone."""
    if isinstance(store, Path):
        return store
    raise click.UsageError(
        f"{click.get_current_context().info_name} works on a store on disk, not on {shown(store)!r}"
    )


def cli_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turns an expected error into one sentence and exit status 1; stops if the pipe is closed."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:  # noqa: ANN401
        try:
            command(*args, **options)
        except BrokenPipeError as error:
            end_unread(error)
        except KeyError as error:
            raise click.ClickException(clean(error.args[0])) from error
        except MemoryError as error:
            words = str(error) or "there is not enough memory for that"
            raise click.ClickException(clean(words)) from error
        except (FewframesError, ValueError, IndexError, OSError) as error:
            raise click.ClickException(clean(error)) from error

    return run


def clean(words: object) -> str:
    r"""Gives what a terminal is shown: no sign of control, no password, no signature.

    >>> print(clean("film \x1b[31m is at https://me:secret@host/a.mp4?sig=x"))
    film \x1b[31m is at https://host/a.mp4
    """
    return one_line(plain(as_typed(str(words))))


def as_typed(words: str) -> str:
    """Writes arguments in an error, as Python has them, as options of the command that runs.

    One in quotes is left alone, since it is a name. An option may be the value of a mapping's item.

    >>> from fewframes.cli.film_commands import sample
    >>> with click.Context(sample):
    ...     as_typed("it may be damaged; allow_damaged=True gives it. budget=0 selects nothing")
    'it may be damaged; --allow-damaged gives it. --budget 0 selects nothing'
    """
    context = click.get_current_context(silent=True)
    for option in context.command.params if context else ():
        if not isinstance(option, click.Option) or not option.name:
            continue
        typed = max(option.opts, key=len)
        if option.is_flag:
            words = re.sub(rf"(?<![\w'\"/]){option.name}=True\b", typed, words)
        else:
            words = re.sub(rf"\b{option.name}=\{{\w+: '(\w+)'\}}", rf"{typed} \1", words)
            words = re.sub(rf"(?<![\w'\"/]){option.name}=(?=[\w'\".-])", f"{typed} ", words)
    return words


def end_unread(error: BrokenPipeError) -> NoReturn:
    """Ends the program without a word if a reader such as ``head`` has what it wanted."""
    gone = [stream for stream in (sys.stdout, sys.stderr) if is_unread(stream)]
    if not gone:
        raise click.ClickException(str(error)) from error
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in gone:  # so that flushing them at the end is no error
        os.dup2(nowhere, stream.fileno())
    sys.exit(ExitStatus.UNREAD)


def is_unread(stream: Any) -> bool:  # noqa: ANN401 (a text stream, or a test's)
    """Whether a stream goes to a pipe that nobody reads any more."""
    waiting = select.poll()
    try:
        waiting.register(stream.fileno(), 0)
    except io.UnsupportedOperation:
        return False
    return any(event & select.POLLERR for _, event in waiting.poll(0))


def say(line: str) -> None:
    """Prints a line; a name in it that has a line break or is no UTF-8 neither breaks nor ends it.

    The bytes of such a name come out as they are in the file system.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="surrogateescape")
    click.echo(clean(line))


def apart(function: Callable[..., R], film: Path, *args: Any, **options: Any) -> R:  # noqa: ANN401
    """Calls a function of a film in a process of its own, which a hostile file may break.

    It may take ten minutes, and an hour a GB; beyond that a hang is more likely than work.
    """
    from fewframes.indexing.isolation import isolated

    size = film.stat().st_size if film.is_file() else 0
    seconds = FILM_SECONDS + SECONDS_A_GB * size / 1e9
    return isolated(function, film, *args, limit_seconds=seconds, **options)


def the_video(store: Any, video: str | None, recipe: str | None = None) -> Any:  # noqa: ANN401
    """Gives the video asked for, or the only one there is, of a ``Store`` that is loaded lazily."""
    if video is None and len(store) != 1:
        raise click.UsageError(f"the store has {len(store)} videos; name one ('fewframes ls')")
    return store.video(next(iter(store)) if video is None else video, recipe=recipe)


def show(facts: dict[str, Any], *, as_json: bool) -> None:
    """Prints facts as JSON, or one a line."""
    if as_json:
        click.echo(json.dumps(facts))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        lines = value if isinstance(value, list) else [value]
        for i, line in enumerate(lines or ["none"]):
            say(f"{name.replace('_', ' ') if i == 0 else '':<{width}}  {line}")


def show_frames(frames: Iterable[dict[str, Any]]) -> None:
    """Prints chosen frames as a table."""
    click.echo(f"{'frame':>8}  {'seconds':>10}  {'score':>8}")
    for row in frames:
        click.echo(f"{row['frame']:>8}  {row['seconds']:>10.3f}  {row['score']:>8.4f}")
