"""Migrate: brings a store of the former layout to this one; no picture is read or decoded.

1. A group's files move into a folder named by the digest of its record: so a run that was killed
   goes on where it was.
2. Its table is written anew beside them, under today's names of columns, and the record names the
   new place. The old record holds until then.
3. An id gets the suffix of its film, where its last part is the stem of the film's name and nothing
   else has the new id. Which ids these are is written down before the first group moves. Such a
   group moves to the new id's folder; its old record goes when the new one stands.
4. What is known of films that failed moves, and the old catalogue goes; it is only a cache.
5. The mark of the store says the new version last of all.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from fewframes.errors import CorruptStoreError
from fewframes.features.anomaly import ANOMALY
from fewframes.store.backend import StoreBackend
from fewframes.store.compaction import compact
from fewframes.store.failures import FailureRecords
from fewframes.store.frame_table_io import PARQUET
from fewframes.store.groups import home_of
from fewframes.store.ids import stem_of
from fewframes.store.layout import (
    CATALOGUE,
    COMMIT,
    CURRENT,
    FAILURES,
    LAYOUT_VERSION,
    MARKER,
    SIDECAR,
    VIDEOS,
    folder_name,
    unquoted,
)
from fewframes.store.manifest import check_of, parse_record, sealed_record
from fewframes.store.marker import layout_version, mark_bytes
from fewframes.store.publish import tidy
from fewframes.store.record_rules import checked_files, is_text
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.sidecar_kinds import VECTORS
from fewframes.store.tables import read_table
from fewframes.store.untrusted import load_json

FORMER_FAILURES = "quarantine"
RENAMED = "renamed-ids.json"
"""Ids that get a suffix, while a store is brought up to date."""
MOST_RENAMED_BYTES = 1 << 30
FORMER_COLUMNS = {"oddity": ANOMALY}
"""Names of columns that have changed since the former layout."""
ZARR = "zarr.json"


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
    renamed = _renamed_ids(store)
    for path in sorted(store.named(VIDEOS, COMMIT), key=_groups_first):
        home = path.removesuffix(f"/{COMMIT}")
        progress(home)
        try:
            _migrate_group(store, home, renamed)
        except (CorruptStoreError, FileNotFoundError) as error:
            problems.append(str(error))
    for video_id, new in renamed.items():
        with suppress(FileNotFoundError):
            store.rename(f"{home_of(video_id)}/{CURRENT}", f"{home_of(new)}/{CURRENT}")
    for name in store.names(FORMER_FAILURES):
        _migrate_failure(store, name, renamed)
    for former in (FORMER_FAILURES, CATALOGUE):
        store.delete_below(former)
    store.delete(RENAMED)
    store.put(MARKER, mark_bytes(LAYOUT_VERSION))
    compact(store)
    return problems


def _renamed_ids(store: StoreBackend) -> dict[str, str]:
    """The ids that get a suffix, and what they become; as a run that was killed has found them."""
    with suppress(FileNotFoundError, ValueError, AttributeError):
        known: dict[str, str] = load_json(store.read(RENAMED, most_bytes=MOST_RENAMED_BYTES))
        if all(is_text(new) and stem_of(new) == old != new for old, new in known.items()):
            return known
    films: dict[str, set[str]] = {}
    for path in store.named(VIDEOS, COMMIT):
        with suppress(CorruptStoreError, FileNotFoundError, KeyError, TypeError, ValueError):
            facts = parse_record(store.read(path), path)
            is_former = facts.get("layout") != LAYOUT_VERSION and "source" in facts
            if is_former and path.split("/")[1] == folder_name(facts["id"]):
                films.setdefault(facts["id"], set()).add(facts["source"]["name"])
    taken = set(store.names(VIDEOS))
    news = {video_id: _with_suffix(video_id, names) for video_id, names in films.items()}
    found = {old: new for old, new in news.items() if new and folder_name(new) not in taken}
    store.put(RENAMED, json.dumps(found).encode("ascii"))
    return found


def _with_suffix(video_id: str, names: set[str]) -> str:
    """The id with the suffix of its film, by the film's names in its groups; or nothing.

    >>> _with_suffix("day 1/a", {"a.mp4"}), _with_suffix("a", {"b.mp4"}), _with_suffix("a", {"a"})
    ('day 1/a.mp4', '', '')
    """
    name = names.pop() if len(names) == 1 else ""
    folders, slash, last = video_id.rpartition("/")
    is_stem = is_text(name) and name != last and stem_of(name) == last
    return f"{folders}{slash}{name}" if is_stem and "/" not in name else ""


def _migrate_group(store: StoreBackend, home: str, renamed: Mapping[str, str]) -> None:
    """Moves the files of one group or sidecar, and writes its table and record anew."""
    import xxhash

    name = f"{home.partition('/')[2]}/{COMMIT}"
    data = store.read(f"{home}/{COMMIT}")
    facts = parse_record(data, name)
    if facts.get("layout") == LAYOUT_VERSION:
        tidy(store, home)
        return
    files = checked_files(facts.pop("files"), name)
    facts |= {"kind": VECTORS} if SIDECAR.fullmatch(home.rpartition("/")[2]) else {}
    former, place = facts.pop("attempt", None), xxhash.xxh3_128_hexdigest(data)
    check_of(home)({**facts, "attempt": former or place, "layout": LAYOUT_VERSION}, name)
    old = f"{home}/{former}" if former else home
    to = _destination(store, home, facts["id"], renamed)
    _check_there(store, files, old, f"{to}/{place}")
    facts["id"] = facts["id"] if to == home else renamed[facts["id"]]
    written = _rewritten(store, old, files, facts, name, is_renamed=to != home)
    for path, new in written.items():
        store.put(f"{to}/{place}/{path}", new)
        files[path] = len(new), xxhash.xxh3_128_hexdigest(new)
    for path in sorted(files.keys() - written.keys()):
        _move(store, f"{old}/{path}", f"{to}/{place}/{path}")
    entries = [{"path": path, "size": n, "xxh3": x} for path, (n, x) in sorted(files.items())]
    store.put(f"{to}/{COMMIT}", sealed_record(facts, place, entries))
    _tidy_both(store, home, to)


def _tidy_both(store: StoreBackend, home: str, to: str) -> None:
    """Removes what is left of a group where it was, its record first, and beside it."""
    if to != home:
        store.delete(f"{home}/{COMMIT}")
        store.delete_below(home)
    tidy(store, to)


def _groups_first(path: str) -> tuple[bool, str]:
    """Sorts the records of groups before those of sidecars."""
    return SIDECAR.fullmatch(path.split("/")[2]) is not None, path


def _destination(store: StoreBackend, home: str, video_id: str, renamed: Mapping[str, str]) -> str:
    """Where a group goes: to the folder of its video's new id, or nowhere else.

    A sidecar goes there if its group has.
    """
    folder, _, key = home.rpartition("/")
    if video_id not in renamed or home_of(video_id) != folder:
        return home
    group = home_of(renamed[video_id], key.partition(".")[0])
    has_gone = not SIDECAR.fullmatch(key) or COMMIT in store.names(group)
    return home_of(renamed[video_id], key) if has_gone else home


def _check_there(store: StoreBackend, paths: Iterable[str], old: str, new: str) -> None:
    """Raises FileNotFoundError for a file that is nowhere; then none has been moved."""
    for path in paths:
        try:
            store.files(old).size(path)
        except FileNotFoundError:
            store.files(new).size(path)


def _migrate_failure(store: StoreBackend, name: str, renamed: Mapping[str, str]) -> None:
    """Moves what is known of a film that failed, to its video's new id if it has one."""
    former, new = f"{FORMER_FAILURES}/{name}", renamed.get(unquoted(name))
    if new is None:
        store.rename(former, f"{FAILURES}/{name}")
        return
    with suppress(ValueError, TypeError):  # it is damaged
        FailureRecords(store).write(new, {**load_json(store.read(former)), "id": new})
    store.delete(former)


