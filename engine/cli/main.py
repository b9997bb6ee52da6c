"""The command line; its commands are in the modules that `COMMANDS` names, loaded when used.

A command ends with an `ExitStatus` of `fewframes.indexing.results`. A look decides nothing:
``probe`` of a damaged film and ``index --dry-run`` with films that cannot be read say so and end
with 0.
"""

import sys
from collections.abc import Mapping
from typing import Any

import click

import fewframes
from fewframes.plugins import load

COMMANDS: dict[str, str] = {
    "probe": "fewframes.cli.film_commands:probe",
    "index": "fewframes.cli.index_command:index",
    "ls": "fewframes.cli.store_commands:ls",
    "info": "fewframes.cli.store_commands:info",
    "embed": "fewframes.cli.store_commands:embed",
    "sample": "fewframes.cli.film_commands:sample",
    "verify": "fewframes.cli.store_commands:verify",
    "rm": "fewframes.cli.store_commands:rm",
    "compact": "fewframes.cli.store_commands:compact",
    "migrate": "fewframes.cli.store_commands:migrate",
    "merge": "fewframes.cli.join_commands:merge",
    "duplicates": "fewframes.cli.join_commands:duplicates",
    "export": "fewframes.cli.store_commands:export",
    "mcp": "fewframes.cli.store_commands:mcp",
    "policies": "fewframes.cli.film_commands:policies",
    "bench": "fewframes.cli.main:bench",
}
"""Name -> the place of the command. A new one is a function in a file and a row here."""
BENCHES: dict[str, str] = {
    "haystack": "fewframes.bench.haystack:main",
    "recall": "fewframes.bench.recall:main",
    "throughput": "fewframes.bench.throughput:main",
}
"""The same of the commands of ``bench``, which measure the user's own films."""


class LazyGroup(click.Group):
    """A group of commands by the places that hold them, ``module:name`` each.

    >>> group = LazyGroup("bench", places={"main": "fewframes.cli.main:main"})
    >>> context = click.Context(group)
    >>> group.list_commands(context), group.get_command(context, "no such")
    (['main'], None)
    """

    def __init__(self, *args: Any, places: Mapping[str, str], **options: Any) -> None:  # noqa: ANN401 (as click has it)
        super().__init__(*args, **options)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names them in the order of the table."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Loads one; None where there is none of that name."""
        if cmd_name not in self.places:
            return None
        command: click.Command = load(self.places[cmd_name])
        return command


class Commands(LazyGroup):
    """The commands; a word that begins with "-" and is no option may be the name of something."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 (as click has it)
        """Says how a name that begins with "-" is passed, where one is taken for an option."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            words = f"{error.message} An id or a file whose name begins with '-' goes behind '--'."
            found = error.possibilities
            raise click.NoSuchOption(error.option_name, words, found, error.ctx) from error


@click.group(
    cls=Commands, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(fewframes.__version__, prog_name="fewframes")
def main() -> None:
    """Index long video once; get the few frames that matter, with their exact times."""
    if sys.platform == "win32":
        raise click.ClickException("fewframes does not run on Windows; use Linux, macOS or WSL")


@click.group(cls=LazyGroup, places=BENCHES)
def bench() -> None:
    """Measures samplers on films with known events, and on your own."""


if __name__ == "__main__":
    main()
