"""Groups: the records of a video's groups, and of all videos of a store."""

from collections.abc import Iterator
from contextlib import suppress

from fewframes.errors import CorruptStoreError, UnreachableStoreError
from fewframes.store.backend import StoreBackend
from fewframes.store.layout import (
    ATTEMPT,
    COMMIT,
    GROUP,
    VIDEOS,
    folder_name,
    is_folder_name,
    video_id_of,
)
from fewframes.store.manifest import Manifest, commit_at, of_video


def home_of(video_id: str, key: str = "") -> str:
    """Says where a video's groups lie below a store, or one of them."""
    home = f"{VIDEOS}/{folder_name(video_id)}"
    return f"{home}/{key}" if key else home


def keys_of(store: StoreBackend, video_id: str) -> list[str]:
    """Lists the keys of a video's groups, published or not; raises CorruptStoreError for a link."""
    try:
        home = home_of(video_id)
    except ValueError:
        return []
    return [name for name in store.names(home) if GROUP.fullmatch(name)]


def published_keys(store: StoreBackend, video_id: str) -> list[str]:
    """Lists the keys of a video's groups that have a record, whole or damaged; see `keys_of`."""
    return [key for key in keys_of(store, video_id) if _has_record(store, home_of(video_id, key))]


def holds(store: StoreBackend, video_id: str) -> bool:
    """Whether a store has anything of a video, whole or damaged, or a link in its place."""
    try:
        return bool(published_keys(store, video_id))
    except CorruptStoreError:
        return True


def _has_record(store: StoreBackend, home: str) -> bool:
    try:
        store.files(home).size(COMMIT)
    except FileNotFoundError:
        return False
    except CorruptStoreError:  # a link
        return True
    return True


def commits_of(store: StoreBackend, video_id: str) -> list[Manifest]:
    """Gives the records of a video's groups; CorruptStoreError for one damaged or of another."""
    found = (commit_at(store, home_of(video_id, key)) for key in keys_of(store, video_id))
    return [of_video(commit, video_id) for commit in found if commit is not None]


def intact_commits(store: StoreBackend, video_id: str) -> Iterator[Manifest]:
    """Gives the records of a video's groups that can be read."""
    for key in keys_of(store, video_id):
        with suppress(CorruptStoreError):
            commit = commit_at(store, home_of(video_id, key))
            if commit is not None:
                yield of_video(commit, video_id)


def published_ids(store: StoreBackend) -> dict[str, list[str]]:
    """Lists the store itself: by id, the keys of groups that have a record; none for a link."""
    found: dict[str, list[str]] = {}
    for path in store.named(VIDEOS, COMMIT):
        name, key = [*path.split("/"), ""][1:3]
        if GROUP.fullmatch(key):
            found.setdefault(name, []).append(key)
        elif not key and is_folder_name(name):
            found[name] = []
    named = sorted(found.items())
    return {video_id_of(name, _records(store, name, keys)): sorted(keys) for name, keys in named}


def _records(store: StoreBackend, name: str, keys: list[str]) -> Iterator[bytes]:
    """The records of groups; then, as they may be damaged, what lies beside their files."""
    homes = [f"{VIDEOS}/{name}/{key}" for key in keys]
    for home in homes:
        yield _bytes_at(store, f"{home}/{COMMIT}")
    for home in homes:
        with suppress(CorruptStoreError):  # a link
            for attempt in filter(ATTEMPT.fullmatch, store.names(home)):
                yield _bytes_at(store, f"{home}/{attempt}/zarr.json")


def _bytes_at(store: StoreBackend, key: str) -> bytes:
    try:
        return store.read(key)
    except UnreachableStoreError:
        raise
    except (OSError, CorruptStoreError):
        return b""
