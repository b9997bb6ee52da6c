"""Outcome: what became of one film of an indexing run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one film."""

    video_id: str
    status: str
    """``ok``, ``damaged`` (indexed where it decodes), ``done`` (was there before) or ``failed``;
    and ``part``, of a task for one range of a film, which no report of a run holds."""
    reason: str = ""
    """A sentence, for damaged and failed films."""
    rows: int = 0
    """Scanned frames."""
    stored: int = 0
    """Pictures stored; the other rows repeat one of them."""
    film_seconds: float = 0.0
    pictures: int = 0
    """Pictures that were decoded."""
