"""FrameTable: what is known about each scanned frame of one video, without its pixels.

Selection reads nothing else: it is a pure function of these arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from fewframes.arrays import F32, F64, I32, I64, Mask, Samples
from fewframes.features.anomaly import ANOMALY, RARITY


class FilmFacts(NamedTuple):
    """How long the whole film is, of which a table may hold few frames.

    >>> FilmFacts(frames=300, fps=30.0)
    FilmFacts(frames=300, fps=30.0)
    """

    frames: int
    """Number of frames."""
    fps: float
    """Mean frames per second; 0 where there is none."""


@dataclass(frozen=True, slots=True, repr=False)
class FrameTable:
    """The scanned frames of one video in presentation order.

    >>> from fractions import Fraction
    >>> table = FrameTable.from_seconds([0.0, 0.5, 1.0])
    >>> table
    FrameTable(3 frames, 0.00 s to 1.00 s, signals: none, signatures: none)
    """

    frame_numbers: I64
    """Position of each frame in the video's timeline, ``[n] i64``, strictly increasing."""
    pts: I64
    """Presentation times in ticks of ``time_base``, ``[n] i64``."""
    time_base: Fraction
    """Seconds per tick."""
    start_pts: int
    """The pts of the first frame the video shows; ``seconds`` counts from it."""
    is_keyframe: Mask
    """Whether a decoder can start at the frame, ``[n] bool``."""
    signals: Mapping[str, Samples] = field(default_factory=dict)
    """Named per-frame measurements, each ``[n]`` numbers (f32; hashes u64, rows i32)."""
    signatures: F32 | None = None
    """Unit-length descriptions of the pictures, ``[n, d] f32``; None where none were computed."""
    slots: I32 | None = None
    """Where the picture of each row is stored, ``[n] i32``; copies share one. None: not stored."""
    film: FilmFacts | None = None
    """The whole film, for the samplers of other runtimes; None where it is not known."""

    def __post_init__(self) -> None:
        """Check that every column has one value a frame."""
        n = len(self.frame_numbers)
        for name, column in self._columns().items():
            if len(column) != n:
                raise ValueError(f"{name} has {len(column)} rows, but frame_numbers has {n}")

    def __len__(self) -> int:
        return len(self.frame_numbers)

    def __repr__(self) -> str:
        span = f"{self.seconds[0]:.2f} s to {self.seconds[-1]:.2f} s" if len(self) else "empty"
        names = ", ".join(self.signals) or "none"
        shape = "none" if self.signatures is None else f"{list(self.signatures.shape)} f32"
        return f"FrameTable({len(self)} frames, {span}, signals: {names}, signatures: {shape})"

    @property
    def seconds(self) -> F64:
        """Times from the first shown frame of the video, ``[n] f64``."""
        ticks: F64 = (self.pts - self.start_pts).astype(np.float64)
        return ticks * float(self.time_base)

    @classmethod
    def from_seconds(
        cls,
        seconds: "list[float] | F64",
        **columns: Any,  # noqa: ANN401
    ) -> "FrameTable":
        """Makes a table of frames 0…n-1 at these times (milliseconds are exact).

        >>> FrameTable.from_seconds([0.0, 0.5]).seconds.tolist()
        [0.0, 0.5]
        """
        pts = np.rint(np.asarray(seconds, dtype=np.float64) * 1000).astype(np.int64)
        base: dict[str, Any] = {
            "frame_numbers": np.arange(len(pts)),
            "pts": pts,
            "time_base": Fraction(1, 1000),
            "start_pts": int(pts[0]) if len(pts) else 0,
            "is_keyframe": np.arange(len(pts)) == 0,
        }
        return cls(**{**base, **columns})

    def described_by(self, signatures: F32) -> "FrameTable":
        """Gives the table with other signatures, ``[n, d] f32``, such as a model's vectors.

        `rarity` and `anomaly`, which follow from its own pictures, are left out, so that policies
        that look for what is new look at these.

        >>> FrameTable.from_seconds([0.0]).described_by(np.ones((1, 2), np.float32)).signatures
        array([[1., 1.]], dtype=float32)
        """
        own = (RARITY, ANOMALY)
        signals = {name: values for name, values in self.signals.items() if name not in own}
        return replace(self, signals=signals, signatures=signatures)

    def take(self, rows: I64) -> "FrameTable":
        """Gives a table of some of the rows, in rising order.

        Signals that name rows (``repeats``) keep the numbers of this table.

        >>> FrameTable.from_seconds([0.0, 0.5, 1.0]).take(np.array([0, 2])).seconds.tolist()
        [0.0, 1.0]
        """
        return replace(
            self,
            frame_numbers=self.frame_numbers[rows],
            pts=self.pts[rows],
            is_keyframe=self.is_keyframe[rows],
            signals={name: values[rows] for name, values in self.signals.items()},
            signatures=None if self.signatures is None else self.signatures[rows],
            slots=None if self.slots is None else self.slots[rows],
        )

    def _columns(self) -> dict[str, Samples]:
        columns: dict[str, Samples] = {
            "pts": self.pts,
            "is_keyframe": self.is_keyframe,
            **self.signals,
        }
        if self.signatures is not None:
            columns["signatures"] = self.signatures
        if self.slots is not None:
            columns["slots"] = self.slots
        return columns
