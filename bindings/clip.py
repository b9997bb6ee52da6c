"""CLIP- and SigLIP-like models of transformers: vectors of pictures and texts that compare.

Any model that `AutoModel` loads and that has ``get_image_features`` and ``get_text_features`` will
do (CLIP: arXiv 2103.00020; SigLIP: arXiv 2303.15343). Pictures go through the model's own image
processor, texts through its tokenizer, padded to the model's full length, as SigLIP was trained.
"""

# Where PyTorch is not installed, `bindings/torch` is taken for it.
# pyright: reportAttributeAccessIssue=false

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fewframes.arrays import F32, U8
from fewframes.errors import MissingBackendError

MODEL_FILES = (".json", ".safetensors", ".bin", ".model", ".txt")
"""Endings of the files of a folder that decide what a model gives."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ClipEmbedder:
    """A loaded model; see `load_clip`."""

    name: str
    """Name of the hub, or of the folder."""
    revision: str
    """Commit of the hub, or a digest of the folder's files."""
    dim: int
    """Length of its vectors."""
    model: Any
    tokenizer: Any
    processor: Any

    def __repr__(self) -> str:
        return f"ClipEmbedder({self.name!r}, revision {self.revision!r}, {self.dim} values)"

    def frames(self, batch: U8) -> F32:
        """Turns pictures into vectors, ``[n, h, w, 3] u8 -> [n, dim] f32``."""
        inputs = self.processor(
            images=list(batch), return_tensors="pt", input_data_format="channels_last"
        )
        return _features(self.model.get_image_features, inputs.to(self.model.device))

    def text(self, words: str) -> F32:
        """Turns a text into a vector, ``[dim] f32``; what is longer than the model takes is cut."""
        inputs = _tokens(self.model, self.tokenizer, words)
        vector: F32 = _features(self.model.get_text_features, inputs)[0]
        return vector


def load_clip(model: str, *, revision: str | None = None, device: str = "cpu") -> ClipEmbedder:
    """Loads a model from a folder, or by its name from the hub.

    Raises:
        MissingBackendError: transformers, torch or Pillow is not installed.
        ValueError: It has no features of pictures and texts, or ``revision`` is of a folder.
    """
    try:
        import PIL  # noqa: F401 (image processors need it)
        import torch  # noqa: F401 (so does the model)
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
    except ImportError as error:
        raise MissingBackendError(
            f"model={model!r} needs transformers, torch and Pillow, of which {error.name!r} is "
            "not installed; pip install 'fewframes[hf]'"
        ) from error
    folder = Path(model)
    if folder.is_dir() and revision is not None:
        raise ValueError(f"revision={revision!r} is of the hub, but {folder.name!r} is a folder")
    with _silence():
        loaded = AutoModel.from_pretrained(model, revision=revision or "main")
        processor = AutoImageProcessor.from_pretrained(model, revision=revision or "main")
        tokenizer = AutoTokenizer.from_pretrained(model, revision=revision or "main")
    if not (hasattr(loaded, "get_image_features") and hasattr(loaded, "get_text_features")):
        raise ValueError(
            f"model={folder.name!r} is {type(loaded).__name__}, which has no features of pictures "
            "and texts that compare; pass a CLIP- or SigLIP-like model"
        )
    loaded = loaded.to(device).eval()
    first = _features(loaded.get_text_features, _tokens(loaded, tokenizer, "a"))
    name, commit = _identity(model, loaded.config)
    return ClipEmbedder(name, commit, first.shape[1], loaded, tokenizer, processor)


def _identity(model: str, config: Any) -> tuple[str, str]:  # noqa: ANN401 (any model's)
    """Name and revision, which hold no path."""
    folder = Path(model)
    if folder.is_dir():
        return folder.resolve().name, _digest(folder)
    commit = getattr(config, "_commit_hash", None)
    if not commit:
        raise ValueError(f"the hub does not say which commit of {model!r} it gave; pass a folder")
    return model, str(commit)


def _digest(folder: Path) -> str:
    """16 hexadecimal digits of the names and bytes of a model's files."""
    import xxhash

    digest = xxhash.xxh3_128()
    files = [file for file in folder.iterdir() if file.suffix in MODEL_FILES and file.is_file()]
    for path in sorted(files):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()[:16]


def _tokens(model: Any, tokenizer: Any, words: str) -> Any:  # noqa: ANN401 (foreign objects)
    length = model.config.text_config.max_position_embeddings
    options = {"padding": "max_length", "truncation": True, "max_length": length}
    return tokenizer([words], return_tensors="pt", **options).to(model.device)


def _features(function: Any, inputs: Any) -> F32:  # noqa: ANN401 (foreign objects)
    """The vectors, ``[n, dim] f32``; transformers 5 gives them inside an output object."""
    import torch

    with torch.inference_mode():
        given = function(**inputs)
    vectors = given if isinstance(given, torch.Tensor) else given.pooler_output
    return np.asarray(vectors.float().cpu().numpy(), np.float32)


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps transformers' progress bars off while something is loaded."""
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()
