"""Garbage collection: files of a video beside its groups that nobody will use again.

Parts hold pictures of a film, and its name is in the quarantine: what removes a video removes both.
"""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fewframes.store.untrusted import remove_tree

PARTS = ".parts"
"""The folder of parts, below that for unfinished work; in it, a folder a video (`parts`)."""
QUARANTINE = "quarantine"
"""The folder of what is known of films that crash or hang, a file each (`quarantine`)."""
OLD_SECONDS = 7 * 24 * 3600.0
"""Parts are kept so long after their last change, for a run that goes on."""


def sweep_parts(home: Path) -> None:
    """Removes the parts of films that nobody has come back for; links are not followed."""
    for film in _folders_in(home / PARTS):
        for folder in _folders_in(film):
            with suppress(FileNotFoundError):
                if time.time() - folder.lstat().st_mtime > OLD_SECONDS:
                    remove_tree(folder)


def remove_leftovers(home: Path, folder_name: str) -> None:
    """Removes all parts of a video, of whatever recipe, and what is known of its film."""
    remove_tree(home / PARTS / folder_name)
    with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
        (home / QUARANTINE / folder_name).unlink()


def _folders_in(folder: Path) -> Iterator[Path]:
    """The folders in one that is a folder itself, and no link."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if stat.S_ISDIR(folder.lstat().st_mode):
            with os.scandir(folder) as entries:
                found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            yield from (folder / name for name in found)
