"""FailureRecords: one file in a store for each film that later runs skip."""

import json
from collections.abc import Mapping
from typing import Any

from fewframes.errors import UnreachableStoreError
from fewframes.store.backend import StoreBackend
from fewframes.store.layout import FAILURES, folder_name, is_folder_name, video_id_of
from fewframes.store.record_rules import is_failure
from fewframes.store.untrusted import load_json


class FailureRecords:
    """The records of one store, by the film's id; anybody may have written them.

    >>> from fewframes.store.resolve import resolve_store
    >>> FailureRecords(resolve_store("corpus.zarr")).all()
    {}
    """

    def __init__(self, store: StoreBackend) -> None:
        self._store = store

    def all(self) -> dict[str, dict[str, Any]]:
        """Gives every record; one that is damaged is empty."""
        return {video_id: self.read(video_id) for video_id in self.ids()}

    def ids(self) -> list[str]:
        """Lists the films that have a record, in order."""
        names = filter(is_folder_name, self._store.names(FAILURES))
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
        self._store.put(f"{FAILURES}/{folder_name(video_id)}", data)

    def remove(self, video_id: str) -> None:
        """Deletes a record, if it is there."""
        self._store.delete(f"{FAILURES}/{folder_name(video_id)}")

    def _bytes(self, name: str) -> bytes:
        """What a record's file holds; nothing where it is gone."""
        try:
            return self._store.read(f"{FAILURES}/{name}")
        except UnreachableStoreError:
            raise
        except OSError:
            return b""
