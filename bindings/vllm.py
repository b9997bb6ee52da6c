"""vLLM: pre-selected frames with true times, for the engine in the program and for its server.

vLLM hands its metadata on to the processor of transformers, so the times are those of
`fewframes.bindings.transformers_video`: milliseconds as indices, ``fps=1000``. A server gets the
frames as one data URL of JPEGs, and the metadata with the request.
"""

import base64
from typing import Any

import numpy as np

from fewframes.arrays import F64, I64
from fewframes.bindings.transformers_video import as_told, check_pairing, metadata
from fewframes.frames import FrameBatch
from fewframes.handover import Handover, reported
from fewframes.models import Runtime
from fewframes.pairing import NEAR_SECONDS, Pairing


def offline(
    batch: FrameBatch,
    runtime: str,
    model: Runtime,
    *,
    pairing: Pairing | None = None,
    near_seconds: float = NEAR_SECONDS,
    max_time_error: float = 1.0,
) -> Handover:
    """Exports to ``LLM.generate({"prompt": …, **arguments})``: one video and its metadata."""
    rows, told = _sent(batch, runtime, model, pairing, near_seconds, max_time_error)
    frames = np.ascontiguousarray(batch.frames[rows])
    said = metadata(batch, rows, model) | {"do_sample_frames": False}
    arguments = {"multi_modal_data": {"video": [(frames, said)]}}
    report = reported(batch, rows, told, layout="video", pictures=len(rows), words=model.words)
    return Handover(runtime, [{"type": "video"}], arguments, rows, told, report)


def server(
    batch: FrameBatch,
    runtime: str,
    model: Runtime,
    *,
    pairing: Pairing | None = None,
    near_seconds: float = NEAR_SECONDS,
    max_time_error: float = 1.0,
    quality: int = 90,
) -> Handover:
    """Exports to a chat request: a ``video_url`` part, and ``media_io_kwargs`` for its body."""
    rows, told = _sent(batch, runtime, model, pairing, near_seconds, max_time_error)
    files = batch.jpeg(quality=quality)
    joined = ",".join(base64.b64encode(files[row]).decode("ascii") for row in rows.tolist())
    facts = metadata(batch, rows, model)
    names = ("fps", "frames_indices", "total_num_frames", "duration")
    video: dict[str, Any] = {"num_frames": -1, "do_sample_frames": False}
    video |= {name: facts[name] for name in names}
    part = {"type": "video_url", "video_url": {"url": f"data:video/jpeg;base64,{joined}"}}
    report = reported(batch, rows, told, layout="video", pictures=len(rows), bytes=len(joined))
    return Handover(runtime, [part], {"media_io_kwargs": {"video": video}}, rows, told, report)


def _sent(
    batch: FrameBatch,
    runtime: str,
    model: Runtime,
    pairing: Pairing | None,
    near_seconds: float,
    max_time_error: float,
) -> tuple[I64, F64]:
    check_pairing(pairing, model, runtime)
    sent = as_told(batch, model, pairing, near_seconds, max_time_error)
    if sent is None:
        raise ValueError(
            f"{runtime!r} cannot tell the model the times of these frames to {max_time_error:g} s "
            f"({model.words}); send them with .to('openai') as images between lines of text, or "
            "pass pairing='repeat' or a larger max_time_error"
        )
    return sent
