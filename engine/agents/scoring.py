"""Scoring: turns an agent's request into a score for each row of a video.

1. ``scores_for``: words, by an embedder's vectors; or the name of a measured signal.
2. ``scores_like``: likeness to the frame on screen at a time, by vectors that are stored already.
3. ``scores_in``: scores of intervals, as a sensor of a model's attention gives them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fewframes.arrays import F64
from fewframes.store.embedding import Embedder
from fewframes.store.video import Video


def scores_for(video: Video, query: str, embedder: Embedder | None) -> Any:  # noqa: ANN401
    """Gives the scores of words, ``[n] f64``, or the name of the signal that the query is.

    Raises ValueError where words are asked for without an embedder, or have no vectors.
    """
    if query in video.table.signals:
        return query
    if embedder is None:
        raise ValueError(
            f"find({query!r}) needs a session with embedder=…, or the name of a signal: "
            f"{', '.join(video.table.signals)}"
        )
    return video.relevance(query, embedder=embedder)


def scores_like(video: Video, row: int, embedder: Embedder | None) -> F64:
    """Gives the likeness of every row to one of them: cosines, ``[n] f64``.

    They are those of the embedder's vectors; without one, of the signatures in the table. Nothing
    is decoded.

    >>> import fewframes as ff
    >>> int(scores_like(ff.open("corpus.zarr")["film"], 3, None).argmax())
    3
    """
    vectors = video.table.signatures if embedder is None else video.vectors(embedder)
    rows = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    likeness: F64 = rows @ rows[row] / np.maximum(lengths * lengths[row], 1e-12)
    return likeness


def scores_in(video: Video, intervals: Sequence[tuple[float, float, float]]) -> F64:
    """Gives each row the score of the interval it lies in, ``[n] f64``; 0 outside all.

    ``intervals`` are ``(start, end, score)`` in seconds; where they overlap the last one counts.

    Raises ValueError where one ends before it begins, or a number is not finite.

    >>> import fewframes as ff
    >>> scores_in(ff.open("corpus.zarr")["film"], [(1, 2, 0.5)])[:5].tolist()
    [0.0, 0.0, 0.5, 0.5, 0.5]
    """
    seconds = video.table.seconds
    scores = np.zeros(len(seconds))
    for start, end, score in intervals:
        if not (np.isfinite([start, end, score]).all() and start <= end):
            raise ValueError(
                f"interval {(start, end, score)} must be start, end and score, finite, and start "
                "not behind end"
            )
        scores[(seconds >= start) & (seconds <= end)] = score
    return scores
