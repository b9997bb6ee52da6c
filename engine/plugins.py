"""Plug-ins: what a part loads by name, because it lies above it or needs a library of its own.

The engine never imports a binding, and no part imports one above it. Where a low part hands on to
either, it asks this table for the function, which is loaded at that moment. What there are several
of has a table of its own, whose rows name a place as here: `DECODERS`, `RUNTIMES`, `FORMATS` of
exports, and `COMMANDS`.
"""

from importlib import import_module
from typing import Any

PLUGINS: dict[str, str] = {
    # FFmpeg
    "ffmpeg.read_packets": "fewframes.bindings.ffmpeg.demux:read_packets",
    "ffmpeg.decoded_order": "fewframes.bindings.ffmpeg.order:decoded_order",
    "ffmpeg.versions": "fewframes.bindings.ffmpeg.demux:VERSIONS",
    # what there is to decode with
    "dali.facts": "fewframes.bindings.dali.capabilities:machine_facts",
    "dali.facts_with_costs": "fewframes.bindings.gpu_costs:dali_with_costs",
    "dali.require_gpu": "fewframes.bindings.dali.capabilities:require_gpu",
    "dali.require_here": "fewframes.bindings.dali.capabilities:require_here",
    "dali.decode_jpegs": "fewframes.bindings.dali.jpeg:decode",
    "nvdec.facts": "fewframes.bindings.gpu_costs:with_nvdec",
    # stores and films by URL
    "object_store": "fewframes.bindings.obstore:ObstoreBackend",
    # other libraries, one job each
    "sql.matching": "fewframes.bindings.duckdb_where:matching",
    "embedder.clip": "fewframes.bindings.clip:load_clip",
    "mp4.first_pts": "fewframes.bindings.mp4:first_pts",
    "mp4.write": "fewframes.bindings.mp4:write_mp4",
    "ray.workers": "fewframes.bindings.ray_workers:ray_workers",
    "torch.ClipDataset": "fewframes.bindings.torch.dataset:ClipDataset",
    "torch.ClipSampler": "fewframes.bindings.torch.dataset:ClipSampler",
    "torch.ClipStream": "fewframes.bindings.torch.dataset:ClipStream",
    "torch.ClipLoader": "fewframes.bindings.torch.loader:ClipLoader",
    "mcp.serve": "fewframes.bindings.mcp_server:serve",
    "batch.to": "fewframes.models.export:hand_over",
}
"""``module:name`` of each."""


def plugin(name: str) -> Any:  # noqa: ANN401 (whatever the name stands for)
    """Loads what a name of `PLUGINS` stands for.

    >>> plugin("batch.to").__name__
    'hand_over'
    """
    return load(PLUGINS[name])


def load(place: str) -> Any:  # noqa: ANN401 (whatever lies there)
    """Loads what lies at a place, ``module:name``.

    >>> load("fractions:Fraction")(1, 2)
    Fraction(1, 2)
    """
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)