def _rewritten(
    store: StoreBackend,
    old: str,
    files: Mapping[str, tuple[int, str]],
    facts: dict[str, Any],
    name: str,
    *,
    is_renamed: bool,
) -> dict[str, bytes]:
    """The files of a group that change: its table, and where it is renamed, what holds its id."""
    written = {}
    if PARQUET in files:
        data = _read(store, f"{old}/{PARQUET}", files[PARQUET], name)
        written[PARQUET] = _renamed_table(data, facts, name)
    if is_renamed and ZARR in files:
        about = load_json(_read(store, f"{old}/{ZARR}", files[ZARR], name))
        try:
            about["attributes"]["fewframes"]["id"] = facts["id"]
        except (KeyError, TypeError) as error:
            raise CorruptStoreError(f"{ZARR} beside {name} is damaged") from error
        written[ZARR] = json.dumps(about, indent=1).encode("ascii") + b"\n"
    return written


def _read(store: StoreBackend, key: str, known: tuple[int, str], name: str) -> bytes:
    """Reads a file beside a record, which knows its size and digest."""
    import xxhash

    data = store.read(key, most_bytes=known[0])
    if (len(data), xxhash.xxh3_128_hexdigest(data)) != known:
        raise CorruptStoreError(f"{key.rpartition('/')[2]} beside {name} is damaged")
    return data


def _move(store: StoreBackend, key: str, to: str) -> None:
    """Renames a file, unless an earlier run has."""
    with suppress(FileNotFoundError):
        store.rename(key, to)
        return
    folder, _, name = to.rpartition("/")
    store.files(folder).size(name)


def _renamed_table(data: bytes, facts: Mapping[str, Any], name: str) -> bytes:
    """A table under today's names of columns."""
    import pyarrow.parquet as pq

    table = read_table(
        data, rows=facts["counts"]["rows"], kinds={}, gappy="container_pts", name=name
    )
    names = [FORMER_COLUMNS.get(column, column) for column in table.column_names]
    out, how = io.BytesIO(), {"compression": "zstd", "write_page_checksum": True}
    pq.write_table(table.rename_columns(names), out, **how)
    return out.getvalue()
