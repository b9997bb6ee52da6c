"""In which order are the packets of a stream shown, as far as packets alone can say?

1. A codec that never reorders shows them as they are coded.
2. Elsewhere presentation times say it, as long as decode times rise, no two times are equal, no
   picture waits for more pictures than its decoder holds back, none is moved over a long gap, and
   each group of pictures lies behind the one before.
3. Where that fails, it is asked of each group of pictures by itself: a group in which it holds is
   in order of its times, behind the group before it. Groups in which it does not, and both groups
   at a joint of two clocks, are *doubtful*: only their decoder knows (`Stretch`).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fewframes.arrays import I64, Mask
from fewframes.media.timeline import NO_PTS, Packets

WINDOW = 32
"""Pictures that are looked back at; decoders hold back 16 (Rec. ITU-T H.264, A.3.1)."""


LONG_STEPS = 250
"""A gap is so many times the usual step: ten seconds at 25 frames a second."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring groups of pictures whose order only the decoder knows."""

    first: int
    """Its first packet."""
    end: int
    """The packet behind its last one."""


@dataclass(frozen=True, slots=True)
class Order:
    """The rows of shown packets in presentation order, ``[n] i64``, and where that is a guess."""

    rows: I64
    doubtful: tuple[Stretch, ...] = ()
    joints: tuple[int, ...] = ()
    """Packets in front of which decode times fall: a clock starts again, or one is far off."""


def presentation_order(packets: Packets, *, depth: int | None, has_dts: bool = True) -> Order:
    """Orders the shown packets; times that are missing leave a group doubtful.

    ``depth`` is how many pictures the decoder may hold back that came before one and are shown
    after it (num_reorder_frames); None for a codec that never reorders. Decode times that the
    container does not have (``has_dts=False``) are no evidence.

    >>> from fewframes.media.timeline import example_timeline
    >>> presentation_order(example_timeline().packets, depth=1).rows
    array([0, 2, 3, 1])
    """
    rows = np.flatnonzero(packets.is_frame)
    joints = tuple(_falls(packets.dts).tolist()) if has_dts else ()
    if depth is None:
        return Order(rows, joints=joints)
    times = packets.pts[rows]
    if not joints and is_plain(times, depth) and _groups_follow(packets, rows):
        return Order(rows[np.argsort(times, kind="stable")])
    return _by_groups(packets, rows, joints, depth)


def _groups_follow(packets: Packets, rows: I64) -> bool:
    """Whether each group of pictures is shown behind all of the group before, as decoders do."""
    firsts = np.unique(np.searchsorted(rows, np.flatnonzero(packets.is_random_access)))
    firsts = firsts[(firsts > 0) & (firsts < len(rows))]
    if not firsts.size:
        return True
    edges, times = np.concatenate([[0], firsts]), packets.pts[rows]
    earliest, latest = np.minimum.reduceat(times, edges), np.maximum.reduceat(times, edges)
    return bool((earliest[1:] > latest[:-1]).all())


def is_plain(times: I64, depth: int) -> bool:
    """Whether times in decode order, ``[n] i64``, say the order of presentation by themselves.

    >>> is_plain(np.array([0, 3, 1, 2]), 1), is_plain(np.array([0, 9, 3, 1, 2]), 1)
    (True, False)
    """
    if (times == NO_PTS).any():
        return False
    order = np.argsort(times, kind="stable")
    steps = np.diff(times[order])
    if not (steps > 0).all() or _crosses_gap(order, steps):
        return False
    waiting = np.zeros(len(times), np.int64)
    for distance in range(1, min(WINDOW, len(times) - 1) + 1):
        waiting[distance:] += times[:-distance] > times[distance:]
    return int(waiting.max(initial=0)) <= depth


def _falls(dts: I64) -> I64:
    """Packets whose decode time is not above the one before, as far as both are known."""
    known = np.flatnonzero(dts != NO_PTS)
    return known[1:][np.diff(dts[known]) <= 0]


def _crosses_gap(order: I64, steps: I64) -> bool:
    """Whether a picture is coded before others from which a long gap parts it: it may be off."""
    gaps = np.flatnonzero(steps > LONG_STEPS * np.median(steps)) if len(steps) else steps
    latest = np.maximum.accumulate(order)
    earliest = np.minimum.accumulate(order[::-1])[::-1]
    return bool((latest[gaps] > earliest[gaps + 1]).any())


def _by_groups(packets: Packets, rows: I64, joints: tuple[int, ...], depth: int) -> Order:
    """Orders group by group, and says which groups are doubtful."""
    starts = np.flatnonzero(packets.is_random_access)
    edges = np.unique(np.concatenate([[0], starts, [len(packets)]]))
    cuts = np.searchsorted(rows, edges)
    is_doubtful = np.zeros(len(edges) - 1, bool)
    ordered, latest = [], NO_PTS
    for group, (first, end) in enumerate(pairwise(cuts)):
        times = packets.pts[rows[first:end]]
        is_doubtful[group] |= not is_plain(times, depth)
        known = times[times != NO_PTS]
        if known.size and group and int(known.min()) <= latest:
            is_doubtful[group - 1 : group + 1] = True
        latest = int(known.max()) if known.size else latest
        ordered.append(rows[first:end][np.argsort(times, kind="stable")])
    for group in np.searchsorted(edges, joints, side="right") - 1:
        is_doubtful[max(0, group - 1) : group + 1] = True
    return Order(np.concatenate(ordered), _stretches(is_doubtful, edges), joints)


def _stretches(is_doubtful: Mask, edges: I64) -> tuple[Stretch, ...]:
    changes = np.flatnonzero(np.diff(np.concatenate([[False], is_doubtful, [False]]).astype(int)))
    pairs = changes.reshape(-1, 2)
    return tuple(Stretch(int(edges[first]), int(edges[end])) for first, end in pairs)


def settled(order: Order, decoded: I64) -> I64:
    """Puts what a decoder gave of the doubtful stretches, in its order, in place of the guess.

    ``decoded`` are the rows that came out, ``[m] i64``. A row that did not keeps its place in the
    guess, behind the row before it.
    """
    parts, at, ranked = [], 0, np.sort(order.rows)
    for stretch in order.doubtful:
        first, end = np.searchsorted(ranked, [stretch.first, stretch.end])
        guess = order.rows[first:end]
        there = decoded[(decoded >= stretch.first) & (decoded < stretch.end)]
        parts += [order.rows[at:first], merged(guess, there[np.isin(there, guess)])]
        at = end
    return np.concatenate([*parts, order.rows[at:]])


def merged(guess: I64, decoded: I64) -> I64:
    """The decoded rows in their order, and the others each behind its neighbour in the guess."""
    missing = ~np.isin(guess, decoded)
    place = {row: at for at, row in enumerate(decoded.tolist())}
    key, keys = -1, []
    for row in guess.tolist():
        key = place.get(row, key)
        keys.append(key)
    order: I64 = guess[np.lexsort((missing, np.array(keys)))]
    return order
