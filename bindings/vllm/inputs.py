"""vLLM: pre-selected frames with true times, for the engine in the program and for its server.

vLLM hands its metadata on to the processor of transformers, so the times are those of
`fewframes.bindings.transformers_video`: milliseconds as indices, ``fps=1000``. A server gets the
frames as one data URL of JPEGs, and the metadata with the request.
"""

import base64
from typing import Any, Unpack

import numpy as np

from fewframes.arrays import F64, I64
from fewframes.bindings import transformers_video
from fewframes.bindings.transformers_video import Timing, metadata
from fewframes.decode.batch import QUALITY, FrameBatch, Handover
from fewframes.models.export import reported
from fewframes.models.runtimes import Runtime


def offline(
    batch: FrameBatch,
    runtime: str,
    model: Runtime,
    *,
    max_tokens: int | None = None,
    **timing: Unpack[Timing],
) -> Handover:
    """Exports to ``LLM.generate({"prompt": …, **arguments})``: one video and its metadata.

    ``max_tokens`` bounds the visual tokens; vLLM hands the limit on to the model's processor.
    """
    rows, told = _sent(batch, runtime, model, timing)
    frames = np.ascontiguousarray(batch.frames[rows])
    said = metadata(batch, rows, model) | {"do_sample_frames": False}
    limits, sized = _limits(batch, model, len(rows), max_tokens)
    arguments = {"multi_modal_data": {"video": [(frames, said)]}, **limits}
    facts = {"layout": "video", "pictures": len(rows), "words": model.prompt_format, **sized}
    report = reported(batch, rows, told, **facts)
    return Handover(runtime, [{"type": "video"}], arguments, rows, told, report)


def server(
    batch: FrameBatch,
    runtime: str,
    model: Runtime,
    *,
    max_tokens: int | None = None,
    quality: int = QUALITY,
    **timing: Unpack[Timing],
) -> Handover:
    """Exports to a chat request: a ``video_url`` part, and ``arguments`` for its body.

    These are ``media_io_kwargs`` and, with ``max_tokens``, ``mm_processor_kwargs``.
    """
    rows, told = _sent(batch, runtime, model, timing)
    files = batch.jpeg(quality=quality)
    joined = ",".join(base64.b64encode(files[row]).decode("ascii") for row in rows.tolist())
    facts = metadata(batch, rows, model)
    names = ("fps", "frames_indices", "total_num_frames", "duration")
    video: dict[str, Any] = {"num_frames": -1, "do_sample_frames": False}
    video |= {name: facts[name] for name in names}
    part = {"type": "video_url", "video_url": {"url": f"data:video/jpeg;base64,{joined}"}}
    limits, sized = _limits(batch, model, len(rows), max_tokens)
    said = {"layout": "video", "pictures": len(rows), "bytes": len(joined), **sized}
    report = reported(batch, rows, told, **said)
    arguments = {"media_io_kwargs": {"video": video}, **limits}
    return Handover(runtime, [part], arguments, rows, told, report)


def _limits(
    batch: FrameBatch, model: Runtime, pictures: int, max_tokens: int | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments that bound the tokens, and what the report says of size and tokens then."""
    if max_tokens is None:
        return {}, {}
    size, said = transformers_video.processor_size(batch, model, pictures, max_tokens)
    return {"mm_processor_kwargs": {"size": size}}, said


def _sent(batch: FrameBatch, runtime: str, model: Runtime, timing: Timing) -> tuple[I64, F64]:
    sent = transformers_video.as_told(batch, runtime, model, **timing)
    if sent is None:
        error = timing.get("max_time_error", transformers_video.MAX_TIME_ERROR)
        raise ValueError(
            f"{runtime!r} cannot tell the model the times of these frames to {error:g} s "
            f"({model.prompt_format}); send them with .to('openai') as images between lines of "
            "text, or pass pairing='repeat' or a larger max_time_error"
        )
    return sent
