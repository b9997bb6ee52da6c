"""Export: frames as the input of a model's runtime, with the times that it can read.

`FrameBatch.to` looks a runtime up in `fewframes.models.runtimes.RUNTIMES`; its exporter decides
what is sent. Nothing about time is ever made up: where a runtime cannot be told true times,
pictures go between lines of text that say them.
"""

from typing import Any

import numpy as np

from fewframes.arrays import F64, I64, Mask
from fewframes.decode.batch import FrameBatch, Handover
from fewframes.models.runtimes import RUNTIMES
from fewframes.plugins import load, plugin


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
    exported: Handover = load(model.exporter)(batch, runtime, model, **options)
    return exported


def changed_tokens(given: Handover, *, tolerance: float = 0.04) -> Mask:
    """Marks the tokens that show news since they were last marked, ``[t, gh, gw] bool``.

    ``given`` is what a model of transformers gets; ``tolerance`` is as of
    `fewframes.changed_patches`, which works on the frames as they are fused and resized.

    Raises:
        ValueError: Another runtime's, or frames go as pictures and not as a video.
    """
    marks: Mask = plugin("transformers.changed_tokens")(given, tolerance=tolerance)
    return marks


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
