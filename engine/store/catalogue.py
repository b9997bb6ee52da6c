"""Catalogue: which videos does a store hold, without looking into every folder?

1. The groups and their commit records are the truth. The catalogue is a cache of them: a snapshot,
   one Arrow stream and behind it the xxh3-128 of its bytes, and the journal of later changes.
2. They lie in one folder, so that one listing finds both. A video that a note names is looked up in
   its own folder; for every other one the newest snapshot's row stands.
3. Where there is no snapshot, the folders are listed. Store.__getitem__ never asks the catalogue,
   so that a wrong one can hide a video from a list, but never give another's frames.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fewframes.errors import CorruptStoreError, UnreachableStoreError
from fewframes.store.backend import StoreBackend
from fewframes.store.catalogue_rows import (
    COLUMNS,
    Row,
    id_bytes,
    id_texts,
    row_from,
    schema_of_rows,
    table_of_rows,
)
from fewframes.store.current import current
from fewframes.store.groups import commits_of, holds, published_ids, published_keys
from fewframes.store.journal import journaled_ids, notes_among
from fewframes.store.layout import CATALOGUE
from fewframes.store.tables import check_values, read_plain

BATCH_ROWS = 4096
MOST_BYTES = 4 << 30
"""Of a snapshot: 15 million videos."""
DIGEST_BYTES = 16
_SNAPSHOT = re.compile("snapshot-[0-9]{10,18}[.]arrows")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The videos as they were when it was made."""

    key: str
    table: Any
    """A ``pyarrow.Table`` of `COLUMNS`, on a disk mapped from the file."""
    damage: str
    """Says that it is not what was written."""
    checked: set[str] = field(default_factory=set)
    """Columns of which every value is known to lie in the file."""

    def check(self, columns: Iterable[str]) -> "Snapshot":
        """Checks columns that are to be used, once each; raises CorruptStoreError."""
        import pyarrow as pa

        for name in {"id", *columns} - self.checked:
            try:
                check_values(self.table[name])
            except (pa.ArrowException, ValueError) as error:
                raise CorruptStoreError(self.damage) from error
            self.checked.add(name)
        return self


class Catalogue:
    """The videos of a store, read when asked for; every call sees what is there now."""

    def __init__(self, store: StoreBackend) -> None:
        self._store = store
        self._snapshot: Snapshot | None = None

    def __len__(self) -> int:
        view = self._look()
        return len(view.noted) + (0 if view.table is None else view.stands.true_count)

    def ids(self) -> list[str]:
        """Gives the ids of all videos, sorted.

        Raises:
            CorruptStoreError: The snapshot or a note is damaged; ``compact`` makes them anew.
        """
        view = self._look()
        old = [] if view.table is None else id_texts(view.table["id"].filter(view.stands))
        return sorted([*old, *view.noted])

    def rows(self, columns: Sequence[str] = tuple(COLUMNS)) -> Iterator[Row]:
        """Gives columns of every video, ``id`` among them and as text, sorted by id."""
        view = self._look(columns)
        late = [{name: row[name] for name in columns} for row in rows_of(self._store, view.noted)]
        late.sort(key=lambda row: str(row["id"]))
        for batch in view.batches(columns):
            for row, video_id in zip(batch.to_pylist(), id_texts(batch["id"]), strict=True):
                while late and late[0]["id"] < video_id:
                    yield late.pop(0)
                row["id"] = video_id
                yield row
        yield from late

    def table(self) -> Any:  # noqa: ANN401 (a pyarrow.Table)
        """Gives all rows as one table, sorted by id; raises as `ids` does."""
        import pyarrow as pa

        view = self._look(COLUMNS)
        late = table_of_rows(rows_of(self._store, view.noted))
        kept = [] if view.table is None else [view.table.filter(view.stands)]
        return pa.concat_tables([*kept, late]).sort_by("id")

    def _look(self, columns: Iterable[str] = ()) -> "_View":
        """What is there now; ``columns`` of the snapshot are to be used, and ids."""
        while True:
            names = self._store.names(CATALOGUE)
            ids = sorted(set(journaled_ids(self._store, notes_among(names))))
            with suppress(FileNotFoundError):  # a newer one has just taken its place, and the notes
                self._snapshot = _newest_among(self._store, names, self._snapshot, columns)
                break
        if self._snapshot is None:
            return _View(None, None, list(published_ids(self._store)))
        table = self._snapshot.table
        there = [video_id for video_id in ids if holds(self._store, video_id)]
        return _View(table, rows_without(table, ids), there)


