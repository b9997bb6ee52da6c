"""Removal: deletes a video from a store: pictures, tables, records and its name in lists."""

from collections.abc import Sequence
from pathlib import Path

from fewframes.store.compaction import compact
from fewframes.store.gc import remove_leftovers
from fewframes.store.journal import remove_video
from fewframes.store.layout import folder_name
from fewframes.store.object_store import ObjectStore
from fewframes.store.object_writer import remove_remote
from fewframes.store.staging import sweep
from fewframes.store.store import holds, open_store


def remove_videos(store: Path | ObjectStore, ids: Sequence[str]) -> None:
    """Deletes all groups of these videos, also broken ones.

    Each leaves the store in one step. The catalogue is made anew, so that no name of it is left;
    what a killed process has left is swept, too.

    Raises:
        KeyError: There is no such video; then nothing is deleted.
        FileNotFoundError: That is no store.
    """
    videos = open_store(store)
    for video_id in ids:
        if not holds(store, video_id):
            videos[video_id]  # says which ids are near
    if not isinstance(store, Path):
        remove_remote(store, ids)
        return
    for video_id in ids:
        remove_video(store, video_id)
        remove_leftovers(store, folder_name(video_id))
    sweep(store)
    compact(store, whole=False)
