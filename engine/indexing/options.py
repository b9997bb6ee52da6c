"""IndexOptions: how films are indexed, declared once for `index`, `forecast` and the command.

A `FilmTask` is what they say of one film of a run.

What they make: the `Recipe` decides what is stored, the `DecoderRequest` who decodes; the rest says
which films are meant and what a run may take.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from fewframes.decode.backend_choice import DecoderRequest
from fewframes.indexing.discovery import FilmPath
from fewframes.indexing.isolation import LIMIT_SECONDS, MEMORY_BYTES
from fewframes.indexing.ranges import RANGE_SECONDS
from fewframes.media.sizes import SCAN_FPS, SCAN_SIZE, Size, size_words
from fewframes.store.backend import StoreBackend
from fewframes.store.recipes import DEDUP, Recipe, canonical_json
from fewframes.store.resolve import AnyStore, resolve_store

DUPLICATES = ("skip", "keep")
"""What may become of films whose content is stored under another id."""
WORKERS_OF_GPU = 2
"""One keeps all video engines of a GPU at work; another fills the gaps between films. Each has a
context and memory of its own there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """How films are indexed; every field is also a keyword of `index`.

    Raises:
        ValueError: A value is outside its range, or two do not go together.

    >>> IndexOptions(fps=1, size=(252, 448)).recipe
    Recipe(fps=1.0, size='252x448', codec='jpeg', quality=90, ...)
    >>> IndexOptions(workers=0)
    Traceback (most recent call last):
    ValueError: workers=0 indexes nothing; pass workers >= 1
    """

    fps: float | None = SCAN_FPS
    """Frames scanned a second; None scans every frame."""
    size: Size = SCAN_SIZE
    """Of the stored pictures: the longer side, or an exact height and width; None as they are."""
    codec: str = "jpeg"
    """How pictures are stored: as JPEGs, or without loss as zstd or raw."""
    quality: int | None = None
    """Of JPEGs, 1 to 100; None means 90, and nothing where the codec keeps every level."""
    dedup: float = DEDUP
    """Largest local difference, as a share of the full range (0 to 1), for which a frame repeats
    one of the last kept ones and shares its picture; 0 stores all."""
    stream: int | None = None
    """Index of the video stream in the container; None takes the default one."""
    ids: Mapping[Any, str] | None = None
    """The id of a film, by its path; of others it is the path below what was given, with suffix."""
    replace: bool = False
    """Whether a film takes the place of another one that is stored under its id; else it fails."""
    duplicates: str = "skip"
    """What becomes of a film whose content is stored under another id, or is that of a film before
    it in this run: "skip" reports it and decodes nothing, "keep" stores it, too."""
    strict: bool = False
    """Whether films that do not decode completely are refused."""
    since: datetime | str | None = None
    """Only films that were changed at this date or time (ISO 8601), or later."""
    only: str | Sequence[str] = ()
    """Only films whose ids match this pattern, or one of these, with ``*``, ``?`` and ``[…]``; it
    may leave out the suffix."""
    shard: str | None = None
    """Only films of one part of several, by a hash of their ids: "2/5" is the second of five."""
    workers: int | None = None
    """Processes that decode; None means one a core, and `WORKERS_OF_GPU` for ``device="cuda"``."""
    limit_seconds: float = LIMIT_SECONDS
    """Time without a sign after which a worker is stopped; `SECONDS_PER_GB` more for each GB."""
    memory_bytes: int = MEMORY_BYTES
    """Memory of a worker. It does not bound one that may use a GPU, since drivers reserve more than
    they use."""
    range_seconds: float = RANGE_SECONDS
    """Least predicted CPU time of a range of a long film; ``math.inf`` cuts none."""
    check_space: bool = True
    """Whether a run is refused for which the disk may be too small."""
    retry_failed: bool = False
    """Whether films that crashed or hung twice in an earlier run are tried again."""
    backend: str | None = None
    """Who decodes, as for `read`; None means whatever suits the device."""
    device: str = "cpu"
    """Where: "cpu", "cuda", or "auto"."""
    ray: str | None = None
    """The address of a Ray cluster, whose nodes work then; None works on this machine."""

    def __post_init__(self) -> None:
        """Checks the ranges, and what is made of the fields."""
        _ = self.recipe, self.request
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers={self.workers} indexes nothing; pass workers >= 1")
        if self.duplicates not in DUPLICATES:
            raise ValueError(f"duplicates={self.duplicates!r} is unknown; pass 'skip' or 'keep'")
        for name in ("limit_seconds", "memory_bytes", "range_seconds"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"{name}={value} leaves a worker nothing; pass a positive number")

    @property
    def recipe(self) -> Recipe:
        """What decides the pixels and the rows of a video."""
        size = size_words(self.size)
        return Recipe(self.fps, size, self.codec, self.quality, self.dedup, self.stream)

    @property
    def request(self) -> DecoderRequest:
        """Who is to decode; no part of the recipe, so a film in the store is not decoded again."""
        return DecoderRequest(self.backend, self.device)

    @property
    def processes(self) -> int:
        """How many processes work on this machine.

        >>> IndexOptions(device="cuda").processes
        2
        """
        default = WORKERS_OF_GPU if self.device == "cuda" else os.cpu_count()
        return self.workers or default or 1

    @property
    def is_on_cpu_here(self) -> bool:
        """Whether this machine's CPU cores alone do the work, as the cost model predicts it."""
        return self.ray is None and self.backend != "dali" and self.device == "cpu"


