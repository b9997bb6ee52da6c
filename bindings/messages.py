"""Chat messages: frames as images between lines of text that say their times.

1. OpenAI's chat form, which SGLang and llama.cpp take, too: ``image_url`` parts with data URLs.
2. Anthropic's: ``image`` parts with base64 sources. A request may have so many images and bytes,
   and more than 20 images may have sides of at most 2000 pixels.
3. Gemini's: ``text`` and ``inlineData`` parts.
4. qwen-vl-utils: ``image`` parts with PIL images; its ``video`` form would make up even times.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fewframes.arrays import U8
from fewframes.decode.batch import QUALITY, FrameBatch, Handover, as_jpegs
from fewframes.models.export import reported
from fewframes.models.resolutions import resize_each
from fewframes.models.runtimes import Runtime

Part = dict[str, Any]
TIME = "Frame at {seconds:.3f} s:"
"""The line in front of each picture; three decimals, so that no time is off by more than 0.5 ms."""
ANTHROPIC_MANY, ANTHROPIC_SIDE = 20, 2000
"""With more images than this, no side may be longer than that (Anthropic's vision guide)."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a chat interface writes a line of text and a picture; it is an exporter of that form."""

    text: Callable[[str], Part]
    image: Callable[[str], Part]
    """Is given the JPEG file as base64."""

    def __call__(
        self,
        batch: FrameBatch,
        runtime: str,
        model: Runtime,
        *,
        quality: int = QUALITY,
        time: str = TIME,
        sides: npt.ArrayLike | None = None,
    ) -> Handover:
        """Exports to the form: for each frame a line of text, then the picture.

        ``quality`` is that of the JPEGs; ``time`` is the line, in which ``{seconds}`` is replaced;
        ``sides`` the longest side of each frame, see `fewframes.models.resolutions`.

        Raises:
            ValueError: All JPEGs together are more than the runtime takes, or sides are longer.
        """
        pictures = resize_each(batch.frames, sides)
        _check_sides(pictures, runtime)
        files = as_jpegs(pictures, quality=quality)
        coded = [base64.b64encode(file).decode("ascii") for file in files]
        _check_bytes(coded, runtime, model, quality)
        content: list[Part] = []
        for at, data in zip(batch.seconds.tolist(), coded, strict=True):
            content += [self.text(time.format(seconds=at)), self.image(data)]
        rows, told = np.arange(len(batch)), np.round(batch.seconds, 3)
        said = reported(batch, rows, told, bytes=sum(map(len, files)), layout="images and text")
        return Handover(runtime, content, {}, rows, told, said)


def _check_bytes(coded: list[str], runtime: str, model: Runtime, quality: int) -> None:
    total = sum(map(len, coded))
    if model.max_bytes is not None and total > model.max_bytes:
        raise ValueError(
            f"{len(coded)} JPEGs of quality {quality} are {total / 2**20:.1f} MiB as base64, more "
            f"than {runtime!r} takes ({model.max_bytes / 2**20:.0f} MiB); read with a smaller "
            "size, or pass a lower quality"
        )


def _check_sides(pictures: list[U8], runtime: str) -> None:
    side = max(max(picture.shape[:2]) for picture in pictures)
    if runtime == "anthropic" and len(pictures) > ANTHROPIC_MANY and side > ANTHROPIC_SIDE:
        raise ValueError(
            f"sides of {side} pixels are longer than 'anthropic' takes of more than "
            f"{ANTHROPIC_MANY} images ({ANTHROPIC_SIDE}); read with size={ANTHROPIC_SIDE} or less"
        )


def _openai_text(words: str) -> Part:
    return {"type": "text", "text": words}


def _openai_image(data: str) -> Part:
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}


def _anthropic_image(data: str) -> Part:
    source = {"type": "base64", "media_type": "image/jpeg", "data": data}
    return {"type": "image", "source": source}


def _gemini_text(words: str) -> Part:
    return {"text": words}


def _gemini_image(data: str) -> Part:
    return {"inlineData": {"mimeType": "image/jpeg", "data": data}}


def _qwen_image(data: str) -> Part:
    return {"type": "image", "image": f"data:image;base64,{data}"}


OPENAI = Form(_openai_text, _openai_image)
ANTHROPIC = Form(_openai_text, _anthropic_image)
GEMINI = Form(_gemini_text, _gemini_image)
QWEN = Form(_openai_text, _qwen_image)
