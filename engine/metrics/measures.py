"""Measures of a selection that need no model: does it show the evidence, does it cover the film?

Each function gives, for one video, a sum and a count by name: what many videos give is added up and
divided, so a question or an event counts the same wherever it is. `bootstrap` does that, with
intervals.
"""

from collections.abc import Mapping

import numpy as np

from fewframes.arrays import F32, F64, I64, Mask
from fewframes.metrics.annotations import Annotation

MICROSECOND = 1e-6
"""Times closer than this are the same."""
NEAR_SECONDS = 5.0
"""How near a frame has to be to a moment of LV-Haystack."""

Measured = Mapping[str, tuple[float, float]]
"""Name -> (sum, count)."""


def hits(seconds: F64, starts: F64, ends: F64, *, tolerance: float = 0.0) -> Mask:
    """Which frames lie in which events, ``[k, e] bool``.

    A frame lies in an event where start - tolerance <= t < end + tolerance, and in a moment where
    it is at most the tolerance away.

    >>> hits(np.array([2.0, 5.0]), np.array([1.0, 5.0]), np.array([2.0, 5.0])).tolist()
    [[False, False], [False, True]]
    """
    t = seconds[:, np.newaxis]
    is_out_of_order = t >= starts - tolerance - MICROSECOND
    is_early = (t < ends + tolerance - MICROSECOND) | (t <= starts + tolerance + MICROSECOND)
    is_inside: Mask = is_out_of_order & is_early
    return is_inside


def evidence(annotation: Annotation, seconds: F64, *, tolerance: float = 0.0) -> Measured:
    """What a selection shows of the events of one video.

    - ``recall``: events that hold a frame; ``recall, grade g``: of those of a grade.
    - ``hit``: questions one of whose events holds a frame; ``all``: all of whose events do.
    - ``precision``: the share of frames that lie in an event of a question, by question.
    - ``near precision``, ``near recall``, ``near f1``: LV-Haystack's, by question: the share of
      frames at most 5 s from an event, of events at most 5 s from a frame, and their harmonic
      mean. Times are as they are, where LV-Haystack rounds them down to seconds. (J. Ye et al.,
      CVPR 2025, arXiv 2504.02259.)

    ``seconds [k]`` are the times of the frames. O(k · events).
    """
    starts, ends, of = annotation.starts, annotation.ends, annotation.question_of
    questions = len(annotation.question_ids)
    inside = hits(seconds, starts, ends, tolerance=tolerance)
    is_met = inside.any(axis=0)
    met, request = (np.bincount(of, weights, questions) for weights in (is_met, np.ones(len(of))))
    is_by = of == np.arange(questions)[:, np.newaxis]
    found: dict[str, tuple[float, float]] = {
        "hit": (float((met > 0).sum()), questions),
        "all": (float((met == request).sum()), questions),
        "precision": (_frame_share(inside, is_by).sum(), questions),
        **_by_grade(annotation, np.asarray(is_met, np.float64)),
    }
    away = np.maximum(np.maximum(starts - seconds[:, None], seconds[:, None] - ends), 0)
    near = away <= NEAR_SECONDS
    right, back = _frame_share(near, is_by), np.bincount(of, near.any(axis=0), questions) / request
    f1 = np.divide(2 * right * back, right + back, out=np.zeros(questions), where=right + back > 0)
    names = ("near precision", "near recall", "near f1")
    by_name = zip(names, (right, back, f1), strict=True)
    return found | {name: (float(values.sum()), questions) for name, values in by_name}


