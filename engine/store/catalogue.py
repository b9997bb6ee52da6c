"""Catalogue: which videos does a store hold, without looking into every folder?

1. The groups and their commit records are the truth. The catalogue is a cache of them: a snapshot,
   one Arrow IPC file whose name ends in the xxh3-128 of its bytes, and notes of later changes.
2. A reader takes the notes first, then the newest snapshot. A video that a note names is looked up
   in its own folder; for every other one the snapshot's row stands.
3. Where there is no snapshot, the folders are listed. Store.__getitem__ never asks the catalogue,
   so that a wrong one can hide a video from a list, but never give another's frames.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fewframes.errors import CorruptStoreError
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
from fewframes.store.journal import journal_entries, journaled_ids
from fewframes.store.layout import CATALOGUE, VIDEOS, groups_of, video_id_in
from fewframes.store.manifest import read_commit_of
from fewframes.store.tables import check_values, read_plain

BATCH_ROWS = 4096
MOST_BYTES = 4 << 30
"""Of a snapshot: 15 million videos."""
_SNAPSHOT = re.compile("snapshot-[0-9]{10,18}-[0-9a-f]{32}[.]arrow")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The videos as they were when it was made."""

    file: Path
    table: Any
    """A ``pyarrow.Table`` of `COLUMNS`, mapped from the file."""
    checked: set[str] = field(default_factory=set)
    """Columns of which every value is known to lie in the file."""

    def check(self, columns: Iterable[str]) -> "Snapshot":
        """Checks columns that are to be used, once each; raises CorruptStoreError."""
        import pyarrow as pa

        for name in {"id", *columns} - self.checked:
            try:
                check_values(self.table[name])
            except (pa.ArrowException, ValueError) as error:
                raise CorruptStoreError(damage_of(self.file)) from error
            self.checked.add(name)
        return self


class Catalogue:
    """The videos of a store, read when asked for; every call sees what is there now."""

    def __init__(self, store: Path) -> None:
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
                yield row | {"id": video_id}
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
        ids = sorted(set(journaled_ids(journal_entries(self._store))))
        self._snapshot = newest_snapshot(self._store, self._snapshot, columns=columns)
        if self._snapshot is None:
            return _View(None, None, listed_ids(self._store))
        table = self._snapshot.table
        there = [video_id for video_id in ids if groups_of(self._store, video_id)]
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


def listed_ids(store: Path) -> list[str]:
    """Lists the folders themselves: the ids of all videos that have a group, sorted."""
    folder = store / VIDEOS
    entries = folder.iterdir() if folder.is_dir() else []
    ids = (video_id_in(entry) for entry in entries)
    return sorted(video_id for video_id in ids if groups_of(store, video_id))


def newest_snapshot(
    store: Path, known: Snapshot | None = None, *, columns: Iterable[str] = tuple(COLUMNS)
) -> Snapshot | None:
    """Opens the newest snapshot, or gives ``known`` if it is that; None where there is none.

    One of other columns, as another version writes it, counts as none. Raises CorruptStoreError
    where its bytes are not what its name says, or ``columns`` have what cannot be.
    """
    while files := snapshot_files(store):
        if known is not None and files[-1] == known.file:
            return known.check(columns)
        with suppress(FileNotFoundError):  # a newer one has just taken its place
            found = _open_snapshot(files[-1])
            return found and found.check(columns)
    return None


def snapshot_files(store: Path) -> list[Path]:
    """Lists the snapshots, the newest last; there is more than one for moments only."""
    there = (store / CATALOGUE).glob("snapshot-*.arrow")
    ours = (file for file in there if _SNAPSHOT.fullmatch(file.name))
    return sorted(ours, key=lambda file: (number_of(file), file.name))


def number_of(snapshot: Path) -> int:
    """The number of a snapshot, by its name: each has the next one."""
    return int(snapshot.name.split("-")[1])


def row_of(store: Path, video_id: str) -> Row | None:
    """Gives the row of a video from its commit records; None where it has no group."""
    groups = groups_of(store, video_id)
    if not groups:
        return None
    newest = None
    with suppress(CorruptStoreError):
        newest = current(store, video_id, [read_commit_of(group, video_id) for group in groups])
    return row_from(video_id, [group.name for group in groups], newest)


def rows_of(store: Path, ids: Iterable[str]) -> Iterator[Row]:
    """Gives the rows of those videos that have a group."""
    for video_id in ids:
        row = row_of(store, video_id)
        if row is not None:
            yield row


def _open_snapshot(file: Path) -> Snapshot | None:
    """Maps a snapshot, or gives None for one of other columns."""
    import pyarrow as pa
    import xxhash

    damage = damage_of(file)
    try:
        found = file.lstat()
        if not stat.S_ISREG(found.st_mode) or not 0 < found.st_size <= MOST_BYTES:
            raise CorruptStoreError(damage)
        with pa.memory_map(os.fsencode(file)) as mapped:
            data = mapped.read_buffer()
        if xxhash.xxh3_128_hexdigest(memoryview(data)) != file.stem.rsplit("-", 1)[1]:
            raise CorruptStoreError(damage)
        table = read_plain(data, schema_of_rows())
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        raise CorruptStoreError(damage) from error
    if table is not None and table["id"].null_count:
        raise CorruptStoreError(damage)
    return None if table is None else Snapshot(file, table)


def damage_of(file: Path) -> str:
    """Says that a snapshot is not what was written, and what to do."""
    return f"the catalogue of {file.parents[1].name!r} is damaged; run 'fewframes compact'"


def rows_without(table: Any, ids: list[str]) -> Any:  # noqa: ANN401 (of pyarrow)
    """Says which rows of a snapshot have none of these ids, as an Arrow mask."""
    import pyarrow as pa
    import pyarrow.compute as pc

    named = pa.array(list(map(id_bytes, ids)), pa.binary())
    found = pc.SetLookupOptions(value_set=named)
    is_named = pc.call_function("is_in", [table["id"].combine_chunks()], found)
    return pc.call_function("invert", [is_named])
