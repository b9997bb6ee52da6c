"""Options: the arguments of a selection, and the rules they obey.

`select` and whatever calls it take the same ones, so they are declared once. Each rule is a
sentence: name, value, rule, cure.
"""

import operator
from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F64
from fewframes.features.table import FrameTable
from fewframes.selection.policies import POLICIES, Policy, policy_named
from fewframes.times import Span, Time

COMMON = ("span", "min_gap_seconds", "distinct")
"""What every policy obeys, because it only limits the candidates; a runtime's sampler has none."""


class SelectOptions(TypedDict, total=False):
    """The optional arguments of `fewframes.select`, which explains them."""

    span: Span
    min_gap_seconds: float
    distinct: bool
    coverage: float | None
    relevance: npt.ArrayLike | str | None
    fps: float | None
    k_max: int | None
    anchor_seconds: Time | None
    seed: int | None


def checked_budget(budget: int) -> int:
    """The budget as a plain number, or an error that says what it has to be.

    >>> checked_budget(np.int64(4))
    4
    """
    try:
        budget = operator.index(budget)
    except TypeError as error:
        raise TypeError(
            f"budget={budget!r} is not a whole number of frames; pass an int"
        ) from error
    if budget < 1:
        raise ValueError(f"budget={budget} selects nothing; pass budget >= 1")
    return budget


def check_ranges(
    *, budget: int, min_gap_seconds: float, coverage: float | None, k_max: int | None
) -> None:
    """Refuses numbers outside their ranges.

    >>> check_ranges(budget=4, min_gap_seconds=0, coverage=None, k_max=2)
    Traceback (most recent call last):
    ValueError: k_max=2 is below the budget of 4; pass k_max >= 4, or leave it out
    """
    if not min_gap_seconds >= 0:
        raise ValueError(
            f"min_gap_seconds={min_gap_seconds} is no distance; pass 0 or more seconds"
        )
    if coverage is not None and not 0 <= coverage <= 1:
        raise ValueError(f"coverage={coverage} is not a share of the budget; pass 0 to 1")
    if k_max is not None and k_max < budget:
        raise ValueError(
            f"k_max={k_max} is below the budget of {budget}; pass k_max >= {budget}, or leave it "
            "out"
        )


def check_uses(policy: str, rule: Policy, given: Mapping[str, Any]) -> None:
    """Refuses arguments the policy would not read; None and False are not given.

    >>> check_uses("uniform", POLICIES["uniform"], {"seed": 3})
    Traceback (most recent call last):
    ValueError: policy='uniform' does not read seed; leave it out, or use cdf
    """
    reads = rule.uses if rule.is_upstream_sampler else (*rule.uses, *COMMON)
    for name, value in given.items():
        if value is None or value is False or name in reads:
            continue
        users = [key for key, other in POLICIES.items() if name in other.uses]
        cure = f"leave it out, or use {', '.join(users)}" if users else "leave it out"
        raise ValueError(f"policy={policy!r} does not read {name}; {cure}")


def check_pictures(policy: str, rule: Policy, table: FrameTable) -> None:
    """Refuses a table without signatures for a policy that reads them.

    >>> check_pictures("uniform", POLICIES["uniform"], FrameTable.from_seconds([0.0]))
    """
    if rule.needs_pictures and table.signatures is None and len(table):
        others = ", ".join(key for key, other in POLICIES.items() if not other.needs_pictures)
        raise ValueError(
            f"policy={policy!r} needs signatures, and this table of {len(table)} frames has none; "
            f"scan the video or pick a policy that needs only times: {others}"
        )


def check_features(policy: str) -> None:
    """Refuses vectors for a policy that reads no pictures.

    >>> check_features("cdf")
    Traceback (most recent call last):
    ValueError: policy='cdf' does not read features; leave it out, or use adaptive, ...
    """
    if not policy_named(policy).needs_pictures:
        users = ", ".join(key for key, other in POLICIES.items() if other.needs_pictures)
        raise ValueError(f"policy={policy!r} does not read features; leave it out, or use {users}")


def check_query(*, query: object, embedder: object, relevance: object) -> None:
    """Refuses half a question, and scores beside a question.

    >>> check_query(query="a stapler", embedder=None, relevance=None)
    Traceback (most recent call last):
    ValueError: query needs embedder=…, the model whose vectors are stored, and embedder a query
    """
    if query is None or embedder is None:
        raise ValueError(
            "query needs embedder=…, the model whose vectors are stored, and embedder a query"
        )
    if relevance is not None:
        raise ValueError("query scores the frames, and so does relevance; pass one of the two")


def checked_relevance(relevance: npt.ArrayLike | str | None, table: FrameTable) -> F64 | None:
    """One score a row, ``[n] f64``: those given, or the signal of that name.

    >>> table = FrameTable.from_seconds([0.0, 0.5], signals={"sharpness": np.array([3.0, 1.0])})
    >>> checked_relevance("sharpness", table).tolist()
    [3.0, 1.0]
    """
    if relevance is None:
        return None
    if isinstance(relevance, str):
        if relevance not in table.signals:
            known = ", ".join(table.signals) or "none"
            raise ValueError(
                f"relevance={relevance!r} is not a signal of this table; pass one of its signals "
                f"({known}), or one score for each row"
            )
        relevance = table.signals[relevance]
    scores = np.asarray(relevance, np.float64)
    if scores.shape != (len(table),):
        raise ValueError(
            f"relevance has shape {list(scores.shape)}, but the table has {len(table)} rows; "
            "pass one score for each row"
        )
    return scores
