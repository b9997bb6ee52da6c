"""How a film is cut where a range is worth no effort at all: wherever it can be."""

from pathlib import Path

import fewframes as ff
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import Scan
from fewframes.store.recipes import Recipe

FINE = 1e-6
"""So little effort is worth a range here: a film is cut wherever it can be."""


def ranges_of(film, recipe=Recipe(fps=10, size="64")):  # noqa: B008 (frozen)
    task = FilmTask(film, Path("s"), "a", recipe, range_seconds=FINE)
    return Scan.of(ff.probe(film), task).ranges
