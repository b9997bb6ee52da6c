"""Outcome: the result of indexing one film, in a store and in the report of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What became of a film, in the order in which reports count; also as texts, ``"ok"``."""

    OK = "ok"
    """Indexed, with nothing wrong."""
    DONE = "done"
    """Was there before, undamaged."""
    DUPLICATE = "duplicate"
    """Not indexed: its content is there under another id."""
    DAMAGED = "damaged"
    """Indexed where it decodes, now or before."""
    FAILED = "failed"
    """Not indexed."""


STORED = (Status.OK, Status.DAMAGED)
"""Those of a video in a store."""


def stored_status(*, is_whole: bool) -> Status:
    """Gives the status of a film that has just been stored."""
    return Status.OK if is_whole else Status.DAMAGED


def joined(sentences: Sequence[str]) -> str:
    """Joins sentences; what a later one has in it is said once.

    >>> joined(["a hole", "a stamp", "a hole; 3 frames are lost"])
    'a stamp; a hole; 3 frames are lost'
    """
    last = [words for at, words in enumerate(sentences) if not _is_in(words, sentences[at + 1 :])]
    return "; ".join(last)


def _is_in(words: str, others: Sequence[str]) -> bool:
    return any(words in other for other in others)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one film."""

    video_id: str
    status: Status
    reason: str = ""
    """A sentence, for damaged and failed films, and duplicates."""
    rows: int = 0
    """Scanned frames."""
    stored: int = 0
    """Pictures stored; the other rows repeat one of them."""
    film_seconds: float = 0.0
    pictures: int = 0
    """Pictures that were decoded."""
    stored_bytes: int = 0
    """Bytes of the pictures stored."""
    was_stored: bool = False
    """Whether its id was in the store before this run, which has decoded nothing of it."""
    notes: str = ""
    """What a careful reader should know of a film and what is no damage, in sentences."""
