"""Migrate: brings a store of the former layout to this one; no picture is read or decoded.

1. A group's files move into a folder named by the digest of its record: so a run that was killed
   goes on where it was.
2. Its table is written anew beside them, under today's names of columns, and the record names the
   new place. The old record holds until then.
3. What is known of films that failed moves, and the old catalogue goes; it is only a cache.
4. The mark of the store says the new version last of all.
"""

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fewframes.errors import CorruptStoreError
from fewframes.features.anomaly import ANOMALY
from fewframes.store.backend import StoreBackend
from fewframes.store.compaction import compact
from fewframes.store.frame_table_io import PARQUET
from fewframes.store.layout import (
    CATALOGUE,
    COMMIT,
    FAILURES,
    LAYOUT_VERSION,
    MARKER,
    VIDEOS,
)
from fewframes.store.manifest import check_of, parse_record, sealed_record
from fewframes.store.marker import layout_version, mark_bytes
from fewframes.store.publish import tidy
from fewframes.store.record_rules import checked_files
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.tables import read_table

FORMER_FAILURES = "quarantine"
FORMER_COLUMNS = {"oddity": ANOMALY}
"""Names of columns that have changed since the former layout."""


def migrate(where: AnyStore, *, progress: Callable[[str], None] = lambda _: None) -> list[str]:
    """Brings a store up to date; gives a sentence for each group that could not be.

    A group that is damaged stays as it is, as damage. ``progress`` is told each group. Nobody may
    write into the store meanwhile. A store that is up to date is left alone.

    Raises:
        FileNotFoundError, ValueError, CorruptStoreError: It is no store, or a newer one's.
    """
    store, problems = resolve_store(where), []
    if layout_version(store) == LAYOUT_VERSION:
        return []
    for path in sorted(store.named(VIDEOS, COMMIT)):
        home = path.removesuffix(f"/{COMMIT}")
        progress(home)
        try:
            _migrate_group(store, home)
        except (CorruptStoreError, FileNotFoundError) as error:
            problems.append(str(error))
    for name in store.names(FORMER_FAILURES):
        store.rename(f"{FORMER_FAILURES}/{name}", f"{FAILURES}/{name}")
    for former in (FORMER_FAILURES, CATALOGUE):
        store.delete_below(former)
    store.put(MARKER, mark_bytes(LAYOUT_VERSION))
    compact(store)
    return problems


def _migrate_group(store: StoreBackend, home: str) -> None:
    """Moves the files of one group or sidecar, and writes its table and record anew."""
    import xxhash

    name = f"{home.partition('/')[2]}/{COMMIT}"
    data = store.read(f"{home}/{COMMIT}")
    facts = parse_record(data, name)
    if facts.get("layout") == LAYOUT_VERSION:
        tidy(store, home)
        return
    files = checked_files(facts.pop("files"), name)
    former, place = facts.pop("attempt", None), xxhash.xxh3_128_hexdigest(data)
    check_of(home)({**facts, "attempt": former or place, "layout": LAYOUT_VERSION}, name)
    old = f"{home}/{former}" if former else home
    if PARQUET in files:
        table = _renamed_table(store, f"{old}/{PARQUET}", files[PARQUET], facts, name)
        store.put(f"{home}/{place}/{PARQUET}", table)
        files[PARQUET] = len(table), xxhash.xxh3_128_hexdigest(table)
    for path in sorted(set(files) - {PARQUET}):
        _move(store, f"{old}/{path}", f"{home}/{place}/{path}")
    entries = [{"path": path, "size": n, "xxh3": x} for path, (n, x) in sorted(files.items())]
    store.put(f"{home}/{COMMIT}", sealed_record(facts, place, entries))
    tidy(store, home)


def _move(store: StoreBackend, key: str, to: str) -> None:
    """Renames a file, unless an earlier run has."""
    with suppress(FileNotFoundError):
        store.rename(key, to)
        return
    folder, _, name = to.rpartition("/")
    store.files(folder).size(name)


def _renamed_table(
    store: StoreBackend, key: str, known: tuple[int, str], facts: dict[str, Any], name: str
) -> bytes:
    """A table under today's names of columns."""
    import pyarrow.parquet as pq
    import xxhash

    data = store.read(key, most_bytes=known[0])
    if (len(data), xxhash.xxh3_128_hexdigest(data)) != known:
        raise CorruptStoreError(f"{PARQUET} beside {name} is damaged")
    table = read_table(
        data, rows=facts["counts"]["rows"], kinds={}, gappy="container_pts", name=name
    )
    names = [FORMER_COLUMNS.get(column, column) for column in table.column_names]
    out, how = io.BytesIO(), {"compression": "zstd", "write_page_checksum": True}
    pq.write_table(table.rename_columns(names), out, **how)
    return out.getvalue()
