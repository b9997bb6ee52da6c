"""Garbage collection: removes what nobody will use again.

1. Of a killed writer its note says where its files are; they go unless a record names them.
2. Parts hold pictures of a film, and a failure its name: what removes a video removes both.
"""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fewframes.errors import CorruptStoreError
from fewframes.store.backend import StoreBackend
from fewframes.store.groups import home_of
from fewframes.store.journal import read_entry
from fewframes.store.layout import FAILURES, GROUP, PARTS, SIDECAR, folder_name
from fewframes.store.manifest import commit_at
from fewframes.store.publish import remove_group, remove_home
from fewframes.store.staging import sweep as sweep_workspace
from fewframes.store.untrusted import remove_tree

OLD_SECONDS = 7 * 24 * 3600.0
"""Parts are kept so long after their last change, for a run that goes on."""


def sweep(store: StoreBackend) -> None:
    """Removes what killed processes have left in a store and in its workspace."""
    for attempt in store.dead_attempts():
        with suppress(CorruptStoreError):  # a note that says nothing; `compact` removes it
            entry = read_entry(store, attempt)
            for place in entry.places if entry else ():
                _clean(store, place)
        store.end(attempt)
    if store.is_remote:
        sweep_workspace(store.workspace)
    _sweep_parts(store.workspace)


def _clean(store: StoreBackend, place: str) -> None:
    """Removes the files of an attempt, unless the record beside them names it or is damaged."""
    home, _, attempt = place.rpartition("/")
    commit = commit_at(store, home)
    if commit is None or commit.facts["attempt"] != attempt:
        store.delete_below(place)


def remove_video(store: StoreBackend, video_id: str) -> None:
    """Deletes all groups of a video, also broken ones, and what else there is of its film."""
    home = home_of(video_id)
    try:
        names = store.names(home)
    except CorruptStoreError:  # a link
        remove_home(store, video_id, home)
        names = []
    for key in filter(GROUP.fullmatch, names):
        remove_group(store, video_id, key)
    for orphan in filter(SIDECAR.fullmatch, names):
        remove_home(store, video_id, f"{home}/{orphan}")
    store.delete(f"{home}/current.json", f"{FAILURES}/{folder_name(video_id)}")
    remove_tree(store.workspace / PARTS / folder_name(video_id))


def _sweep_parts(workspace: Path) -> None:
    """Removes the parts of films that nobody has come back for; links are not followed."""
    for film in _folders_in(workspace / PARTS):
        for folder in _folders_in(film):
            with suppress(FileNotFoundError):
                if time.time() - folder.lstat().st_mtime > OLD_SECONDS:
                    remove_tree(folder)


def _folders_in(folder: Path) -> Iterator[Path]:
    """The folders in one that is a folder itself, and no link."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if stat.S_ISDIR(folder.lstat().st_mode):
            with os.scandir(folder) as entries:
                found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            yield from (folder / name for name in found)
