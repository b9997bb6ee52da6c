"""Video: one indexed film of a store; its table is read when needed, its pictures when asked for.

1. The table comes from Parquet; signals and signatures, most of its bytes, only with `table`.
2. Frames, rows or times are turned into rows, and rows into slots; repeats share a slot.
3. The pictures in those slots are read and decoded, vectors of them once from their sidecar.
"""

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F32, F64, I32, I64, U8, Mask
from fewframes.decode.batch import FrameBatch
from fewframes.errors import CorruptStoreError
from fewframes.features.requested import requested_rows
from fewframes.features.table import FrameTable
from fewframes.keywords import keywords_of
from fewframes.media.sizes import Size, fitted_size
from fewframes.sampling import with_scores
from fewframes.selection.options import SelectOptions, check_features, check_query
from fewframes.selection.selection import select
from fewframes.store.current import StoredRecipe, recipes_of
from fewframes.store.embedding import Embedder, Identity, Query, embed_query
from fewframes.store.frame_reader import check_asked, stored_batch
from fewframes.store.frame_table_io import StoredRows, read_rows, read_signatures
from fewframes.store.gaps import with_gaps
from fewframes.store.manifest import Manifest
from fewframes.store.marker import check_version
from fewframes.store.recipes import FORMAT_VERSION
from fewframes.store.results import Status
from fewframes.store.shard_reader import ShardReader
from fewframes.store.vectors import embeddings_of, find_vectors, read_vectors, write_vectors
from fewframes.times import FrameIndexer, requested_times, span_of


