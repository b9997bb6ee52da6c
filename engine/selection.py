"""Selection: which few frames of a video are worth showing?

1. The rows inside the span, of the policy's domain, no two closer than the smallest gap, are the
   candidates; their number is what is available.
2. The policy picks exactly min(budget, available) different ones.
3. They come back sorted, as source frame numbers with exact times, scores and reasons.

Nothing here reads a video, a clock or a random number: the same arguments give the same frames.
"""

import math
import operator
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F32, F64, I64
from fewframes.candidates import ROUNDING_SECONDS, Candidates, Picks
from fewframes.policies import POLICIES, Policy
from fewframes.table import FrameTable


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Selection:
    """The chosen frames of one video, in presentation order.

    >>> select(FrameTable.from_seconds([0.0, 0.5, 1.0]), budget=2, policy="uniform")
    Selection(2 frames of budget 2, policy 'uniform', 0.00 s to 1.00 s, 2 uniform)
    """

    frame_numbers: I64
    """Source frame numbers, ``[k] i64``, strictly increasing."""
    rows: I64
    """Positions of the frames in the table they were chosen from, ``[k] i64``."""
    pts: I64
    """Presentation times in ticks of ``time_base``, ``[k] i64``."""
    time_base: Fraction
    """Seconds per tick."""
    seconds: F64
    """Times from the first shown frame of the video, ``[k] f64``."""
    scores: F32
    """What the policy thought of each, ``[k] f32``: for novelty, the distance to the frames chosen
    earlier (weighted by relevance, if given); 0 for frames taken for their time alone. Where
    none was chosen earlier, the distance is to the mean."""
    reasons: tuple[str, ...]
    """Why each was taken: "coverage", "novelty", "uniform", or a word of another policy."""
    policy: str
    """Name of the policy that chose."""
    budget: int
    """Number of frames asked for; ``len`` is less where fewer were available."""

    def __len__(self) -> int:
        return len(self.frame_numbers)

    def __repr__(self) -> str:
        head = f"{len(self)} frames of budget {self.budget}, policy {self.policy!r}"
        if not len(self):
            return f"Selection({head}, empty)"
        why = " + ".join(f"{n} {reason}" for reason, n in sorted(Counter(self.reasons).items()))
        return f"Selection({head}, {self.seconds[0]:.2f} s to {self.seconds[-1]:.2f} s, {why})"


def select(
    table: FrameTable,
    *,
    budget: int,
    policy: str = "adaptive",
    span: tuple[float | None, float | None] | None = None,
    min_gap_seconds: float = 0.0,
    coverage: float = 0.5,
    relevance: npt.ArrayLike | None = None,
    fps: float | None = None,
) -> Selection:
    """Chooses exactly min(budget, available) frames of a table; pure and deterministic.

    Args:
        table: The scanned frames. NaN and inf in its signatures count as 0.
        budget: Number of frames wanted, at least 1.
        policy: A name of `fewframes.policies.POLICIES`.
        span: ``(start_seconds, end_seconds)``, both inclusive, None for an open end. A span
            without frames gives an empty selection.
        min_gap_seconds: Candidates are thinned, greedily from the first, until no two are closer.
        coverage: Share of the budget, 0 to 1, that ``adaptive`` spends on coverage of time; the
            others do not read it.
        relevance: Scores of the table's rows, ``[n]``, on any scale, for ``adaptive``; NaN counts
            as the lowest.
        fps: The rate of policy ``fps``.

    Raises:
        ValueError: An argument is out of its range, the policy does not read it, or the policy
            needs signatures that the table does not have.
        TypeError: ``budget`` is not a whole number.

    >>> table = FrameTable.from_seconds(
    ...     [0.0, 1.0, 2.0, 3.0], signatures=np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    ... )
    >>> chosen = select(table, budget=2)
    >>> chosen.frame_numbers.tolist(), chosen.reasons
    ([1, 2], ('coverage', 'novelty'))
    """
    rule = _policy_named(policy)
    budget = _checked_budget(budget)
    _check_ranges(min_gap_seconds=min_gap_seconds, coverage=coverage)
    _check_fit(table, policy=policy, relevance=relevance, fps=fps)
    scores = _checked_relevance(relevance, n=len(table))
    rows = _rows_in_span(table.seconds, span=span)
    if rule.domain is not None:
        rows = rule.domain(table, rows=rows, fps=fps)
    rows = rows[_thinned(table.seconds[rows], min_gap_seconds=min_gap_seconds)]
    picks = Picks(np.empty(0, np.int64), np.empty(0, np.float32), ())
    if len(rows):
        candidates = _candidates(table, rule=rule, rows=rows, relevance=scores, coverage=coverage)
        with np.errstate(over="ignore"):  # distances of huge signatures may overflow to inf
            picks = rule.function(candidates, budget=min(budget, len(rows)))
    _check_promise(picks, policy=policy, k=min(budget, len(rows)), n=len(rows))
    return _selection(table, rows=rows, picks=picks, policy=policy, budget=budget)


