"""Duplicates: which films of a run have the content of a stored video, or of one another?

1. The look at each film has brought its bytes and the digest of its edges. One table a run, of the
   catalogue, says which videos have films of so many bytes.
2. A film that agrees with a stored one in bytes, or in bytes and edges with another of the run, is
   compared by a worker (`compare_film`): with the records of those videos, and only where the edges
   agree, too, by the digest of the whole file.
3. A film whose own id is in the store is no duplicate. Of others, one whose content is stored is
   one of that video; else the first of a content in the run is the original, in the order given,
   and the others wait for its outcome. One that failed is no original: the next one is.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from fewframes.errors import CorruptStoreError
from fewframes.indexing.options import FilmTask
from fewframes.indexing.tasks import Content, FilmEstimate
from fewframes.store.backend import StoreBackend
from fewframes.store.catalogue import Catalogue, rows_of
from fewframes.store.groups import holds, intact_commits, published_ids
from fewframes.store.results import Outcome, Status, joined
from fewframes.store.standing import of_newest_content

log = logging.getLogger("fewframes")


@dataclass(frozen=True, slots=True)
class Suspect:
    """What one film is to be compared with."""

    content: Content
    videos: Mapping[str, Content | None]
    """Stored videos whose films have as many bytes, by id; the content where another film of this
    run is to take the video's place: only with that content it is there afterwards."""
    has_twin: bool
    """Whether another film of the run has the same bytes and edges."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing one film has brought."""

    digest: str = ""
    """Of the whole film; nothing where it has not been read."""
    stored_id: str = ""
    """The video that has its content."""
    is_known: bool = False
    """Whether its own id is in the store."""


def compare_film(
    task: FilmTask,
    *,
    suspect: Suspect,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Comparison:
    """Compares a film with stored ones of its size; raises as `on_disk` does.

    ``progress`` is called as a film by URL comes, which is a sign of life.
    """
    from fewframes.indexing.fetching import on_disk
    from fewframes.store.digests import digest_file

    store, is_known = task.files, holds(task.files, task.video_id)
    known: dict[str, str] = {}
    for video_id, expected in {} if is_known else suspect.videos.items():
        content, digest = content_of(store, video_id)
        if content == suspect.content and expected in (None, content):
            known.setdefault(digest, video_id)
    if not known and not suspect.has_twin:
        return Comparison(is_known=is_known)
    with on_disk(task.path, lambda: progress(0, 0)) as path:
        digest = digest_file(path)
    return Comparison(digest, known.get(digest, ""), is_known)


def content_of(store: StoreBackend, video_id: str) -> tuple[Content | None, str]:
    """Gives bytes and edges of a stored video's film, and its whole digest; nothing without one."""
    there = list(intact_commits(store, video_id))
    if not there:
        return None, ""
    facts = of_newest_content(there)[-1].facts["source"]
    return (facts["size_bytes"], facts["edges_xxh3"]), facts["digest"]


def suspects_among(
    store: StoreBackend, looks: Mapping[str, FilmEstimate], *, is_replacing: bool
) -> dict[str, Suspect]:
    """Gives the films that have to be compared, by id, with what; the others are like none."""
    contents = {name: look.content for name, look in looks.items() if look.content}
    many = Counter(contents.values())
    stored = _by_bytes(store, {size for size, _ in contents.values()}) if contents else {}
    found = {}
    for name, content in contents.items():
        videos = {
            video_id: contents.get(video_id) if is_replacing else None
            for video_id in stored.get(content[0], ())
            if video_id != name
        }
        if videos or many[content] > 1:
            found[name] = Suspect(content, videos, many[content] > 1)
    return found


def _by_bytes(store: StoreBackend, sizes: Collection[int]) -> dict[int, list[str]]:
    """The videos whose films have one of these sizes in bytes, by size; ids sorted."""
    try:
        rows = list(Catalogue(store).rows(["id", "film_bytes"]))
    except CorruptStoreError as error:
        log.warning("%s; every record is read for it", error)
        rows = list(rows_of(store, published_ids(store)))
    found: dict[int, list[str]] = {}
    for row in rows:
        if row["film_bytes"] in sizes:
            found.setdefault(row["film_bytes"], []).append(row["id"])
    return {size: sorted(ids) for size, ids in found.items()}


@dataclass(slots=True)
class Copies:
    """What comparing the films of a run has brought.

    >>> copies = Copies.of({"a": Comparison("x"), "b": Comparison("x"), "c": Comparison("y", "z")})
    >>> copies.stored, copies.later
    ({'c': 'z'}, {'a': ['b']})
    >>> copies.take("a", is_stored=True), copies.take("a", is_stored=True)
    ((['b'], ''), ([], ''))
    """

    stored: dict[str, str] = field(default_factory=dict)
    """The video that has its content, of each film whose content is stored."""
    later: dict[str, list[str]] = field(default_factory=dict)
    """Of the first film of each other content, those that have it, too, in order."""

    @classmethod
    def of(cls, found: Mapping[str, Comparison]) -> "Copies":
        """Takes the comparisons in the order of the films; what must be stored comes first."""
        copies, alike = cls(), dict[str, list[str]]()
        for name in sorted(found, key=lambda name: not found[name].is_known):
            one = found[name]
            if one.stored_id:
                copies.stored[name] = one.stored_id
            elif one.digest:
                alike.setdefault(one.digest, []).append(name)
        for first, *others in alike.values():
            if later := [name for name in others if not found[name].is_known]:
                copies.later[first] = later
        return copies

    @property
    def originals(self) -> dict[str, str]:
        """What each copy is one of."""
        return self.stored | {name: one for one, names in self.later.items() for name in names}

    def take(self, first: str, *, is_stored: bool) -> tuple[list[str], str]:
        """Gives the copies of a film that is stored; of one that failed, the film that is next."""
        later = self.later.pop(first, [])
        if is_stored or not later:
            return later, ""
        self.later[later[0]] = later[1:]
        return [], later[0]


def duplicate(name: str, original: str) -> Outcome:
    """The outcome of a film that is not stored because it is a copy."""
    return Outcome(name, Status.DUPLICATE, f"{copy_words(original)}; duplicates='keep' stores both")


def with_note(outcome: Outcome, original: str | None) -> Outcome:
    """The outcome of a film, which says in its notes of what it is a copy, if it is one."""
    if original is None or outcome.status == Status.FAILED:
        return outcome
    return replace(outcome, notes=joined([outcome.notes, copy_words(original)]).strip("; "))


def copy_words(original: str) -> str:
    """Says of what a film is a copy.

    >>> copy_words("day 1/a.mp4")
    "it has the content of 'day 1/a.mp4'"
    """
    return f"it has the content of {original!r}"
