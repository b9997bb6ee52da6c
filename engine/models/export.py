"""Export: frames as the input of a model's runtime, with the times that it can read.

`FrameBatch.to` looks a runtime up in `fewframes.models.runtimes.RUNTIMES`; its exporter decides
what is sent. Nothing about time is ever made up: where a runtime cannot be told true times,
pictures go between lines of text that say them.
"""

import inspect
from typing import Any

import numpy as np

from fewframes.arrays import F64, I64, Mask
from fewframes.decode.batch import FrameBatch, Handover
from fewframes.features.patches import changed_patches
from fewframes.keywords import unknown_option
from fewframes.models.runtimes import RUNTIMES
from fewframes.plugins import load


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
    exporter = load(model.exporter)
    takes = inspect.signature(exporter).parameters.values()
    known = [one.name for one in takes if one.kind == one.KEYWORD_ONLY]
    is_open = any(one.kind == one.VAR_KEYWORD for one in takes)
    if not is_open and not options.keys() <= set(known):
        raise unknown_option("to", options, known)
    exported: Handover = exporter(batch, runtime, model, **options)
    return exported


def changed_tokens(given: Handover, *, tolerance: float = 0.04) -> Mask:
    """Marks the visual tokens of a video that show something new, ``[t, gh, gw] bool``.

    For engines that drop tokens. ``given`` is what a model of transformers gets; tokens are in the
    order of the model's own (time, down, across) and as many as ``report["tokens"]``. A token of
    two fused pictures is marked where either changed by ``tolerance``, which is that of
    `fewframes.changed_patches`: it works on the frames as they are fused and resized.

    Raises:
        ValueError: What is handed over is no video of a model whose tokens are counted.

    >>> from fewframes.decode.batch import example_batch
    >>> changed_tokens(example_batch().to("qwen3-vl", pairing="repeat")).mean(axis=(1, 2)).tolist()
    [1.0, 0.0]
    """
    size = given.report.get("size")
    if size is None:
        raise ValueError(
            f"{given!r} is no video whose tokens are counted; models with a factor are"
        )
    (video,) = given.arguments["videos"]
    frames = np.ascontiguousarray(video.transpose(0, 2, 3, 1))
    marks = changed_patches(
        frames, patch=RUNTIMES[given.runtime].factor, size=size, tolerance=tolerance
    )
    if len(marks) % 2:
        marks = np.concatenate([marks, np.zeros_like(marks[:1])])
    return np.asarray(marks.reshape(-1, 2, *marks.shape[1:]).any(axis=1))


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
