"""Matrix: are films exact whatever their clocks and headers do?

``python -m fewframes.bench.research.matrix -o bench/results/matrix.json`` makes a small film for
each codec, container and fault, and judges what the package gives of it beside a plain decode:

- ``exact``: number, order, pictures and times are right, in sequence, alone after a seek, and
  shuffled, and so are those of a store;
- ``marked``: some frames are marked or refused, and no other one is wrong;
- ``refused``: a sentence says that the film cannot be read;
- ``unplayed``: FFmpeg's own decode in order does not give the pictures;
- ``WRONG``: a frame, a time or a number is wrong and nothing says so.

A film that FFmpeg plays has to be exact.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

import fewframes as ff
from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.film_judge import Known, faults_of
from fewframes.bench.research.films import read_number
from fewframes.bench.research.matrix_films import Cell, cells
from fewframes.bench.research.plain_decode import PlainDecode, plain_decode
from fewframes.errors import FewframesError
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.store.recipes import Recipe
from fewframes.store.results import Status

WHOLE = Recipe(fps=None, size="native", codec="zstd", dedup=0.0)
SAID = (" is marked", "DamagedFrameError", "damage: ")
"""How a fault begins that the package itself has told."""


def judge(cell: Cell, folder: Path) -> dict[str, Any]:
    """Makes the film of a cell and says what has become of it."""
    path = folder / f"{cell.name}.{cell.suffix}"
    path.write_bytes(cell.bytes())
    plain = plain_decode(path)
    unlike = unplayed(plain, cell.numbers)
    if unlike:
        return {"result": "unplayed", "why": unlike}
    try:
        faults = faults_of(path, cell.known, plain=plain) + store_faults(path, folder, cell.known)
    except FewframesError as error:
        word = "WRONG" if "\n" in str(error) else "refused"
        return {"result": word, "why": f"{type(error).__name__}: {error}"}
    if not faults:
        return {"result": "exact", "why": ""}
    is_said = all(any(word in fault for word in SAID) for fault in faults)
    return {"result": "marked" if is_said else "WRONG", "why": "; ".join(faults)}


def unplayed(plain: PlainDecode, right: Sequence[int]) -> str:
    """Says why FFmpeg does not play a film; empty where every picture shows its own number."""
    if plain.complaints:
        return plain.complaints[0]
    numbers = [_number(one.rgb) for one in plain.shown]
    return "" if numbers == list(right) else f"pictures show {numbers}"


def _number(picture: Any) -> int | None:  # noqa: ANN401 (an array)
    try:
        return read_number(picture)
    except ValueError:
        return None


def store_faults(path: Path, folder: Path, known: Known) -> list[str]:
    """Indexes a film whole; its pictures must be those that a read gives, at the same times."""
    store = folder / "stores" / path.name
    outcome = index_film(FilmTask(path, store, "film", WHOLE))
    if outcome.status != Status.OK:
        return [f"store: DamagedFrameError: {outcome.status}: {outcome.reason}"]
    video, timeline = ff.open(store)["film"], ff.probe(path)
    count = len(video.table)
    if count != len(known.seconds) or not np.array_equal(video.table.pts, timeline.pts):
        return [f"store: {count} rows, or other times"]
    stored = video.read(rows=range(count)).frames
    given = ff.read(timeline, frames=range(count)).frames
    wrong = np.flatnonzero([not np.array_equal(a, b) for a, b in zip(stored, given, strict=True)])
    return [f"store: frame {wrong[0]} is another picture"] if wrong.size else []


def judged(patterns: Sequence[str]) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Judges the cells whose names fit one of some patterns; all of them without one."""
    with TemporaryDirectory() as name:
        for cell in cells():
            if not patterns or any(fnmatch(cell.name, pattern) for pattern in patterns):
                yield cell, judge(cell, Path(name))


@click.command()
@click.argument("patterns", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(patterns: tuple[str, ...], output: Path | None) -> None:
    """Judges all cells, or those whose names fit PATTERNS such as 'h264*.ts.*'."""
    rows: dict[str, dict[str, Any]] = {}
    for cell, row in judged(patterns):
        rows[cell.name] = row
        if row["result"] != "exact":
            click.echo(f"{cell.name}: {row['result']}: {row['why']}")
    print_table(rows)
    counts = dict(Counter(row["result"] for row in rows.values()))
    keep_result({"machine": machine(["imageio-ffmpeg"]), "tally": counts, "cells": rows}, output)
    raise SystemExit(any(row["result"] not in ("exact", "unplayed") for row in rows.values()))


MARKS = {"exact": ".", "marked": "m", "refused": "r", "unplayed": "-", "WRONG": "W"}


def print_table(rows: dict[str, dict[str, Any]]) -> None:
    """Prints a table: a line for each codec and container, a column for each fault."""
    names = [name.split(".") for name in rows]
    faults = list(dict.fromkeys(fault for _, _, fault in names))
    for at, fault in enumerate(faults):
        click.echo(f"{'':20}{'|' * at}{fault}")
    for codec, container in dict.fromkeys((codec, box) for codec, box, _ in names):
        found = [rows.get(f"{codec}.{container}.{fault}") for fault in faults]
        marks = "".join(MARKS[row["result"]] if row else " " for row in found)
        click.echo(f"{codec + ' ' + container:20}{marks}")
    said = Counter(row["result"] for row in rows.values())
    click.echo("; ".join(f"{MARKS[word]} {word}: {count}" for word, count in said.items()))


if __name__ == "__main__":
    main()
