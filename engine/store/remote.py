"""A store in an object store: what is there, as readers see it.

::

    PREFIX/fewframes-store.json                      says that this is a store, and its version
    PREFIX/videos/<quoted id>/<key>/commit.json      the commit record: without it nothing is there
    PREFIX/videos/<quoted id>/<key>/<attempt>/…      the files that the record names
    PREFIX/.attempts/<quoted id>/<key>/<attempt>     announces unfinished work, see `object_writer`

1. An object appears whole, by one put, and is never changed.
2. Readers list commit records and believe nothing else. There is no catalogue: the list of videos
   is the list of keys, asked for each time.
3. A record without ``staging`` has its files beside it, as on disk: so a store that was copied up
   from a disk, file by file, is read too.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any

from fewframes.errors import CorruptStoreError
from fewframes.store.catalogue_rows import COLUMNS, Row, row_from, table_of_rows
from fewframes.store.current import current
from fewframes.store.layout import (
    GROUP,
    MARKER,
    OWN_NAMES,
    VIDEOS,
    check_mark,
    folder_name,
    mark_bytes,
    video_id_of,
)
from fewframes.store.manifest import COMMIT, Manifest, of_video, parse_commit
from fewframes.store.object_store import CONCURRENCY, ObjectPlace, ObjectStore
from fewframes.store.recipes import FORMAT_VERSION


def create_remote(objects: ObjectStore) -> None:
    """Makes a prefix a store; one that is a store already is left as it is.

    Raises:
        ValueError: There are other objects below it, or a store of a newer version, or the server
            does not honour conditional puts.
    """
    try:
        check_remote(objects)
    except FileNotFoundError:
        others = sorted(set(objects.names("")) - OWN_NAMES)
        if others:
            raise ValueError(
                f"{objects.url!r} is no store and holds other objects ({others[0]!r}); "
                "pass a new prefix"
            ) from None
        objects.create(MARKER, mark_bytes(FORMAT_VERSION))
        check_remote(objects)
        if objects.create(MARKER, mark_bytes(FORMAT_VERSION)):
            raise ValueError(
                f"{objects.url!r} overwrites what is there in spite of 'If-None-Match: *', so that "
                "two writers could harm each other; use a server that honours conditional puts"
            ) from None


def check_remote(objects: ObjectStore) -> None:
    """Refuses what is no store, or one of a newer version; raises as `check_store` does."""
    try:
        data = objects.get(MARKER)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{objects.url!r} is not a store (it has no {MARKER}); make one with 'fewframes index'"
        ) from None
    check_mark(objects.url, data)


class RemoteList:
    """The videos of a store in an object store; every call asks anew."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def __len__(self) -> int:
        return len(self._keys())

    def ids(self) -> list[str]:
        """Gives the ids of all videos, sorted."""
        return sorted(self._keys())

    def rows(self, columns: Sequence[str] = tuple(COLUMNS)) -> Iterator[Row]:
        """Gives what `Catalogue.rows` gives, from the records themselves."""
        keys = self._keys()
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            for row in pool.map(lambda name: self._row(name, keys[name]), sorted(keys)):
                yield {name: row[name] for name in columns}

    def table(self) -> Any:  # noqa: ANN401 (a pyarrow.Table)
        """Gives what `Catalogue.table` gives."""
        return table_of_rows(self.rows())

    def _row(self, video_id: str, keys: list[str]) -> Row:
        commits = []
        for key in keys:
            try:
                commit = commit_at(self._objects, video_id, key)
            except CorruptStoreError:
                continue
            commits += [] if commit is None else [commit]
        newest = current(self._objects, video_id, commits) if commits else None
        return row_from(video_id, keys, newest if len(commits) == len(keys) else None)

    def _keys(self) -> dict[str, list[str]]:
        """The keys of the groups of each video, by its id."""
        found: dict[str, list[str]] = {}
        for entry in self._objects.listed(VIDEOS):
            parts = entry.key.split("/")
            if len(parts) == 4 and parts[3] == COMMIT and GROUP.fullmatch(parts[2]):
                found.setdefault(parts[1], []).append(parts[2])
        return {self._id_of(name, keys): keys for name, keys in found.items()}

    def _id_of(self, name: str, keys: list[str]) -> str:
        return video_id_of(name, (_record_bytes(self._objects, name, key) for key in keys))


def remote_commits(objects: ObjectStore, video_id: str) -> list[Manifest]:
    """Gives the records of a video's groups; none where there is no such video.

    Raises:
        CorruptStoreError: One is damaged.
    """
    try:
        home = f"{VIDEOS}/{folder_name(video_id)}"
    except ValueError:
        return []
    found = (commit_at(objects, video_id, key) for key in _keys_at(objects, home))
    return [commit for commit in found if commit is not None]


def intact_commits(objects: ObjectStore, video_id: str) -> Iterator[Manifest]:
    """Gives the records of a video's groups that can be read."""
    for key in _keys_at(objects, f"{VIDEOS}/{folder_name(video_id)}"):
        try:
            commit = commit_at(objects, video_id, key)
        except CorruptStoreError:
            continue
        if commit is not None:
            yield commit


def remote_keys(objects: ObjectStore, video_id: str) -> list[str]:
    """Lists the groups of a video that have a record, whole or damaged."""
    try:
        home = f"{VIDEOS}/{folder_name(video_id)}"
    except ValueError:
        return []
    parts = (entry.key[len(home) + 1 :].split("/") for entry in objects.listed(home))
    return sorted(key for key, *below in parts if below == [COMMIT] and GROUP.fullmatch(key))


def commit_at(objects: ObjectStore, video_id: str, key: str) -> Manifest | None:
    """Gives the record of one group, None where there is none.

    Raises:
        CorruptStoreError: It is damaged, or of another video.
    """
    commit = commit_in(objects, folder_name(video_id), key)
    return None if commit is None else of_video(commit, video_id)


def commit_in(objects: ObjectStore, name: str, key: str) -> Manifest | None:
    """Gives the record of one group by the name of its video's folder; else as `commit_at`."""
    home = PurePosixPath(VIDEOS, name, key)
    data = _record_bytes(objects, name, key)
    if data is None:
        return None
    facts, files = parse_commit(data, f"{name}/{key}/{COMMIT}")
    prefix = home / facts.get("attempt", "")
    return Manifest(ObjectPlace(objects, str(prefix), home), facts, files)


def _keys_at(objects: ObjectStore, home: str) -> list[str]:
    return [name for name in objects.names(home) if GROUP.fullmatch(name)]


def _record_bytes(objects: ObjectStore, name: str, key: str) -> bytes | None:
    try:
        return objects.get(f"{VIDEOS}/{name}/{key}/{COMMIT}")
    except FileNotFoundError:
        return None
