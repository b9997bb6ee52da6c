"""Processors of transformers built on the spot: a byte tokenizer, and each model's own classes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from fewframes.decode.batch import Handover

Processor: TypeAlias = Any
"""What transformers makes; it has no types of its own."""
SAID = r"Frame at ([\d.]+)() s:"
"""A line between images."""
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
    image: str
    """What stands for an image in the text."""
    video: str = ""
    """What stands for a video."""
    times: str = ""
    """Regular expression of one time of a video in the expanded text."""
    pictures_a_time: int = 1

    def told(self, given: Handover) -> tuple[list[float], int]:
        """What its processor tells the model: times in seconds, and how many pictures share one.

        One rate for all is taken as the times that it means.
        """
        is_video = given.report["layout"] == "video"
        stands = {"video": self.video, "image": self.image}
        words = "".join(part.get("text") or stands[part["type"]] for part in given.content)
        processor = self.make()
        inputs = processor(text=[words], **given.arguments, return_tensors="pt")
        if is_video and "second_per_grid_ts" in inputs:
            step = float(inputs["second_per_grid_ts"][0]) / 2
            return [step * at for at in range(len(given.rows))], 1
        text = processor.tokenizer.decode(inputs["input_ids"][0])
        found = re.findall(self.times if is_video else SAID, text)
        times = [60 * float(a) + float(b) if b else float(a) for a, b in found]
        return times, self.pictures_a_time if is_video else 1


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


def _internvl() -> Processor:
    import transformers as tf

    small = {"height": 28, "width": 28}
    images = tf.GotOcr2ImageProcessor(size=small, max_patches=1)
    videos = tf.InternVLVideoProcessor(size=small)
    return tf.InternVLProcessor(images, tokenizer(), videos, image_seq_length=4, chat_template="x")


def _llava(kind: str) -> Processor:
    """The processor of LLaVA-OneVision ("Onevision") or LLaVA-NeXT-Video ("NextVideo")."""
    import transformers as tf

    words = tokenizer(image_token="<image>", video_token="<video>")
    options: dict[str, Any] = {"vision_feature_select_strategy": "full", "chat_template": "x"}
    if kind == "Onevision":
        options["num_image_tokens"] = 729
        images = tf.LlavaOnevisionImageProcessor()
    else:
        options["patch_size"] = 14
        images = tf.LlavaNextImageProcessor()
    videos = getattr(tf, f"Llava{kind}VideoProcessor")()
    maker = getattr(tf, "LlavaOnevisionProcessor" if kind == "Onevision" else NEXT)
    return maker(image_processor=images, tokenizer=words, video_processor=videos, **options)


def _gemma3() -> Processor:
    import transformers as tf

    return tf.Gemma3Processor(tf.Gemma3ImageProcessor(), tokenizer(), chat_template="x")


def _molmo2() -> Processor:
    import transformers as tf

    names = ("im_patch", "im_col", "im_start", "low_res_im_start", "frame_start", "im_end")
    more = {f"{name}_token": f"<{name}>" for name in (*names, "frame_end", "im_low")}
    words = tokenizer(image_token="<|image|>", video_token="<|video|>", **more)
    words.bos_token = "<s>"
    return tf.Molmo2Processor(
        tf.Molmo2ImageProcessor(), tf.Molmo2VideoProcessor(), words, chat_template="x"
    )


NEXT = "LlavaNextVideoProcessor"
QWEN = "<|vision_start|><|video_pad|><|vision_end|>"
QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
CONSUMERS: dict[str, Consumer] = {
    "qwen2-vl": Consumer(lambda: qwen("2"), QWEN_IMAGE),
    "qwen2.5-vl": Consumer(lambda: qwen("2.5"), QWEN_IMAGE, QWEN),
    "qwen3-vl": Consumer(lambda: qwen("3"), QWEN_IMAGE, QWEN, r"<([\d.]+)() seconds>", 2),
    "glm4v": Consumer(
        lambda: _glm("Glm4v"), "<|image|>", "<|video|>", r"<\|end_of_image\|>(\d+)()", 2
    ),
    "glm4.6v": Consumer(
        lambda: _glm("Glm46V"),
        "<|image|>",
        "<|video|>",
        r"<\|end_of_image\|>([\d.]+)() seconds",
        2,
    ),
    "smolvlm": Consumer(_smolvlm, "<image>", "<video>", r"Frame from (\d+):(\d+):"),
    "videollama3": Consumer(_videollama3, "<image>", "<video>", r"Time ([\d.]+)()s:"),
    "gemma4": Consumer(_gemma4, "<|image|>", "<|video|>", r"(\d+):(\d\d) <boi>"),
    "molmo2": Consumer(_molmo2, "<|image|>", "<|video|>", r"([\d.]+)() <frame_start>"),
    "gemma3": Consumer(_gemma3, "<boi>"),
    "internvl": Consumer(_internvl, "<IMG_CONTEXT>"),
    "llava-onevision": Consumer(lambda: _llava("Onevision"), "<image>"),
    "llava-next-video": Consumer(lambda: _llava("NextVideo"), "<image>"),
}
"""How the processor of each model is asked, and how what it tells the model is read back."""
