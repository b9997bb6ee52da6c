"""Quarantine: a store remembers films that failed, and later runs skip those that may do harm.

A record in the store says of a film that failed, by its id, why and when: until it is indexed or
removed. One whose tasks crashed, gave no sign or took too much memory twice would do so in every
run: it is avoided, under the same recipe and limits, as long as its file has the same size and time
of change, unless a run is told to try again.
"""

import logging
import time
from collections.abc import Mapping

from fewframes.errors import FewframesError
from fewframes.indexing.discovery import FilmPath
from fewframes.indexing.fetching import stamp_of
from fewframes.store.backend import StoreBackend
from fewframes.store.failures import FailureRecords
from fewframes.store.recipes import Recipe
from fewframes.store.results import Outcome, Status

log = logging.getLogger("fewframes")


class Quarantine:
    """The films that failed under one recipe, and those that its runs pass over.

    >>> from fewframes.store.resolve import resolve_store
    >>> quarantine = Quarantine(resolve_store("corpus.zarr"), Recipe(), limits=(60, 1 << 30))
    >>> quarantine.reasons({"film": "https://example.org/film.mp4"})
    {}
    """

    def __init__(self, store: StoreBackend, recipe: Recipe, limits: tuple[float, int]) -> None:
        """Takes what a run works under; limits are seconds without a sign and bytes of memory."""
        self._records, self._recipe = FailureRecords(store), recipe.to_dict()
        self._limits, self._known = list(limits), set(self._records.ids())

    def reasons(self, films: Mapping[str, FilmPath]) -> dict[str, str]:
        """Says of each film that is to be left alone, why, by id."""
        found = {}
        for video_id in sorted(self._known.intersection(films)):
            film, record = films[video_id], self._records.read(video_id)
            if record.get("recipe") != self._recipe or not record.get("is_avoided", True):
                continue
            limits = zip(self._limits, record["limits"], strict=True)
            if record.get("file") == _stamp(film) and all(now <= then for now, then in limits):
                found[video_id] = f"{record['reason']} (twice, {record['when']})"
        return found

    def note(self, outcome: Outcome, film: FilmPath, *, is_avoided: bool) -> None:
        """Remembers a film that failed, or forgets one that did not; a full disk is only logged."""
        video_id = outcome.video_id
        try:
            if outcome.status == Status.FAILED:
                if not outcome.was_stored:  # else what is stored has not failed
                    self._add(video_id, film, outcome.reason, is_avoided=is_avoided)
            elif video_id in self._known and self._is_mine(video_id):
                self._records.remove(video_id)
                self._known.discard(video_id)
        except OSError as error:
            log.warning("what became of %r could not be noted: %s", video_id, error)

    def _add(self, video_id: str, film: FilmPath, reason: str, *, is_avoided: bool) -> None:
        facts = {
            "id": video_id,
            "recipe": self._recipe,
            "limits": self._limits,
            "file": _stamp(film),
            "reason": reason,
            "when": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
            "is_avoided": is_avoided,
        }
        self._records.write(video_id, facts)
        self._known.add(video_id)

    def _is_mine(self, video_id: str) -> bool:
        """Whether a record is of this recipe, or damaged; records of other recipes stay."""
        return bool(self._records.read(video_id).get("recipe", self._recipe) == self._recipe)


def _stamp(film: FilmPath) -> list[int] | None:
    """Size and time of change of a film; None where it is not there."""
    try:
        return stamp_of(film)
    except (OSError, FewframesError):
        return None
