"""Results of checking: what was found of each video, and what was done about it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

CATALOGUE = "(catalogue)"
"""Shown for the id of a video in the verdict on the catalogue; a video may be called so, too."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What is known of one video after it was verified."""

    video: str
    compared: int
    """Frames, or files of a store, that were compared."""
    differences: tuple[str, ...]
    """A sentence for each, the first one first; none if all is well."""
    notes: tuple[str, ...] = ()
    """What was not compared, and why."""
    is_catalogue: bool = field(default=False, repr=False)
    """Whether it is the verdict on the catalogue; ``video`` then is `CATALOGUE`."""

    @property
    def is_well(self) -> bool:
        """Whether no difference was found."""
        return not self.differences

    def to_dict(self) -> dict[str, Any]:
        """Gives it as plain values for JSON."""
        names = ("video", "compared", "differences", "notes")
        return {name: getattr(self, name) for name in names}


class RepairAction(StrEnum):
    """What was done with one thing that was broken."""

    INDEXED = "indexed again"
    DROPPED = "dropped"
    LEFT = "left as it is"
    LISTED = "made anew"
    """The catalogue."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of one thing that was broken."""

    video: str
    action: RepairAction
    details: str
    """From what it was made, or why it could not be, as `words` goes on."""

    @property
    def is_repaired(self) -> bool:
        """Whether it is broken no more."""
        return self.action is not RepairAction.LEFT

    @property
    def words(self) -> str:
        """What was done, or why nothing could be."""
        return f"{self.action}{self.details}"

    def to_dict(self) -> dict[str, Any]:
        """Gives it as plain values for JSON."""
        return {"video": self.video, "is_repaired": self.is_repaired, "words": self.words}
