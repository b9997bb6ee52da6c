"""How well does a film know each of its frames already? Likeness to what it has shown before.

1. The kept pictures of a film, those that repeat none, stand for all that it has shown.
2. `familiarity` compares each frame with every one kept before it, by signature.

What is decided while a film is scanned, that a frame repeats a kept one, is in
`fewframes.features.signal_pass`; this page is a function of the finished columns.
"""

import numpy as np

from fewframes.arrays import F32, Mask
from fewframes.chunks import in_chunks
from fewframes.kernels.memory import array_module

MOST_KEPT = 4096
"""Kept pictures that a frame is compared with; of more, this many, evenly spread, stand for all."""
CHUNK = 512
"""Frames compared at a time by a thread, which bounds the memory."""


def familiarity(signatures: F32, is_kept: Mask) -> F32:
    """Finds each frame's best likeness to a kept one before it, ``-> [n] f32``.

    Takes ``signatures [n, d] f32`` and ``is_kept [n] bool``, in presentation order. Likeness is
    the dot product of two signatures of length 1, and not below 0: 1 for the same look whatever its
    exposure, about 0 for nothing in common. The first frame, and any other with no kept one before
    it, has 0. O(n * min(kept, MOST_KEPT) * d). Signatures on a GPU, as CuPy's array, are compared
    there, and the column lies there: the same to 1e-5, rounded in another order.

    >>> looks = np.array([[1, 0], [0, 1], [1, 0], [0.66, 0.75]], np.float32)
    >>> familiarity(looks, np.array([True, True, False, True])).round(2).tolist()
    [0.0, 0.0, 1.0, 0.75]
    """
    kept = np.flatnonzero(is_kept)
    if len(kept) > MOST_KEPT:
        kept = kept[np.linspace(0, len(kept) - 1, MOST_KEPT).round().astype(np.int64)]
    if not len(signatures):
        return np.empty(0, np.float32)
    xp = array_module(signatures)
    numbers = xp.asarray(kept)
    pictures = signatures[numbers]

    def best(part: slice) -> F32:
        earlier = int(np.searchsorted(kept, part.stop - 1))
        found: F32 = xp.zeros(part.stop - part.start, np.float32)
        if not earlier:
            return found
        likeness = signatures[part] @ pictures[:earlier].T
        rows = xp.arange(part.start, part.stop)[:, None]
        likeness[rows <= numbers[:earlier]] = 0.0
        xp.clip(likeness.max(axis=1), 0.0, 1.0, out=found)
        return found

    parts = in_chunks(best, len(signatures), chunk=CHUNK, there=signatures)
    column: F32 = xp.concatenate(parts)
    return column