def uniform_expected(
    annotation: Annotation, *, duration: float, budget: int, tolerance: float = 0.0
) -> Measured:
    """What ``budget`` evenly spaced frames with a random start would show, in closed form.

    With the step s = duration / budget, an event of length L holds a frame with probability
    min(1, L / s). Where the frames start is one number below s, and an event is met on an arc of
    them: ``hit`` is the length of the union of the arcs of a question, ``all`` of what they have
    in common, over s. ``precision`` is the share of the video that is evidence. Exact for any
    budget; as in `evidence`, without the measures within 5 s.

    >>> from fewframes.metrics.annotations import Event
    >>> film = Annotation("a", 100.0, (Event(1, 3), Event(51, 53), Event(8, 11)))
    >>> expected = uniform_expected(film, duration=100.0, budget=10)
    >>> [round(total / count, 3) for total, count in map(expected.get, ("recall", "hit", "all"))]
    [0.233, 0.5, 0.0]
    """
    step = duration / budget
    starts = np.maximum(annotation.starts - tolerance, 0)
    lengths = np.minimum(annotation.ends + tolerance, duration) - starts
    of, questions = annotation.question_of, len(annotation.question_ids)
    hit = every = share = 0.0
    for question in range(questions):
        first, length = starts[of == question], lengths[of == question]
        hit += _covered(_arcs(first, length, step), step) / step
        missed = _arcs(first + length, np.maximum(step - length, 0), step)
        every += 1 - _covered(missed, step) / step
        share += _covered(np.stack([first, first + length], axis=1), duration) / duration
    chances = np.minimum(np.ones(len(lengths)), lengths / step)
    counted = {"hit": hit, "all": every, "precision": share}
    found = {name: (float(total), float(questions)) for name, total in counted.items()}
    return found | _by_grade(annotation, chances)


def coverage(seconds: F64, *, duration: float, nearest: F64 | None) -> Measured:
    """How well a selection stands for the film.

    - ``gap``: the longest time without a frame, over the least possible one, duration / (k + 1).
    - ``facility``: the mean over the film's frames of the similarity to the most similar one
      chosen; ``radius``: 1 minus the least of those, the radius of k-centre.

    ``nearest [n]`` are those similarities (`nearest_cosines`), None without pictures.
    """
    edges = np.concatenate([[0.0], np.sort(seconds), [duration]])
    widest = float(np.diff(edges).max()) / (duration / (len(seconds) + 1))
    found: dict[str, tuple[float, float]] = {"gap": (widest, 1)}
    if nearest is not None:
        found["facility"] = (float(nearest.clip(0).mean()), 1)
        found["radius"] = (1 - float(nearest.min()), 1)
    return found


def nearest_cosines(unit: F32, rows: I64) -> F64:
    """The cosine of each row of length 1 with the most similar of some rows, ``[n] f64``.

    >>> nearest_cosines(np.eye(3, dtype=np.float32), np.array([2])).tolist()
    [0.0, 0.0, 1.0]
    """
    best = np.empty(len(unit))
    for first in range(0, len(unit), 8192):
        best[first : first + 8192] = (unit[first : first + 8192] @ unit[rows].T).max(axis=1)
    return best


def area(budgets: I64, values: F64) -> F64:
    """The area under curves over log2 of the budget, 1 for a curve that is 1, ``[…] f64``.

    By the trapezoid rule, over the last axis; of one budget it is the value itself.

    >>> float(area(np.array([8, 16, 32]), np.array([0.0, 1.0, 1.0])))
    0.75
    """
    at = np.log2(budgets)
    if len(at) == 1:
        return np.asarray(values[..., 0], np.float64)
    steps = np.diff(at) / (at[-1] - at[0])
    return np.asarray(((values[..., 1:] + values[..., :-1]) / 2) @ steps, np.float64)


def _by_grade(annotation: Annotation, met: F64) -> dict[str, tuple[float, float]]:
    """``recall`` of all events, and of each grade."""
    grades = np.array([-1 if e.grade is None else e.grade for e in annotation.events])
    found = {"recall": (float(met.sum()), float(len(met)))}
    for grade in sorted({e.grade for e in annotation.events if e.grade is not None}):
        of = grades == grade
        found[f"recall, grade {grade}"] = (float(met[of].sum()), float(of.sum()))
    return found


def _frame_share(inside: Mask, is_by: Mask) -> F64:
    """The share of frames in any event of each question, ``[q] f64``."""
    if not len(inside):
        return np.zeros(len(is_by))
    return np.array([inside[:, mine].any(axis=1).mean() for mine in is_by])


def _arcs(starts: F64, lengths: F64, step: float) -> F64:
    """Arcs on a circle of a length, those over its seam cut in two, ``[m, 2]``."""
    first = starts % step
    last = first + np.minimum(lengths, step)
    over = last > step
    arcs = np.stack([first, np.minimum(last, step)], axis=1)
    return np.concatenate([arcs, np.stack([np.zeros(len(last)), last - step], axis=1)[over]])


def _covered(bounds: F64, most: float) -> float:
    """The length that intervals ``[m, 2]`` cover together, at most ``most``."""
    total, end = 0.0, 0.0
    for first, last in bounds[np.argsort(bounds[:, 0])].tolist():
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return min(total, most)
