"""Video: one indexed film of a store; its table is read when needed, its pictures when asked for.

1. The table comes from Parquet, whole, and is checked against the commit record; signatures, most
   of its bytes, come when `table` is asked for, which reading frames does not.
2. Frames, rows or times are turned into rows, and rows into slots; repeats share a slot.
3. The pictures in those slots are read and decoded.
"""

from dataclasses import replace
from functools import cached_property
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F64, I32, I64, Mask
from fewframes.commits import Commit
from fewframes.errors import CorruptStoreError
from fewframes.frames import FrameBatch
from fewframes.rows import StoredRows, read_rows, read_signatures
from fewframes.sampling import with_scores
from fewframes.selection import select
from fewframes.shards import ShardReader
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

    @cached_property
    def table(self) -> FrameTable:
        """The indexed frames, ``n`` rows."""
        table = self._rows.table
        return replace(table, signatures=read_signatures(self._commit, len(table)))

    @property
    def slots(self) -> I32:
        """Where the picture of each row is stored, ``[n] i32``; repeats share one."""
        return self._rows.slots

    @property
    def is_damaged(self) -> Mask:
        """Rows that a decode anomaly may have touched, ``[n] bool``."""
        return self._rows.is_damaged

    def read(
        self,
        *,
        frames: npt.ArrayLike | None = None,
        rows: npt.ArrayLike | None = None,
        seconds: npt.ArrayLike | None = None,
        workers: int | None = None,
    ) -> FrameBatch:
        """Reads stored frames in the order asked for, repeats allowed.

        Args:
            frames: Source frame numbers of indexed frames.
            rows: Positions in the `table`.
            seconds: Times; each gives the last indexed frame at or before it.
            workers: Threads that decode (default: one a core).

        Raises:
            ValueError: Not exactly one of frames, rows and seconds is given.
            IndexError: A frame is not indexed, or a row or time is outside the video.
            CorruptStoreError: A picture is missing or damaged.

        >>> import fewframes as ff
        >>> ff.open("corpus.zarr")["film"].read(frames=[25, 0, 25])
        FrameBatch([3, 120, 160, 3] u8 rgb of 'film', frames 25 to 25, 1.00 s to 1.00 s)
        """
        if sum(given is not None for given in (frames, rows, seconds)) != 1:
            raise ValueError("read needs one of frames=[…], rows=[…] or seconds=[…]")
        if frames is not None:
            at = self._rows_of_frames(_whole(frames, "frames"))
        elif rows is not None:
            at = self._checked_rows(_whole(rows, "rows"))
        else:
            at = self._rows_at(np.atleast_1d(np.asarray(seconds, np.float64)))
        return self._read(at, workers)

    def encoded(self, rows: npt.ArrayLike) -> list[bytes]:
        r"""Gives the pictures of rows as they are stored, checked but not decoded.

        Raises:
            IndexError: A row is outside the video.
            CorruptStoreError: A picture is missing or damaged.

        >>> import fewframes as ff
        >>> [picture[:2] for picture in ff.open("corpus.zarr")["film"].encoded([0])]
        [b'\xff\xd8']
        """
        at = self._checked_rows(_whole(rows, "rows"))
        return self._shards.jpegs(self.slots[at])

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
        return with_scores(self._read(chosen.rows, None), chosen, film_fps=film_fps)

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

    def _read(self, at: I64, workers: int | None) -> FrameBatch:
        table, slots = self._rows.table, self.slots[at]
        damaged = self._rows.is_damaged[at]
        return FrameBatch(
            (self._shards.read(slots, workers=workers),),
            "rgb",
            table.frame_numbers[at],
            table.pts[at],
            table.time_base,
            table.start_pts,
            self.id,
            is_damaged=damaged if damaged.any() else None,
            report={"source": "store", "pictures": len(np.unique(slots))},
        )

    def _rows_of_frames(self, numbers: I64) -> I64:
        known = self._rows.table.frame_numbers
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
        outside = rows[(rows < 0) | (rows >= len(self.slots))]
        if outside.size:
            raise IndexError(
                f"row {outside[0]} of {self.id!r} is asked for, but it has {len(self.slots)} "
                "rows from 0"
            )
        return rows

    def _rows_at(self, times: F64) -> I64:
        shown = self._rows.table.seconds
        first = float(shown[0]) if len(shown) else np.inf
        at = np.searchsorted(shown, times + SAME_SECONDS, side="right") - 1
        outside = times[~((at >= 0) & (times >= 0) & (times <= self.duration_seconds))]
        if outside.size:
            raise IndexError(
                f"time {outside[0]} s of {self.id!r} is asked for, but it is indexed "
                f"from {first:.3f} to {self.duration_seconds:.3f} s"
            )
        return at


def _whole(values: npt.ArrayLike, name: str) -> I64:
    numbers = np.atleast_1d(np.asarray(values))
    if numbers.size and not np.issubdtype(numbers.dtype, np.integer):
        raise TypeError(f"{name} must be whole numbers, got {numbers.dtype}; for times, seconds=")
    return numbers.astype(np.int64)
