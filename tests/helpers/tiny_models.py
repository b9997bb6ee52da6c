"""Small CLIP and SigLIP models of random weights, as folders that transformers loads."""

import numpy as np
import pytest

WORDS = ["<pad>", "<s>", "</s>", "<unk>", "a", "red", "blue", "green", "black", "picture"]


def needs_transformers():
    for name in ("torch", "transformers", "PIL"):
        pytest.importorskip(name, reason=f"{name} is not installed; pip install 'fewframes[hf]'")


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: at for at, word in enumerate(WORDS)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def make(kind, folder, *, seed=0):
    """Writes a model, its tokenizer and its image processor into a folder."""
    import torch
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    small = {"hidden_size": 32, "intermediate_size": 64}
    small |= {"num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    text = small | ids | {"vocab_size": len(WORDS), "max_position_embeddings": 12}
    vision = small | {"image_size": 32, "patch_size": 16}
    torch.manual_seed(seed)
    if kind == "clip":
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
        model = transformers.CLIPModel(config)
    else:
        config = transformers.SiglipConfig(text_config=text, vision_config=vision)
        model = transformers.SiglipModel(config)
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    image_processor(kind).save_pretrained(folder)
    return folder


def image_processor(kind):
    """The one that needs no torchvision."""
    if kind == "clip":
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        return CLIPImageProcessorPil(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        )
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    return SiglipImageProcessorPil(size={"height": 32, "width": 32})


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)