class Video:
    """One video of a store; it can be sent to other processes.

    >>> import fewframes as ff
    >>> video = ff.open("corpus.zarr")["film"]
    >>> video.table.seconds[:3].tolist(), video.frame_size, video.duration_seconds
    ([0.0, 0.48, 1.0], (120, 160), 10.0)
    """

    def __init__(self, commit: Manifest) -> None:
        version = commit.facts["recipe"]["format_version"]
        check_version(f"video {commit.facts['id']!r}", version, FORMAT_VERSION)
        self.commit = commit  # the record of what was published
        self._vectors: dict[str, F32] = {}

    def __reduce__(self) -> tuple[type["Video"], tuple[Manifest]]:
        return Video, (self.commit,)

    def __repr__(self) -> str:
        counts, (height, width) = self.facts["counts"], self.frame_size
        about = f"{height}x{width}, {self.duration_seconds:.2f} s, {self.status}"
        return f"Video({self.id!r}: {counts['rows']} rows, {counts['stored']} pictures of {about})"

    @property
    def id(self) -> str:
        """Name of the video in its store."""
        return str(self.facts["id"])

    @property
    def facts(self) -> dict[str, Any]:
        """What was recorded when it was published: source, stream, recipe, counts, damage."""
        return self.commit.facts

    @property
    def recipes(self) -> tuple[StoredRecipe, ...]:
        """The recipes under which the store has this film, the newest last; see `Store.video`."""
        return recipes_of(self.commit.store, self.id)

    @property
    def status(self) -> Status:
        """Says "ok", or "damaged" where not all of the film could be decoded."""
        return Status(self.facts["status"])

    @property
    def duration_seconds(self) -> float:
        """From the film's first frame to the end of its last one."""
        return self.commit.duration_seconds

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the stored pictures."""
        height, width = self.facts["frame_size"]
        return height, width

    @property
    def picture_bytes(self) -> int:
        """Bytes on disk of the stored pictures, with their indexes and checksums."""
        files = self.commit.files.items()
        return sum(size for path, (size, _) in files if path.startswith("frames/"))

    @cached_property
    def table(self) -> FrameTable:
        """The indexed frames, ``n`` rows."""
        table = self._whole.table
        return dataclasses.replace(table, signatures=read_signatures(self.commit, len(table)))

    @property
    def slots(self) -> I32:
        """Where the picture of each row is stored, ``[n] i32``; repeats share one."""
        return self._rows.slots

    @property
    def is_damaged(self) -> Mask:
        """Rows that a decode anomaly may have touched, ``[n] bool``."""
        return self._rows.is_damaged

    @property
    def is_repaired(self) -> Mask:
        """Rows whose ``pts`` is not the film's own stamp, which does not fit its neighbours'."""
        return self._rows.is_repaired

    @property
    def container_pts(self) -> I64:
        """The film's own stamp of each row in ticks of its stream, ``[n] i64``; or `NO_PTS`."""
        return self._rows.container_pts

    def read(
        self,
        *,
        frames: FrameIndexer = None,
        rows: FrameIndexer = None,
        seconds: FrameIndexer = None,
        size: Size = None,
        out: U8 | None = None,
        workers: int | None = None,
        backend: str | None = None,
        device: str = "cpu",
    ) -> FrameBatch:
        """Reads stored frames in the order asked for, repeats allowed.

        Args:
            frames: Source frame numbers of indexed frames; of a slice, those that are indexed.
            rows: Positions in the `table`.
            seconds: Times, as numbers or text such as ``"00:01:30"``: the last indexed frame at or
                before each; of a slice, the indexed frames that begin in it. Of a damaged film
                ``report["bad_ranges"]`` says what is missing there (`gaps`).
            size: Longer side (never enlarged), or an exact height and width; None as stored.
                JPEGs are decoded at 1/2, 1/4 or 1/8 where that is enough, then averaged by area:
                a thumbnail costs less than a picture.
            out: Array ``[k, h, w, 3] u8`` to decode into, the batch's ``frames`` then; such as
                ``tensor.numpy()`` of a pinned tensor.
            workers: Threads that decode (default: one a core); in loader workers, 1.
            backend: ``"dali"`` decodes JPEGs by DALI; see `fewframes.store.frame_reader`.
            device: ``"cuda"`` gives frames that lie on the GPU.

        Raises:
            ValueError: Not exactly one of frames, rows and seconds is given, ``out`` has another
                shape, or the arguments do not go together.
            MissingBackendError: The backend, or a GPU, is not there.
            IndexError: A frame is not indexed, or a row or time is outside the video.
            CorruptStoreError: A picture is missing or damaged.

        >>> import fewframes as ff
        >>> video = ff.open("corpus.zarr")["film"]
        >>> video.read(frames=[25, 0, 25])
        FrameBatch([3, 120, 160, 3] u8 rgb of 'film.mp4', frames 25 to 25, 1.00 s to 1.00 s)
        >>> video.read(seconds=slice(2, 4), size=80)
        FrameBatch([4, 60, 80, 3] u8 rgb of 'film.mp4', frames 50 to 87, 2.00 s to 3.48 s)
        """
        at = self.rows_of(frames=frames, rows=rows, seconds=(seconds := requested_times(seconds)))
        request = check_asked(backend, device, self._shards.codec.name, out)
        how = (fitted_size(self.frame_size, size), out, workers, request)
        return self._read(at, *how, frames=frames, seconds=seconds)

    def rows_of(
        self,
        *,
        frames: FrameIndexer = None,
        rows: FrameIndexer = None,
        seconds: FrameIndexer = None,
    ) -> I64:
        """Gives the rows that `read` would read, ``[k] i64``; raises as it does."""
        about = self._rows.table, self.id, self.duration_seconds
        return requested_rows(*about, frames=frames, rows=rows, seconds=requested_times(seconds))

    def encoded(self, rows: npt.ArrayLike) -> list[bytes]:
        """Gives the pictures of rows as they are stored, checked but not decoded."""
        return self._shards.encoded(self.slots[self.rows_of(rows=rows)])

    @keywords_of(select)
    def sample(
        self,
        *,
        budget: int,
        policy: str = "adaptive",
        query: Query | None = None,
        embedder: Embedder | str | None = None,
        features: Embedder | str | None = None,
        **options: Unpack[SelectOptions],
    ) -> FrameBatch:
        """Selects frames by a policy and reads them, in order of time; arguments as of `select`.

        ``query`` and ``embedder`` are a question as of `relevance`, in place of scores.
        ``features`` is a model, or its name, whose vectors take the place of signatures. What a
        ``runtime:…`` policy asks for may not be indexed: the nearest indexed frames are read, and
        ``report["frames_away"]`` says how far they are. Raises as these, and as `read`.

        >>> import fewframes as ff
        >>> batch = ff.open("corpus.zarr")["film"].sample(budget=8)
        >>> len(batch), batch.report["source"], batch.report["policy"]
        (8, 'store', 'adaptive')
        """
        table = self.table
        if query is not None or embedder is not None:
            check_query(query=query, embedder=embedder, relevance=options.get("relevance"))
            if query is not None and embedder is not None:
                options["relevance"] = self.relevance(query, embedder=embedder)
        if features is not None:
            check_features(policy)
            table = table.described_by(self.vectors(features))
        chosen = select(table, budget=budget, policy=policy, **options)
        span = slice(*(span_of(options.get("span")) or (None, None)))
        film_fps = table.film.fps if table.film else 0.0
        return with_scores(self._read(chosen.rows, seconds=span), chosen, film_fps=film_fps)

    def embed(
        self,
        embedder: Embedder,
        *,
        batch: int = 32,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Stores what a model makes of the pictures; gives how many it was shown.

        That is 0 where all were there. ``batch`` pictures are read at a time; ``progress`` is told
        how many are done, and of how many. Raises as `write_vectors` does.

        >>> import fewframes as ff
        >>> from fewframes.store.embedding import named_embedder
        >>> colour = named_embedder(lambda batch: batch.mean(axis=(1, 2)), name="colour", dim=3)
        >>> video = ff.open("corpus.zarr")["film"]
        >>> video.embed(colour), video.embed(colour), video.vectors("colour").shape
        (20, 0, (20, 3))
        """
        return write_vectors(self.commit, self._shards, embedder, batch=batch, progress=progress)

    @property
    def embeddings(self) -> tuple[Identity, ...]:
        """The models whose vectors are stored: name, revision and length."""
        return embeddings_of(self.commit)

    def vectors(self, embedder: Embedder | str) -> F32:
        """Gives what `embed` stored, for each row a vector of length 1, ``[n, dim] f32``.

        Raises ValueError where there is nothing of that model, or more than one of a name, and
        CorruptStoreError where the vectors are damaged.
        """
        return self._vectors_of(embedder)[self.slots]

    def relevance(self, query: Query, *, embedder: Embedder | str) -> F64:
        """Scores each row by its likeness to a text, picture or vector: cosines, ``[n] f64``.

        Nothing is decoded, and no frame is embedded. For a vector, the embedder's name will do.
        Raises as `vectors` does, and ValueError for a query that the embedder cannot take.
        """
        vectors = self._vectors_of(embedder)
        requested = embed_query(embedder, query, dim=vectors.shape[1])
        return np.asarray((vectors @ requested)[self.slots], np.float64)

    @property
    def _rows(self) -> StoredRows:
        """The rows, without signals where nobody has asked for these."""
        return vars(self).get("_whole") or self._bare

    @cached_property
    def _bare(self) -> StoredRows:
        return read_rows(self.commit, with_signals=False)

    @cached_property
    def _whole(self) -> StoredRows:
        return read_rows(self.commit)

    @cached_property
    def _shards(self) -> ShardReader:
        reader = ShardReader(self.commit.place / "frames")
        expected = (self.facts["counts"]["stored"], *self.frame_size, 3)
        if reader.shape != expected:
            sizes = f"{list(reader.shape)}, but {list(expected)} were published"
            raise CorruptStoreError(f"pictures of video {self.id!r} are {sizes}")
        return reader

    def _read(self, at: I64, *how: Any, **request: FrameIndexer) -> FrameBatch:  # noqa: ANN401
        batch = stored_batch(self.id, self._rows, self._shards, at, *how)
        bad, end = self.facts["bad_ranges"], self.duration_seconds
        return with_gaps(batch, bad, self._rows.table, at, duration_seconds=end, **request)

    def _vectors_of(self, embedder: Embedder | str) -> F32:
        sidecar = find_vectors(self.commit, embedder)
        if sidecar.name not in self._vectors:
            self._vectors[sidecar.name] = read_vectors(sidecar)
        return self._vectors[sidecar.name]
