"""Duplicates: which videos of a store show the same pictures? By its tables alone.

1. Films whose whole digests are equal are copies; the first of them stands for all.
2. The others are compared by `shared_spans`, on the hashes of their scanned frames.
3. A span is told if the signatures of its frames agree, too, which also see colour.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fewframes.arrays import F32
from fewframes.errors import CorruptStoreError
from fewframes.features.hash_votes import FilmHashes
from fewframes.features.shared_spans import SharedSpan, shared_spans
from fewframes.features.signals import CONTRAST, DHASH
from fewframes.store.backend import StoreBackend
from fewframes.store.frame_table_io import read_rows, read_signatures
from fewframes.store.manifest import Manifest
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.store import open_store
from fewframes.store.together import anchors_for, read_anchors, write_anchors

FLAT_LEVELS = 3.0
"""`contrast` below which the hash of a picture is that of its noise."""
LEAST_LIKENESS = 0.85
"""Mean product of the signatures of a span's frames: 0.95 or more in copies of real footage."""
FILMS_AT_ONCE = 16
"""Films whose signatures are kept in memory."""


@dataclass(frozen=True, slots=True)
class SharedPictures:
    """A stretch that two videos have in common, or two places of one."""

    video_a: str
    start_a: float
    """Seconds."""
    end_a: float
    video_b: str
    start_b: float
    end_b: float
    seconds: float
    """How long it is."""
    share: float
    """Of the rows that were compared, how many match; 0 to 1."""
    is_copy: bool
    """Whether the two films are equal, byte for byte."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What the videos of a store have in common."""

    spans: tuple[SharedPictures, ...]
    """Sorted by video and time. Of films that are copies, the first stands for all."""
    rows: int
    """How many rows there were."""
    flat_rows: int
    """Of these, black or of one colour: they tell nothing."""
    common_rows: int
    """Of these, of a picture that very many rows show; they tell nothing, either."""
    problems: tuple[str, ...]
    """Sentences on videos that could not be compared."""


def find_duplicates(
    where: AnyStore,
    *,
    min_seconds: float = 5.0,
    save: bool = False,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Duplicates:
    """Finds stretches of ``min_seconds`` or more that videos share; no picture is read.

    ``save`` puts what belongs together into the store: `ClipPlan` then keeps it on one side of a
    split. ``progress`` is told a video, videos read and videos in all.

    Raises:
        ValueError: ``min_seconds`` is not above 0.
        FileNotFoundError: That is no store.
    """
    films = _read(where, progress)
    found, ignored = shared_spans(films.hashes, min_seconds=min_seconds)
    spans = [films.named(span) for span in found if films.are_alike(span)]
    if save:
        _save(resolve_store(where), films, spans)
    spans = sorted([*spans, *films.copies], key=lambda one: (one.video_a, one.start_a, one.video_b))
    rows = sum(len(film.seconds) for film in films.hashes)
    return Duplicates(tuple(spans), rows, *ignored, tuple(films.problems))


@dataclass(frozen=True, slots=True)
class _Films:
    """The films of a store, each once however many copies of it there are."""

    there: list[Manifest] = field(default_factory=list)
    hashes: list[FilmHashes] = field(default_factory=list)
    created: dict[str, str] = field(default_factory=dict)
    """When the first video of a film was published, by its digest."""
    copies: list[SharedPictures] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    described: dict[int, F32 | None] = field(default_factory=dict)
    """Signatures that were read last."""

    def named(self, span: SharedSpan) -> SharedPictures:
        """A span with the ids of its videos."""
        a, b = (str(self.there[film].facts["id"]) for film in (span.a, span.b))
        most_a, most_b = (self.there[film].duration_seconds for film in (span.a, span.b))
        start_a, end_a = round(span.start_a, 3), round(min(span.end_a, most_a), 3)
        start_b, end_b = round(span.start_b, 3), round(min(span.end_b, most_b), 3)
        seconds = round(min(end_a - start_a, end_b - start_b), 3)
        return SharedPictures(
            a, start_a, end_a, b, start_b, end_b, seconds, span.share, is_copy=False
        )

    def are_alike(self, span: SharedSpan) -> bool:
        """Whether the signatures of a span agree; also where a store has none."""
        a, b = self._signatures(span.a), self._signatures(span.b)
        if a is None or b is None or a.shape[1] != b.shape[1]:
            return True
        times_a, times_b = self.hashes[span.a].seconds, self.hashes[span.b].seconds
        (rows,) = np.nonzero((times_b >= span.start_b) & (times_b < span.end_b))
        there = times_b[rows] - span.start_b + span.start_a
        nearest = np.searchsorted((times_a[1:] + times_a[:-1]) / 2, there)
        return bool(np.einsum("nd,nd->n", a[nearest], b[rows]).mean() >= LEAST_LIKENESS)

    def _signatures(self, film: int) -> F32 | None:
        """The signatures of a film; None where there are none, or damaged ones, which is told."""
        if film not in self.described:
            if len(self.described) >= FILMS_AT_ONCE:
                del self.described[next(iter(self.described))]
            try:
                commit = self.there[film]
                self.described[film] = read_signatures(commit, commit.facts["counts"]["rows"])
            except CorruptStoreError as error:
                self.described[film] = None
                self.problems.append(str(error))
        return self.described[film]


def _read(where: AnyStore, progress: Callable[[str, int, int], None]) -> _Films:
    """Reads the hashes of every film; what cannot be read is told."""
    store, films, first = open_store(where), _Films(), dict[str, Manifest]()
    for done, video_id in enumerate(ids := list(store), 1):
        try:
            commit = store[video_id].commit
            digest, created = _digest(commit), str(commit.facts["created"])
            films.created[digest] = min(created, films.created.get(digest, created))
            if digest in first:
                films.copies.append(_copy(first[digest], commit))
            else:
                films.hashes.append(_hashes(commit))
                films.there.append(commit)
                first[digest] = commit
        except (CorruptStoreError, KeyError, ValueError) as error:
            films.problems.append(str(error.args[0]))
        progress(video_id, done, len(ids))
    return films


def _save(store: StoreBackend, films: _Films, spans: list[SharedPictures]) -> None:
    """Puts into the store which films belong together; those that did keep their anchors."""
    digests = {one.facts["id"]: _digest(one) for one in films.there}
    edges = [(digests[one.video_a], digests[one.video_b]) for one in spans]
    try:
        known = read_anchors(store)
    except CorruptStoreError as error:
        films.problems.append(f"{error}: it was made anew, and sides of a split may be others")
        known = {}
    edges += [(film, film) for film in known if film in films.created]
    write_anchors(store, anchors_for(edges, known=known, created=films.created))


def _hashes(commit: Manifest) -> FilmHashes:
    """What is compared of a film; ValueError where its table has no hashes."""
    table = read_rows(commit).table
    if DHASH not in table.signals:
        raise ValueError(f"video {commit.facts['id']!r} has no hashes; index it again")
    hashes = table.signals[DHASH]
    contrast = table.signals.get(CONTRAST, np.full(len(table), 255.0))
    return FilmHashes(table.seconds, hashes, (contrast < FLAT_LEVELS) | (hashes == 0))


def _copy(first: Manifest, copy: Manifest) -> SharedPictures:
    """Two videos of equal films, from end to end."""
    seconds = round(first.duration_seconds, 3)
    names = (str(commit.facts["id"]) for commit in (first, copy))
    a, b = ((name, 0.0, seconds) for name in names)
    return SharedPictures(*a, *b, seconds, 1.0, is_copy=True)


def _digest(commit: Manifest) -> str:
    return str(commit.facts["source"]["digest"])
