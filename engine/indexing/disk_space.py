"""Disk space: checks that the pictures of a run fit on the disk, and that it can be written.

1. What a film takes is predicted from its timeline: rows to scan times the bytes of a picture of
   their size, as if no two were alike. A film that is in the store already takes nothing.
2. Bytes of a pixel are those measured on natural film of 448 x 448 at several JPEG qualities,
   half as many again to be safe; lossless pictures are bounded by their levels.
3. The sum is compared with the space that is free, before anything is decoded.
4. Before that, an attempt is begun and dropped: a store that cannot be written is refused once, not
   film by film.
"""

import shutil
from pathlib import Path

import numpy as np

from fewframes.errors import FewframesError, NoSpaceError, UnwritableStoreError
from fewframes.naming import byte_words
from fewframes.store.backend import StoreBackend
from fewframes.store.recipes import Recipe
from fewframes.store.staging import Staging
from fewframes.store.writer import ensure_store

JPEG_QUALITIES = (1, 50, 80, 90, 95, 100)
JPEG_BYTES_PER_PIXEL = (0.02, 0.075, 0.125, 0.183, 0.265, 0.75)
"""Of 4:2:0 JPEG at these qualities, measured."""
LEVEL_BYTES_PER_PIXEL = 3.0
MARGIN = 1.5
GRID_BYTES = 48 << 10
"""Block grids of one row in a part of a long film, at most."""
ROW_BYTES = 2048
"""Signals and signature of one row."""
FILM_BYTES = 64 << 10
"""Records and metadata of one film."""


def predict_bytes(recipe: Recipe, *, rows: int, height: int, width: int) -> int:
    """Gives the most that a film is expected to take in a store.

    >>> predict_bytes(Recipe(quality=90), rows=7200, height=252, width=448) / 1e6
    237.9...
    """
    per_pixel = LEVEL_BYTES_PER_PIXEL
    if recipe.quality is not None:
        per_pixel = float(np.interp(recipe.quality, JPEG_QUALITIES, JPEG_BYTES_PER_PIXEL)) * MARGIN
    return int(rows * (height * width * per_pixel + ROW_BYTES)) + FILM_BYTES


def check_space(store: Path, needed: int) -> None:
    """Refuses a run for which the disk is too small.

    Raises:
        NoSpaceError: Fewer bytes are free than are needed.

    >>> check_space(Path("corpus.zarr"), 10**18)
    Traceback (most recent call last):
    fewframes.errors.NoSpaceError: this run may take up to 1000000.0 TB in 'corpus.zarr', but ...
    """
    free = shutil.disk_usage(store).free
    if needed > free:
        raise NoSpaceError(
            f"this run may take up to {byte_words(needed)} in {store.name!r}, but "
            f"{byte_words(free)} are free there; free some, use another disk, a smaller size or "
            "fps, or pass check_space=False (--no-space-check) where many frames are alike"
        )


def make_ready(store: StoreBackend) -> None:
    """Makes a store where there is none, sweeps it, and refuses one that cannot be written.

    Raises:
        UnwritableStoreError: It cannot be written; says why.
        ValueError, CorruptStoreError, UnreachableStoreError: As of `ensure_store`.
    """
    try:
        with Staging(ensure_store(store).workspace):
            store.check_writable()
    except FewframesError:
        raise
    except OSError as error:
        why = error.strerror or str(error)
        raise UnwritableStoreError(
            f"{store.name!r} cannot be written ({why}), so no film was begun; make it writable, or "
            "index into another folder"
        ) from error
