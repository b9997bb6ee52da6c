"""Clips: moments of a corpus, each with a window before it and one behind, by number.

1. A video has an anchor every ``stride_seconds``, wherever its window before fits in; the numbers
   of all anchors follow each other, so that a number always means the same clip. In a hole of years
   in a film there are none, since their windows would be empty.
2. Only what can be read is counted: not an anchor in a stretch that could not be decoded, and not
   one with no indexed frame behind it where one is due.
3. Of a window, evenly spaced indexed frames are taken: the same ones at every reading.
4. The order of an epoch is a permutation, or with spans a draw by weight, that follows from the
   seed and the epoch alone: any position of it can be begun at, on any number of workers.

Windows before and behind an anchor are what anticipation models train on (as SurgFUTR's past and
future clips); spans with weights draw more where something was annotated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fewframes.arrays import F64, I64, U8
from fewframes.media.sizes import Size, fitted_size
from fewframes.store.ids import id_meant
from fewframes.store.video import Video
from fewframes.times import SAME_SECONDS
from fewframes.training.clip_places import Windows, readable_places
from fewframes.training.clip_videos import Videos, chosen_videos

Spans = Mapping[str, Sequence[tuple[float, float, float]]]
"""For a video, ``(start, end, weight)`` in seconds; where spans overlap, weights add up."""


class Window(NamedTuple):
    """Frames of one side of an anchor."""

    frames: U8
    """``[k, h, w, 3] u8``."""
    seconds: F64
    """Their times in the film, ``[k] f64``."""


class Clip(NamedTuple):
    """One anchor and what lies around it."""

    video: str
    seconds: float
    """The anchor."""
    past: Window
    """Up to the anchor, its frame included."""
    future: Window
    """Behind the anchor; empty where none was asked for."""


LEAST_STRIDE = 1e-3
"""Seconds between anchors: no film has more frames a second than that."""


@dataclass(frozen=True, slots=True, init=False, eq=False)
class ClipPlan:
    """Which clips a corpus has; it can be sent to other processes, with the records of its videos.

    >>> plan = ClipPlan("corpus.zarr", past_seconds=2, stride_seconds=4, past_frames=3)
    >>> len(plan), plan.clip(1).seconds, plan.clip(1).past.seconds.tolist()
    (2, 6.0, [4.0, 5.0, 6.0])
    """

    store: str | Path | None
    """Where the store is; None where it was given opened."""
    past_seconds: float
    stride_seconds: float
    past_frames: int
    future_seconds: float
    future_frames: int
    size: Size
    """Longest side of the frames, or their exact height and width; None as stored."""
    videos: tuple[Video, ...]
    """The videos that were chosen, by id, also those without a clip."""
    ends: I64
    """Number of clips up to and with each video, ``[v] i64``."""
    places: tuple[I64 | range, ...]
    """Which anchors of each video its clips are about."""
    left_out: tuple[int, ...]
    """How many anchors of each video are not counted, since they cannot be read."""

    def __init__(
        self,
        store: str | Path | Mapping[str, Video],
        *,
        past_seconds: float,
        stride_seconds: float,
        past_frames: int = 8,
        future_seconds: float = 0.0,
        future_frames: int = 0,
        size: Size = None,
        videos: Videos = None,
    ) -> None:
        """Counts the clips of every video.

        From its facts alone, where it is whole and only its past is asked for; else by its table.

        Args:
            store: A store, opened or by its path or URL.
            past_seconds: How long the window before an anchor is.
            stride_seconds: Time from an anchor to the next.
            past_frames: Frames of the window before.
            future_seconds: How long the window behind is.
            future_frames: Frames of the window behind.
            size: Longest side of the frames, or their exact height and width; None as stored.
            videos: Which videos: ids, a file of ids, or a share by a hash of their films.

        Raises:
            ValueError: A number is too small, or no video is chosen.
            KeyError: A video that is named is not in the store.
        """
        for name, value in (("past_seconds", past_seconds), ("stride_seconds", stride_seconds)):
            if not value > 0:
                raise ValueError(f"{name}={value} must be more than 0 seconds")
        if not stride_seconds >= LEAST_STRIDE:
            raise ValueError(
                f"stride_seconds={stride_seconds} is less than {LEAST_STRIDE:g}; pass that or more"
            )
        if past_frames < 1 or future_frames < 0 or future_seconds < 0:
            raise ValueError(
                "pass past_frames >= 1, and future_frames and future_seconds >= 0; got "
                f"{past_frames}, {future_frames}, {future_seconds}"
            )
        chosen = tuple(chosen_videos(store, videos))
        where = None if isinstance(store, Mapping) else store
        request = (past_seconds, stride_seconds, past_frames, future_seconds, future_frames, size)
        windows = Windows(past_seconds, stride_seconds, future_seconds, future_frames > 0)
        counted = [readable_places(video, windows) for video in chosen]
        places, left_out = zip(*counted, strict=True) if counted else ((), ())
        ends = np.cumsum([len(some) for some in places], dtype=np.int64)
        fields = (where, *request, chosen, ends, places, left_out)
        for slot, given in zip(self.__slots__, fields, strict=True):
            object.__setattr__(self, slot, given)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def clip(self, number: int, *, out: tuple[U8, U8] | None = None) -> Clip:
        """Reads a clip; raises IndexError for a number that there is not.

        ``out`` are arrays to decode past and future into, ``[k, h, w, 3] u8`` each; ValueError
        where no frame is indexed behind the anchor and one is due.
        """
        video, anchor = self.anchor(number)
        shown = int(video.rows_of(seconds=[anchor])[0])
        before = _rows_between(video, anchor - self.past_seconds, anchor)
        behind = _rows_between(video, anchor, anchor + self.future_seconds)
        before, behind = np.union1d(before[before <= shown], [shown]), behind[behind > shown]
        if out is not None and self.future_frames and not behind.size:
            raise ValueError(
                f"clip {number} has no indexed frame from {anchor:.3f} s on, of {video.id!r}, for "
                f"{self.future_seconds:g} s; index at a higher rate, or pass a longer "
                "future_seconds"
            )
        targets = out or (None, None)
        past = self._window(video, before, self.past_frames, targets[0])
        return Clip(
            video.id, anchor, past, self._window(video, behind, self.future_frames, targets[1])
        )

    def size_of(self, video: Video) -> tuple[int, int]:
        """Height and width of the frames of a video's clips."""
        return fitted_size(video.frame_size, self.size) or video.frame_size

    def anchor(self, number: int) -> tuple[Video, float]:
        """Says which video and second a clip is about."""
        if not 0 <= number < len(self):
            raise IndexError(f"clip {number} is asked for, but there are {len(self)}, from 0")
        at = int(np.searchsorted(self.ends, number, side="right"))
        first = int(self.ends[at - 1]) if at else 0
        place = int(self.places[at][number - first])
        return self.videos[at], float(self.past_seconds + place * self.stride_seconds)

    def weights(self, spans: Spans, *, elsewhere: float = 0.0) -> F64:
        """Gives each clip the weight of the spans its anchor lies in, ``[n] f64``.

        Videos are named by their ids, or by stems that one of them has. ``elsewhere`` is the weight
        of all others. Raises KeyError for a video that there is not.
        """
        known = {video.id: at for at, video in enumerate(self.videos)}
        weights = np.full(len(self), elsewhere)
        for name, marked in spans.items():
            at = known[name if name in known else id_meant(name, sorted(known)) or name]
            first = int(self.ends[at - 1]) if at else 0
            times = self.past_seconds + np.asarray(self.places[at]) * self.stride_seconds
            added = sum(w * ((times >= s) & (times <= e)) for s, e, w in marked)
            weights[first : int(self.ends[at])] += added
        return weights

    def _window(self, video: Video, rows: I64, count: int, out: U8 | None) -> Window:
        if count == 0 or not rows.size:
            return Window(np.empty((0, *self.size_of(video), 3), np.uint8), np.empty(0))
        chosen = rows[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)]
        batch = video.read(rows=chosen, size=self.size, out=out, workers=1)
        return Window(batch.frames, batch.seconds)


