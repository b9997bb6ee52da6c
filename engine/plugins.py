"""Plug-ins: what a part loads by name, because it lies above it or needs a library of its own.

The engine never imports a binding, and no part imports one above it. Where a low part hands on to
either, it asks this table for the function, which is loaded at that moment.
"""

from importlib import import_module
from typing import Any

PLUGINS: dict[str, str] = {
    # FFmpeg
    "ffmpeg.read_packets": "fewframes.bindings.ffmpeg.demux:read_packets",
    "ffmpeg.decoded_order": "fewframes.bindings.ffmpeg.order:decoded_order",
    "ffmpeg.versions": "fewframes.bindings.ffmpeg.demux:VERSIONS",
    # decoders, by the name of their backend
    "decoder.ffmpeg": "fewframes.bindings.ffmpeg.decode:decode",
    "decoder.dali": "fewframes.bindings.dali.decode:decode",
    "decoder.nvdec": "fewframes.bindings.nvcodec.decode:decode",
    # what there is to decode with
    "dali.facts": "fewframes.bindings.dali.capabilities:machine_facts",
    "dali.facts_with_costs": "fewframes.bindings.gpu_capabilities:dali_with_costs",
    "dali.require_gpu": "fewframes.bindings.dali.capabilities:require_gpu",
    "dali.require_here": "fewframes.bindings.dali.capabilities:require_here",
    "dali.decode_jpegs": "fewframes.bindings.dali.jpeg:decode",
    "nvdec.facts": "fewframes.bindings.gpu_capabilities:with_nvdec",
    # stores and films by URL
    "object_store": "fewframes.bindings.obstore:ObstoreBackend",
    # other libraries, one job each
    "sql.matching": "fewframes.bindings.duckdb_where:matching",
    "embedder.clip": "fewframes.bindings.clip:load_clip",
    "mp4.first_pts": "fewframes.bindings.mp4:first_pts",
    "mp4.write": "fewframes.bindings.mp4:write_mp4",
    "lerobot.write": "fewframes.bindings.lerobot:write_lerobot",
    "ray.workers": "fewframes.bindings.ray_workers:ray_workers",
    "torch.ClipDataset": "fewframes.bindings.torch.dataset:ClipDataset",
    "torch.ClipSampler": "fewframes.bindings.torch.dataset:ClipSampler",
    "torch.ClipStream": "fewframes.bindings.torch.dataset:ClipStream",
    "torch.ClipLoader": "fewframes.bindings.torch.loader:ClipLoader",
    "mcp.serve": "fewframes.bindings.mcp_server:serve",
    # frames to a model's runtime, `models.runtimes`
    "batch.to": "fewframes.models.export:hand_over",
    "transformers.changed_tokens": "fewframes.bindings.transformers_video:changed_tokens",
    "export.transformers": "fewframes.bindings.transformers_video:export",
    "export.messages": "fewframes.bindings.messages:interleaved",
    "export.vllm": "fewframes.bindings.vllm.inputs:offline",
    "export.vllm_server": "fewframes.bindings.vllm.inputs:server",
}
"""``module:name`` of each."""


def plugin(name: str) -> Any:  # noqa: ANN401 (whatever the name stands for)
    """Loads what a name of `PLUGINS` stands for.

    >>> plugin("batch.to").__name__
    'hand_over'
    """
    module, _, attribute = PLUGINS[name].partition(":")
    return getattr(import_module(module), attribute)
