"""Journal: names the videos that may have changed since the catalogue was last written.

1. Whoever publishes or removes a group first leaves a note that names the video, and the places
   whose files are about to appear or to go. Then comes the one step that changes the store.
2. A note says only where to look: the video's own records say what is there.
3. A note may go when the change it announces is in the catalogue and its attempt is over. So a
   process that dies between the note and the step, or after it, leaves nothing unseen; what it
   leaves behind is found by the places (`gc`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fewframes.errors import CorruptStoreError, UnreachableStoreError
from fewframes.store.backend import StoreBackend
from fewframes.store.layout import ATTEMPT, CATALOGUE, VIDEOS, folder_name, is_place
from fewframes.store.recipes import canonical_json
from fewframes.store.record_rules import is_text
from fewframes.store.staging import Staging
from fewframes.store.untrusted import load_json

LONGEST_ENTRY = 1 << 20


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One announced change."""

    attempt: str
    """The attempt that makes it."""
    video_id: str
    """The video that may have changed."""
    places: tuple[str, ...]
    """Prefixes of files that nobody needs unless a record beside them names them."""


def announce(store: StoreBackend, staging: Staging, video_id: str, *places: str) -> None:
    """Announces a change of one video, and waits until that is durable."""
    staging.is_announced = True
    store.begin(staging)
    store.put(f"{CATALOGUE}/{staging.name}", _sealed({"id": video_id, "places": places}))


def _sealed(facts: Mapping[str, Any]) -> bytes:
    """A note as it is written, with the digest of what it says."""
    import xxhash

    digest = xxhash.xxh3_64_hexdigest(canonical_json(facts))
    return canonical_json({**facts, "xxh3": digest}) + b"\n"


def journal_names(store: StoreBackend) -> list[str]:
    """Lists the attempts that have a note now."""
    return notes_among(store.names(CATALOGUE))


def notes_among(names: Iterable[str]) -> list[str]:
    """Gives which names in the catalogue are those of notes; others than ours are passed over."""
    return list(filter(ATTEMPT.fullmatch, names))


def read_entry(store: StoreBackend, attempt: str) -> JournalEntry | None:
    """Gives the note of an attempt; None where it has been taken into the catalogue.

    Raises:
        CorruptStoreError: It is damaged.
    """
    damage = f"note {attempt} of the journal is damaged; run 'fewframes compact'"
    try:
        data = store.read(f"{CATALOGUE}/{attempt}", most_bytes=LONGEST_ENTRY)
        facts = {name: value for name, value in load_json(data).items() if name != "xxh3"}
        video_id, places = facts["id"], facts["places"]
        home = f"{VIDEOS}/{folder_name(video_id)}/"
        is_sound = is_text(video_id) and all(_is_below(place, home) for place in places)
        is_sound = is_sound and _sealed(facts) == data
    except FileNotFoundError:
        return None
    except UnreachableStoreError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptStoreError(damage) from error
    if not is_sound:
        raise CorruptStoreError(damage)
    return JournalEntry(attempt, video_id, tuple(places))


def journaled_ids(store: StoreBackend, names: Iterable[str]) -> Iterator[str]:
    """Gives the videos that notes name; raises CorruptStoreError for a damaged one."""
    for name in names:
        entry = read_entry(store, name)
        if entry is not None:
            yield entry.video_id


def _is_below(place: str, home: str) -> bool:
    """Whether a place is that of an attempt below a video's folder, and nowhere else."""
    parts = place.removeprefix(home).split("/")
    return place.startswith(home) and len(parts) == 2 and is_place(parts[1])
