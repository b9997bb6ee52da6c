"""The command line; its commands are in the modules named `…_command` and `…_commands`.

A command ends with an `ExitStatus` of `fewframes.indexing.results`. A look decides nothing:
``probe`` of a damaged film and ``index --dry-run`` with films that cannot be read say so and end
with 0.
"""

import sys
from typing import Any

import click

import fewframes
from fewframes.cli.bench_command import bench
from fewframes.cli.embed_command import embed
from fewframes.cli.film_commands import policies, probe, sample
from fewframes.cli.index_command import index
from fewframes.cli.store_commands import compact, export, info, ls, mcp, rm, verify


class Commands(click.Group):
    """The commands; a word that begins with "-" and is no option may be the name of something."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 (as click has it)
        """Says how a name that begins with "-" is passed, where one is taken for an option."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            words = f"{error.message} An id or a file whose name begins with '-' goes behind '--'."
            found = error.possibilities
            raise click.NoSuchOption(error.option_name, words, found, error.ctx) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fewframes.__version__, prog_name="fewframes")
def main() -> None:
    """Index long video once; get the few frames that matter, with their exact times."""
    if sys.platform == "win32":
        raise click.ClickException("fewframes does not run on Windows; use Linux, macOS or WSL")


for command in (
    probe,
    index,
    ls,
    info,
    embed,
    sample,
    verify,
    rm,
    compact,
    export,
    mcp,
    policies,
    bench,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
