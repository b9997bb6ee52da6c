"""Video: one indexed film of a store; its table is read when needed, its pictures when asked for.

1. The table comes from Parquet, whole, and is checked against the commit record.
2. Frames, rows or times are turned into rows, and rows into slots; repeats share a slot.
3. The pictures in those slots are read and decoded.
"""

from functools import cached_property
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F64, I32, I64, U8
from fewframes.commits import Commit
from fewframes.errors import CorruptStoreError
from fewframes.frames import FrameBatch
from fewframes.layout import check_version
from fewframes.rows import StoredRows, read_rows
from fewframes.sampling import with_scores
from fewframes.selection import select
from fewframes.shards import ShardReader
from fewframes.sizes import Size, fitted_size
from fewframes.table import FrameTable
from fewframes.wishes import Wishes

SAME_SECONDS = 1e-9
"""A time this close to a frame's own belongs to that frame."""


class Video:
    """One video of a store; it can be sent to other processes.

    >>> import fewframes as ff
    >>> video = ff.open("corpus.zarr")["film"]
    >>> video.table.seconds[:3].tolist(), video.frame_size, video.duration_seconds
    ([0.0, 0.48, 1.0], (120, 160), 10.0)
    """

    def __init__(self, commit: Commit) -> None:
        check_version(f"video {commit.facts['id']!r}", commit.facts["recipe"]["format_version"])
        self._commit = commit

    def __reduce__(self) -> tuple[type["Video"], tuple[Commit]]:
        return Video, (self._commit,)

    def __repr__(self) -> str:
        counts, (height, width) = self.facts["counts"], self.frame_size
        return (
            f"Video({self.id!r}: {counts['rows']} rows, {counts['stored']} pictures of "
            f"{height}x{width}, {self.duration_seconds:.2f} s, {self.status})"
        )

    @property
    def id(self) -> str:
        """Name of the video in its store."""
        return str(self.facts["id"])

    @property
    def commit(self) -> Commit:
        """The record of what was published."""
        return self._commit

    @property
    def facts(self) -> dict[str, Any]:
        """What was recorded when it was published: source, stream, recipe, counts, damage."""
        return self._commit.facts

    @property
    def status(self) -> str:
        """Says "ok", or "damaged" where not all of the film could be decoded."""
        return str(self.facts["status"])

    @property
    def duration_seconds(self) -> float:
        """From the film's first frame to the end of its last one."""
        num, den = map(int, self.facts["time_base"].split("/"))
        return float((self.facts["end_pts"] - self.facts["start_pts"]) * num / den)

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the stored pictures."""
        height, width = self.facts["frame_size"]
        return height, width

    @property
    def picture_bytes(self) -> int:
        """Bytes on disk of the stored pictures, with their indexes and checksums."""
        files = self._commit.files.items()
        return sum(size for path, (size, _) in files if path.startswith("frames/"))

    @property
    def table(self) -> FrameTable:
        """The indexed frames, ``n`` rows."""
        return self._rows.table

    @property
    def slots(self) -> I32:
        """Where the picture of each row is stored, ``[n] i32``; repeats share one."""
        return self._rows.slots

    def read(
        self,
        *,
        frames: npt.ArrayLike | slice | None = None,
        rows: npt.ArrayLike | slice | None = None,
        seconds: npt.ArrayLike | slice | None = None,
        size: Size = None,
        out: U8 | None = None,
        workers: int | None = None,
    ) -> FrameBatch:
        """Reads stored frames in the order asked for, repeats allowed.

        Args:
            frames: Source frame numbers of indexed frames; of a slice, those that are indexed.
            rows: Positions in the `table`.
            seconds: Times; each gives the last indexed frame at or before it. Of a slice, the
                indexed frames that begin at or after its start and before its stop.
            size: Longer side (never enlarged), or an exact height and width; None as stored.
                JPEGs are decoded at 1/2, 1/4 or 1/8 where that is enough, then averaged by area:
                a thumbnail costs less than a picture.
            out: Array ``[k, h, w, 3] u8`` to decode into, such as ``tensor.numpy()`` of a pinned
                tensor; it is then the batch's ``frames``.
            workers: Threads that decode (default: one a core); in loader workers, 1.

        Raises:
            ValueError: Not exactly one of frames, rows and seconds is given, or ``out`` has
                another shape.
            IndexError: A frame is not indexed, or a row or time is outside the video.
            CorruptStoreError: A picture is missing or damaged.

        >>> import fewframes as ff
        >>> video = ff.open("corpus.zarr")["film"]
        >>> video.read(frames=[25, 0, 25])
        FrameBatch([3, 120, 160, 3] u8 rgb of 'film', frames 25 to 25, 1.00 s to 1.00 s)
        >>> video.read(seconds=slice(2, 4), size=80)
        FrameBatch([4, 60, 80, 3] u8 rgb of 'film', frames 50 to 87, 2.00 s to 3.48 s)
        """
        at = self._wanted_rows(frames, rows, seconds)
        return self._read(at, fitted_size(self.frame_size, size), out, workers)

    def encoded(self, rows: npt.ArrayLike) -> list[bytes]:
        """Gives the pictures of rows as they are stored, checked but not decoded.

        >>> import fewframes as ff
        >>> ff.open("corpus.zarr")["film"].encoded([0])[0][6:10]
        b'JFIF'
        """
        return self._shards.encoded(self.slots[self._checked_rows(_whole(rows, "rows"))])

    def sample(
        self, *, budget: int, policy: str = "adaptive", **wishes: Unpack[Wishes]
    ) -> FrameBatch:
        """Selects frames by a policy and reads them, in order of time; arguments as of `select`.

        What a ``runtime:…`` policy asks for may not be indexed: the nearest indexed frames are
        read, and ``report["frames_away"]`` says how far they are.

        Raises:
            ValueError: As of `select`.
            CorruptStoreError: A picture is missing or damaged.

        >>> import fewframes as ff
        >>> batch = ff.open("corpus.zarr")["film"].sample(budget=8)
        >>> len(batch), batch.report["source"], batch.report["policy"]
        (8, 'store', 'adaptive')
        """
        chosen = select(self.table, budget=budget, policy=policy, **wishes)
        film_fps = self.table.film.fps if self.table.film else 0.0
        return with_scores(self._read(chosen.rows), chosen, film_fps=film_fps)

    @cached_property
    def _rows(self) -> StoredRows:
        rows = read_rows(self._commit)
        stored = self.facts["counts"]["stored"]
        if len(rows.slots) and not 0 <= rows.slots.min() <= rows.slots.max() < stored:
            raise CorruptStoreError(f"video {self.id!r} has rows without a picture")
        return rows

    @cached_property
    def _shards(self) -> ShardReader:
        reader = ShardReader(self._commit.folder / "frames")
        expected = (self.facts["counts"]["stored"], *self.frame_size, 3)
        if reader.shape != expected:
            raise CorruptStoreError(
                f"pictures of video {self.id!r} are {list(reader.shape)}, but {list(expected)} "
                "were published"
            )
        return reader

    def _read(
        self,
        at: I64,
        size: tuple[int, int] | None = None,
        out: U8 | None = None,
        workers: int | None = None,
    ) -> FrameBatch:
        table, slots = self.table, self.slots[at]
        damaged = self._rows.is_damaged[at]
        return FrameBatch(
            (self._shards.read(slots, size=size, out=out, workers=workers),),
            "rgb",
            table.frame_numbers[at],
            table.pts[at],
            table.time_base,
            table.start_pts,
            self.id,
            is_damaged=damaged if damaged.any() else None,
            report={"source": "store", "pictures": len(np.unique(slots))},
        )

    def _wanted_rows(
        self,
        frames: npt.ArrayLike | slice | None,
        rows: npt.ArrayLike | slice | None,
        seconds: npt.ArrayLike | slice | None,
    ) -> I64:
        if sum(given is not None for given in (frames, rows, seconds)) != 1:
            raise ValueError("read needs one of frames=[…], rows=[…] or seconds=[…]")
        if isinstance(rows, slice):
            return np.arange(len(self.table))[rows]
        if isinstance(frames, slice):
            return _rows_between(self.table.frame_numbers, frames)
        if isinstance(seconds, slice):
            return _rows_between(self.table.seconds, seconds)
        if frames is not None:
            return self._rows_of_frames(_whole(frames, "frames"))
        if rows is not None:
            return self._checked_rows(_whole(rows, "rows"))
        return self._rows_at(np.atleast_1d(np.asarray(seconds, np.float64)))

    def _rows_of_frames(self, numbers: I64) -> I64:
        known = self.table.frame_numbers
        at = np.searchsorted(known, numbers)
        is_there = np.isin(numbers, known)
        if not is_there.all():
            first = int(np.flatnonzero(~is_there)[0])
            near = known[max(0, at[first] - 1) : at[first] + 1].tolist()
            raise IndexError(
                f"frame {numbers[first]} of {self.id!r} is not indexed; the indexed frames next "
                f"to it: {', '.join(map(str, near)) or 'none'} ({len(known)} in all)"
            )
        return at

    def _checked_rows(self, rows: I64) -> I64:
        outside = rows[(rows < 0) | (rows >= len(self.table))]
        if outside.size:
            raise IndexError(
                f"row {outside[0]} of {self.id!r} is asked for, but it has {len(self.table)} "
                "rows from 0"
            )
        return rows

    def _rows_at(self, times: F64) -> I64:
        shown = self.table.seconds
        first = float(shown[0]) if len(shown) else np.inf
        at = np.searchsorted(shown, times + SAME_SECONDS, side="right") - 1
        outside = times[~((at >= 0) & (times >= 0) & (times <= self.duration_seconds))]
        if outside.size:
            raise IndexError(
                f"time {outside[0]} s of {self.id!r} is asked for, but it is indexed "
                f"from {first:.3f} to {self.duration_seconds:.3f} s"
            )
        return at


def _rows_between(values: I64 | F64, wanted: slice) -> I64:
    """Rows whose value is in a half-open range, every ``step``-th of them."""
    if any(end is not None and end < 0 for end in (wanted.start, wanted.stop)):
        raise ValueError(
            f"{wanted} counts from the end, but frames and seconds count from 0; pass rows={wanted}"
        )
    first, end = (
        np.searchsorted(values, edge) if edge is not None else default
        for edge, default in ((wanted.start, 0), (wanted.stop, len(values)))
    )
    return np.arange(first, end)[:: wanted.step]


def _whole(values: npt.ArrayLike, name: str) -> I64:
    numbers = np.atleast_1d(np.asarray(values))
    if numbers.size and not np.issubdtype(numbers.dtype, np.integer):
        raise TypeError(f"{name} must be whole numbers, got {numbers.dtype}; for times, seconds=")
    return numbers.astype(np.int64)
