"""Embedding: what a model makes of a picture or of a text, one vector each.

1. An `Embedder` is what the caller brings: a model with a name and a revision that turns pictures,
   and mostly texts too, into vectors of one length. `load_embedder` loads one with transformers;
   `named_embedder` makes one of any function.
2. Vectors are brought to length 1 here, whoever made them, so likeness is a dot product.
3. They are stored once a picture (`fewframes.store.sidecars`); a question then costs one text.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F32, U8
from fewframes.plugins import plugin
from fewframes.selection.facility import unit_rows
from fewframes.selection.options import SelectOptions
from fewframes.store.recipes import canonical_json

Query: TypeAlias = str | npt.NDArray[np.generic]
"""A text, a picture ``[h, w, 3] u8``, or a vector ``[d]`` of floats."""


class Embedder(Protocol):
    """A model that makes vectors; its name, revision and length name what is stored."""

    @property
    def name(self) -> str:
        """What the model is called; no path."""
        ...

    @property
    def revision(self) -> str:
        """What tells its weights from others of that name."""
        ...

    @property
    def dim(self) -> int:
        """Length of its vectors."""
        ...

    def frames(self, batch: U8) -> F32:
        """Turns pictures ``[n, h, w, 3] u8`` RGB into vectors ``[n, dim]`` of any length."""
        ...

    def text(self, words: str) -> F32:
        """Turns a text into a vector ``[dim]`` that compares with those of pictures."""
        ...


class SampleOptions(SelectOptions, total=False):
    """The optional arguments of `Video.sample`, but for its budget."""

    policy: str
    query: Query | None
    embedder: Embedder | str | None
    features: Embedder | str | None


class Identity(NamedTuple):
    """Which model made vectors.

    >>> Identity("clip", "1", 512)
    Identity(name='clip', revision='1', dim=512)
    """

    name: str
    revision: str
    dim: int

    @property
    def key(self) -> str:
        """Names the folder of its vectors: 16 hexadecimal digits."""
        import xxhash

        return xxhash.xxh3_128_hexdigest(canonical_json(self._asdict()))[:16]

    def __str__(self) -> str:
        return f"{self.name!r} (revision {self.revision!r}, {self.dim} values)"


@dataclass(frozen=True, slots=True)
class NamedEmbedder:
    """Functions with a name; see `named_embedder`."""

    name: str
    dim: int
    of_frames: Callable[[U8], npt.ArrayLike]
    of_text: Callable[[str], npt.ArrayLike] | None = None
    revision: str = "1"

    def frames(self, batch: U8) -> F32:
        """Calls the function for pictures, ``[n, h, w, 3] u8 -> [n, dim] f32``."""
        return np.asarray(self.of_frames(batch), np.float32)

    def text(self, words: str) -> F32:
        """Calls the function for texts, ``-> [dim] f32``; ValueError where there is none."""
        if self.of_text is None:
            raise ValueError(
                f"embedder {self.name!r} knows pictures only, but the query is the text {words!r}; "
                "pass a picture or a vector, or text= when you make the embedder"
            )
        return np.asarray(self.of_text(words), np.float32)


def named_embedder(
    frames: Callable[[U8], npt.ArrayLike],
    *,
    name: str,
    dim: int,
    text: Callable[[str], npt.ArrayLike] | None = None,
    revision: str = "1",
) -> NamedEmbedder:
    """Makes an embedder of a function from pictures ``[n, h, w, 3] u8`` to vectors ``[n, dim]``.

    Change ``revision`` whenever the function would give other vectors: what is stored under the
    same name, revision and length is used as it is.

    >>> mean_colour = named_embedder(lambda batch: batch.mean(axis=(1, 2)), name="mean", dim=3)
    >>> embed_pictures(mean_colour, np.full((1, 2, 2, 3), 9, np.uint8)).round(3).tolist()
    [[0.577..., 0.577..., 0.577...]]
    """
    return NamedEmbedder(name, dim, frames, text, revision)


def load_embedder(
    model: str | Path, *, revision: str | None = None, device: str = "cpu"
) -> Embedder:
    """Loads a CLIP- or SigLIP-like model with transformers, from a folder or from the hub.

    Args:
        model: A folder with the model, its tokenizer and its image processor, or a name of the hub.
        revision: Branch, tag or commit of a model of the hub.
        device: Where it computes, as PyTorch names it.

    Raises:
        MissingBackendError: transformers, torch or Pillow is not installed.
        ValueError: The model has no features of pictures and texts.
    """
    loaded: Embedder = plugin("embedder.clip")(str(model), revision=revision, device=device)
    return loaded


def identity_of(embedder: Embedder) -> Identity:
    """Says which model it is, or what is wrong with its name.

    >>> identity_of(named_embedder(np.zeros, name="", dim=3))
    Traceback (most recent call last):
    ValueError: an embedder needs a name, a revision and dim >= 1, got '', '1' and 3
    """
    identity = Identity(str(embedder.name), str(embedder.revision), int(embedder.dim))
    if not identity.name or not identity.revision or identity.dim < 1:
        raise ValueError(
            f"an embedder needs a name, a revision and dim >= 1, got {identity.name!r}, "
            f"{identity.revision!r} and {identity.dim}"
        )
    return identity


def embed_pictures(embedder: Embedder, batch: U8) -> F32:
    """Turns pictures ``[n, h, w, 3] u8`` into vectors of length 1, ``[n, dim] f32``.

    Raises ValueError where the embedder gives another shape, or a value that is not finite. A
    vector of zeros stays one.
    """
    shape = (len(batch), embedder.dim)
    return unit_vectors(embedder.name, embedder.frames(batch), shape=shape)


def embed_query(embedder: Embedder | str, query: Query, *, dim: int) -> F32:
    """Turns a text, a picture ``[h, w, 3] u8`` or a vector ``[dim]`` into a vector of length 1.

    A text or a picture needs the embedder; for a vector its name will do. Raises ValueError for
    anything else.

    >>> embed_query("mean", np.array([0.0, 3.0, 4.0]), dim=3).round(3).tolist()
    [0.0, 0.600..., 0.800...]
    """
    if not isinstance(query, str) and not (query.ndim == 3 and query.dtype == np.uint8):
        return _unit_vector(embedder if isinstance(embedder, str) else embedder.name, query, dim)
    if isinstance(embedder, str):
        raise ValueError(
            f"embedder={embedder!r} is a name, but a query that is no vector has to be embedded; "
            "pass the embedder itself"
        )
    if isinstance(query, str):
        vectors = unit_vectors(embedder.name, [embedder.text(query)], shape=(1, dim))
    else:
        vectors = embed_pictures(embedder, np.asarray(query, np.uint8)[np.newaxis])
    vector: F32 = vectors[0]
    return vector


def _unit_vector(name: str, query: npt.NDArray[np.generic], dim: int) -> F32:
    if query.shape != (dim,) or not np.issubdtype(query.dtype, np.floating):
        raise ValueError(
            f"a query of {name!r} is a text, a picture [h, w, 3] u8 or a vector of {dim} floats, "
            f"got {list(query.shape)} {query.dtype}"
        )
    if not np.isfinite(np.asarray(query, np.float64)).all():
        raise ValueError("a query vector must be finite; mend it")
    vector: F32 = unit_rows(np.asarray(query, np.float32)[np.newaxis])[0]
    return vector


def unit_vectors(name: str, values: npt.ArrayLike, *, shape: tuple[int, int]) -> F32:
    """Brings the vectors of an embedder to length 1, ``[n, d] f32``.

    Raises ValueError where they have another shape, or a value that is not finite.

    >>> unit_vectors("mean", [[0.0, 5.0]], shape=(1, 2)).tolist()
    [[0.0, 1.0]]
    """
    vectors = np.asarray(values, np.float32)
    if vectors.shape != shape:
        raise ValueError(
            f"embedder {name!r} gave {list(vectors.shape)}, where {list(shape)} was due; its dim "
            "is the length of one vector"
        )
    if not np.isfinite(vectors).all():
        raise ValueError(f"embedder {name!r} gave values that are not finite; mend it")
    return unit_rows(vectors)
