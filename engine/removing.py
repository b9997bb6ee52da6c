"""rm: what a store has of a video is deleted: pictures, tables, records, and its name in lists."""

from collections.abc import Sequence
from pathlib import Path

from fewframes.attempts import sweep
from fewframes.compacting import compact
from fewframes.layout import groups_of
from fewframes.notes import remove_video
from fewframes.store import open_store


def remove_videos(store: Path, ids: Sequence[str]) -> None:
    """Deletes all groups of these videos, also broken ones.

    Each leaves the store in one step. The catalogue is made anew, so that no name of it is left;
    what a killed process has left is swept, too.

    Raises:
        KeyError: There is no such video; then nothing is deleted.
        FileNotFoundError: That is no store.
    """
    videos = open_store(store)
    for video_id in ids:
        if not groups_of(store, video_id):
            videos[video_id]  # says which ids are near
    for video_id in ids:
        remove_video(store, video_id)
    sweep(store)
    compact(store, whole=False)
