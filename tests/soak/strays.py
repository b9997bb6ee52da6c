"""What file systems, desktops and editors put into folders, whoever's they are."""

import os
from contextlib import suppress
from pathlib import Path

NAMES = (
    ".nfs0001",
    ".nfs00000000004c1f2200000003",
    ".DS_Store",
    "._x",
    "film~",
    ".film.swp",
    "#film#",
    "Thumbs.db",
)
FOLDERS = ("lost+found", ".Trash-0")


def strew(folder: Path) -> list[Path]:
    """Puts foreign files and folders into one, and gives them; what is there already stays."""
    for name in NAMES:
        (folder / name).write_bytes(b"foreign")
    for name in FOLDERS:
        (folder / name).mkdir(exist_ok=True)
    return [folder / name for name in (*NAMES, *FOLDERS)]


def strew_below(root: Path) -> int:
    """Strews foreign files over all folders of a tree while others are at work there."""
    count = 0
    for folder in [Path(path) for path, _, _ in os.walk(root)]:  # some go meanwhile
        with suppress(OSError):
            if folder.is_dir() and folder.name not in FOLDERS:
                count += len(strew(folder))
    return count