def _candidates(
    table: FrameTable, *, rule: Policy, rows: I64, relevance: F64 | None, coverage: float
) -> Candidates:
    """The arrays a policy sees, with signatures made finite."""
    signatures = None
    if rule.needs_pictures and table.signatures is not None:
        signatures = table.signatures[rows].astype(np.float32, copy=False)
        signatures = np.where(np.isfinite(signatures), signatures, np.float32(0))
    return Candidates(
        seconds=table.seconds[rows],
        is_keyframe=table.is_keyframe[rows],
        signatures=signatures,
        relevance=None if relevance is None else relevance[rows],
        coverage=coverage,
    )


def _selection(
    table: FrameTable, *, rows: I64, picks: Picks, policy: str, budget: int
) -> Selection:
    """The picks in order of time, with what the table knows of each."""
    order = np.argsort(picks.rows)
    chosen = rows[picks.rows[order]]
    return Selection(
        frame_numbers=table.frame_numbers[chosen],
        rows=chosen,
        pts=table.pts[chosen],
        time_base=table.time_base,
        seconds=table.seconds[chosen],
        scores=picks.scores[order].astype(np.float32, copy=False),
        reasons=tuple(picks.reasons[i] for i in order),
        policy=policy,
        budget=budget,
    )


def _rows_in_span(seconds: F64, *, span: tuple[float | None, float | None] | None) -> I64:
    """Rows with start <= seconds <= end."""
    start, end = span or (None, None)
    start = -math.inf if start is None else start
    end = math.inf if end is None else end
    if not start <= end:
        raise ValueError(
            f"span={span} starts after it ends; pass (start_seconds, end_seconds) in that order"
        )
    return np.flatnonzero((seconds >= start) & (seconds <= end))


def _thinned(seconds: F64, *, min_gap_seconds: float) -> I64:
    """Positions of the first time and of each next one at least a gap later, ``[m] i64``."""
    if min_gap_seconds == 0:
        return np.arange(len(seconds))
    kept, at = [], 0
    while at < len(seconds):
        kept.append(at)
        enough = seconds[at] + min_gap_seconds - ROUNDING_SECONDS
        at = max(at + 1, int(np.searchsorted(seconds, enough)))
    return np.array(kept, np.int64)


def _policy_named(policy: str) -> Policy:
    if policy not in POLICIES:
        raise ValueError(f"policy={policy!r} is unknown; pass one of {', '.join(POLICIES)}")
    return POLICIES[policy]


def _checked_budget(budget: int) -> int:
    try:
        budget = operator.index(budget)
    except TypeError as error:
        raise TypeError(
            f"budget={budget!r} is not a whole number of frames; pass an int"
        ) from error
    if budget < 1:
        raise ValueError(f"budget={budget} selects nothing; pass budget >= 1")
    return budget


def _check_ranges(*, min_gap_seconds: float, coverage: float) -> None:
    if not min_gap_seconds >= 0:
        raise ValueError(
            f"min_gap_seconds={min_gap_seconds} is no distance; pass 0 or more seconds"
        )
    if not 0 <= coverage <= 1:
        raise ValueError(f"coverage={coverage} is not a share of the budget; pass 0 to 1")


def _check_fit(
    table: FrameTable, *, policy: str, relevance: object | None, fps: float | None
) -> None:
    """Refuses arguments the policy would not read, and a table it cannot work on."""
    rule = POLICIES[policy]
    for name, value in (("relevance", relevance), ("fps", fps)):
        if value is not None and name not in rule.uses:
            users = ", ".join(key for key, other in POLICIES.items() if name in other.uses)
            raise ValueError(
                f"policy={policy!r} does not read {name}; leave it out, or use {users}"
            )
    if rule.needs_pictures and table.signatures is None and len(table):
        others = ", ".join(key for key, other in POLICIES.items() if not other.needs_pictures)
        raise ValueError(
            f"policy={policy!r} needs signatures, and this table of {len(table)} frames has none; "
            f"scan the video or pick a policy that needs only times: {others}"
        )


def _checked_relevance(relevance: npt.ArrayLike | None, *, n: int) -> F64 | None:
    if relevance is None:
        return None
    scores = np.asarray(relevance, np.float64)
    if scores.shape != (n,):
        raise ValueError(
            f"relevance has shape {list(scores.shape)}, but the table has {n} rows; "
            "pass one score for each row"
        )
    return scores


def _check_promise(picks: Picks, *, policy: str, k: int, n: int) -> None:
    """Holds every policy, also one added by a user, to exactly k different rows."""
    unique = np.unique(picks.rows)
    if not len(picks.rows) == len(unique) == len(picks.scores) == len(picks.reasons) == k or (
        k and not 0 <= unique[0] <= unique[-1] < n
    ):
        raise ValueError(
            f"policy={policy!r} returned {len(picks.rows)} rows, {len(unique)} of them different, "
            f"where {k} different ones of 0 to {n - 1} with a score and a reason each were asked "
            "for; mend the policy"
        )
