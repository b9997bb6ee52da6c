"""bench: commands that measure the user's own films, loaded when they are named."""

import click

from fewframes.cli.lazy_group import LazyGroup

COMMANDS: dict[str, str] = {
    "haystack": "fewframes.bench.haystack:main",
    "recall": "fewframes.bench.recall:main",
    "throughput": "fewframes.bench.throughput:main",
}
"""Name -> the place of the command. A new one is one row here."""


@click.group(cls=LazyGroup, places=COMMANDS)
def bench() -> None:
    """Measures samplers on films with known events, and on your own."""
