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
from fewframes.decode.batch import QUALITY, FrameBatch, Handover
from fewframes.models.export import reported
from fewframes.models.pairing import NEAR_SECONDS, Pairing
from fewframes.models.runtimes import Runtime, bounded, resized, tokens


def offline(
    batch: FrameBatch,
    runtime: str,
    model: Runtime,
    *,
    pairing: Pairing | None = None,
    near_seconds: float = NEAR_SECONDS,
    max_time_error: float = 1.0,
    max_tokens: int | None = None,
) -> Handover:
    """Exports to ``LLM.generate({"prompt": …, **arguments})``: one video and its metadata.

    ``max_tokens`` bounds the visual tokens; vLLM hands the limit on to the model's processor.
    """
    rows, told = _sent(batch, runtime, model, pairing, near_seconds, max_time_error)
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
    pairing: Pairing | None = None,
    near_seconds: float = NEAR_SECONDS,
    max_time_error: float = 1.0,
    max_tokens: int | None = None,
    quality: int = QUALITY,
) -> Handover:
    """Exports to a chat request: a ``video_url`` part, and ``arguments`` for its body.

    These are ``media_io_kwargs`` and, with ``max_tokens``, ``mm_processor_kwargs``.
    """
    rows, told = _sent(batch, runtime, model, pairing, near_seconds, max_time_error)
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
    model = bounded(model, pictures, max_tokens)
    size = {"shortest_edge": model.pixels[0], "longest_edge": model.pixels[1]}
    sides = batch.frames.shape[1:3]
    said = {"size": resized(model, pictures, *sides), "tokens": tokens(model, pictures, *sides)}
    return {"mm_processor_kwargs": {"size": size}}, said


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
            f"({model.prompt_format}); send them with .to('openai') as images between lines of "
            "text, or pass pairing='repeat' or a larger max_time_error"
        )
    return sent
