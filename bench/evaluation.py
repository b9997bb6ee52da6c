"""Evaluation: policies on annotated videos, from rows to means with intervals.

1. Every policy picks K frames of every annotated video, for K = 8 … 256, from the rows of a store;
   without one, from made-up rows at an even rate, which policies that need only times can do. What
   is nested is picked once, at the largest K; what reads a question's relevance, once a question.
2. `fewframes.metrics` says what each selection shows, `uniform_expected` what evenly spaced frames
   with a random start would; ``lift`` is the ratio of the two, by recall.
3. Means over all videos come with 95 % intervals by video (`fewframes.metrics.bootstrap`); ``area``
   is that under the curve over log2 K. ``ceiling`` is what all candidates together would show.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F32, F64, I64
from fewframes.features.table import FilmFacts, FrameTable
from fewframes.metrics.annotations import Annotation
from fewframes.metrics.bootstrap import DRAWS, LEVEL, Draws, summed_up
from fewframes.metrics.measures import (
    Measured,
    area,
    coverage,
    evidence,
    nearest_cosines,
    uniform_expected,
)
from fewframes.selection.facility import unit_rows
from fewframes.selection.policies import POLICIES, policy_named
from fewframes.selection.selection import Selection, select

BUDGETS = (8, 16, 32, 64, 128, 256)
BASELINE = "uniform"
BY_RELEVANCE = ("query", "cdf", "aks")
"""Policies that are nothing without relevance."""
ASKS_MORE = ("fps", "multiscale")
"""Policies that ask for a rate or a moment, which no annotation gives."""

Scores = Callable[["Subject", str], npt.ArrayLike | None]
"""``(subject, question id)`` to a score of each of its rows."""


@dataclass(frozen=True)
class Subject:
    """One annotated video, with what policies see of it."""

    annotation: Annotation
    table: FrameTable
    duration_seconds: float

    @cached_property
    def unit(self) -> F32 | None:
        """The signatures at length 1, ``[n, d] f32``; None without pictures."""
        signatures = self.table.signatures
        if signatures is None:
            return None
        return unit_rows(np.where(np.isfinite(signatures), signatures, np.float32(0)))


def made_up_subjects(annotations: Iterable[Annotation], *, fps: float) -> Iterator[Subject]:
    """Subjects without a store: rows at an even rate, without pictures.

    Raises ValueError where an annotation does not say how long its video is.
    """
    for annotation in annotations:
        if annotation.duration_seconds is None:
            raise ValueError(
                f"duration_seconds of {annotation.video!r} is not known; add it, or pass a store"
            )
        seconds = np.arange(0, annotation.duration_seconds, 1 / fps)
        table = FrameTable.from_seconds(seconds, film=FilmFacts(len(seconds), fps))
        yield Subject(annotation, table, annotation.duration_seconds)


def stored_subjects(
    annotations: Iterable[Annotation], store: Mapping[str, Any]
) -> Iterator[Subject]:
    """Subjects from the videos of a store; KeyError where one is not there."""
    for annotation in annotations:
        video = store[annotation.video]
        subject = Subject(annotation, video.table, video.duration_seconds)
        latest = float(annotation.starts.max())
        if latest >= subject.duration_seconds:
            raise ValueError(
                f"an event of {annotation.video!r} starts at {latest} s, but the video in the "
                f"store has {subject.duration_seconds:.3f} s; is it another film of that name?"
            )
        yield subject


def policies_for(table: FrameTable, *, is_scored: bool) -> list[str]:
    """Policies that can be asked of such a table without further arguments, `uniform` first."""
    able = [
        name
        for name, rule in POLICIES.items()
        if not rule.is_upstream_sampler
        and (is_scored or name not in BY_RELEVANCE)
        and name not in ASKS_MORE
        and (table.signatures is not None or not (rule.needs_pictures or rule.needs_signals))
        and (table.signatures is not None or rule.domain is None)
    ]
    return [BASELINE, *(name for name in able if name != BASELINE)]


def picked(
    table: FrameTable, policy: str, budgets: Sequence[int], relevance: npt.ArrayLike | None
) -> Iterator[tuple[int, I64]]:
    """The rows that a policy picks at each budget; of a nested one by one selection."""
    rule = policy_named(policy)
    options: dict[str, Any] = {"relevance": relevance} if "relevance" in rule.uses else {}
    if rule.is_nested and rule.coverage == 0:
        most: Selection = select(table, budget=max(budgets), policy=policy, **options)
        yield from ((budget, most.rows[most.pick_order < budget]) for budget in budgets)
        return
    for budget in budgets:
        yield budget, select(table, budget=budget, policy=policy, **options).rows


def measured(
    subject: Subject,
    policy: str,
    *,
    budgets: Sequence[int],
    tolerance: float = 0.0,
    scores: Scores | None = None,
) -> dict[int, dict[str, tuple[float, float]]]:
    """What one policy shows of one video: budget -> measures."""
    found: dict[int, dict[str, tuple[float, float]]] = {budget: {} for budget in budgets}
    is_asked = scores is not None and "relevance" in policy_named(policy).uses
    for question in subject.annotation.question_ids if is_asked else [None]:
        annotation, relevance = subject.annotation, None
        if question is not None and scores is not None:
            mine = tuple(event for event in annotation.events if event.query == question)
            annotation, relevance = replace(annotation, events=mine), scores(subject, question)
        for budget, rows in picked(subject.table, policy, budgets, relevance):
            _add(found[budget], _of_rows(subject, annotation, rows, tolerance=tolerance))
    return found


def _of_rows(
    subject: Subject, annotation: Annotation, rows: I64, *, tolerance: float
) -> dict[str, tuple[float, float]]:
    """Measures of one selection."""
    seconds = subject.table.seconds[rows]
    nearest = None if subject.unit is None else nearest_cosines(subject.unit, rows)
    found = dict(evidence(annotation, seconds, tolerance=tolerance))
    found |= coverage(seconds, duration=subject.duration_seconds, nearest=nearest)
    return found | {"frames": (float(len(rows)), 1)}


def _add(total: dict[str, tuple[float, float]], more: Measured) -> None:
    for name, (value, count) in more.items():
        before = total.get(name, (0.0, 0.0))
        total[name] = before[0] + value, before[1] + count


class Totals:
    """Sums and counts by name, budget and video, gathered video by video."""

    def __init__(self, budgets: Sequence[int]) -> None:
        self._budgets = list(budgets)
        self._notes: list[tuple[int, int, Measured]] = []

    def put(self, video: int, budget: int, values: Measured) -> None:
        """Notes what one video gave at one budget."""
        self._notes.append((video, self._budgets.index(budget), values))

    def means(self, draws: Draws) -> dict[str, F64]:
        """Name -> means, ``[1 + draws, budgets]``."""
        shape = (2, len(self._budgets), draws.weights.shape[1])
        cells: dict[str, F64] = {}
        for video, at, values in self._notes:
            for name, cell in values.items():
                cells.setdefault(name, np.zeros(shape))[:, at, video] = cell
        return {name: draws.means(sums, counts) for name, (sums, counts) in cells.items()}


def evaluate(
    subjects: Iterable[Subject],
    *,
    policies: Sequence[str] | None = None,
    budgets: Sequence[int] = BUDGETS,
    tolerance: float = 0.0,
    scores: Scores | None = None,
) -> dict[str, Any]:
    """Measures policies on videos, one after the other: a JSON-like result, without the machine.

    Raises ValueError for an unknown policy, one that cannot run on the tables, or no videos.
    """
    numbers, names = sorted(set(budgets)), list(policies or ())
    about, totals = Found(tolerance), {"expected": Totals(numbers)}
    for i, subject in enumerate(subjects):
        names = names or policies_for(subject.table, is_scored=scores is not None)
        names = [BASELINE, *(name for name in names if name != BASELINE)]
        about.add(subject)
        for budget in numbers:
            totals["expected"].put(i, budget, _expected(subject, budget, tolerance))
        for name in names:
            total, options = totals.setdefault(name, Totals(numbers)), {"tolerance": tolerance}
            shown = measured(subject, name, budgets=numbers, scores=scores, **options)
            for budget, values in shown.items():
                total.put(i, budget, values)
    facts, draws = about.facts(), Draws.of(about.videos)
    means = {name: total.means(draws) for name, total in totals.items()}
    expected, at = means.pop("expected"), np.array(numbers)
    return {
        "about": facts,
        "budgets": numbers,
        "expected_uniform": _by_budget(expected, at),
        "policies": {name: _policy(name, means, expected, at) for name in names},
    }


def _expected(subject: Subject, budget: int, tolerance: float) -> Measured:
    """What evenly spaced frames would show of one video."""
    return uniform_expected(
        subject.annotation, duration=subject.duration_seconds, budget=budget, tolerance=tolerance
    )


def _policy(
    name: str, means: Mapping[str, Mapping[str, F64]], expected: Mapping[str, F64], budgets: I64
) -> dict[str, Any]:
    """One policy's part of the result."""
    mine = dict(means[name])
    with np.errstate(divide="ignore", invalid="ignore"):
        mine["lift"] = mine["recall"] / expected["recall"]
        mine["lift, measured"] = mine["recall"] / means[BASELINE]["recall"]
    areas = {key: area(budgets, v) for key, v in mine.items() if key.startswith(("recall", "hit"))}
    return {
        "budgets": _by_budget(mine, budgets),
        "area": {key: summed_up(values) for key, values in areas.items()},
    }


