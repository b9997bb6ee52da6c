"""Runtimes: what each model runtime reads of time, and how much it accepts.

`RUNTIMES` is the table. A ``transformers`` row holds for that library's processor of the model;
``vllm:`` rows hold for vLLM with the same model.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fewframes.arrays import F64

Clock = Literal["frame", "pair mean", "pair first", "rate", "none", "text"]
"""What a model is told of time: a time for each frame; one for two fused frames, the mean or the
first; one rate for all; nothing; or, between images, any text."""
MERGE = 2
"""Side of the square of patches that one token stands for, in all models with a ``factor``."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """How a runtime takes frames."""

    exporter: str
    """``module:name`` of what makes a `Handover`: ``(batch, runtime, row, **options)``."""
    prompt_format: str
    """What the model reads, in the runtime's own words."""
    clock: Clock
    decimals: int = 3
    """Decimals of the seconds in those words."""
    rounds_down: bool = False
    """Whether the words are whole seconds with the rest cut off."""
    factor: int = 0
    """Sides are made multiples of this; a token is a square of it. 0: the size is its own."""
    shares_pixels: bool = False
    """Whether the limits of `pixels` are for all frames together, instead of for each."""
    pixels: tuple[int, int] = (0, 0)
    """Fewest and most pixels, as the processor's ``shortest_edge`` and ``longest_edge``."""
    max_frames: int | None = None
    max_bytes: int | None = None
    """Most bytes of all pictures of a request, as they are sent."""

    @property
    def fuses(self) -> bool:
        """Whether two successive frames become one patch in time."""
        return self.clock in ("pair mean", "pair first", "rate") or self.factor == 28

    def said(self, seconds: F64) -> F64:
        """Gives times as the model reads them, ``[m] f64 -> [m] f64``.

        >>> RUNTIMES["glm4v"].said(np.array([1.9])), RUNTIMES["qwen3-vl"].said(np.array([1.96]))
        (array([1.]), array([2.]))
        """
        if self.rounds_down:
            return np.floor(seconds)
        return np.array([round(time, self.decimals) for time in seconds.tolist()])


_HF = "fewframes.bindings.transformers_video:export"
_CHAT = "fewframes.bindings.messages"
_INPUTS = "fewframes.bindings.vllm.inputs"
_VLLM = {"vllm": f"{_INPUTS}:offline", "vllm-server": f"{_INPUTS}:server"}
_QWEN2 = Runtime(
    _HF, "nothing", "none", factor=28, pixels=(128 * 28**2, 768 * 28**2), max_frames=768
)
_GLM = Runtime(
    _HF,
    "whole seconds after each pair",
    "pair first",
    rounds_down=True,
    factor=28,
    shares_pixels=True,
    pixels=(112**2, 2 * 30000 * 28**2),
)
_TEXT = Runtime(f"{_CHAT}:OPENAI", "a line of text before each image", "text")

