"""Outcome: what became of one film, as a store and a run report it."""

from collections.abc import Sequence
from dataclasses import dataclass


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
    status: str
    """``ok``, ``damaged`` (indexed where it decodes, now or before), ``done`` (was there before,
    undamaged) or ``failed``; and ``part``, of a task for one range of a film, which no report of a
    run holds."""
    reason: str = ""
    """A sentence, for damaged and failed films."""
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
    """Whether it was in the store before this run, which has decoded nothing of it."""
    notes: str = ""
    """What a careful reader should know of a film and what is no damage, in sentences."""
