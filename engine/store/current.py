"""Current: of several groups of a video, which one is meant when only the video is named?

A video has a group for each recipe under which it was indexed. The newest is current, or an older
one whose recipe a later run has asked for: ``current.json`` beside them says which, and since when.
Groups themselves never change; a reader that does not know the file takes the newest.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fewframes.errors import UnreachableStoreError
from fewframes.store.backend import StoreBackend
from fewframes.store.groups import commits_of, home_of, intact_commits, published_keys
from fewframes.store.journal import announce
from fewframes.store.layout import CURRENT
from fewframes.store.manifest import Manifest
from fewframes.store.recipes import Recipe, canonical_json
from fewframes.store.staging import Staging
from fewframes.store.untrusted import load_json


def current(store: StoreBackend, video_id: str, commits: Sequence[Manifest]) -> Manifest:
    """Gives the current one of a video's groups: what was published or asked for last."""
    if len(commits) == 1:
        return commits[0]
    key, since = _choice(store, video_id)

    def age_order(commit: Manifest) -> tuple[str, str]:
        created, name = commit.age_order
        return max(created, since) if name == key else created, name

    return max(commits, key=age_order)


@dataclass(frozen=True, slots=True)
class StoredRecipe:
    """A recipe under which a store has a video."""

    key: str
    """Names it among those of the video."""
    recipe: Recipe
    rows: int
    stored: int
    """Pictures."""
    bytes: int
    created: str
    is_current: bool


def recipes_of(store: StoreBackend, video_id: str) -> tuple[StoredRecipe, ...]:
    """Lists the recipes under which a video is there, the newest last.

    Raises:
        CorruptStoreError: A record of the video is damaged.
    """
    commits = sorted(commits_of(store, video_id), key=lambda commit: commit.age_order)
    chosen = current(store, video_id, commits) if commits else None
    return tuple(
        StoredRecipe(
            commit.key,
            Recipe.from_dict(commit.facts["recipe"]),
            commit.facts["counts"]["rows"],
            commit.facts["counts"]["stored"],
            commit.size_bytes,
            commit.facts["created"],
            commit is chosen,
        )
        for commit in commits
    )


def under(commits: Sequence[Manifest], recipe: Recipe | str) -> Manifest:
    """Gives the group of a recipe, or of a key or the beginning of one.

    Raises:
        KeyError: None or several are of it; says which there are.
    """
    if isinstance(recipe, str):
        found = [commit for commit in commits if commit.key.startswith(recipe)]
    else:
        found = [commit for commit in commits if commit.facts["recipe"] == recipe.to_dict()]
    if len(found) == 1:
        return found[0]
    there = "; ".join(
        f"{commit.key}: {Recipe.from_dict(commit.facts['recipe']).words}" for commit in commits
    )
    name = commits[0].facts["id"]
    raise KeyError(
        f"video {name!r} has {len(found) or 'no'} recipes for {recipe!r} (there: {there})"
    )


def choose(store: StoreBackend, video_id: str, commit: Manifest) -> None:
    """Makes a group of a video the current one, until another is published or chosen."""
    _put_choice(store, video_id, commit.key, next_time(store, video_id))


def carry_choice(source: StoreBackend, store: StoreBackend, video_id: str) -> None:
    """Takes over which group of a video another store had chosen, unless a later choice is here."""
    key, since = _choice(source, video_id)
    while _choice(store, video_id)[1] < since and published_keys(store, video_id):
        _put_choice(store, video_id, key, since)


def _put_choice(store: StoreBackend, video_id: str, key: str, since: str) -> None:
    data = canonical_json({"key": key, "since": since}) + b"\n"
    with Staging(store.workspace) as staging:
        announce(store, staging, video_id)
        store.put(f"{home_of(video_id)}/{CURRENT}", data)
        if not published_keys(store, video_id):  # the video was removed just now
            store.delete(f"{home_of(video_id)}/{CURRENT}")
        store.end(staging.name)


def next_time(store: StoreBackend, video_id: str) -> str:
    """Gives the time of what is published or chosen now: later than all before of the video.

    Clocks of several machines differ, and may have been wrong.
    """
    times = [commit.facts["created"] for commit in intact_commits(store, video_id)]
    now = datetime.now(UTC)
    for text in (*times, _choice(store, video_id)[1]):
        with suppress(ValueError, OverflowError, TypeError):  # not as we write it
            now = max(now, datetime.fromisoformat(text) + timedelta(microseconds=1))
    return now.isoformat(timespec="microseconds")


def _choice(store: StoreBackend, video_id: str) -> tuple[str, str]:
    """Which group was chosen, and when; nothing where none was, or where that is damaged."""
    try:
        facts = load_json(store.read(f"{home_of(video_id)}/{CURRENT}"))
        key, since = facts["key"], facts["since"]
    except UnreachableStoreError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""
    return (key, since) if isinstance(key, str) and isinstance(since, str) else ("", "")
