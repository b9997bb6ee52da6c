"""Processors of transformers built on the spot: a byte tokenizer, and each model's own classes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Processor: TypeAlias = Any
"""What transformers makes; it has no types of its own."""
TOKENS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_bos_token": "<|vision_start|>",
    "vision_eos_token": "<|vision_end|>",
    "boi_token": "<boi>",
    "eoi_token": "<eoi>",
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
}


def tokenizer(**tokens: str) -> Processor:
    """A tokenizer of bytes, from which the text that a model reads comes back whole."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    bare = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=bare, pad_token="<pad>", extra_special_tokens=TOKENS | tokens
    )


@dataclass(frozen=True)
class Consumer:
    """A model's processor, how to ask it, and what it tells the model of time."""

    make: Callable[[], Processor]
    video: str
    """What stands for a video in the text."""
    times: str
    """Regular expression of one time in the expanded text."""
    image: str = "<|image_pad|>"
    pictures_a_time: int = 2

    def told(self, text: str) -> list[float]:
        """The times in a text, in seconds."""
        found = re.findall(self.times, text)
        return [60 * float(a) + float(b) if b else float(a) for a, b in found]


def qwen(kind: str) -> Processor:
    """The processor of Qwen2-VL ("2"), Qwen2.5-VL ("2.5") or Qwen3-VL ("3")."""
    import transformers as tf

    processor = {"3": "Qwen3VLProcessor", "2.5": "Qwen2_5_VLProcessor", "2": "Qwen2VLProcessor"}
    video = tf.Qwen3VLVideoProcessor() if kind == "3" else tf.Qwen2VLVideoProcessor()
    image = tf.Qwen2VLImageProcessor()
    return getattr(tf, processor[kind])(
        image_processor=image, tokenizer=tokenizer(), video_processor=video, chat_template="x"
    )


def _glm(kind: str) -> Processor:
    import transformers as tf

    names = ("Processor", "ImageProcessor", "VideoProcessor")
    processor, image, video = (getattr(tf, kind + name) for name in names)
    image = tf.Glm4vImageProcessor if kind == "Glm46V" and not image else image
    words = tokenizer(image_token="<|image|>", video_token="<|video|>")
    return processor(
        image_processor=image(), tokenizer=words, video_processor=video(), chat_template="x"
    )


def _smolvlm() -> Processor:
    import transformers as tf

    words = tokenizer(
        image_token="<image>",
        video_token="<video>",
        fake_image_token="<fake_token_around_image>",
        global_image_token="<global-img>",
        end_of_utterance_token="<end_of_utterance>",
    )
    return tf.SmolVLMProcessor(
        tf.SmolVLMImageProcessor(),
        words,
        tf.SmolVLMVideoProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 64}),
        image_seq_len=4,
        chat_template="x",
    )


def _videollama3() -> Processor:
    import transformers as tf

    return tf.VideoLlama3Processor(
        tf.VideoLlama3ImageProcessor(),
        tokenizer(image_token="<image>", video_token="<video>"),
        tf.VideoLlama3VideoProcessor(),
        chat_template="x",
    )


def _gemma4() -> Processor:
    import transformers as tf

    words = tokenizer(
        image_token="<|image|>",
        video_token="<|video|>",
        audio_token="<|audio|>",
        boa_token="<boa>",
        eoa_token="<eoa>",
    )
    return tf.Gemma4Processor(
        feature_extractor=tf.Gemma4AudioFeatureExtractor(),
        image_processor=tf.Gemma4ImageProcessor(),
        tokenizer=words,
        video_processor=tf.Gemma4VideoProcessor(),
        chat_template="x",
    )


QWEN = "<|vision_start|><|video_pad|><|vision_end|>"
CONSUMERS: dict[str, Consumer] = {
    "qwen3-vl": Consumer(lambda: qwen("3"), QWEN, r"<([\d.]+)() seconds>"),
    "glm4v": Consumer(lambda: _glm("Glm4v"), "<|video|>", r"<\|end_of_image\|>(\d+)()"),
    "glm4.6v": Consumer(
        lambda: _glm("Glm46V"), "<|video|>", r"<\|end_of_image\|>([\d.]+)() seconds"
    ),
    "smolvlm": Consumer(
        _smolvlm, "<video>", r"Frame from (\d+):(\d+):", image="<image>", pictures_a_time=1
    ),
    "videollama3": Consumer(
        _videollama3, "<video>", r"Time ([\d.]+)()s:", image="<image>", pictures_a_time=1
    ),
    "gemma4": Consumer(
        _gemma4, "<|video|>", r"(\d+):(\d\d) <boi>", image="<|image|>", pictures_a_time=1
    ),
}
"""The processors that tell their model a time for every frame or pair."""
