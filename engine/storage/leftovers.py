"""Leftovers: what a store holds of a video beside its groups, and what nobody has come back for.

Parts hold pictures of a film, and its name is in the quarantine: what removes a video removes both.
"""

import shutil
import time
from contextlib import suppress
from pathlib import Path

PARTS = ".parts"
"""The folder of parts, below that for unfinished work; in it, a folder a video (`parts`)."""
QUARANTINE = "quarantine"
"""The folder of what is known of films that crash or hang, a file each (`quarantine`)."""
OLD_SECONDS = 7 * 24 * 3600.0
"""Parts are kept so long after their last change, for a run that goes on."""


def sweep_parts(home: Path) -> None:
    """Removes the parts of films that nobody has come back for."""
    for folder in (home / PARTS).glob("*/*"):
        with suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > OLD_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(home: Path, folder_name: str) -> None:
    """Removes all parts of a video, of whatever recipe, and what is known of its film."""
    shutil.rmtree(home / PARTS / folder_name, ignore_errors=True)
    (home / QUARANTINE / folder_name).unlink(missing_ok=True)
