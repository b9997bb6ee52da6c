"""transformers: arguments of a model's processor that carry true times.

Its `VideoMetadata` knows times only as ``frames_indices / fps``. With ``fps=1000`` the indices are
milliseconds, so that any spacing gets through, to half a millisecond. Where a model is told less
than that (nothing, an ordinal, one rate for frames that are not evenly spaced) or what it is told
would be further off than allowed, pictures go between lines of text.
"""

from typing import Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F64, I64
from fewframes.decode.batch import FrameBatch, Handover
from fewframes.models.export import reported
from fewframes.models.pairing import NEAR_SECONDS, PAIRINGS, Pairing, paired_rows
from fewframes.models.resolutions import resize_each
from fewframes.models.runtimes import Runtime, bounded, resized, tokens

FPS = 1000.0
MAX_TIME_ERROR = 1.0
"""Seconds that a told time may be off where nothing is asked for."""
EVEN_SECONDS = 0.0005
"""Frames count as evenly spaced where no time is further than this from an even one."""


class Timing(TypedDict, total=False):
    """How exact the times must be that a model is told: options of `as_told`, and its defaults."""

    pairing: Pairing | None
    near_seconds: float
    max_time_error: float


def export(
    batch: FrameBatch,
    runtime: str,
    model: Runtime,
    *,
    max_tokens: int | None = None,
    sides: npt.ArrayLike | None = None,
    **timing: Unpack[Timing],
) -> Handover:
    """Exports a batch to the processor of a transformers model: ``processor(text=…, **arguments)``.

    ``pairing`` is for models that fuse two frames (see `fewframes.models.pairing`); by default
    neighbours at most ``near_seconds`` apart are fused and others sent twice. Where the model would
    be told times more than ``max_time_error`` seconds off, images and text are sent instead.
    ``max_tokens`` bounds the visual tokens of models whose processor chooses the size.
    ``sides`` is the longest side of each frame, where images are sent (see
    `fewframes.models.resolutions`); ValueError where they go as a video, of which all have one
    size.
    """
    sent = as_told(batch, runtime, model, **timing)
    if sent is None:
        return _as_images(batch, runtime, sides)
    if sides is not None:
        raise ValueError(
            f"sides go with images, and {runtime!r} gets a video; pass pairing='images', too"
        )
    return _as_video(batch, runtime, model, *sent, max_tokens)


def as_told(
    batch: FrameBatch,
    runtime: str,
    model: Runtime,
    *,
    pairing: Pairing | None = None,
    near_seconds: float = NEAR_SECONDS,
    max_time_error: float = MAX_TIME_ERROR,
) -> tuple[I64, F64] | None:
    """Gives the rows of a video and the times that the model is told; None where none will do.

    Without a wish for the pairing, frames that would be told too far off are sent twice. Raises
    ValueError for a pairing that is not known, or that the model has no use for.
    """
    if pairing is not None and pairing not in PAIRINGS:
        raise ValueError(f"pairing={pairing!r} is not known; pairings: {', '.join(PAIRINGS)}")
    if pairing in ("neighbour", "repeat") and not model.fuses:
        raise ValueError(
            f"pairing={pairing!r} has no meaning for {runtime!r}, which fuses no frames"
        )
    options: tuple[Pairing | None, ...] = (pairing,)
    if pairing is None and model.fuses:
        options = (None, "repeat")
    for wish in options:
        if wish == "images":
            continue
        rows = video_rows(batch, model, wish, near_seconds)
        told = timestamps(batch, rows, model)
        if told is not None and np.abs(told - batch.seconds[rows]).max() <= max_time_error:
            return rows, told
    return None


def video_rows(
    batch: FrameBatch, model: Runtime, pairing: Pairing | None, near_seconds: float
) -> I64:
    """Gives the rows to send as a video, ``[m] i64``."""
    if not model.fuses:
        return np.arange(len(batch))
    if pairing is None and model.clock == "rate" and len(batch) % 2 == 0:
        return np.arange(len(batch))  # evenly spaced, as the model was trained, or refused later
    return paired_rows(batch.seconds, pairing or "neighbour", near_seconds=near_seconds)


