"""Store: indexed videos in a folder, or in an object store by URL, read lazily.

Opening a store reads one small file. A video's record is read when the video is asked for; lists
and counts come from the catalogue.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from fewframes.errors import CorruptStoreError, FewframesError
from fewframes.naming import nearest
from fewframes.store.backend import StoreBackend
from fewframes.store.catalogue import Catalogue
from fewframes.store.current import current, under
from fewframes.store.embedding import Embedder
from fewframes.store.failures import FailureRecords
from fewframes.store.groups import commits_of, holds
from fewframes.store.ids import id_meant, with_stem
from fewframes.store.manifest import Manifest
from fewframes.store.marker import check_store, create_store
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.results import Outcome, Status
from fewframes.store.together import read_anchors
from fewframes.store.video import Video

__all__ = ["Store", "Video", "create_store", "open_store"]


def open_store(path: AnyStore) -> "Store":
    """Opens a store for reading: a folder, or a URL such as ``s3://bucket/prefix`` as text.

    Raises:
        FileNotFoundError: The folder is not there, or is no store.
        ValueError: A newer version of fewframes has written it.
        UnreachableStoreError: The object store of a URL does not answer, or refuses.
        MissingBackendError: A URL is given, and obstore is not installed.

    >>> import fewframes as ff
    >>> ff.open("corpus.zarr")["film"].read(seconds=[2.2]).seconds.tolist()
    [2.0]
    """
    return Store(resolve_store(path))


class Store(Mapping[str, Video]):
    """The videos of a store by id; what is published later is seen without reopening.

    An id without its suffix is accepted where one video alone has it.

    >>> import fewframes as ff
    >>> store = ff.open("corpus.zarr")
    >>> list(store), "film.mp4" in store, store["film"].id
    (['film.mp4'], True, 'film.mp4')
    """

    def __init__(self, files: StoreBackend) -> None:
        check_store(files)
        self._files = files
        self._catalogue = Catalogue(files)

    def __repr__(self) -> str:
        count = len(self)
        return f"Store({self._files.name!r}: {count} video{'' if count == 1 else 's'})"

    def __len__(self) -> int:
        return len(self._catalogue)

    def __iter__(self) -> Iterator[str]:
        return iter(self._catalogue.ids())

    def __contains__(self, video_id: object) -> bool:
        if not isinstance(video_id, str):
            return False
        try:
            return holds(self._files, self.id_of(video_id))
        except KeyError:
            return False

    def id_of(self, name: str) -> str:
        """Gives the id of the video that a name means: the name, or the one id whose stem it is.

        Raises:
            KeyError: There is none, or it is the stem of several; lists these, or near ones.
            CorruptStoreError: The catalogue is damaged, or lists it wrongly; an id asks for none.

        >>> import fewframes as ff
        >>> ff.open("corpus.zarr").id_of("film")
        'film.mp4'
        """
        if holds(self._files, name):
            return name
        ids = self._catalogue.ids()
        found = None if name in ids else id_meant(name, ids)
        if found is None:
            raise KeyError(self._missing(name, ids))
        return found

    def __getitem__(self, video_id: str) -> Video:
        """Gives a video; of several groups the newest, or the one that was asked for last.

        Raises:
            KeyError: There is none of that id; lists near ones.
            CorruptStoreError: Its commit record is damaged, or the catalogue lists it wrongly.
        """
        return self.video(video_id)

    def video(self, video_id: str, *, recipe: Recipe | str | None = None) -> Video:
        """Gives a video under one of its `recipes`; None for the current one.

        ``recipe`` may be the ``key`` of one, or its beginning. Raises as ``store[…]`` does, and
        KeyError for a recipe that is not there, or a key that several begin with.

        >>> import fewframes as ff
        >>> store = ff.open("corpus.zarr")
        >>> [one.recipe.words for one in store["film"].recipes]
        ['2 fps, 160, jpeg 90']
        >>> store.video("film", recipe=store["film"].recipes[0].key)
        Video('film.mp4': 20 rows, 20 pictures of 120x160, 10.00 s, ok)
        """
        commits = self._commits(video_id)
        if not commits and (found := self.id_of(video_id)) != video_id:
            video_id, commits = found, self._commits(found)
        if not commits:
            raise KeyError(self._missing(video_id, self._catalogue.ids()))
        if recipe is not None:
            return Video(under(commits, recipe))
        return Video(current(self._files, video_id, commits))

    def embed(
        self,
        embedder: Embedder,
        *,
        batch: int = 32,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> list[Outcome]:
        """Embeds the pictures of every video, where that has not been done; see `Video.embed`.

        ``progress`` is told the video, pictures done and pictures in all. Gives an outcome a video:
        ``ok``, ``done`` (was there before), or ``failed`` where the store is damaged.
        """
        return [
            _embedded(self, video_id, embedder, batch=batch, progress=progress) for video_id in self
        ]

    def lines(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Gives what the catalogue knows of every video: its `COLUMNS`, or some, with the ``id``.

        Raises:
            CorruptStoreError: The catalogue is damaged.

        >>> import fewframes as ff
        >>> next(ff.open("corpus.zarr").lines())["rows"]
        20
        """
        return self._catalogue.rows(columns) if columns else self._catalogue.rows()

    def to_table(self, where: str | None = None, *, failed: bool = False) -> Any:  # noqa: ANN401 (a pyarrow.Table)
        """Gives one row a video, of `COLUMNS`, as an Arrow table, by the catalogue alone.

        Films that failed have a row, too; see `failures`. With ``failed`` only they have.

        ``where`` is a condition in SQL on the columns; it needs DuckDB. Raises as `videos_table`
        and `lines` do.

        >>> import fewframes as ff
        >>> ff.open("corpus.zarr").to_table("status = 'ok' and rows > 10")["id"].to_pylist()
        ['film.mp4']
        """
        from fewframes.store.sql import videos_table

        videos = self._catalogue.table()
        return videos_table(videos.slice(0, 0) if failed else videos, self.failures(), where)

    def contents(self) -> dict[str, str]:
        """Gives what a split goes by, for each video: equal for those that belong together.

        It is the digest of its film, or that of another one which shows the same pictures, where
        ``fewframes duplicates --save`` has found it. For an unreadable video it is the id. Raises
        CorruptStoreError where the catalogue, or what was saved, is damaged.

        >>> import fewframes as ff
        >>> store = ff.open("corpus.zarr")
        >>> store.contents() == {"film.mp4": store["film"].facts["source"]["digest"]}
        True
        """
        anchors = read_anchors(self._files)
        digests = {row["id"]: row["film_xxh3"] for row in self.lines(["id", "film_xxh3"])}
        return {name: anchors.get(digest, digest) or name for name, digest in digests.items()}

    def failures(self) -> list[dict[str, Any]]:
        """Gives a row of `COLUMNS` for each film that failed, until it is indexed or removed.

        A record of one that is damaged has a row, too, whose status is "unreadable".

        >>> import fewframes as ff
        >>> ff.open("corpus.zarr").failures()
        []
        """
        from fewframes.store.catalogue_rows import row_of_failure, row_of_unreadable

        return [
            row_of_failure(record) if record else row_of_unreadable(video_id)
            for video_id, record in FailureRecords(self._files).all().items()
            if not record or record["recipe"] not in self._recipes(video_id)
        ]

    def _commits(self, video_id: str) -> list[Manifest]:
        """The records of a video; one that vanishes meanwhile has a successor: lists once more."""
        return commits_of(self._files, video_id) or commits_of(self._files, video_id)

    def _recipes(self, video_id: str) -> list[dict[str, Any]]:
        """The recipes under which a video is there; none where a record of it is damaged."""
        try:
            return [commit.facts["recipe"] for commit in commits_of(self._files, video_id)]
        except CorruptStoreError:
            return []

    def _missing(self, video_id: str, ids: Sequence[str]) -> str:
        if video_id in ids:
            raise CorruptStoreError(
                f"the catalogue of {self._files.name!r} lists video {video_id!r}, but it is not "
                "there; run 'fewframes compact'"
            )
        records = FailureRecords(self._files)
        for name in (video_id, *with_stem(records.ids(), video_id)):
            if failure := records.read(name):
                return f"film {name!r} was not indexed: {failure['reason']}"
        near = nearest(video_id, ids)
        hint = f"; near: {', '.join(map(repr, near))}" if near else "; it is empty"
        return f"no video {video_id!r} in {self._files.name!r}{hint}"


def id_in(store: Mapping[str, Video], name: str) -> str:
    """Gives the id of the video that a name means in a store, or in a mapping by ids alone.

    Raises KeyError as `Store.id_of` does.

    >>> import fewframes as ff
    >>> id_in(ff.open("corpus.zarr"), "film"), id_in({}, "film")
    ('film.mp4', 'film')
    """
    return store.id_of(name) if isinstance(store, Store) else name


def _embedded(
    store: Store,
    video_id: str,
    embedder: Embedder,
    *,
    batch: int,
    progress: Callable[[str, int, int], None] | None,
) -> Outcome:
    """What becomes of one video; damage to one does not end the run."""
    report_progress = partial(progress, video_id) if progress else None
    try:
        video = store[video_id]
        made = video.embed(embedder, batch=batch, progress=report_progress)
    except (FewframesError, KeyError) as error:  # it may have been removed just now
        return Outcome(video_id, Status.FAILED, str(error.args[0]))
    rows, stored = video.facts["counts"]["rows"], video.facts["counts"]["stored"]
    status = Status.OK if made else Status.DONE
    return Outcome(video_id, status, rows=rows, stored=stored)
