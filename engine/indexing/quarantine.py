"""Quarantine: a store remembers films that failed twice, and later runs skip them.

A film whose tasks crashed, gave no sign or took too much memory twice would do so in every run. A
record in the store says so, by the film's id: under which recipe and limits, for which file (size
and time of change), and why. The next run lists such a film and passes it over, unless the file has
changed, a limit is higher, or it is told to try again.
"""

import time
from collections.abc import Iterable, Mapping

from fewframes.errors import FewframesError
from fewframes.indexing.discovery import FilmPath
from fewframes.indexing.fetching import stamp_of
from fewframes.store.backend import StoreBackend
from fewframes.store.failures import FailureRecords
from fewframes.store.recipes import Recipe


class Quarantine:
    """The films that runs of one recipe pass over.

    >>> from fewframes.store.resolve import resolve_store
    >>> quarantine = Quarantine(resolve_store("corpus.zarr"), Recipe(), limits=(60, 1 << 30))
    >>> quarantine.reasons({"film": Path("film.mp4")})
    {}
    """

    def __init__(self, store: StoreBackend, recipe: Recipe, limits: tuple[float, int]) -> None:
        """Takes what a run works under; limits are seconds without a sign and bytes of memory."""
        self._records, self._recipe = FailureRecords(store), recipe.to_dict()
        self._limits = list(limits)

    def reasons(self, films: Mapping[str, FilmPath]) -> dict[str, str]:
        """Says of each film that is to be left alone, why, by id."""
        found = {}
        for video_id in self._records.ids():
            film, record = films.get(video_id), self._records.read(video_id)
            if film is None or record.get("recipe") != self._recipe:
                continue
            limits = zip(self._limits, record["limits"], strict=True)
            if record.get("file") == _stamp(film) and all(now <= then for now, then in limits):
                found[video_id] = f"{record['reason']} (twice, {record['when']})"
        return found

    def add(self, video_id: str, film: FilmPath, reason: str) -> None:
        """Notes that a film is to be left alone."""
        facts = {
            "id": video_id,
            "recipe": self._recipe,
            "limits": self._limits,
            "file": _stamp(film),
            "reason": reason,
            "when": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
        }
        self._records.write(video_id, facts)

    def remove(self, ids: Iterable[str]) -> None:
        """Takes films that are tried again out of it; records of other recipes stay."""
        for video_id in set(self._records.ids()).intersection(ids):
            if self._records.read(video_id).get("recipe", self._recipe) == self._recipe:
                self._records.remove(video_id)


def _stamp(film: FilmPath) -> list[int] | None:
    """Size and time of change of a film; None where it is not there."""
    try:
        return stamp_of(film)
    except (OSError, FewframesError):
        return None
