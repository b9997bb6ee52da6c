"""Selection: which few frames of a video are worth showing?

1. The rows inside the span, of the policy's domain, each stored picture once if asked, no two
   closer than the smallest gap, are the candidates; their number is what is available.
2. The policy picks exactly min(budget, available) different ones.
3. They come back sorted, as source frame numbers with exact times, scores and reasons.

The samplers of other runtimes (``runtime:…``) see the film's frame count instead; what they ask for
becomes the nearest rows. Nothing here reads a video, a clock or a random number: the same arguments
give the same frames.
"""

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F32, F64, I64
from fewframes.features.anomaly_score import USED
from fewframes.features.table import FrameTable
from fewframes.kernels.memory import array_module, as_cupy, is_on_real_gpu, on_host
from fewframes.selection.candidates import ROUNDING_SECONDS, Candidates, Picks
from fewframes.selection.options import (
    check_pictures,
    check_ranges,
    check_uses,
    checked_budget,
    checked_relevance,
)
from fewframes.selection.policies import Policy, policy_named
from fewframes.selection.shots import shot_numbers
from fewframes.times import Span, Time, as_seconds, bounds_of, span_of


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class Selection:
    """The chosen frames of one video, in presentation order.

    >>> select(FrameTable.from_seconds([0.0, 0.5, 1.0]), budget=2, policy="uniform")
    Selection(2 frames of budget 2, policy 'uniform', 0.00 s to 1.00 s, 2 uniform)
    """

    frame_numbers: I64
    """Source frame numbers, ``[k] i64``, strictly increasing (``runtime:…``: not decreasing)."""
    rows: I64
    """Positions of the frames in the table they were chosen from, ``[k] i64``."""
    pts: I64
    """Presentation times in ticks of ``time_base``, ``[k] i64``."""
    time_base: Fraction
    """Seconds per tick."""
    seconds: F64
    """Times from the first shown frame of the video, ``[k] f64``."""
    scores: F32
    """What the policy thought of each, ``[k] f32``: how unusual, or, for novelty, the distance to
    the frames chosen earlier (weighted by relevance, if given); 0 for frames taken for their time
    alone. Where none was chosen earlier, the distance is to the mean."""
    reasons: tuple[str, ...]
    """Why each was taken: "unusual", "coverage", "uniform", or a word of another policy."""
    policy: str
    """Name of the policy that chose."""
    budget: int
    """Number of frames asked for; ``len`` is less where fewer were available."""
    pick_order: I64
    """When each was picked, ``[k] i64`` from 0: of a policy that is nested, those with a turn below
    j are the frames of budget j."""
    requested: I64 | None = None
    """Frame numbers that a ``runtime:…`` policy asked for, ``[k] i64``; `frame_numbers` are the
    nearest in the table. None for other policies."""

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
    span: Span = None,
    min_gap_seconds: float = 0.0,
    distinct: bool = False,
    coverage: float | None = None,
    relevance: npt.ArrayLike | str | None = None,
    fps: float | None = None,
    k_max: int | None = None,
    anchor_seconds: Time | None = None,
    seed: int | None = None,
) -> Selection:
    """Chooses exactly min(budget, available) frames of a table; pure and deterministic.

    Args:
        table: The scanned frames. NaN and inf in its signatures count as 0. Where these lie on a
            GPU, `kcenter`, `adaptive` and `dpp` pick there; other steps copy them to memory.
        budget: Number of frames wanted, at least 1.
        policy: A name of `fewframes.selection.policies.POLICIES`, or of a policy of another
            package.
        span: ``(start, end)``, both inclusive, None for an open end, or a slice; in seconds, or
            text such as ``"00:01:30"``. A span without frames gives an empty selection.
        min_gap_seconds: Candidates are thinned, greedily from the first, until no two are closer.
        distinct: Of the rows that share a stored picture, only the first is a candidate.
        coverage: Share of the budget, 0 to 1, that guarantees coverage of time: no
            candidate is then farther from a chosen frame than (last - first time) divided by
            ⌈coverage · frames⌉. By default 0.5 for ``adaptive``, 0 for the others that read it.
        relevance: Scores of the table's rows, ``[n]``, on any scale, NaN counting as the lowest;
            or the name of one of its signals.
        fps: The rate of policy ``fps``, and of ``runtime:…``.
        k_max: With it ``maxvol`` takes up to that many frames where fewer do not span the film.
        anchor_seconds: The moment, as one of ``span``, that ``multiscale`` looks closely at.
        seed: Draws where ``cdf`` starts to count, from 0; by default it is in the middle.

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
    rule = policy_named(policy)
    budget = checked_budget(budget)
    check_ranges(budget=budget, min_gap_seconds=min_gap_seconds, coverage=coverage, k_max=k_max)
    given: dict[str, object] = {"span": span_of(span), "min_gap_seconds": min_gap_seconds or None}
    given |= {"distinct": distinct, "coverage": coverage, "relevance": relevance, "fps": fps}
    given |= {"k_max": k_max, "anchor_seconds": anchor_seconds, "seed": seed}
    check_uses(policy, rule, given)
    if rule.is_upstream_sampler:
        return _as_runtime(table, rule, policy=policy, budget=budget, fps=fps, span=span)
    check_pictures(policy, rule, table)
    scores = checked_relevance(relevance, table)
    rows = _available(table, rule, span=span, fps=fps, distinct=distinct, gap=min_gap_seconds)
    picks = Picks(np.empty(0, np.int64), np.empty(0, np.float32), ())
    if len(rows):
        candidates = _candidates(table, rule, rows, relevance=scores, coverage=coverage)
        anchor = None if anchor_seconds is None else as_seconds(anchor_seconds, "anchor_seconds")
        candidates = replace(candidates, anchor_seconds=anchor, k_max=k_max, seed=seed)
        with np.errstate(over="ignore"):  # distances of huge signatures may overflow to inf
            picks = rule.function(candidates, budget=min(budget, len(rows)))
    most = min(k_max or budget, len(rows))
    _check_promise(picks, policy=policy, k=min(budget, len(rows)), most=most, n=len(rows))
    return _selection(table, rows=rows, picks=picks, policy=policy, budget=budget)


def _available(
    table: FrameTable, rule: Policy, *, span: Span, fps: float | None, distinct: bool, gap: float
) -> I64:
    """The rows a policy may pick from, in order."""
    low, high = bounds_of(span)
    rows = np.flatnonzero((table.seconds >= low) & (table.seconds <= high))
    if rule.domain is not None:
        rows = rule.domain(table, rows=rows, fps=fps)
    if distinct:
        rows = _first_of_copies(table, rows)
    return rows[_thinned(table.seconds[rows], gap=gap)]


def _first_of_copies(table: FrameTable, rows: I64) -> I64:
    """The first row of each stored picture."""
    if table.slots is None:
        raise ValueError(
            "distinct=True asks which rows share a stored picture, and this table does not say; "
            "index the video into a store, or leave distinct out"
        )
    firsts = np.unique(table.slots[rows], return_index=True)[1]
    return rows[np.sort(firsts)]


def _thinned(seconds: F64, *, gap: float) -> I64:
    """Positions of the first time and of each next one at least a gap later, ``[m] i64``."""
    if gap == 0:
        return np.arange(len(seconds))
    kept, at = [], 0
    while at < len(seconds):
        kept.append(at)
        enough = seconds[at] + gap - ROUNDING_SECONDS
        at = max(at + 1, int(np.searchsorted(seconds, enough)))
    return np.array(kept, np.int64)


def _candidates(
    table: FrameTable, rule: Policy, rows: I64, *, relevance: F64 | None, coverage: float | None
) -> Candidates:
    """The arrays a policy sees."""
    signatures, there = None, None
    if rule.needs_pictures and table.signatures is not None:
        signatures = _finite(on_host(table.signatures), rows)
        if is_on_real_gpu(table.signatures):
            there = as_cupy(table.signatures)
            there = there if len(rows) == len(table) else there[array_module(there).asarray(rows)]
    used = [name for name in USED if rule.needs_pictures and name in table.signals]
    return Candidates(
        seconds=table.seconds[rows],
        is_keyframe=table.is_keyframe[rows],
        signatures=signatures,
        signals={name: table.signals[name][rows] for name in used},
        device_signatures=there,
        relevance=None if relevance is None else relevance[rows],
        shots=shot_numbers(table)[rows] if rule.needs_signals else None,
        coverage=rule.coverage if coverage is None else coverage,
    )


def _finite(signatures: F32, rows: I64) -> F32:
    """Those of some rows, where values that are not finite are 0."""
    if len(rows) < len(signatures):
        signatures = signatures[rows]
    signatures = signatures.astype(np.float32, copy=False)
    is_finite = np.isfinite(signatures)
    return signatures if is_finite.all() else np.where(is_finite, signatures, np.float32(0))


def _as_runtime(
    table: FrameTable, rule: Policy, *, policy: str, budget: int, fps: float | None, span: Span
) -> Selection:
    """What another runtime's sampler asks for, and the rows nearest to it by frame number."""
    if table.film is None:
        raise ValueError(
            f"policy={policy!r} counts the frames of the whole film, and this table does not say "
            "how many there are; make it with film=FilmFacts(frames=…, fps=…)"
        )
    requested: I64 = rule.function(table.film, budget=budget, fps=fps, span=span_of(span))
    if len(requested) and requested[-1] >= table.film.frames:
        raise ValueError(
            f"policy={policy!r} asks for frame {requested[-1]}, and the film has "
            f"{table.film.frames}; upstream does so too, and raises IndexError; pass another "
            "budget or fps"
        )
    rows = _nearest(table.frame_numbers, requested)
    picks = Picks(np.arange(len(rows)), np.zeros(len(rows), np.float32), ("runtime",) * len(rows))
    chosen = _selection(table, rows=rows, picks=picks, policy=policy, budget=budget)
    return replace(chosen, requested=requested)


def _nearest(known: I64, requested: I64) -> I64:
    """Positions of the nearest of the known numbers, the smaller on a tie; both are sorted."""
    if not len(known):
        return np.empty(0, np.int64)
    after = np.searchsorted(known, requested).clip(0, len(known) - 1)
    before = (after - 1).clip(0)
    return np.where(
        np.abs(requested - known[before]) <= np.abs(known[after] - requested), before, after
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
        pick_order=order,
    )


def _check_promise(picks: Picks, *, policy: str, k: int, most: int, n: int) -> None:
    """Holds every policy, also one added by a user, to k different rows, or up to most."""
    unique = np.unique(picks.rows)
    counts = {len(picks.rows), len(unique), len(picks.scores), len(picks.reasons)}
    if (
        len(counts) > 1
        or not k <= len(unique) <= most
        or (k and not 0 <= unique[0] <= unique[-1] < n)
    ):
        raise ValueError(
            f"policy={policy!r} returned {len(picks.rows)} rows, {len(unique)} of them different, "
            f"where {k} different ones of 0 to {n - 1} with a score and a reason each were asked "
            "for; mend the policy"
        )
