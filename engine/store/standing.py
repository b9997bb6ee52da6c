"""Standing: is a film in a store already, and what became of it?

1. The content of an id is that of the group which was published last. A film has it if size and
   edges are the same, and its time of change; or, if only that differs, the digest of the whole
   file.
2. A film of other content is refused under that id, unless it is to replace what is there. Then its
   record says so, and every older group of other content goes: now, or if that run was killed, when
   any later one looks at the id.
3. A film of that content is there if a group has its recipe. What is to know of it is told again: a
   film that was stored as damaged is reported as damaged by every run, and refused by a strict one.
4. Its group becomes the current one of the video (`current`).
"""

from collections.abc import Sequence
from pathlib import Path

from fewframes.media.source import Source
from fewframes.store.backend import StoreBackend
from fewframes.store.current import choose, current
from fewframes.store.digests import digest_file
from fewframes.store.groups import intact_commits
from fewframes.store.manifest import Manifest
from fewframes.store.publish import remove_group
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
    replaces_content: bool = False,
) -> Outcome | None:
    """Gives the outcome of a film that needs no decoding, or None for one that is to be indexed.

    It is there under this recipe, or its id has other content, which it does not replace. A group
    that is there becomes the current one, unless it `is_dry`.
    """
    there = list(intact_commits(store, video_id))
    if not there:
        return None
    if not is_dry:
        there = remove_replaced(store, video_id, there)
    there = of_newest_content(there)
    is_same = has_content(there, source)
    if is_same is False and not replaces_content:
        return Outcome(video_id, Status.FAILED, _refusal(there[-1], source), was_stored=True)
    asked = recipe.to_dict()
    found = next((commit for commit in there if commit.facts["recipe"] == asked), None)
    if found is None or not is_same:
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


def of_newest_content(commits: Sequence[Manifest]) -> list[Manifest]:
    """Gives those of a video's groups that have the content of the newest one, which is last."""
    by_age = sorted(commits, key=lambda commit: commit.age_order)
    newest = by_age[-1].facts["source"]["digest"] if by_age else ""
    return [commit for commit in by_age if commit.facts["source"]["digest"] == newest]


def has_content(commits: Sequence[Manifest], source: Source) -> bool | None:
    """Whether a file has the content of groups that have one; if it was touched, it is read whole.

    None for a film by URL that was touched: whoever fetches it can tell.
    """
    known = [commit.facts["source"] for commit in commits]
    here = (source.size_bytes, source.edges_xxh3)
    if all((facts["size_bytes"], facts["edges_xxh3"]) != here for facts in known):
        return False
    if any(facts["mtime_ns"] == source.mtime_ns for facts in known):
        return True
    if not source.path.is_file():
        return None
    return bool(known[0]["digest"] == digest_file(source.path))


def remove_replaced(
    store: StoreBackend, video_id: str, commits: Sequence[Manifest]
) -> list[Manifest]:
    """Removes groups whose content was replaced, with their vectors; gives those that stay.

    Of two writers, only the newer one removes what the other has published.
    """
    stay = of_newest_content(commits)
    replacing = [commit.age_order for commit in stay if commit.facts.get("replaces_content")]
    if not replacing:
        return list(commits)
    keys = {commit.key for commit in stay}
    for other in commits:
        if other.key not in keys and other.age_order < max(replacing):
            remove_group(store, video_id, other.key)
    return stay


def _refusal(commit: Manifest, source: Source) -> str:
    """Says which film an id stands for, where another one is given."""
    known, name = commit.facts["source"], commit.facts["id"]
    when = commit.facts["created"][:19].replace("T", " ")
    return (
        f"id {name!r} is that of another film: {known['name']!r} of {known['size_bytes']} bytes, "
        f"indexed {when} (this one has {source.size_bytes} bytes); replace=True puts this one in "
        "its place, ids={film: 'NAME'} gives it another id"
    )


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
