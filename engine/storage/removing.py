"""rm: what a store has of a video is deleted: pictures, tables, records, and its name in lists."""

from collections.abc import Sequence
from pathlib import Path

from fewframes.storage.attempts import sweep
from fewframes.storage.compacting import compact
from fewframes.storage.layout import folder_name
from fewframes.storage.leftovers import remove_leftovers
from fewframes.storage.notes import remove_video
from fewframes.storage.objects import Objects
from fewframes.storage.store import holds, open_store
from fewframes.storage.uploading import remove_remote


def remove_videos(store: Path | Objects, ids: Sequence[str]) -> None:
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
