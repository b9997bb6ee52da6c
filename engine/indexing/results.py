"""Outcomes: what became of the films of an indexing run, and how far it is."""

from collections.abc import Sequence
from dataclasses import dataclass

STATUSES = ("ok", "done", "damaged", "failed")


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


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an indexing run is; given to the progress callback."""

    video_id: str
    frames_done: int
    """Of this film."""
    frames_total: int
    films_done: int = 0
    films_total: int = 0
    outcome: Outcome | None = None
    """Set once, when the film is finished."""
    share_done: float = 0.0
    """Share of the predicted effort of the whole run that is done, 0 to 1."""
    seconds: float = 0.0
    """Since the run began."""
    remaining_seconds: float | None = None
    """Predicted from the effort that is left, not from the number of films; None: not known yet."""
    film_seconds: float = 0.0
    """Length of the films that this run has finished."""
    stored_bytes: int = 0
    """Bytes of pictures that this run has stored."""
    failed: int = 0
    """Films that failed."""


@dataclass(frozen=True, slots=True, repr=False)
class IndexReport:
    """What became of every film of a run."""

    outcomes: tuple[Outcome, ...]
    seconds: float
    """How long the run took."""

    def __repr__(self) -> str:
        counts = {status: len(self.with_status(status)) for status in STATUSES}
        words = ", ".join(f"{n} {status}" for status, n in counts.items() if n) or "no films"
        return f"IndexReport({words}, {self.seconds:.1f} s)"

    def with_status(self, *statuses: str) -> list[Outcome]:
        """The outcomes that have one of these statuses."""
        return [outcome for outcome in self.outcomes if outcome.status in statuses]

    @property
    def exit_status(self) -> int:
        """0 all done, 1 nothing could be indexed, 3 some films are damaged or failed."""
        if not self.with_status("ok", "done", "damaged"):
            return 1
        return 3 if self.with_status("damaged", "failed") else 0
