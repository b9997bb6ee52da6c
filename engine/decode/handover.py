"""Handover: frames in the form of a model's runtime, with the times given to the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fewframes.arrays import F64, I64


@dataclass(frozen=True, slots=True, repr=False)
class Handover:
    """What to give to a runtime, and what the model is then told.

    >>> from fewframes.decode.batch import example_batch
    >>> example_batch().to("openai")
    Handover(openai: 2 of 2 frames, told to 0.000 s)
    """

    runtime: str
    content: list[dict[str, Any]]
    """Parts of one user message, in the runtime's own form; the question goes behind them."""
    arguments: Mapping[str, Any]
    """Keyword arguments of the runtime's processor, engine or request."""
    rows: I64
    """Which frame of the batch each picture sent is, ``[m] i64``."""
    timestamps: F64
    """The time that the model is told for each picture sent, ``[m] f64``."""
    report: dict[str, Any] = field(default_factory=dict)
    """``frames``: of the batch that are sent; ``time_error_seconds``: largest difference of a told
    time and the true one; ``repaired_frames``: those whose true time is not the film's own stamp,
    which does not fit; what else the exporter has to say: bytes, size, layout."""

    def __repr__(self) -> str:
        sent, of = self.report["frames"], self.report["frames_given"]
        error = self.report["time_error_seconds"]
        return f"Handover({self.runtime}: {sent} of {of} frames, told to {error:.3f} s)"

    def message(self, question: str) -> dict[str, Any]:
        """Gives the user message: pictures first, then the question."""
        key = "parts" if self.runtime == "gemini" else "content"
        request = {"text": question} if key == "parts" else {"type": "text", "text": question}
        return {"role": "user", key: [*self.content, request]}
