"""Results of an indexing run: its progress, and the outcome of every film."""

from dataclasses import dataclass
from enum import IntEnum

from fewframes.store.results import Outcome, Status


class ExitStatus(IntEnum):
    """How a command ends."""

    DONE = 0
    FAILED = 1
    """Nothing could be done; one sentence says why."""
    WRONG_USAGE = 2
    NOT_ALL = 3
    """Done, but something is damaged or failed, and is listed."""
    UNREAD = 141
    """The reader of the output has closed it: 128 + SIGPIPE, as in a shell."""


@dataclass(frozen=True, slots=True)
class RangeResult:
    """What became of one range of a long film."""

    video_id: str
    pictures: int = 0
    """Pictures that were decoded; none where its part was there."""
    unsplittable_reason: str = ""
    """Why the film has to be decoded in one go, and has no part; empty where its part is there."""


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
        words = ", ".join(f"{n} {status}" for status, n in self.counts.items() if n) or "no films"
        return f"IndexReport({words}, {self.seconds:.1f} s)"

    def with_status(self, *statuses: str) -> list[Outcome]:
        """The outcomes that have one of these statuses."""
        return [outcome for outcome in self.outcomes if outcome.status in statuses]

    @property
    def counts(self) -> dict[str, int]:
        """How many films have each status."""
        return {status.value: len(self.with_status(status)) for status in Status}

    @property
    def exit_status(self) -> ExitStatus:
        """0 all done, if any, 1 every film failed, 3 some films are damaged or failed."""
        if self.outcomes and len(self.with_status(Status.FAILED)) == len(self.outcomes):
            return ExitStatus.FAILED
        is_all = not self.with_status(Status.DAMAGED, Status.FAILED)
        return ExitStatus.DONE if is_all else ExitStatus.NOT_ALL
