"""Hand-over: frames in the form that a model's runtime takes, with the times that it can be told.

`FrameBatch.to` looks a runtime up in `fewframes.models.runtimes.RUNTIMES`; its exporter decides what
is sent. Nothing about time is ever made up: where a runtime cannot be told true times, pictures go
between lines of text that say them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from fewframes.arrays import F64, I64
from fewframes.decode.batch import FrameBatch
from fewframes.models.runtimes import RUNTIMES


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
    told_seconds: F64
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
        asked = {"text": question} if key == "parts" else {"type": "text", "text": question}
        return {"role": "user", key: [*self.content, asked]}


def hand_over(batch: FrameBatch, runtime: str, **options: Any) -> Handover:  # noqa: ANN401
    """Makes of a batch what a runtime takes; `FrameBatch.to` is this.

    Raises:
        ValueError: The runtime is not known, the batch is empty or not RGB, or it is more than the
            runtime takes.
        TypeError: The exporter has no such option.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime={runtime!r} is not known; runtimes: {', '.join(RUNTIMES)}")
    if not len(batch):
        raise ValueError("a batch without frames cannot be handed over; pass one with frames")
    model = RUNTIMES[runtime]
    if model.max_frames is not None and len(batch) > model.max_frames:
        raise ValueError(
            f"{len(batch)} frames are more than {runtime!r} takes ({model.max_frames}); sample "
            f"with budget={model.max_frames}"
        )
    module, _, function = model.exporter.partition(":")
    exported: Handover = getattr(import_module(module), function)(batch, runtime, model, **options)
    return exported


def repaired_frames(batch: FrameBatch, rows: I64) -> list[int]:
    """Numbers of the frames in these rows whose times are not the film's own stamps."""
    if batch.is_repaired is None:
        return []
    sent = np.unique(rows)
    numbers: list[int] = batch.frame_numbers[sent[batch.is_repaired[sent]]].tolist()
    return numbers


def reported(batch: FrameBatch, rows: I64, told: F64, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """The report that every exporter gives."""
    return {
        "frames": len(np.unique(rows)),
        "frames_given": len(batch),
        "time_error_seconds": float(np.abs(batch.seconds[rows] - told).max(initial=0.0)),
        "repaired_frames": repaired_frames(batch, rows),
        **more,
    }
