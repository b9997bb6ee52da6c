"""Compaction: writes a new snapshot of the catalogue and removes the notes it contains.

1. One process at a time does it, under a lock.
2. It lists the notes, and asks of each whether its attempt is over, before it looks at a video.
3. It writes the snapshot under a number one higher than any before, all on the disk, by one rename.
4. It removes older snapshots, and the notes whose attempts were over; the others stay.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fewframes.atomic import write_atomic
from fewframes.errors import CorruptStoreError
from fewframes.store.catalogue import (
    listed_ids,
    newest_snapshot,
    number_of,
    rows_of,
    rows_without,
    snapshot_files,
)
from fewframes.store.catalogue_rows import table_of_rows
from fewframes.store.journal import JournalEntry, journal_entries, journaled_ids
from fewframes.store.layout import CATALOGUE, LOCK
from fewframes.store.staging import Staging, is_over
from fewframes.store.untrusted import remove_tree

log = logging.getLogger("fewframes")

LONGEST_TAIL = 128
"""Notes after which the next publication makes a new snapshot."""


def compact(store: Path, *, whole: bool = True, waits: bool = True) -> int:
    """Makes a new snapshot and removes what it replaces; gives the number of videos.

    ``whole`` reads the record of every video anew, which mends a catalogue that is wrong; else
    only videos that notes name are looked up. While another process compacts it ``waits``, or else
    does nothing and gives 0.
    """
    with _only_one(store, waits=waits) as is_mine:
        if not is_mine:
            return 0
        notes = [(note, is_over(store, note.name)) for note in journal_entries(store)]
        before = snapshot_files(store)
        table = _whole_table(store) if whole else _renewed(store, [note for note, _ in notes])
        write_snapshot(store, table, before)
        for file in before:
            remove_tree(file)
        for note, is_done in notes:
            if is_done:
                remove_tree(note.file)
        return len(table)


def compact_if_long(store: Path) -> None:
    """Makes a new snapshot where readers would have to follow too many notes.

    What was published stands either way, so a full disk is only logged; the next one tries again.
    """
    if len(journal_entries(store)) <= LONGEST_TAIL:
        return
    try:
        compact(store, whole=False, waits=False)
    except OSError as error:
        log.warning("the catalogue of %r was not compacted: %s", store.name, error)


def _whole_table(store: Path) -> Any:  # noqa: ANN401 (a pyarrow.Table)
    return table_of_rows(rows_of(store, listed_ids(store)))


def _renewed(store: Path, notes: list[JournalEntry]) -> Any:  # noqa: ANN401 (a pyarrow.Table)
    """The newest snapshot with every noted video looked up again; all of them, where it is bad."""
    import pyarrow as pa

    try:
        ids, snapshot = sorted(set(journaled_ids(notes))), newest_snapshot(store)
    except CorruptStoreError as error:
        log.warning("%s; every record is read for it", error)
        snapshot = None
    if snapshot is None:
        return _whole_table(store)
    kept = snapshot.table.filter(rows_without(snapshot.table, ids))
    return pa.concat_tables([kept, table_of_rows(rows_of(store, ids))]).sort_by("id")


def write_snapshot(store: Path, table: Any, before: list[Path]) -> None:  # noqa: ANN401
    """Writes a table as the newest snapshot, one number after those that were there before."""
    import pyarrow as pa
    import xxhash

    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    data = memoryview(sink.getvalue())
    number = 1 + max(map(number_of, before), default=0)
    name = f"snapshot-{number:010d}-{xxhash.xxh3_128_hexdigest(data)}.arrow"
    with Staging(store) as staging:
        draft = staging.folder / name
        write_atomic(store / CATALOGUE / name, data, draft=draft, is_durable=True)


@contextmanager
def _only_one(store: Path, *, waits: bool) -> Iterator[bool]:
    """Whether this process may compact now; the right ends with the ``with`` or the process."""
    (store / CATALOGUE).mkdir(exist_ok=True)
    lock = os.open(store / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(lock)
        yield False
        return
    try:
        yield True
    finally:
        os.close(lock)
