"""Publish: makes a group part of a store, whole or not at all, and takes it away again.

1. The files are written into an attempt that nobody sees.
2. A note announces video and place.
3. The files are put below a prefix that only this attempt has.
4. The record is created where none is yet. Of two writers one is too late; that is known by the
   record that stands, not by the answer, since an answer may be lost.
5. Who was too late removes its own files. What a killed writer leaves is announced, and
   `gc.sweep` removes it.

A group is removed in the reverse order: announced, record, files. Groups and what is made of them
(`sidecars`) are published alike, on a disk and at a URL.
"""

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress

from fewframes.errors import CorruptStoreError, StaleIndexError
from fewframes.store.backend import StoreBackend
from fewframes.store.groups import home_of
from fewframes.store.journal import announce
from fewframes.store.layout import COMMIT, SIDECAR, is_place
from fewframes.store.manifest import Manifest, commit_at
from fewframes.store.staging import Staging


def publish(
    store: StoreBackend,
    staging: Staging,
    home: str,
    record: bytes,
    *,
    video_id: str,
    paths: Sequence[str],
    replaces: bool = False,
    bring: Callable[[str], None] | None = None,
    report_progress: Callable[[], None] = lambda: None,
) -> Manifest:
    """Publishes a finished attempt, unless a sound record stands there; gives what stands.

    Args:
        store: Where to.
        staging: The attempt; its folder holds the files.
        home: The place of the group below the store.
        record: What `commit_bytes` gave.
        video_id: Of which video it is.
        paths: The files that the record names.
        replaces: Whether it takes the place of a sound record, too.
        bring: Puts the files below a place, if they are not in the attempt's folder.
        report_progress: Called as files are put; a sign of life.

    Raises:
        UnreachableStoreError: Then it may be published or not; a later run finds out.
        StaleIndexError: The group was removed while it was published.
    """
    place = f"{home}/{staging.name}"
    announce(store, staging, video_id, place)
    if bring is not None:
        bring(place)
    else:
        store.adopt(staging.folder, place, paths, report_progress)
    if not store.create(f"{home}/{COMMIT}", record) and (replaces or _is_damaged(store, home)):
        store.put(f"{home}/{COMMIT}", record)
        _remove_sidecars(store, video_id, home)
    standing = tidy(store, home, staging.name)
    store.end(staging.name)
    tidy(store, home)  # who removed the group meanwhile has left these files, as of one at work
    if standing is None:
        raise StaleIndexError(f"{video_id!r} was removed while it was indexed; index it again")
    return standing


def tidy(store: StoreBackend, home: str, mine: str = "") -> Manifest | None:
    """Removes files that no record names, but for those of others at work; gives the record.

    Places are listed before the record is read: whoever is over by then has put his record.
    """
    found = [name for name in store.names(home) if is_place(name)]
    places = [name for name in found if name == mine or store.is_over(name)]
    standing = commit_at(store, home)
    for name in places:
        if standing is None or name != standing.facts["attempt"]:
            store.delete_below(f"{home}/{name}")
    return standing


def _is_damaged(store: StoreBackend, home: str) -> bool:
    """Whether a record stands that is worth less than any whole one."""
    try:
        commit_at(store, home)
    except CorruptStoreError:
        return True
    return False


def remove_group(store: StoreBackend, video_id: str, key: str) -> None:
    """Takes a group away, and the vectors made of it: also those that come meanwhile."""
    home = home_of(video_id, key)
    _remove_sidecars(store, video_id, home)
    remove_home(store, video_id, home)
    _remove_sidecars(store, video_id, home)


def remove_orphans(store: StoreBackend, video_id: str) -> None:
    """Takes vectors away whose group is gone: a killed writer has not seen that it went."""
    names = store.names(home_of(video_id))
    for name in filter(SIDECAR.fullmatch, names):
        if name.partition(".")[0] not in names:
            remove_home(store, video_id, home_of(video_id, name))


def _remove_sidecars(store: StoreBackend, video_id: str, home: str) -> None:
    """Takes the vectors made of a group away; of vectors nothing is made."""
    base, _, key = home.rpartition("/")
    for name in filter(SIDECAR.fullmatch, store.names(base)):
        if name.startswith(f"{key}."):
            remove_home(store, video_id, f"{base}/{name}")


def remove_home(store: StoreBackend, video_id: str, home: str) -> None:
    """Takes a group or what is made of it away: in one step out of sight, then its files.

    A link in its place goes itself. On a full disk it is announced when the files are gone.
    """
    try:
        _remove_announced(store, video_id, home)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _take_away(store, home)
        _remove_announced(store, video_id, home)


def _remove_announced(store: StoreBackend, video_id: str, home: str) -> None:
    with Staging(store.workspace) as staging:
        try:
            names = filter(is_place, store.names(home))
            places = [f"{home}/{name}" for name in names if store.is_over(name)]
        except CorruptStoreError:  # a link
            places = []
        announce(store, staging, video_id, *places)
        _take_away(store, home)
        store.end(staging.name)


def _take_away(store: StoreBackend, home: str) -> None:
    """Deletes a record and then what it named, or a link in its place."""
    try:
        store.delete(f"{home}/{COMMIT}")
    except CorruptStoreError:
        store.delete_below(home)
        return
    with suppress(CorruptStoreError):  # somebody has put a record there again, and a damaged one
        tidy(store, home)