RUNTIMES: dict[str, Runtime] = {
    "qwen2-vl": _QWEN2,
    "qwen2.5-vl": replace(_QWEN2, prompt_format="one rate: second_per_grid_ts", clock="rate"),
    "qwen3-vl": Runtime(
        _HF,
        "<12.3 seconds> before each pair",
        "pair mean",
        1,
        factor=32,
        shares_pixels=True,
        pixels=(128 * 32**2, 768 * 32**2),
        max_frames=768,
    ),
    "glm4v": _GLM,
    "glm4.6v": replace(
        _GLM, prompt_format="12.3 seconds after each pair", decimals=1, rounds_down=False
    ),
    "gemma4": Runtime(_HF, "mm:ss before each frame", "frame", rounds_down=True),
    "smolvlm": Runtime(_HF, "Frame from mm:ss: before each frame", "frame", rounds_down=True),
    "videollama3": Runtime(_HF, "Time 12.3s: before each frame", "frame", 1),
    "molmo2": Runtime(_HF, "12.3 before each frame", "frame", 1),
    "gemma3": Runtime(_HF, "nothing; it takes images alone", "none"),
    "internvl": Runtime(_HF, "Frame1:, an ordinal", "none"),
    "llava-onevision": Runtime(_HF, "nothing", "none"),
    "llava-next-video": Runtime(_HF, "nothing", "none"),
    "openai": _TEXT,
    "sglang": _TEXT,
    "llama.cpp": _TEXT,
    "anthropic": replace(_TEXT, exporter=f"{_CHAT}:ANTHROPIC", max_frames=100, max_bytes=32 << 20),
    "gemini": replace(_TEXT, exporter=f"{_CHAT}:GEMINI"),
    "qwen-vl-utils": replace(_TEXT, exporter=f"{_CHAT}:QWEN"),
}
"""Name of a runtime, or of a model for transformers, and how it takes frames. Sources: transformers
5.23, vLLM 0.33, Anthropic's vision guide (100 images and 32 MB a request)."""
RUNTIMES |= {
    f"{server}:{name}": replace(RUNTIMES[name], exporter=exporter)
    for server, exporter in _VLLM.items()
    for name in ("qwen2.5-vl", "qwen3-vl", "glm4v", "glm4.6v")
}


def resized(runtime: Runtime, frames: int, height: int, width: int) -> tuple[int, int]:
    """Gives the height and width that a processor makes of pictures: its "smart resize".

    As in transformers 5.23: Qwen2-VL limits the pixels of each frame, Qwen3-VL and GLM-4V those of
    all frames together. ``frames`` counts what is sent, an even number.

    Raises:
        ValueError: The model has a size of its own, or a side is 200 times the other.

    >>> resized(RUNTIMES["qwen2.5-vl"], 16, 720, 1280)
    (560, 1008)
    """
    factor, (fewest, most) = runtime.factor, runtime.pixels
    if not factor:
        raise ValueError("this model has a size of its own; it makes every picture that")
    if min(height, width) < factor and runtime.shares_pixels:
        scale = max(factor / height, factor / width)
        height, width = int(height * scale), int(width * scale)
    if max(height, width) / min(height, width) > 200:
        raise ValueError(
            f"pictures of {height}x{width} are too long; no side may be 200 times the other"
        )
    count, sides = frames if runtime.shares_pixels else 1, (height, width)
    tall, wide = (round(side / factor) * factor for side in sides)
    if count * tall * wide > most:
        shrink = math.sqrt(count * height * width / most)
        tall, wide = (max(factor, math.floor(s / shrink / factor) * factor) for s in sides)
    elif count * tall * wide < fewest:
        grow = math.sqrt(fewest / (count * height * width))
        tall, wide = (math.ceil(s * grow / factor) * factor for s in sides)
    return tall, wide


def tokens(runtime: Runtime, frames: int, height: int, width: int) -> int:
    """Counts the visual tokens of frames sent at this size, before the processor's own resize.

    >>> tokens(RUNTIMES["qwen2.5-vl"], 16, 720, 1280)
    5760
    """
    tall, wide = resized(runtime, frames, height, width)
    return -(-frames // 2) * (tall // runtime.factor) * (wide // runtime.factor)


def bounded(runtime: Runtime, frames: int, max_tokens: int) -> Runtime:
    """Gives the runtime with pixel limits that keep frames sent within so many visual tokens.

    Raises:
        ValueError: Not even one token for each two frames is allowed.

    >>> tokens(bounded(RUNTIMES["qwen3-vl"], 64, 8000), 64, 720, 1280)
    7392
    """
    pairs = -(-frames // 2)
    if max_tokens < pairs:
        raise ValueError(
            f"max_tokens={max_tokens} is less than one for each pair of {frames} frames; pass "
            f"max_tokens >= {pairs}, or hand over fewer frames"
        )
    shares = 2 * pairs if runtime.shares_pixels else 1
    most = max_tokens // pairs * runtime.factor**2 * shares
    fewest = min(runtime.pixels[0], shares * runtime.factor**2)  # else small ones are enlarged
    return replace(runtime, pixels=(fewest, most))
