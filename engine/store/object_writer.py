"""Object writer: publishes a group into an object store, whole or not at all, and removes it.

1. The group is written into an attempt on disk, in the user's cache folder.
2. An empty object below ``.attempts`` announces video, group and attempt.
3. Its files are put below a prefix that only this attempt has.
4. The commit record is put where no record is yet: a conditional put. Of two writers one is too
   late; it deletes its own objects. That is known by the record that stands, not by the answer,
   since an answer may be lost.
5. What a killed writer has left is announced, and `sweep_remote` deletes it a day later. A writer
   that was asleep so long may not commit any more.

A group is removed in the reverse order: announced, record, files.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fewframes.errors import CorruptStoreError, StaleIndexError
from fewframes.media.timeline_cache import cache_home
from fewframes.store.backend import BLOCK_BYTES
from fewframes.store.current import CURRENT
from fewframes.store.gc import QUARANTINE, remove_leftovers, sweep_parts
from fewframes.store.layout import VIDEOS, create_store, folder_name
from fewframes.store.manifest import COMMIT, Manifest, read_commit
from fewframes.store.object_store import ObjectStore
from fewframes.store.remote import (
    commit_at,
    commit_in,
    create_remote,
    intact_commits,
)
from fewframes.store.staging import ATTEMPTS, sweep

UPLOADS = "uploads"
"""Below the cache folder: where groups are written before they are put."""
OLD_SECONDS = 24 * 3600.0
"""Leftovers are kept this long after their last change."""
ASLEEP_SECONDS = OLD_SECONDS / 4
"""A writer that has put nothing for so long gives up: its files may be swept."""
WHOLE_BYTES = 8 << 20
"""A larger file is read while it is put."""


def upload(
    objects: ObjectStore, folder: Path, video_id: str, key: str, report_progress: Callable[[], None]
) -> None:
    """Publishes a finished attempt, unless a group stands there; removes those it supersedes.

    ``report_progress`` is called as files are put, for every MiB of a large one.

    Raises:
        UnreachableStoreError: Then it may be published or not; a later run finds out.
        CorruptStoreError: The record that stands there is damaged.
        StaleIndexError: This process was asleep for hours, and gives up.
    """
    name, staging = folder_name(video_id), folder.name
    marker = f"{ATTEMPTS}/{name}/{key}/{staging}"
    home = f"{VIDEOS}/{name}/{key}"
    objects.put(marker, b"")
    began = time.time()
    for path in read_commit(folder).files:
        began = time.time()
        objects.put(f"{home}/{staging}/{path}", _content(folder / path, report_progress))
    if time.time() - began > ASLEEP_SECONDS:
        raise StaleIndexError(f"{video_id!r} was not put for hours; index it again")
    objects.create(f"{home}/{COMMIT}", (folder / COMMIT).read_bytes())
    standing = _standing(objects, video_id, key)
    if standing.facts.get("attempt") == staging:
        objects.delete([marker])
        _remove_superseded(objects, standing)
    else:
        _delete_attempt(objects, name, key, staging)


def _content(file: Path, report_progress: Callable[[], None]) -> bytes | Iterator[bytes]:
    """A small file whole, a large one in blocks."""
    report_progress()
    return (
        file.read_bytes() if file.stat().st_size <= WHOLE_BYTES else _blocks(file, report_progress)
    )


def _blocks(file: Path, report_progress: Callable[[], None]) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while block := opened.read(BLOCK_BYTES):
            yield block
            report_progress()


def _standing(objects: ObjectStore, video_id: str, key: str) -> Manifest:
    """The record that stands after one was put."""
    try:
        standing = commit_at(objects, video_id, key)
    except CorruptStoreError as error:
        raise CorruptStoreError(f"{error}; 'fewframes rm' the video and index it again") from error
    if standing is None:
        raise StaleIndexError(f"{video_id!r} was removed while it was indexed; index it again")
    return standing


def _remove_superseded(objects: ObjectStore, newest: Manifest) -> None:
    """Removes older groups of the recipe; of two writers, only the newer one removes the other."""
    for other in intact_commits(objects, newest.facts["id"]):
        is_same = other.facts["recipe"] == newest.facts["recipe"]
        if is_same and other.age_order < newest.age_order:
            remove_group(objects, newest.facts["id"], other.place.path.name)


def remove_group(objects: ObjectStore, video_id: str, key: str) -> None:
    """Deletes a group, its record first; what others are just writing there is left alone.

    What to delete is listed while the record stands: nothing else there can be published so long.
    """
    name = folder_name(video_id)
    home = f"{VIDEOS}/{name}/{key}"
    try:
        commit = commit_at(objects, video_id, key)
    except CorruptStoreError:
        commit = None
    staging = commit.facts.get("attempt", "") if commit else ""
    announced = [f"{ATTEMPTS}/{name}/{key}/{staging}"] if staging else []
    for marker in announced:
        objects.put(marker, b"")
    keys = [entry.key for entry in objects.listed(home)]
    others = set(objects.names(f"{ATTEMPTS}/{name}/{key}")) - {staging}
    objects.delete([f"{home}/{COMMIT}"])
    objects.delete([key for key in keys if key[len(home) + 1 :].split("/")[0] not in others])
    objects.delete(announced)


def remove_remote(objects: ObjectStore, ids: Sequence[str]) -> None:
    """Deletes all groups of videos, also those whose records are damaged."""
    for video_id in ids:
        remove_leftovers(cache_home() / UPLOADS, folder_name(video_id))
        objects.delete([f"{QUARANTINE}/{folder_name(video_id)}"])
        home = f"{VIDEOS}/{folder_name(video_id)}"
        for key in objects.names(home):
            remove_group(objects, video_id, key)
        objects.delete([f"{home}/{CURRENT}"])
    sweep_remote(objects)


def ensure_store(store: Path | ObjectStore) -> Path:
    """Makes a store where there is none, and sweeps it; gives the folder for attempts.

    That is the store itself; for a store by URL, one below the cache folder. Raises as
    `create_store` and `create_remote` do.
    """
    home = staging_dir(store)
    if isinstance(store, Path):
        create_store(store)
    else:
        create_remote(store)
        sweep_remote(store)
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(home)
    sweep_parts(home)
    return home


def staging_dir(store: Path | ObjectStore) -> Path:
    """Says where unfinished work on a store lies, whether or not the store is there."""
    return store if isinstance(store, Path) else cache_home() / UPLOADS


def sweep_remote(objects: ObjectStore) -> None:
    """Deletes what killed writers have left, a day after their last sign by the server's clock."""
    if all(entry.age_seconds <= OLD_SECONDS for entry in objects.listed(ATTEMPTS)):
        return
    clock = f"{ATTEMPTS}/{uuid.uuid4().hex}"
    objects.put(clock, b"")
    there = list(objects.listed(ATTEMPTS))
    now = min((entry.age_seconds for entry in there if entry.key == clock), default=0.0)
    for entry in there:
        parts = entry.key.split("/")
        if entry.age_seconds - now <= OLD_SECONDS:
            continue
        if len(parts) == 4:
            _sweep_attempt(objects, *parts[1:], now=now)
        else:
            objects.delete([entry.key])  # a clock whose process was killed
    objects.delete([clock])


def _sweep_attempt(objects: ObjectStore, name: str, key: str, staging: str, *, now: float) -> None:
    """Deletes an attempt that was announced long ago, unless a record names it."""
    try:
        commit = commit_in(objects, name, key)
    except CorruptStoreError:  # it may be the one that the record names
        return
    entries = objects.listed(f"{VIDEOS}/{name}/{key}/{staging}")
    if commit is not None and commit.facts.get("attempt") == staging:
        objects.delete([f"{ATTEMPTS}/{name}/{key}/{staging}"])  # killed after its commit
    elif all(entry.age_seconds - now > OLD_SECONDS for entry in entries):
        _delete_attempt(objects, name, key, staging)


def _delete_attempt(objects: ObjectStore, name: str, key: str, staging: str) -> None:
    """Deletes the objects of an attempt that came to nothing, and its announcement last."""
    entries = objects.listed(f"{VIDEOS}/{name}/{key}/{staging}")
    objects.delete([entry.key for entry in entries])
    objects.delete([f"{ATTEMPTS}/{name}/{key}/{staging}"])