class IndexKeywords(TypedDict, total=False):
    """The fields of `IndexOptions` as keyword arguments."""

    fps: float | None
    size: Size
    codec: str
    quality: int | None
    dedup: float
    stream: int | None
    ids: Mapping[Any, str] | None
    replace: bool
    duplicates: str
    strict: bool
    since: datetime | str | None
    only: str | Sequence[str]
    shard: str | None
    workers: int | None
    limit_seconds: float
    memory_bytes: int
    range_seconds: float
    check_space: bool
    retry_failed: bool
    backend: str | None
    device: str
    ray: str | None


@dataclass(frozen=True, slots=True)
class FilmTask:
    """A film to be indexed into a store under a recipe, or one range of it.

    It is all that doing it takes, and can be pickled, and sent to another process or machine. Its
    ``id`` depends on the video, the recipe and the range alone: the same in every run.

    >>> task = FilmTask("film.mp4", "corpus.zarr", "film", Recipe(size="160"))
    >>> task.id == FilmTask("elsewhere.mp4", "other.zarr", "film", Recipe(size="160")).id
    True
    """

    path: FilmPath
    """Where the film is, or its URL."""
    store: AnyStore
    """Its folder, its URL or its `files`."""
    video_id: str
    recipe: Recipe
    is_strict: bool = False
    """Whether a film that does not decode completely is refused."""
    request: DecoderRequest = DecoderRequest()  # noqa: RUF009 (frozen)
    """Who is to decode; no part of the id, since it does not decide what is stored."""
    part: int | None = None
    """Which range of the film, from 0: it gives a `RangeResult`. None for the film itself, which is
    merged where all parts of its ranges are there, and decoded in one go where they are not."""
    is_repair: bool = False
    """Whether the same film takes the place of its group, which is there and broken."""
    replaces_content: bool = False
    """Whether the film takes the place of another one that is there under its id."""
    range_seconds: float = RANGE_SECONDS
    """Least CPU time of a range, as predicted; a film of less than two is not cut. Nor is one by
    URL, which each range would fetch anew."""

    @property
    def files(self) -> StoreBackend:
        """The files of the store."""
        return resolve_store(self.store)

    @property
    def id(self) -> str:
        """Names the task, 16 hexadecimal digits."""
        import xxhash

        facts = {"video": self.video_id, "recipe": self.recipe.to_dict(), "part": self.part}
        return xxhash.xxh3_64_hexdigest(canonical_json(facts))