def _by_budget(means: Mapping[str, F64], budgets: I64) -> dict[str, Any]:
    return {
        str(budget): {name: summed_up(values[:, i]) for name, values in means.items()}
        for i, budget in enumerate(budgets.tolist())
    }


class Found:
    """How much there is to find, and what all candidates together show."""

    def __init__(self, tolerance: float) -> None:
        self.videos = 0
        self._tolerance, self._seconds = tolerance, 0.0
        self._counts = {"questions": 0, "events": 0, "candidates": 0}
        self._ceiling: dict[str, tuple[float, float]] = {}

    def add(self, subject: Subject) -> None:
        """Counts one video."""
        annotation, table = subject.annotation, subject.table
        shown = evidence(annotation, table.seconds, tolerance=self._tolerance)
        kept = {key: cell for key, cell in shown.items() if key.startswith(("recall", "hit"))}
        _add(self._ceiling, kept)
        self.videos += 1
        self._seconds += subject.duration_seconds
        more = (len(annotation.question_ids), len(annotation.events), len(table))
        for name, count in zip(self._counts, more, strict=True):
            self._counts[name] += count

    def facts(self) -> dict[str, Any]:
        """The counts as JSON-like values; ValueError where there were no videos."""
        if not self.videos:
            raise ValueError("there are no annotated videos; pass at least one")
        return {
            "videos": self.videos,
            "hours": round(self._seconds / 3600, 3),
            **self._counts,
            "tolerance_seconds": self._tolerance,
            "ceiling": {key: round(s / count, 5) for key, (s, count) in self._ceiling.items()},
            "interval": {"level": LEVEL, "draws": DRAWS, "by": "video"},
        }
