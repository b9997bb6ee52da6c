"""bench: what measures, on the user's own films; its commands are loaded when they are named."""

from importlib import import_module

import click

COMMANDS: dict[str, str] = {
    "haystack": "fewframes.bench.haystack",
    "recall": "fewframes.bench.recall",
    "throughput": "fewframes.bench.throughput",
}
"""Name -> the module whose ``main`` is the command. A new one is one row here."""


class Benches(click.Group):
    """A group that imports a command's module only to run it, or to list them all.

    >>> Benches("bench").get_command(click.Context(click.Command("bench")), "no such") is None
    True
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names them in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Loads one; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).main
        return command


@click.group(cls=Benches)
def bench() -> None:
    """Measures samplers on films with known events, and on your own."""
