"""Frames in the forms that model runtimes take, within their tokens; models that embed frames."""

from fewframes.decode.batch import Handover
from fewframes.models.export import changed_tokens
from fewframes.models.neighbours import with_neighbours
from fewframes.models.resolutions import sides_by_score
from fewframes.models.runtimes import RUNTIMES, Runtime, tokens
from fewframes.models.token_fit import TokenFit, fit_tokens, sample_within
from fewframes.store.embedding import Embedder, load_embedder, named_embedder

__all__ = [
    "RUNTIMES",
    "Embedder",
    "Handover",
    "Runtime",
    "TokenFit",
    "changed_tokens",
    "fit_tokens",
    "load_embedder",
    "named_embedder",
    "sample_within",
    "sides_by_score",
    "tokens",
    "with_neighbours",
]
