"""Compaction: writes a new snapshot of the catalogue and removes the notes it contains.

1. It lists the notes, and asks of each whether its attempt is over, before it looks at a video.
2. It creates the snapshot under the next number, where there is none yet. Of two processes one is
   too late, and starts again or leaves it.
3. It removes older snapshots, and the notes whose attempts were over; the others stay.
"""

import logging
from typing import Any

from fewframes.errors import CorruptStoreError
from fewframes.store.backend import StoreBackend
from fewframes.store.catalogue import (
    newest_snapshot,
    number_of,
    rows_of,
    rows_without,
    snapshot_keys,
)
from fewframes.store.catalogue_rows import table_of_rows
from fewframes.store.groups import published_ids
from fewframes.store.journal import journal_names, journaled_ids
from fewframes.store.layout import CATALOGUE
from fewframes.store.resolve import AnyStore, resolve_store

log = logging.getLogger("fewframes")

LONGEST_TAIL = 128
"""Notes after which the next publication makes a new snapshot."""


def compact(where: AnyStore, *, whole: bool = True, waits: bool = True) -> int:
    """Makes a new snapshot and removes what it replaces; gives the number of videos.

    ``whole`` reads the record of every video anew, which mends a catalogue that is wrong; else
    only videos that notes name are looked up. Where another process has just made one, it is made
    again if it ``waits``; else nothing is done, and it gives 0.
    """
    store = resolve_store(where)
    while True:
        notes = [(name, store.is_over(name)) for name in journal_names(store)]
        before = snapshot_keys(store)
        table = _whole_table(store) if whole else _renewed(store, [name for name, _ in notes])
        key = write_snapshot(store, table, before)
        if key and snapshot_keys(store)[-1] != key:  # its number was free again: others were faster
            store.delete(key)
            key = ""
        if key:
            store.delete(*before)  # first: see `catalogue`
            store.delete(*(f"{CATALOGUE}/{name}" for name, is_done in notes if is_done))
            return len(table)
        if not waits:
            return 0


def compact_if_long(store: StoreBackend) -> None:
    """Makes a new snapshot where readers would have to follow too many notes.

    What was published stands either way, so a full disk is only logged; the next one tries again.
    """
    if len(journal_names(store)) <= LONGEST_TAIL:
        return
    try:
        compact(store, whole=False, waits=False)
    except OSError as error:
        log.warning("the catalogue of %r was not compacted: %s", store.name, error)


def _whole_table(store: StoreBackend) -> Any:  # noqa: ANN401 (a pyarrow.Table)
    return table_of_rows(rows_of(store, published_ids(store)))


def _renewed(store: StoreBackend, notes: list[str]) -> Any:  # noqa: ANN401 (a pyarrow.Table)
    """The newest snapshot with every noted video looked up again; all of them, where it is bad."""
    import pyarrow as pa

    try:
        ids, snapshot = sorted(set(journaled_ids(store, notes))), newest_snapshot(store)
    except CorruptStoreError as error:
        log.warning("%s; every record is read for it", error)
        snapshot = None
    if snapshot is None:
        return _whole_table(store)
    kept = snapshot.table.filter(rows_without(snapshot.table, ids))
    return pa.concat_tables([kept, table_of_rows(rows_of(store, ids))]).sort_by("id")


def write_snapshot(store: StoreBackend, table: Any, before: list[str]) -> str:  # noqa: ANN401
    """Writes a table as the snapshot one number after those before; gives its key, or nothing."""
    import pyarrow as pa
    import xxhash

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    data = memoryview(sink.getvalue())
    number = 1 + max(map(number_of, before), default=0)
    key = f"{CATALOGUE}/snapshot-{number:010d}.arrows"
    is_made = store.create(key, b"".join((data, xxhash.xxh3_128_digest(data))))
    return key if is_made else ""