def timestamps(batch: FrameBatch, rows: I64, model: Runtime) -> F64 | None:
    """Gives the time that the model is told for each row, ``[m] f64``; None where it is none."""
    seconds = np.round(batch.seconds[rows], 3)
    if model.clock == "none":
        return None
    if model.clock == "rate":
        step = spacing(batch.seconds[rows])
        return None if step is None else seconds
    if model.clock == "frame":
        return model.said(seconds)
    pairs = seconds.reshape(-1, 2)
    time = pairs.mean(axis=1) if model.clock == "pair mean" else pairs[:, 0]
    return np.repeat(model.said(time), 2)


def spacing(seconds: F64) -> float | None:
    """Gives the seconds from frame to frame; None where they are not evenly spaced from 0.

    One rate says nothing of where a film is entered, so the first frame must be at 0.
    """
    if len(seconds) < 2 or abs(seconds[0]) > EVEN_SECONDS:
        return None
    step = float(seconds[-1] - seconds[0]) / (len(seconds) - 1)
    is_even = np.abs(seconds - seconds[0] - step * np.arange(len(seconds))).max() <= EVEN_SECONDS
    return step if is_even and step > 0 else None


def metadata(batch: FrameBatch, rows: I64, model: Runtime) -> dict[str, Any]:
    """Describes the frames sent: times in milliseconds, as `VideoMetadata` takes them."""
    milliseconds = np.round(batch.seconds[rows] * FPS).astype(np.int64)
    step = spacing(batch.seconds[rows]) if model.clock == "rate" else None
    total = len(rows) * step * FPS if step is not None else milliseconds[-1] + 1
    return {
        "total_num_frames": round(total),
        "fps": FPS,
        "duration": float(total) / FPS,
        "frames_indices": milliseconds.tolist(),
        "height": int(batch.frames.shape[1]),
        "width": int(batch.frames.shape[2]),
        "video_backend": "fewframes",
    }


def _as_video(
    batch: FrameBatch, runtime: str, model: Runtime, rows: I64, told: F64, max_tokens: int | None
) -> Handover:
    arguments: dict[str, Any] = {
        "videos": [np.ascontiguousarray(batch.frames[rows].transpose(0, 3, 1, 2))],
        "video_metadata": [metadata(batch, rows, model)],
        "do_sample_frames": False,
    }
    said = reported(
        batch, rows, told, layout="video", pictures=len(rows), words=model.prompt_format
    )
    if model.factor:
        arguments["size"], sized = processor_size(batch, model, len(rows), max_tokens)
        said |= sized
    return Handover(runtime, [{"type": "video"}], arguments, rows, told, said)


def processor_size(
    batch: FrameBatch, model: Runtime, pictures: int, max_tokens: int | None
) -> tuple[dict[str, int], dict[str, Any]]:
    """Gives a processor's ``size`` that bounds the tokens, and the size and tokens it makes."""
    model = model if max_tokens is None else bounded(model, pictures, max_tokens)
    (fewest, most), sides = model.pixels, batch.frames.shape[1:3]
    made = {"size": resized(model, pictures, *sides), "tokens": tokens(model, pictures, *sides)}
    return {"shortest_edge": fewest, "longest_edge": most}, made


def _as_images(batch: FrameBatch, runtime: str, sides: npt.ArrayLike | None) -> Handover:
    rows, told = np.arange(len(batch)), np.round(batch.seconds, 3)
    content: list[dict[str, Any]] = []
    for at in told.tolist():
        content += [{"type": "text", "text": f"Frame at {at:.3f} s:"}, {"type": "image"}]
    arguments = {"images": resize_each(batch.frames, sides)}
    said = reported(batch, rows, told, layout="images and text", pictures=len(rows))
    return Handover(runtime, content, arguments, rows, told, said)
