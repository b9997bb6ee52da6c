"""MarKey: frames by relevance, coverage and redundancy, as published (2026); a peer of `query`.

1. A frame's value is 0.7 · r + 0.2 · k - 0.1 · p: r its relevance, scaled to 0…1; k the mean over
   the anchors of how much more like it they are than like the best frame chosen; p its largest
   cosine with one of the last 28 frames chosen. The best is taken, again and again.
2. 648 anchors: the film is cut into clips of 10 seconds, which are ranked by their mean relevance
   and split into a high, a middle and a low third; each gives evenly spaced frames of those that
   are a second apart.

O(budget · n · (anchors + d)), in NumPy.
"""

import numpy as np

from fewframes.arrays import F32, F64, I64
from fewframes.selection.facility import RELEVANCE, anchor_rows

ANCHORS, WINDOW, CLIP_SECONDS = 648, 28, 10.0
COVERAGE, REDUNDANCY = 0.2, 0.1


def markey(unit: F32, scores: F64, seconds: F64, *, budget: int) -> I64:
    """Picks rows in the order of picking, ``[budget] i64``.

    ``unit [n, d]`` are pictures at length 1, ``scores [n]`` from 0 to 1.

    >>> unit = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]
    >>> markey(unit, np.array([1.0, 0.98, 0.9, 0.0]), np.arange(4.0), budget=2).tolist()
    [0, 2]
    """
    alike = np.clip(unit @ unit[markey_anchors(scores, seconds)].T, 0, 1)
    best, gain = np.zeros(alike.shape[1], np.float32), alike.mean(axis=1, dtype=np.float64)
    rows: list[int] = []
    likenesses: list[F32] = []
    is_taken = np.zeros(len(unit), bool)
    for _ in range(min(budget, len(unit))):
        like = np.max(likenesses[-WINDOW:], axis=0) if likenesses else np.zeros(len(unit))
        value = RELEVANCE * scores + COVERAGE * gain - REDUNDANCY * like
        row = int(np.argmax(np.where(is_taken, -np.inf, value)))
        rows.append(row)
        is_taken[row] = True
        nearer = np.flatnonzero(alike[row] > best)  # the gains change by these anchors alone
        before, after = (np.maximum(alike[:, nearer] - b[nearer], 0) for b in (best, alike[row]))
        gain -= (before - after).sum(axis=1, dtype=np.float64) / len(best)
        best[nearer] = alike[row, nearer]
        likenesses.append(unit @ unit[row])
    return np.array(rows, np.int64)


def markey_anchors(scores: F64, seconds: F64) -> I64:
    """At most 648 rows, a third of them from clips of each third of relevance, sorted.

    >>> markey_anchors(np.zeros(8), np.arange(8) / 2).tolist()
    [0, 2, 4, 6]
    """
    clips = ((seconds - seconds[0]) // CLIP_SECONDS).astype(np.int64)
    clips = np.unique(clips, return_inverse=True)[1]
    means = np.bincount(clips, scores) / np.bincount(clips)
    firsts = np.unique((seconds - seconds[0]).astype(np.int64), return_index=True)[1]
    found = []
    for third in np.array_split(np.argsort(-means, kind="stable"), 3):
        rows = firsts[np.isin(clips[firsts], third)]
        found.append(rows[anchor_rows(len(rows), count=ANCHORS // 3)])
    return np.sort(np.concatenate(found))
