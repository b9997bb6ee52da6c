"""Shot boundaries beside PySceneDetect.

    python -m fewframes.bench.research.shots --case FILM LABELS.tsv

1. A case is a film and the table of its shots: ``first_frame``, ``transition_in`` (``cut``, or a
   word that ends in the frames it takes, like ``fade12``) and, where there is such a column,
   ``has_internal_cuts``: boundaries found inside those shots count neither way.
2. CLIPS given without a table are joined with hard cuts into one film; the joints are its labels.
3. A boundary is right within `TOLERANCE_FRAMES` of the label or of its transition, once.
4. Processes run in turn; a peer's CPU seconds beyond decoding are those of its run less those of
   PyAV decoding the same film on one thread.
"""

import csv
import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

import fewframes as ff
from fewframes.arrays import I64, Mask
from fewframes.bench.measure import interleave, keep_result, machine
from fewframes.bench.research.footage import join_clips

JOBS = ["-m", "fewframes.bench.research.picture_jobs"]
TOLERANCE_FRAMES = 5
DECODE = "PyAV decodes"


@dataclass(frozen=True, slots=True)
class Labels:
    """Where the shots of a film begin."""

    starts: I64
    """First frame of each shot but the first, ``[m] i64``, increasing."""
    lengths: I64
    """Frames that the transition into it takes, ``[m] i64``; 0 for a cut."""
    is_open: Mask
    """Whether the shot before each start has cuts of its own, that are not listed, ``[m] bool``;
    the last one, ``[m + 1]``, is for the last shot."""


def read_labels(path: Path) -> Labels:
    """Reads a table of shots."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    digits = ["".join(c for c in row["transition_in"] if c.isdigit()) for row in rows[1:]]
    return Labels(
        np.array([int(row["first_frame"]) for row in rows[1:]], np.int64),
        np.array([int(word or 0) for word in digits], np.int64),
        np.array([row.get("has_internal_cuts") == "1" for row in rows]),
    )


def score(
    found: Sequence[int], labels: Labels, *, tolerance: int = TOLERANCE_FRAMES
) -> dict[str, Any]:
    """Counts right, wrong and missed boundaries; each label is taken once, by the nearest.

    >>> labels = Labels(np.array([50, 90]), np.array([0, 12]), np.array([False, False, True]))
    >>> score([51, 70, 100, 130], labels)
    {'right': 2, 'wrong': 1, 'missed': 0, 'missed_gradual': 0, 'f1': 0.8}
    """
    reach = labels.lengths + tolerance
    is_hit, wrong = np.zeros(len(labels.starts), bool), 0
    for frame in found:
        away = np.abs(labels.starts - frame)
        may_take = (away <= reach) & ~is_hit
        if may_take.any():
            is_hit[np.where(may_take, away, np.inf).argmin()] = True
        else:
            wrong += int(not labels.is_open[np.searchsorted(labels.starts, frame, side="right")])
    right, missed = int(is_hit.sum()), int((~is_hit).sum())
    gradual = int((~is_hit & (labels.lengths > 0)).sum())
    f1 = round(2 * right / max(1, 2 * right + wrong + missed), 4)
    return {
        "right": right,
        "wrong": wrong,
        "missed": missed,
        "missed_gradual": gradual,
        "f1": f1,
    }


def measure(film: Path, labels: Labels, rounds: int) -> dict[str, Any]:
    """Runs every contender on one film."""
    cases = {
        DECODE: [*JOBS, "decode_all", str(film)],
        "fewframes.shots": [*JOBS, "shots", str(film)],
        "AdaptiveDetector, pyav": [*JOBS, "scenedetect", str(film), "pyav", "AdaptiveDetector"],
        "AdaptiveDetector, opencv": [*JOBS, "scenedetect", str(film), "opencv", "AdaptiveDetector"],
        "ContentDetector, opencv": [*JOBS, "scenedetect", str(film), "opencv", "ContentDetector"],
        "fewframes index, 2 fps": [*JOBS, "scanned_shots", str(film), "2"],
    }
    results = interleave(cases, rounds)
    decode = results[DECODE]["cpu_seconds"]
    for name, result in results.items():
        if name != DECODE and "error" not in result:
            result["cpu_beyond_decode"] = round(result["cpu_seconds"] - decode, 3)
            result |= scored(result["said"], labels)
    return {"film": film.name, "boundaries": len(labels.starts), "results": results}


def scored(said: dict[str, Any], labels: Labels) -> dict[str, Any]:
    """Scores a job's boundaries; a scan's are due at the first scanned frame of a shot."""
    found, rows = said.pop("starts"), said.pop("rows", None)
    if rows is None:
        return score(found, labels)
    due = np.array(rows)[np.minimum(np.searchsorted(rows, labels.starts), len(rows) - 1)]
    step = int(np.median(np.diff(rows)))
    return score(found, dataclasses.replace(labels, starts=due), tolerance=step)


def joined(clips: Sequence[Path], target: Path) -> Labels:
    """Joins clips with hard cuts into a film; gives the labels."""
    lengths = [len(ff.probe(clip)) for clip in clips]
    options = {"g": "250", "preset": "veryfast"}
    frames = sum(lengths)
    join_clips(clips, target, frames=frames, size=(640, 360), codec="libx264", options=options)
    starts = np.cumsum(lengths)[:-1]
    return Labels(starts, np.zeros_like(starts), np.zeros(len(clips), bool))


@click.command()
@click.argument("clips", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--case", "cases", nargs=2, multiple=True, type=click.Path(path_type=Path, exists=True)
)
@click.option("--rounds", default=3, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(
    clips: tuple[Path, ...], cases: tuple[tuple[Path, Path], ...], rounds: int, output: Path | None
) -> None:
    """Finds the shots of labelled films, and of CLIPS (of one shot each) joined into one."""
    results = [measure(film, read_labels(table), rounds) for film, table in cases]
    with tempfile.TemporaryDirectory() as folder:
        if len(clips) > 1:
            film = Path(folder) / "joined_clips.mp4"
            results.append(measure(film, joined(clips, film), rounds))
    for result in results:
        print_table(result)
    keep_result({"machine": machine(), "films": results}, output)


def print_table(result: dict[str, Any]) -> None:
    """Prints one film's table."""
    click.echo(f"{result['film']}: {result['boundaries']} boundaries")
    for name, row in result["results"].items():
        words = row.get("error") or f"{row['cpu_seconds']:8.2f} CPU s"
        if "f1" in row:
            words += (
                f", {row['cpu_beyond_decode']:7.2f} beyond decoding; F1 {row['f1']:.3f}: "
                f"{row['right']} right, {row['wrong']} wrong, {row['missed']} missed "
                f"({row['missed_gradual']} gradual)"
            )
        click.echo(f"  {name:<26}{words}")


if __name__ == "__main__":
    main()
