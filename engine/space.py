"""Space: will the pictures of a run fit on the disk?

1. What a film takes is predicted from its timeline: rows to scan times the bytes of a picture of
   their size, as if no two were alike. A film that is in the store already takes nothing.
2. Bytes of a pixel are those measured on natural film of 448 x 448 at several JPEG qualities,
   half as many again to be safe; lossless pictures are bounded by their levels.
3. The sum is compared with the space that is free, before anything is decoded.
"""

import shutil
from pathlib import Path

import numpy as np

from fewframes.errors import NoSpaceError
from fewframes.finding import Film
from fewframes.objects import Objects
from fewframes.recipes import Recipe

JPEG_QUALITIES = (1, 50, 80, 90, 95, 100)
JPEG_BYTES_PER_PIXEL = (0.02, 0.075, 0.125, 0.183, 0.265, 0.75)
"""Of 4:2:0 JPEG at these qualities, measured."""
LEVEL_BYTES_PER_PIXEL = 3.0
MARGIN = 1.5
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
    if recipe.codec == "jpeg":
        quality = recipe.quality or 90
        per_pixel = float(np.interp(quality, JPEG_QUALITIES, JPEG_BYTES_PER_PIXEL)) * MARGIN
    return int(rows * (height * width * per_pixel + ROW_BYTES)) + FILM_BYTES


def look_at_film(
    film: Film,
    store: Path | Objects,
    *,
    video_id: str,
    recipe: Recipe,
) -> int | None:
    """Gives the bytes that a film will take at most, or None where the store has it already.

    Runs in a worker, from packets alone; the timeline is remembered for the run that follows. A
    film by URL is not fetched for it: nothing is known of one whose timeline is not remembered.
    Raises `UnreadableMediaError` for what is not a video.
    """
    from fewframes import timeline_cache
    from fewframes.fetching import source_of
    from fewframes.probing import identify, probe
    from fewframes.publishing import has_same_source
    from fewframes.scanning import frames_at_rate
    from fewframes.sizes import output_size

    source = identify(film) if isinstance(film, Path) else source_of(film)
    if has_same_source(store, video_id, recipe, source):
        return None
    known = timeline_cache.load(source, recipe.stream) if isinstance(film, str) else None
    timeline = probe(film, stream=recipe.stream) if isinstance(film, Path) else known
    if timeline is None:
        return FILM_BYTES
    size = output_size(timeline.stream, None if recipe.size == "native" else recipe.size)
    height, width = size or timeline.stream.display_size
    rows = len(frames_at_rate(timeline, recipe.fps))
    return predict_bytes(recipe, rows=rows, height=height, width=width)


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
            f"this run may take up to {_words(needed)} in {store.name!r}, but {_words(free)} are "
            "free there; free some, use another disk, a smaller size or fps, or pass "
            "check_space=False (--no-space-check) where many frames are alike"
        )


def _words(count: int) -> str:
    """Says a number of bytes.

    >>> _words(1_500), _words(2_400_000_000)
    ('1.5 kB', '2.4 GB')
    """
    value, unit = count / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}"
