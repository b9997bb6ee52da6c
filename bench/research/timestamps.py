"""What do chat interfaces and vLLM make of what is handed over? Read back by their own rules.

1. Chat messages: each line of text and the picture behind it, as the interface's documents say.
2. qwen-vl-utils: by its own ``process_vision_info``.
3. vLLM: by its own reader of media and its own parser; then by the processor of transformers, to
   which vLLM hands frames and metadata on.
"""

import base64
import re
from importlib.util import find_spec
from typing import Any

import numpy as np
import simplejpeg

from fewframes.bench.research.consumers import CONSUMERS
from fewframes.decode.batch import Handover

LINE = re.compile(r"Frame at ([\d.]+) s:")


def needs(runtime: str) -> str | None:
    """The library that has to be there to read what a runtime is given."""
    if runtime == "qwen-vl-utils":
        return "qwen_vl_utils"
    return "vllm" if runtime.startswith("vllm") else None


def is_readable(runtime: str) -> bool:
    """Whether that library is installed."""
    name = needs(runtime)
    return name is None or find_spec(name) is not None


def chat_told(given: Handover) -> list[float]:
    """The times of the pictures in a chat message; ValueError where one has none, or is none."""
    message = given.message("What happens?")
    parts = message["parts" if given.runtime == "gemini" else "content"]
    if given.runtime == "qwen-vl-utils":
        from qwen_vl_utils import process_vision_info

        images, _ = process_vision_info([message])
        if len(images) != len(given.rows):
            raise ValueError(f"{len(images)} images came of {len(given.rows)}")
    told: list[float] = []
    for words, picture in zip(parts[:-1:2], parts[1::2], strict=True):
        found = LINE.fullmatch(words["text"])
        if not found:
            raise ValueError(f"no time in front of picture {len(told)}: {words['text']!r}")
        simplejpeg.decode_jpeg(_file_of(picture))
        told.append(float(found[1]))
    return told


def _file_of(part: dict[str, Any]) -> bytes:
    """The bytes of a picture, wherever an interface has them."""
    if "inlineData" in part:
        data = part["inlineData"]["data"]
    elif part["type"] == "image_url":
        data = part["image_url"]["url"].partition(",")[2]
    elif "source" in part:
        data = part["source"]["data"]
    else:
        data = part["image"].partition(",")[2]
    return base64.b64decode(data, validate=True)


def vllm_told(given: Handover) -> tuple[list[float], int]:
    """What a model is told by vLLM and the processor behind it, as `Consumer.told` gives it."""
    from vllm.multimodal.media.image import ImageMediaIO
    from vllm.multimodal.media.video import VideoMediaIO
    from vllm.multimodal.parse import MultiModalDataParser

    if given.runtime.startswith("vllm-server"):
        options = given.arguments["media_io_kwargs"]["video"]
        kind, _, data = given.content[0]["video_url"]["url"].removeprefix("data:").partition(",")
        media = VideoMediaIO(ImageMediaIO(), **options)
        videos = [media.load_base64(kind.partition(";")[0], data).media]
    else:
        videos = given.arguments["multi_modal_data"]["video"]
    items = MultiModalDataParser(video_needs_metadata=True).parse_mm_data({"video": videos})
    frames, facts = items["video"].get(0)
    known = {name: value for name, value in facts.items() if name != "do_sample_frames"}
    arguments = {
        "videos": [np.asarray(frames)],
        "video_metadata": [known],
        "do_sample_frames": facts["do_sample_frames"],
        **given.arguments.get("mm_processor_kwargs", {}),
    }
    consumer = CONSUMERS[given.runtime.partition(":")[2]]
    passed = Handover(
        given.runtime, [{"type": "video"}], arguments, given.rows, given.timestamps, given.report
    )
    return consumer.told(passed)