def _rows_between(video: Video, start: float, end: float) -> I64:
    """Rows of the frames that begin from ``start`` to ``end``, both inclusive."""
    return video.rows_of(seconds=slice(max(0.0, start - SAME_SECONDS), end + SAME_SECONDS))


def epoch_order(
    count: int, *, seed: int, epoch: int = 0, weights: F64 | None = None, draws: int | None = None
) -> I64:
    """Gives the clips of an epoch in their order, ``[draws] i64``; the same for the same arguments.

    Without weights it is a permutation of all; with them, ``draws`` clips (default: as many as
    there are) are drawn with replacement.

    Raises:
        ValueError: No weight is above 0, one is negative, or there is not one a clip.

    >>> epoch_order(5, seed=1).tolist() == epoch_order(5, seed=1).tolist()
    True
    >>> set(epoch_order(4, seed=0, weights=np.array([0.0, 1, 0, 1])).tolist()) <= {1, 3}
    True
    """
    random = np.random.default_rng((seed, epoch))
    if weights is None:
        return random.permutation(count)[: draws if draws is not None else count]
    if weights.shape != (count,) or not (weights >= 0).all() or not weights.sum() > 0:
        raise ValueError(
            f"weights must be one a clip ({count}), none negative and one above 0 at least"
        )
    upto = np.cumsum(weights / weights.sum())
    drawn = random.random(count if draws is None else draws) * upto[-1]
    chosen: I64 = np.minimum(np.searchsorted(upto, drawn, side="right"), count - 1)
    return chosen
