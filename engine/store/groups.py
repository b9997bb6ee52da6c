"""Groups: the records of a video's groups, and of all videos of a store."""

from collections.abc import Iterator
from contextlib import suppress

from fewframes.errors import CorruptStoreError, UnreachableStoreError
from fewframes.store.backend import StoreBackend
from fewframes.store.layout import COMMIT, GROUP, VIDEOS, folder_name, video_id_of
from fewframes.store.manifest import Manifest, commit_at, of_video


def home_of(video_id: str, key: str = "") -> str:
    """Says where a video's groups lie below a store, or one of them."""
    home = f"{VIDEOS}/{folder_name(video_id)}"
    return f"{home}/{key}" if key else home


def keys_of(store: StoreBackend, video_id: str) -> list[str]:
    """Lists the keys of a video's groups, published or not yet; none where there is no such id."""
    try:
        return [name for name in store.names(home_of(video_id)) if GROUP.fullmatch(name)]
    except ValueError:
        return []


def published_keys(store: StoreBackend, video_id: str) -> list[str]:
    """Lists the keys of a video's groups that have a record, whole or damaged."""
    return [key for key in keys_of(store, video_id) if _has_record(store, home_of(video_id, key))]


def _has_record(store: StoreBackend, home: str) -> bool:
    try:
        store.files(home).size(COMMIT)
    except FileNotFoundError:
        return False
    except CorruptStoreError:  # a link
        return True
    return True


def commits_of(store: StoreBackend, video_id: str) -> list[Manifest]:
    """Gives the records of a video's groups; none where there is no such video.

    Raises:
        CorruptStoreError: One is damaged, or of another video.
    """
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
    """Lists the store itself: the keys of all groups that have a record, by the video's id."""
    found: dict[str, list[str]] = {}
    for path in store.named(VIDEOS, COMMIT):
        _, name, key, _ = path.split("/")
        if GROUP.fullmatch(key):
            found.setdefault(name, []).append(key)
    return {_id_of(store, name, keys): sorted(keys) for name, keys in sorted(found.items())}


def _id_of(store: StoreBackend, name: str, keys: list[str]) -> str:
    return video_id_of(name, (_bytes_at(store, f"{VIDEOS}/{name}/{key}") for key in keys))


def _bytes_at(store: StoreBackend, home: str) -> bytes:
    try:
        return store.read(f"{home}/{COMMIT}")
    except UnreachableStoreError:
        raise
    except OSError:
        return b""
