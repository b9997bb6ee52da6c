"""Results of an indexing run: how far it is, and what became of every film."""

from dataclasses import dataclass

from fewframes.store.results import Outcome

STATUSES = ("ok", "done", "damaged", "failed")


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
