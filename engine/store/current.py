"""Current: of several groups of a video, which one is meant when only the video is named?

A video has a group for each recipe under which it was indexed. The newest is current, or an older
one whose recipe a later run has asked for: ``current.json`` beside them says which, and since when.
Groups themselves never change; a reader that does not know the file takes the newest.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from fewframes.atomic import write_atomic
from fewframes.errors import UnreachableStoreError
from fewframes.store.journal import announce
from fewframes.store.layout import VIDEOS, folder_name
from fewframes.store.manifest import Manifest
from fewframes.store.object_store import ObjectStore
from fewframes.store.recipes import canonical_json
from fewframes.store.staging import Staging
from fewframes.store.untrusted import load_json, read_regular, remove_tree

CURRENT = "current.json"


def current(store: Path | ObjectStore, video_id: str, commits: Sequence[Manifest]) -> Manifest:
    """Gives the current one of a video's groups: what was published or asked for last."""
    if len(commits) == 1:
        return commits[0]
    key, since = _choice(store, video_id)

    def age_order(commit: Manifest) -> tuple[str, str]:
        created, name = commit.age_order
        return max(created, since) if name == key else created, name

    return max(commits, key=age_order)


def choose(store: Path | ObjectStore, video_id: str, commit: Manifest) -> None:
    """Makes a group of a video the current one, until another is published or chosen."""
    since = datetime.now(UTC).isoformat(timespec="microseconds")
    data = canonical_json({"key": commit.place.path.name, "since": since}) + b"\n"
    if not isinstance(store, Path):
        store.put(f"{VIDEOS}/{folder_name(video_id)}/{CURRENT}", data)
        return
    with Staging(store) as staging:
        announce(store, staging, video_id)
        chosen = commit.folder.parent / CURRENT
        if chosen.is_dir():
            remove_tree(chosen)
        write_atomic(chosen, data, draft=staging.folder / CURRENT, is_durable=True)


def _choice(store: Path | ObjectStore, video_id: str) -> tuple[str, str]:
    """Which group was chosen, and when; nothing where none was, or where that is damaged."""
    name = f"{VIDEOS}/{folder_name(video_id)}/{CURRENT}"
    try:
        data = read_regular(store / name) if isinstance(store, Path) else store.get(name)
        facts = load_json(data)
        key, since = facts["key"], facts["since"]
        is_text = isinstance(key, str) and isinstance(since, str)
    except UnreachableStoreError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""
    return (key, since) if is_text else ("", "")
