"""The folder of real footage, and which of its files are sound."""

import csv
import os
from pathlib import Path

NO_FOOTAGE = "no real footage: set FEWFRAMES_FOOTAGE to its folder, or put it at ../shared/videos"
DAMAGED = ("broken", "derived_trunc", "derived_bitflips", "derived_empty", "derived_text")
MOST_FRAMES = 5000
"""Footage longer than this is read with FEWFRAMES_ALL=1 only: the oracle decodes all of it."""


def footage_folder() -> Path | None:
    chosen = os.environ.get("FEWFRAMES_FOOTAGE")
    folder = Path(chosen) if chosen else Path(__file__).parents[2] / "../shared/videos"
    return folder.resolve() if (folder / "MANIFEST.tsv").is_file() else None


def sound_footage() -> list[str]:
    """Names of the files that decode without an error, up to 1920 samples wide."""
    folder = footage_folder()
    if folder is None:
        return []
    with (folder / "MANIFEST.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    films = [row for row in rows if row["decode_errors"] == "0"]
    films = [row for row in films if not row["file"].startswith(DAMAGED)]
    films = [row for row in films if int(row["size"].split("x")[0]) <= 1920]
    if os.environ.get("FEWFRAMES_ALL") != "1":
        films = [row for row in films if int(row["decoded_frames"]) <= MOST_FRAMES]
    return [row["file"] for row in films]
