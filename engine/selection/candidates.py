"""Candidates and Picks: what a policy is given, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fewframes.arrays import F32, F64, I64, Mask, Samples

ROUNDING_SECONDS = 1e-9
"""Times closer than this are the same: 3 x 0.1 s and 0.3 s differ by less, no two frames do."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """What a policy sees: the frames it may pick, in order of time, and the caller's wishes.

    >>> Candidates(seconds=np.array([0.0, 0.5]), is_keyframe=np.array([True, False])).coverage
    0.5
    """

    seconds: F64
    """Times, ``[n] f64``, not decreasing."""
    is_keyframe: Mask
    """Whether a decoder can start at the frame, ``[n] bool``."""
    signatures: F32 | None = None
    """Finite descriptions, ``[n, d] f32``; never None for a policy that needs pictures."""
    signals: Mapping[str, Samples] = field(default_factory=dict)
    """What was measured of each frame, by name, ``[n]`` each; empty where nothing was."""
    device_signatures: Any = None
    """The same on a GPU, where the table's lie there: kernels then run there; else None."""
    relevance: F64 | None = None
    """The caller's score of each frame, ``[n] f64``, as given: any scale, NaN allowed."""
    shots: I64 | None = None
    """Number of the shot of each frame, ``[n] i64``, not decreasing; for policy ``shots``."""
    coverage: float = 0.5
    """Share of the budget, 0 to 1, that is to guarantee coverage of time."""
    anchor_seconds: float | None = None
    """The moment that policy ``multiscale`` looks closely at."""
    k_max: int | None = None
    """How many frames policy ``maxvol`` may take where the budget does not span the film."""
    seed: int | None = None
    """Where policy ``cdf`` starts to count; None is the middle of the first step."""

    def __repr__(self) -> str:
        shape = "none" if self.signatures is None else f"{list(self.signatures.shape)} f32"
        return f"Candidates({len(self)} frames, signatures: {shape})"

    def __len__(self) -> int:
        return len(self.seconds)


@dataclass(frozen=True, slots=True, eq=False)
class Picks:
    """What a policy returns, in any order.

    >>> Picks(np.array([4, 0]), np.zeros(2, np.float32), ("novelty", "coverage")).reasons
    ('novelty', 'coverage')
    """

    rows: I64
    """Positions among the candidates, ``[k] i64``, all different."""
    scores: F32
    """What the policy thought of each, ``[k] f32``."""
    reasons: tuple[str, ...]
    """Why each was taken, k short words."""


def signatures_of(candidates: Candidates) -> F32:
    """Returns the signatures, ``[n, d] f32``, or raises ValueError where there are none.

    >>> frames = Candidates(seconds=np.zeros(1), is_keyframe=np.ones(1, bool),
    ...                     signatures=np.ones((1, 2), np.float32))
    >>> signatures_of(frames).shape
    (1, 2)
    """
    if candidates.signatures is None:
        raise ValueError("these candidates have no signatures; scan the video to compute them")
    return candidates.signatures


def example_candidates() -> Candidates:
    """Makes six frames, a second apart, of four different pictures, for examples and tests.

    >>> example_candidates()
    Candidates(6 frames, signatures: [6, 4] f32)
    """
    pictures = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2, 3]]
    seconds = np.arange(6.0)
    return Candidates(
        seconds=seconds,
        is_keyframe=seconds == 0,
        signatures=pictures,
        relevance=np.array([0.0, 0.1, 0.9, 1.0, 0.2, 0.0]),
        shots=np.array([0, 0, 1, 1, 1, 2]),
        coverage=0.0,
        anchor_seconds=3.0,
    )
