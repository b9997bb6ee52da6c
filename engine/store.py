"""Store: a folder of indexed videos, read lazily.

Opening a store reads one small file. A video's record is read when the video is asked for; lists
and counts come from the catalogue.
"""

import difflib
from bisect import bisect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fewframes.catalogue import Catalogue
from fewframes.commits import Commit, read_commit_of
from fewframes.errors import CorruptStoreError
from fewframes.layout import check_store, create_store, groups_of
from fewframes.video import Video

NEIGHBOURS = 500
"""Ids next to an unknown one that are searched for what may have been meant."""

__all__ = ["Store", "Video", "create_store", "open_store"]


def open_store(path: str | Path) -> "Store":
    """Opens a store folder for reading.

    Raises:
        FileNotFoundError: The folder is not there, or is no store.
        ValueError: A newer version of fewframes has written it.

    >>> import fewframes as ff
    >>> ff.open("corpus.zarr")["film"].read(seconds=[2.2]).seconds.tolist()
    [2.0]
    """
    return Store(Path(path))


class Store(Mapping[str, Video]):
    """The videos of a store folder by id; what is published later is seen without reopening.

    >>> import fewframes as ff
    >>> store = ff.open("corpus.zarr")
    >>> "film" in store, list(store)
    (True, ['film'])
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        check_store(self._path)
        self._catalogue = Catalogue(self._path)

    def __repr__(self) -> str:
        count = len(self)
        return f"Store({self._path.name!r}: {count} video{'' if count == 1 else 's'})"

    def __len__(self) -> int:
        return len(self._catalogue)

    def __iter__(self) -> Iterator[str]:
        return iter(self._catalogue.ids())

    def __contains__(self, video_id: object) -> bool:
        return isinstance(video_id, str) and bool(groups_of(self._path, video_id))

    def __getitem__(self, video_id: str) -> Video:
        """Gives a video; of several groups the newest.

        Raises:
            KeyError: There is none of that id; lists near ones.
            CorruptStoreError: Its commit record is damaged, or the catalogue lists it wrongly.
        """
        # A group that vanishes between listing and reading has a successor: list once more.
        commits = self._commits(video_id) or self._commits(video_id)
        if not commits:
            raise KeyError(self._missing(video_id))
        return Video(max(commits, key=lambda commit: commit.age_order))

    def lines(self) -> Iterator[dict[str, Any]]:
        """Gives what a list shows of every video, by the catalogue alone: `COLUMNS`.

        Raises:
            CorruptStoreError: The catalogue is damaged.

        >>> import fewframes as ff
        >>> next(ff.open("corpus.zarr").lines())["rows"]
        20
        """
        return self._catalogue.rows()

    def _commits(self, video_id: str) -> list[Commit]:
        commits = []
        for group in groups_of(self._path, video_id):
            try:
                commits.append(read_commit_of(group, video_id))
            except CorruptStoreError:
                if group.exists():
                    raise
        return commits

    def _missing(self, video_id: str) -> str:
        ids = self._catalogue.ids()
        if video_id in ids:
            raise CorruptStoreError(
                f"the catalogue of {self._path.name!r} lists video {video_id!r}, but it is not "
                "there; run 'fewframes compact'"
            )
        at = bisect(ids, video_id)
        ids = ids[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]
        near = difflib.get_close_matches(video_id, ids, n=3) or ids[:3]
        hint = f"; near: {', '.join(map(repr, near))}" if near else "; it is empty"
        return f"no video {video_id!r} in {self._path.name!r}{hint}"
