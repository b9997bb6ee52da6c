"""An embedder without a model, whose vectors anyone can compute anew."""

import numpy as np

from fewframes.store.embedding import named_embedder

DIM = 6
COLOURS = {"red": [1, 0, 0, 0, 0, 0], "green": [0, 1, 0, 0, 0, 0]}


def looks(batch):
    """Mean and spread of each colour, ``[n, 6]``: far from length 1."""
    return np.concatenate([batch.mean(axis=(1, 2)), batch.std(axis=(1, 2))], axis=1)


def looker(name="looks", revision="1", frames=looks):
    return named_embedder(frames, name=name, dim=DIM, text=COLOURS.get, revision=revision)
