"""FailureRecords: one file in a store for each film that later runs skip."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fewframes.atomic import write_atomic
from fewframes.errors import UnreachableStoreError
from fewframes.store.gc import QUARANTINE
from fewframes.store.layout import folder_name, is_folder_name, video_id_of
from fewframes.store.object_store import ObjectStore
from fewframes.store.record_rules import is_failure
from fewframes.store.untrusted import load_json, read_regular


class FailureRecords:
    """The records of one store, by the film's id; anybody may have written them.

    >>> FailureRecords(Path("corpus.zarr")).all()
    {}
    """

    def __init__(self, store: Path | ObjectStore) -> None:
        self._store = store

    def all(self) -> dict[str, dict[str, Any]]:
        """Gives every record; one that is damaged is empty."""
        return {video_id: self.read(video_id) for video_id in self.ids()}

    def ids(self) -> list[str]:
        """Lists the films that have a record, in order."""
        names = [name for name in self._names() if is_folder_name(name)]
        return sorted(video_id_of(name, map(self._bytes, [name])) for name in names)

    def read(self, video_id: str) -> dict[str, Any]:
        """Gives a record; an empty one where there is none, or where it is damaged."""
        try:
            record = load_json(self._bytes(folder_name(video_id)))
        except ValueError:
            return {}
        return record if is_failure(record, video_id) else {}

    def write(self, video_id: str, facts: Mapping[str, Any]) -> None:
        """Puts a record in place of the one before, in one step."""
        data = json.dumps(facts, indent=1).encode("ascii") + b"\n"
        if not isinstance(self._store, Path):
            self._store.put(f"{QUARANTINE}/{folder_name(video_id)}", data)
            return
        file = self._store / QUARANTINE / folder_name(video_id)
        file.parent.mkdir(exist_ok=True)
        write_atomic(file, data)

    def remove(self, video_id: str) -> None:
        """Deletes a record, if it is there."""
        if isinstance(self._store, Path):
            (self._store / QUARANTINE / folder_name(video_id)).unlink(missing_ok=True)
        else:
            self._store.delete([f"{QUARANTINE}/{folder_name(video_id)}"])

    def _names(self) -> list[str]:
        if not isinstance(self._store, Path):
            return self._store.names(QUARANTINE)
        try:
            return [file.name for file in (self._store / QUARANTINE).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _bytes(self, name: str) -> bytes:
        """What a record's file holds; nothing where it is gone."""
        try:
            if isinstance(self._store, Path):
                return read_regular(self._store / QUARANTINE / name)
            return self._store.get(f"{QUARANTINE}/{name}")
        except UnreachableStoreError:
            raise
        except OSError:
            return b""
