"""Standing: is a film in a store already, and what became of it?

1. A film is there if a group has its size, edges and recipe, and its time of change; or, if only
   that differs, the digest of the whole file.
2. What is to know of it is told again: a film that was stored as damaged is reported as damaged by
   every run, and refused by a strict one.
3. Its group becomes the current one of the video (`current`).
"""

from pathlib import Path

from fewframes.media.source import Source
from fewframes.store.backend import StoreBackend
from fewframes.store.current import choose, current
from fewframes.store.digests import digest_file
from fewframes.store.manifest import Manifest, intact_commits
from fewframes.store.recipes import Recipe
from fewframes.store.results import Outcome, Status, joined


def what_stands(
    store: StoreBackend,
    video_id: str,
    recipe: Recipe,
    source: Source,
    *,
    is_strict: bool = False,
    is_dry: bool = False,
) -> Outcome | None:
    """Gives the outcome of a film that is there under this recipe, or None.

    Its group becomes the current one, unless it `is_dry`.
    """
    there = list(intact_commits(store, video_id))
    found = next((commit for commit in there if is_of(commit, recipe, source)), None)
    if found is None:
        return None
    if not is_dry and current(store, video_id, there) is not found:
        choose(store, video_id, found)
    return outcome_of(found, is_strict=is_strict)


def outcome_of(commit: Manifest, *, is_strict: bool) -> Outcome:
    """Says what became of a film when it was stored: "done", or what is damaged."""
    facts, name = commit.facts, commit.facts["id"]
    notes, damage = joined(facts.get("notes", [])), joined(facts["damage"])
    if facts["status"] != Status.DAMAGED:
        return Outcome(name, Status.DONE, notes=notes, was_stored=True)
    if is_strict:
        words = f"{name!r} is in the store, and is damaged, which strict refuses: {damage}"
        return Outcome(name, Status.FAILED, words, notes=notes, was_stored=True)
    rows, stored = facts["counts"]["rows"], facts["counts"]["stored"]
    return Outcome(name, Status.DAMAGED, damage, rows, stored, notes=notes, was_stored=True)


def is_of(commit: Manifest, recipe: Recipe, source: Source) -> bool:
    """Whether a group is of this file and recipe; one that was touched is read whole for it."""
    known = commit.facts["source"]
    is_alike = (known["size_bytes"], known["edges_xxh3"]) == (source.size_bytes, source.edges_xxh3)
    if not is_alike or commit.facts["recipe"] != recipe.to_dict():
        return False
    is_untouched: bool = known["mtime_ns"] == source.mtime_ns
    if is_untouched or not source.path.is_file():
        return is_untouched
    return bool(known["digest"] == digest_file(source.path))


def other_film(commit: Manifest, film: Path) -> str:
    """Says that a film is not the one that was indexed, by its whole digest; empty where it is."""
    known, size = commit.facts["source"], film.stat().st_size
    if size == known["size_bytes"] and digest_file(film) == known["digest"]:
        return ""
    name = commit.facts["id"]
    if size == known["size_bytes"]:
        return f"{film.name!r} has other bytes than when it was indexed as {name!r}; index it again"
    return (
        f"{film.name!r} is another film than the one that was indexed as {name!r} (it has {size} "
        f"bytes, not {known['size_bytes']}); its pictures were not compared: pass the film that "
        "was indexed, or index this one under this or another id"
    )
