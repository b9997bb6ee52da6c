"""What `sequences` has done in processes of their own: commands on a store, and a look at it."""

import hashlib
import os
from collections.abc import Callable
from typing import Any
from unittest import mock

from dying_stores import Dying

import fewframes as ff
from fewframes.checking.verify import verify_store
from fewframes.errors import FewframesError
from fewframes.indexing.executor import IndexRun
from fewframes.indexing.isolation import WorkerHandle
from fewframes.store.compaction import compact
from fewframes.store.merge import merge_stores
from fewframes.store.migrate import migrate
from fewframes.store.removal import prune, remove_recipe, remove_videos
from fewframes.store.resolve import resolve_store


class Here(WorkerHandle):
    """Makes calls in this process."""

    def answer(self, call: Any, limit_seconds: float, progress: Any) -> tuple[str, Any]:
        """Calls at once."""
        function, args, options = call
        if progress:
            options["progress"] = progress
        try:
            return "result", function(*args, **options)
        except Exception as error:  # as a worker does
            return "error", error

    def stop(self) -> None:
        """There is nothing to stop."""


class Mortal(Dying):
    """A store whose process dies before a step."""

    def die(self) -> None:
        """Dies as a killed process does."""
        os._exit(9)


def run_index(store: Any, folder: str, options: dict[str, Any]) -> dict[str, str]:
    """Indexes a folder; gives each film's status."""
    with mock.patch.object(IndexRun, "pool", return_value=[Here()]):
        report = ff.index(
            folder, store, check_space=False, retry_failed=True, allow_all_failed=True, **options
        )
    return {one.video_id: str(one.status) for one in report.outcomes}


def act(name: str, where: str, step: int, args: tuple[Any, ...]) -> Any:
    """Runs a command on a store, and dies before a step of it, unless that is 0."""
    store: Any = resolve_store(where)
    store = Mortal(store, step - 1) if step else store
    commands: dict[str, Callable[..., Any]] = {
        "index": run_index,
        "rm": lambda there, video: remove_videos(there, [video]),
        "rm recipe": remove_recipe,
        "prune": prune,
        "compact": compact,
        "migrate": migrate,
        "merge": lambda there, other: merge_stores([other], there).problems,
    }
    try:
        return commands[name](store, *args)
    except (KeyError, FewframesError) as error:
        return f"{type(error).__name__}: {error}"


def look(where: str) -> dict[str, Any]:
    """Gives every video's recipes, each with the digest of its film and of its frames."""
    store = ff.open(where)
    found: dict[str, Any] = {}
    for video_id in store:
        found[video_id] = [
            (one.recipe.to_dict(), one.is_current, *seen_of(store.video(video_id, recipe=one.key)))
            for one in store[video_id].recipes
        ]
    return {"videos": found, "failed": [row["id"] for row in store.failures()]}


def seen_of(video: Any) -> tuple[str, str]:
    frames = video.read(rows=range(len(video.table)))
    pixels = hashlib.sha256(frames.frames.tobytes() + frames.frame_numbers.tobytes()).hexdigest()
    return video.facts["source"]["digest"], pixels


def judge(where: str) -> list[str]:
    """Says what `verify` finds."""
    return [words for verdict in verify_store(where) for words in verdict.differences]
