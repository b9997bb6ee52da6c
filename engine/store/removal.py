"""Removal: deletes videos or recipes of them: pictures, tables, records and names in lists."""

from collections.abc import Sequence

from fewframes.errors import CorruptStoreError
from fewframes.store.backend import StoreBackend
from fewframes.store.compaction import compact
from fewframes.store.current import recipes_of
from fewframes.store.failures import FailureRecords
from fewframes.store.gc import remove_video, sweep
from fewframes.store.groups import holds, home_of
from fewframes.store.ids import id_meant
from fewframes.store.publish import remove_group
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.store import Store, open_store


def remove_videos(where: AnyStore, ids: Sequence[str]) -> None:
    """Deletes all groups of these videos, also broken ones, and what is known of films that failed.

    Each group leaves the store in one step. The catalogue is made anew, so that no name of it is
    left; what a killed process has left is swept, too.

    Raises:
        KeyError: There is no such video, or a name is the stem of several, or of a video and of a
            film that failed; then nothing is deleted.
        FileNotFoundError: That is no store.
    """
    store = resolve_store(where)
    videos = open_store(store)
    found = [_id_of(store, videos, name) for name in ids]
    for video_id in dict.fromkeys(found):
        remove_video(store, video_id)
    sweep(store)
    compact(store, whole=False)


def _id_of(store: StoreBackend, videos: Store, name: str) -> str:
    """The id that a name means, of a video, of what is left of one, or of a film that failed."""
    failed = FailureRecords(store).ids()
    if holds(store, name) or name in failed or store.names(home_of(name)):
        return name
    return id_meant(name, sorted({*videos, *failed})) or videos.id_of(name)  # says what is near


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
    remove_group(store, video.id, video.commit.key)
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
