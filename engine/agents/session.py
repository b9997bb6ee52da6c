"""Session: an agent's looks at one indexed film, within a budget, each frame decoded once.

1. Every look chooses rows of the video's table, and gives pictures with their exact times.
2. A picture that was given before comes from memory, and costs nothing of the budget.
3. Each look is a step of the history: plain values, from which the session can be replayed.

FrameThinker's three actions (Qian et al., "FrameThinker", 2025) are here under their own names.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np

from fewframes.agents.allowance import Allowance
from fewframes.agents.pictures import CACHE_BYTES, FILM_BYTES, SeenPictures, SourceFilm
from fewframes.agents.scoring import scores_for, scores_in, scores_like
from fewframes.arrays import I64, U8
from fewframes.decode.batch import FrameBatch, marks_or_none
from fewframes.errors import BudgetSpentError
from fewframes.models.runtimes import RUNTIMES, tokens
from fewframes.selection.selection import select
from fewframes.store.embedding import Embedder
from fewframes.store.video import Video
from fewframes.times import Time, as_seconds

__all__ = ["BudgetSpentError", "Session", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """One look: what was asked, and which frames were given."""

    action: str
    arguments: Mapping[str, Any]
    frames: tuple[int, ...]
    seconds: tuple[float, ...]
    new_frames: int
    """How many of them no step before had given."""


OnStep: TypeAlias = Callable[[int, Step, int], None]
"""Is told the number of a step, from 0, the step, and how many pictures were decoded so far."""


class Session:
    """Looks at one video of a store; many threads may share it.

    >>> import fewframes as ff
    >>> session = ff.Session(ff.open("corpus.zarr")["film"], max_frames=12)
    >>> len(session.glance(4)), session.frames_left
    (4, 8)
    >>> len(session.look(2, 4, 4)), [step.action for step in session.history]
    (4, ['glance', 'look'])
    """

    def __init__(
        self,
        video: Video,
        *,
        film: str | Path | None = None,
        max_frames: int | None = None,
        max_tokens: int | None = None,
        runtime: str | None = None,
        embedder: Embedder | None = None,
        cache_bytes: int = CACHE_BYTES,
        film_bytes: int = FILM_BYTES,
        given: Iterable[int] = (),
        on_step: OnStep | None = None,
    ) -> None:
        """Begins a session.

        Args:
            video: The indexed film.
            film: The file it was made of, which `zoom` reads.
            max_frames: Frames that may be given in all; one given again counts once.
            max_tokens: Visual tokens that they may cost the model of ``runtime``.
            runtime: A row of `fewframes.models.runtimes.RUNTIMES` whose tokens are counted.
            embedder: What turns the words of `find` into a vector.
            cache_bytes: Bytes of pictures to remember.
            film_bytes: Bytes of the film's full pictures to remember, one at least.
            given: The `given` of an earlier session of this video: those frames count here, too.
            on_step: Called for each step, in their order, before its frames are given; may raise.

        Raises:
            ValueError: A budget is below 1, or tokens are limited and not counted.
        """
        if max_tokens is not None and (runtime is None or not RUNTIMES[runtime].factor):
            counted = [name for name, row in RUNTIMES.items() if row.factor]
            raise ValueError(f"max_tokens needs runtime=, one of {', '.join(counted)}")
        self.video, self.embedder = video, embedder
        self._runtime = runtime
        limits = {"max_frames": max_frames, "max_tokens": max_tokens}
        costs = self._tokens_of(video.frame_size)
        self._budget = Allowance(**limits, frame_tokens=costs, given=given)
        self._film = None if film is None else SourceFilm(Path(film), video, film_bytes)
        self._lock, self._on_step = threading.RLock(), on_step
        self._pictures = SeenPictures(video, cache_bytes)
        self.history: list[Step] = []

    @property
    def decoded(self) -> int:
        """Pictures decoded so far, of the store and of the film; none twice while remembered."""
        return self._pictures.decoded + (self._film.decoded if self._film else 0)

    @property
    def frames_left(self) -> int | None:
        """Frames that may still be given; None without a limit."""
        return self._budget.left

    @property
    def tokens_given(self) -> int:
        """Visual tokens of all that was given; 0 without ``runtime``."""
        return self._budget.tokens if self._runtime else 0

    @property
    def given(self) -> frozenset[int]:
        """Marks of the frames that were given, for the ``given`` of a session that goes on."""
        with self._lock:
            return frozenset(self._budget.given)

    def glance(self, k: int = 8, *, policy: str = "adaptive") -> FrameBatch:
        """Gives ``k`` frames of the whole film."""
        return self._choose("glance", {"k": k, "policy": policy}, k, policy=policy)

    def look(self, start: Time, end: Time, k: int = 8, *, policy: str = "uniform") -> FrameBatch:
        """Gives ``k`` frames between two times: seconds, or text such as ``"1:30"``."""
        request = {"start": start, "end": end, "k": k, "policy": policy}
        return self._choose("look", request, k, policy=policy, span=(start, end))

    def find(self, query: str, k: int = 8) -> FrameBatch:
        """Gives ``k`` frames that are like a text, and unlike each other.

        ``query`` may also name a signal of the table, such as "sharpness". Raises ValueError where
        the session has no embedder, or the video no vectors of it.
        """
        scores = scores_for(self.video, query, self.embedder)
        request = {"query": query, "k": k}
        return self._choose("find", request, k, policy="query", relevance=scores)

    def find_like(self, seconds: Time, k: int = 8) -> FrameBatch:
        """Gives ``k`` frames of the film like the one on screen at a time, and unlike each other.

        By the stored vectors of the embedder, or without one by the table's signatures.
        """
        row = int(self.video.rows_of(seconds=[seconds])[0])
        scores, request = scores_like(self.video, row, self.embedder), {"seconds": seconds, "k": k}
        options = {"policy": "query", "relevance": scores, "coverage": 0.0}
        return self._choose("find_like", request, k, **options)

    def frame_at(self, seconds: Time) -> FrameBatch:
        """Gives the indexed frame that is on screen at a time."""
        rows = self.video.rows_of(seconds=[seconds])
        with self._lock:
            self._budget.check(int(rows[0]))
            return self._give("frame_at", {"seconds": seconds}, rows)

    def rescore(self, intervals: Sequence[tuple[float, float, float]], k: int = 8) -> FrameBatch:
        """Gives ``k`` new frames by scores of ``(start, end, score)`` intervals in seconds.

        That is how a sensor of the model's attention asks for more where it was needed (CyberV,
        2025). Where intervals overlap the last one counts; frames given before are not chosen.
        """
        table, scores = self.video.table, scores_in(self.video, intervals)
        request = {"intervals": [list(one) for one in intervals], "k": k}
        with self._lock:
            fresh = np.array(sorted(set(range(len(table))) - self._budget.given), np.int64)
            if not fresh.size:
                raise BudgetSpentError("every indexed frame has been given; index at a higher rate")
            most, requested = self._budget.take(k), scores[fresh]
            chosen = select(table.take(fresh), budget=most, policy="query", relevance=requested)
            return self._give("rescore", request, fresh[chosen.rows])

    def zoom(
        self,
        seconds: Time,
        box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
        size: int | None = None,
    ) -> FrameBatch:
        """Gives a part of the frame on screen at a time, from the film at its full resolution.

        ``box`` is left, top, right and bottom, as shares of the picture from 0 to 1; ``size`` the
        longest side of what is given, never enlarged. A frame is decoded once, whatever is
        looked at in it. Raises ValueError for a box without an area, or a session without a film.
        """
        if self._film is None:
            raise ValueError("zoom reads the film itself; begin the session with film=PATH")
        request = {"seconds": seconds, "box": list(box), "size": size}
        mark = -1 - int(self._film.timeline.frame_at(seconds)[0])  # no row of the table
        with self._lock:
            self._budget.check_film(mark)
            batch = self._film.crop(as_seconds(seconds), box, size)
            cost = self._tokens_of(batch.frames.shape[1:3])
            new = self._budget.count_crop(mark, (mark, tuple(box), size), cost)
            self._note("zoom", request, batch, new)
            return batch

    def choose_frames_between(self, start_frame: int, end_frame: int, k: int = 8) -> FrameBatch:
        """FrameThinker's "choose frames between": ``k`` frames inside two frame numbers."""
        table = self.video.table
        inside = (table.frame_numbers > start_frame) & (table.frame_numbers < end_frame)
        if not inside.any():
            raise IndexError(
                f"no frame is indexed between {start_frame} and {end_frame} of {self.video.id!r}"
            )
        times = table.seconds[inside]
        request = {"start_frame": start_frame, "end_frame": end_frame, "k": k}
        span = (float(times[0]), float(times[-1]))
        return self._choose("choose_frames_between", request, k, policy="uniform", span=span)

    def get_frame_number_at_time(self, time: str) -> int:
        """FrameThinker's "get frame number at time": a time is ``"12:34"`` or ``"1:02:03"``."""
        row = int(self.video.rows_of(seconds=[as_seconds(time)])[0])
        return int(self.video.table.frame_numbers[row])

    def output_answer(self, answer: str) -> str:
        """FrameThinker's "output answer": notes it in the history."""
        with self._lock:
            self._append(Step("output_answer", {"answer": answer}, (), (), 0))
        return answer

    def log(self) -> list[dict[str, Any]]:
        """Gives the history as plain values, for JSON."""
        return [asdict(step) for step in self.history]

    @classmethod
    def replay(cls, video: Video, log: Sequence[Mapping[str, Any]], **options: Any) -> Self:  # noqa: ANN401
        """Makes every look of a log again; ``options`` are those of the session.

        Raises ValueError at the first step that gives other frames than it did.
        """
        session = cls(video, **options)
        for number, step in enumerate(log):
            arguments = dict(step["arguments"])
            getattr(session, step["action"])(**arguments)
            if session.history[-1].frames != tuple(step["frames"]):
                raise ValueError(
                    f"step {number} ({step['action']}) gave frames {list(step['frames'])[:4]}… and "
                    f"now gives {list(session.history[-1].frames)[:4]}…: the video is another one"
                )
        return session

    def _tokens_of(self, size: tuple[int, ...]) -> int:
        """Tokens of one picture of a height and width; 1 where none are counted."""
        row = RUNTIMES[self._runtime] if self._runtime else None
        return tokens(row, 2, *size) if row and row.factor else 1

    def _choose(self, action: str, request: dict[str, Any], k: int, **options: Any) -> FrameBatch:  # noqa: ANN401
        with self._lock:
            chosen = select(self.video.table, budget=self._budget.take(k), **options)
            if not len(chosen):
                raise IndexError(
                    f"no frame of {self.video.id!r} is indexed there; its frames are from 0 to "
                    f"{self.video.duration_seconds:.3f} s"
                )
            batch = self._give(action, request, chosen.rows)
        report = {**batch.report, "policy": chosen.policy, "reasons": chosen.reasons}
        return replace(batch, scores=chosen.scores, report=report)

    def _give(self, action: str, request: dict[str, Any], rows: I64) -> FrameBatch:
        with self._lock:
            pixels = self._pictures.of_rows(rows)
            new = self._budget.count(rows.tolist())
            batch = self._batch(rows, pixels)
            self._note(action, request, batch, new)
            return batch

    def _batch(self, rows: I64, pixels: U8) -> FrameBatch:
        table = self.video.table
        return FrameBatch(
            (pixels,),
            "rgb",
            table.frame_numbers[rows],
            table.pts[rows],
            table.time_base,
            table.start_pts,
            self.video.id,
            is_repaired=marks_or_none(self.video.is_repaired[rows]),
            report={"source": "store"},
        )

    def _note(self, action: str, request: dict[str, Any], batch: FrameBatch, new: int) -> None:
        numbers, seconds = tuple(batch.frame_numbers.tolist()), tuple(batch.seconds.tolist())
        self._append(Step(action, request, numbers, seconds, new))

    def _append(self, step: Step) -> None:
        """Notes a step; the lock is held, so that its number is its place in the history."""
        if self._on_step is not None:
            self._on_step(len(self.history), step, self.decoded)
        self.history.append(step)
