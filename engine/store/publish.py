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

from collections.abc import Callable, Sequence

from fewframes.errors import CorruptStoreError, StaleIndexError
from fewframes.store.backend import StoreBackend
from fewframes.store.groups import home_of
from fewframes.store.journal import announce
from fewframes.store.layout import ATTEMPT, COMMIT, SIDECAR
from fewframes.store.manifest import Check, Manifest, commit_at
from fewframes.store.record_rules import check_group_facts
from fewframes.store.staging import Staging


def publish(
    store: StoreBackend,
    staging: Staging,
    home: str,
    record: bytes,
    *,
    video_id: str,
    paths: Sequence[str],
    check: Check = check_group_facts,
    replaces: bool = False,
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
        check: What the record of another writer must pass.
        replaces: Whether it takes the place of a sound record, too.
        report_progress: Called as files are put; a sign of life.

    Raises:
        UnreachableStoreError: Then it may be published or not; a later run finds out.
        StaleIndexError: The group was removed while it was published.
    """
    place = f"{home}/{staging.name}"
    announce(store, staging, video_id, place)
    store.adopt(staging.folder, place, paths, report_progress)
    if not store.create(f"{home}/{COMMIT}", record) and (
        replaces or _is_damaged(store, home, check)
    ):
        store.put(f"{home}/{COMMIT}", record)
        _remove_sidecars(store, video_id, home)
    standing = commit_at(store, home, check)
    named = f"{home}/{standing.facts['attempt']}" if standing else ""
    for other in _places(store, home, staging.name):
        if other != named:
            store.delete_below(other)
    store.end(staging.name)
    if standing is None:
        raise StaleIndexError(f"{video_id!r} was removed while it was indexed; index it again")
    return standing


def _is_damaged(store: StoreBackend, home: str, check: Check) -> bool:
    """Whether a record stands that is worth less than any whole one."""
    try:
        commit_at(store, home, check)
    except CorruptStoreError:
        return True
    return False


def _places(store: StoreBackend, home: str, mine: str = "") -> list[str]:
    """The places of attempts at a group, but for those of others who are still at work."""
    found = (name for name in store.names(home) if ATTEMPT.fullmatch(name))
    return [f"{home}/{name}" for name in found if name == mine or store.is_over(name)]


def remove_group(store: StoreBackend, video_id: str, key: str) -> None:
    """Takes a group away, and the vectors made of it first."""
    home = home_of(video_id, key)
    _remove_sidecars(store, video_id, home)
    remove_home(store, video_id, home)


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

    What to remove is listed while the record stands: nothing else there can be published so long.
    A link in its place goes itself.
    """
    with Staging(store.workspace) as staging:
        try:
            places = _places(store, home)
        except CorruptStoreError:
            announce(store, staging, video_id)
            store.delete_below(home)
        else:
            announce(store, staging, video_id, *places)
            store.delete(f"{home}/{COMMIT}")
            for place in places:
                store.delete_below(place)
        store.end(staging.name)
