"""Clips of a corpus for training loops; those of PyTorch are loaded when they are first named."""

from typing import Any

from fewframes.plugins import plugin
from fewframes.training.clips import Clip, ClipPlan, Spans, Window, epoch_order

__all__ = [
    "Clip",
    "ClipDataset",
    "ClipLoader",
    "ClipPlan",
    "ClipSampler",
    "ClipStream",
    "Spans",
    "Window",
    "epoch_order",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a class of the binding to PyTorch)
    if name not in __all__:
        raise AttributeError(f"module 'fewframes.training' has no attribute {name!r}")
    return plugin(f"torch.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