class _View(NamedTuple):
    """What is there at one moment."""

    table: Any
    """The snapshot, or None."""
    stands: Any
    """Which of its rows still stand: no note names the video."""
    noted: list[str]
    """Videos that notes, or without a snapshot the folders, lead to."""

    def batches(self, columns: Sequence[str]) -> list[Any]:
        """The rows of the snapshot that stand, in record batches."""
        if self.table is None:
            return []
        found: list[Any] = self.table.select(columns).filter(self.stands).to_batches(BATCH_ROWS)
        return found


def newest_snapshot(store: StoreBackend) -> Snapshot | None:
    """Opens the newest snapshot with all its columns; None where there is none.

    One of other columns, as another version writes it, counts as none. Raises CorruptStoreError
    where its bytes are not what was written.
    """
    while True:
        with suppress(FileNotFoundError):
            return _newest_among(store, store.names(CATALOGUE), None, COLUMNS)


def _newest_among(
    store: StoreBackend, names: Sequence[str], known: Snapshot | None, columns: Iterable[str]
) -> Snapshot | None:
    """As `newest_snapshot`, or ``known`` if it is that; FileNotFoundError if it is gone.

    Only ``columns`` are checked. A snapshot goes before the notes that its successor has taken in:
    so if a note was missed, what was then the newest one is gone, too.
    """
    keys = snapshots_among(names)
    if not keys:
        return None
    if known is None or keys[-1] != known.key:
        known = _open_snapshot(store, keys[-1])
    elif not store.is_remote:  # a folder is listed in any order, an object store by names in order
        store.files(CATALOGUE).size(keys[-1].rpartition("/")[2])
    return known and known.check(columns)


def snapshot_keys(store: StoreBackend) -> list[str]:
    """Lists the snapshots, the newest last; there is more than one for moments only."""
    return snapshots_among(store.names(CATALOGUE))


def snapshots_among(names: Iterable[str]) -> list[str]:
    """Gives the keys of snapshots by names in the catalogue, the newest last."""
    ours = filter(_SNAPSHOT.fullmatch, names)
    return sorted((f"{CATALOGUE}/{name}" for name in ours), key=number_of)


def number_of(snapshot: str) -> int:
    """The number of a snapshot, by its key: each has the next one.

    >>> number_of("catalogue/snapshot-0000000012.arrows")
    12
    """
    return int(snapshot.rpartition("-")[2].removesuffix(".arrows"))


def row_of(store: StoreBackend, video_id: str) -> Row | None:
    """Gives the row of a video from its commit records; None where it has no group."""
    try:
        keys = published_keys(store, video_id)
    except CorruptStoreError:  # a link
        return row_from(video_id, [], [], 0)
    if not keys:
        return None
    commits, at = [], 0
    with suppress(CorruptStoreError):
        commits = commits_of(store, video_id)
        at = commits.index(current(store, video_id, commits)) if commits else 0
    return row_from(video_id, keys, commits, at)


def rows_of(store: StoreBackend, ids: Iterable[str]) -> Iterator[Row]:
    """Gives the rows of those videos that have a group."""
    for video_id in ids:
        row = row_of(store, video_id)
        if row is not None:
            yield row


def _open_snapshot(store: StoreBackend, key: str) -> Snapshot | None:
    """Opens a snapshot, or gives None for one of other columns."""
    import pyarrow as pa
    import xxhash

    damage = f"the catalogue of {store.name!r} is damaged; run 'fewframes compact'"
    try:
        data = store.buffer(key, most_bytes=MOST_BYTES)
        body, digest = data.slice(0, data.size - DIGEST_BYTES), data.slice(data.size - DIGEST_BYTES)
        if xxhash.xxh3_128_digest(memoryview(body)) != digest.to_pybytes():
            raise CorruptStoreError(damage)
        table = read_plain(body, schema_of_rows())
    except (FileNotFoundError, UnreachableStoreError):
        raise
    except (pa.ArrowException, OSError, ValueError, EOFError, IndexError) as error:
        raise CorruptStoreError(damage) from error
    if table is not None and table["id"].null_count:
        raise CorruptStoreError(damage)
    return None if table is None else Snapshot(key, table, damage)


def rows_without(table: Any, ids: list[str]) -> Any:  # noqa: ANN401 (of pyarrow)
    """Says which rows of a snapshot have none of these ids, as an Arrow mask."""
    import pyarrow as pa
    import pyarrow.compute as pc

    named = pa.array(list(map(id_bytes, ids)), pa.binary())
    found = pc.SetLookupOptions(value_set=named)
    is_named = pc.call_function("is_in", [table["id"].combine_chunks()], found)
    return pc.call_function("invert", [is_named])
