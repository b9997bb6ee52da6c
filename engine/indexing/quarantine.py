"""Quarantine: films that a store has learnt to leave alone.

A film whose tasks crashed, gave no sign or took too much memory twice would do so in every run. A
record in the store says so, by the film's id: under which recipe and limits, for which file (size
and time of change), and why. The next run lists such a film and passes it over, unless the file has
changed, a limit is higher, or it is told to try again.
"""

import json
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fewframes.errors import FewframesError, UnreachableStoreError
from fewframes.indexing.discovery import Film
from fewframes.indexing.fetching import stamp_of
from fewframes.store.gc import QUARANTINE
from fewframes.store.layout import folder_name, is_folder_name, video_id_of
from fewframes.store.object_store import Objects
from fewframes.store.recipes import Recipe
from fewframes.store.record_rules import is_failure
from fewframes.store.untrusted import load_json, read_regular


class Quarantine:
    """The records of one store.

    >>> quarantine = Quarantine(Path("corpus.zarr"), Recipe(), limits=(60, 1 << 30))
    >>> quarantine.reasons({"film": Path("film.mp4")})
    {}
    """

    def __init__(self, store: Path | Objects, recipe: Recipe, limits: tuple[float, int]) -> None:
        """Takes what a run works under; limits are seconds without a sign and bytes of memory."""
        self._store, self._recipe, self._limits = store, recipe, list(limits)

    def reasons(self, films: Mapping[str, Film]) -> dict[str, str]:
        """Says of each film that is to be left alone, why, by id."""
        found = {}
        for video_id in self._ids():
            film, record = films.get(video_id), self._read(video_id)
            if film is None or record.get("recipe") != self._recipe.to_dict():
                continue
            limits = zip(self._limits, record["limits"], strict=True)
            if record.get("file") == _stamp(film) and all(now <= then for now, then in limits):
                found[video_id] = f"{record['reason']} (twice, {record['when']})"
        return found

    def add(self, video_id: str, film: Film, reason: str) -> None:
        """Notes that a film is to be left alone."""
        facts = {
            "id": video_id,
            "recipe": self._recipe.to_dict(),
            "limits": self._limits,
            "file": _stamp(film),
            "reason": reason,
            "when": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
        }
        self._write(folder_name(video_id), json.dumps(facts, indent=1).encode("ascii") + b"\n")

    def remove(self, ids: Iterable[str]) -> None:
        """Takes films that are tried again out of it; records of other recipes stay."""
        for video_id in set(self._ids()).intersection(ids):
            if self._read(video_id).get("recipe", self._recipe.to_dict()) != self._recipe.to_dict():
                continue
            if isinstance(self._store, Path):
                self._file(folder_name(video_id)).unlink(missing_ok=True)
            else:
                self._store.delete([f"{QUARANTINE}/{folder_name(video_id)}"])

    def _ids(self) -> list[str]:
        names = [name for name in self._names() if is_folder_name(name)]
        return sorted(video_id_of(name, map(self._bytes, [name])) for name in names)

    def _names(self) -> list[str]:
        if not isinstance(self._store, Path):
            return self._store.names(QUARANTINE)
        try:
            return [file.name for file in (self._store / QUARANTINE).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _read(self, video_id: str) -> dict[str, Any]:
        """A record; an empty one where it is damaged, so that the film is tried again."""
        try:
            record = load_json(self._bytes(folder_name(video_id)))
        except ValueError:
            return {}
        return record if is_failure(record, video_id) else {}

    def _bytes(self, name: str) -> bytes:
        """What a record's file holds; nothing where it is gone."""
        try:
            if isinstance(self._store, Path):
                return read_regular(self._file(name))
            return self._store.get(f"{QUARANTINE}/{name}")
        except UnreachableStoreError:
            raise
        except OSError:
            return b""

    def _write(self, name: str, data: bytes) -> None:
        if not isinstance(self._store, Path):
            self._store.put(f"{QUARANTINE}/{name}", data)
            return
        file = self._file(name)
        file.parent.mkdir(exist_ok=True)
        draft = file.with_name(f".{uuid.uuid4().hex}")
        draft.write_bytes(data)
        draft.replace(file)

    def _file(self, name: str) -> Path:
        assert isinstance(self._store, Path)
        return self._store / QUARANTINE / name


def records_of(store: Path | Objects) -> dict[str, dict[str, Any]]:
    """Gives the records of a store by id; one that is damaged is empty.

    >>> records_of(Path("corpus.zarr"))
    {}
    """
    every = Quarantine(store, Recipe(), (0.0, 0))
    return {video_id: every._read(video_id) for video_id in every._ids()}


def _stamp(film: Film) -> list[int] | None:
    """Size and time of change of a film; None where it is not there."""
    try:
        return stamp_of(film)
    except (OSError, FewframesError):
        return None
