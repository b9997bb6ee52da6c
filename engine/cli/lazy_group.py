"""LazyGroup: commands of a table, each of which is loaded when it is named, or to list them all."""

from collections.abc import Mapping
from typing import Any

import click

from fewframes.plugins import load


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
