"""Removal: deletes videos or recipes of them: pictures, tables, records and names in lists."""

from collections.abc import Sequence

from fewframes.errors import CorruptStoreError
from fewframes.store.compaction import compact
from fewframes.store.current import recipes_of
from fewframes.store.failures import FailureRecords
from fewframes.store.gc import remove_video, sweep
from fewframes.store.groups import holds, home_of
from fewframes.store.publish import remove_group
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.store import open_store


def remove_videos(where: AnyStore, ids: Sequence[str]) -> None:
    """Deletes all groups of these videos, also broken ones, and what is known of films that failed.

    Each group leaves the store in one step. The catalogue is made anew, so that no name of it is
    left; what a killed process has left is swept, too.

    Raises:
        KeyError: There is no such video; then nothing is deleted.
        FileNotFoundError: That is no store.
    """
    store = resolve_store(where)
    videos = open_store(store)
    failed = FailureRecords(store).ids()
    for video_id in ids:
        is_there = holds(store, video_id) or video_id in failed or store.names(home_of(video_id))
        if not is_there:
            videos[video_id]  # says which ids are near
    for video_id in ids:
        remove_video(store, video_id)
    sweep(store)
    compact(store, whole=False)


def remove_recipe(where: AnyStore, video_id: str, recipe: Recipe | str) -> str:
    """Deletes one recipe of a video: pictures, tables and vectors; says in words which.

    The last one is the video itself.

    Raises:
        KeyError: There is no such video or recipe; then nothing is deleted.
        FileNotFoundError: That is no store.
    """
    store = resolve_store(where)
    video = open_store(store).video(video_id, recipe=recipe)
    words = Recipe.from_dict(video.facts["recipe"]).words
    is_last = len(video.recipes) == 1
    remove_group(store, video_id, video.commit.key)
    sweep(store)
    compact(store, whole=False)
    return f"{words}, the last recipe," if is_last else words


def prune(where: AnyStore) -> int:
    """Deletes every recipe of every video but the current one; gives the bytes it gives back.

    Videos of which a record is damaged are left alone.
    """
    store, given_back = resolve_store(where), 0
    for video_id in open_store(store):
        try:
            there = recipes_of(store, video_id)
        except CorruptStoreError:
            continue
        for key in [one.key for one in there if not one.is_current]:
            now = {one.key: one for one in recipes_of(store, video_id)}
            if key in now and not now[key].is_current:
                remove_group(store, video_id, key)
                given_back += now[key].bytes
    return given_back
