"""Removal: deletes a video from a store: pictures, tables, records and its name in lists."""

from collections.abc import Sequence

from fewframes.store.compaction import compact
from fewframes.store.gc import remove_video, sweep
from fewframes.store.manifest import holds
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.store import open_store


def remove_videos(where: AnyStore, ids: Sequence[str]) -> None:
    """Deletes all groups of these videos, also broken ones.

    Each group leaves the store in one step. The catalogue is made anew, so that no name of it is
    left; what a killed process has left is swept, too.

    Raises:
        KeyError: There is no such video; then nothing is deleted.
        FileNotFoundError: That is no store.
    """
    store = resolve_store(where)
    videos = open_store(store)
    for video_id in ids:
        if not holds(store, video_id):
            videos[video_id]  # says which ids are near
    for video_id in ids:
        remove_video(store, video_id)
    sweep(store)
    compact(store, whole=False)
