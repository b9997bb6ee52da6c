"""Which rows stand best for a set of anchors? Lazy greedy facility location, in whole numbers."""

import numpy as np

from fewframes.kernels.kernel import F32, I64, U16, Kernel, require, require_rows, require_unchosen
from fewframes.kernels.memory import on_host
from fewframes.kernels.representatives_gpu import representatives_there


@Kernel
def representatives(
    alike: U16, unit: F32, bonus: I64, penalty: float, count: int, chosen: I64
) -> tuple[I64, I64]:
    """Picks `count` rows, each the one that helps the anchors most, ties to the lowest row.

    The value of a row is the sum over the anchors of how much more similar it is than the most
    similar row taken, plus its bonus, minus `penalty` times its largest dot product, if above 0,
    with a row taken. Greedy facility location: within 1 - 1/e of the best without a penalty
    (Nemhauser, Wolsey and Fisher, 1978).

    Takes `alike [n, a] u16`, similarities of rows and anchors; `unit [n, d] f32`, the rows at
    length 1, read only for a penalty; `bonus [n] i64`; and `chosen [m] i64`, rows already taken.
    Returns `(rows [count] i64 in the order picked, values [count] i64)`; values never grow. No row
    is picked twice, nor one in `chosen`. O((m + count) * n * (a + d)) at worst.

    Sums of whole numbers do not depend on their order, so every device agrees. The CPU works
    lazily: values only shrink, so a row whose old value is below the best one found is not
    measured again yet (Minoux, "Accelerated greedy algorithms", 1978).

    Raises:
        TypeError: An array has another form.
        ValueError: Lengths differ, `chosen` is out of range, fewer than `count` rows are left, or
            the penalty is not a number of 0 or more.

    >>> alike = np.array([[9, 0, 0], [8, 8, 0], [0, 0, 5]], np.uint16)
    >>> rows, values = representatives(
    ...     alike, np.eye(3, dtype=np.float32), np.zeros(3, np.int64), 0.0, 2, np.empty(0, np.int64)
    ... )
    >>> rows.tolist(), values.tolist()
    ([1, 2], [16, 5])
    """
    best = np.zeros(alike.shape[1], np.int64)
    nearest = np.zeros(len(alike))
    is_taken = np.zeros(len(alike), bool)
    rows, values = np.empty(count, np.int64), np.empty(count, np.int64)
    for step in range(len(chosen) + count):
        if step < len(chosen):
            row = chosen[step]
        else:
            gains = np.maximum(alike.astype(np.int64) - best, 0).sum(axis=1) + bonus
            worth = gains - np.rint(penalty * nearest).astype(np.int64)
            row = np.argmax(np.where(is_taken, np.iinfo(np.int64).min, worth))
            rows[step - len(chosen)], values[step - len(chosen)] = row, worth[row]
        is_taken[row] = True
        best = np.maximum(best, alike[row])
        if penalty:
            nearest = np.maximum(nearest, _products(unit, row))
    return rows, values


def _products(unit: F32, row: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Dot products with one row in float64; a loop, because `sum` leaves its order open."""
    total = np.zeros(len(unit))
    for column in unit.T.astype(np.float64):
        total += column * column[row]
    return total


@representatives.check
def _fit(alike: U16, unit: F32, bonus: I64, penalty: float, count: int, chosen: I64) -> None:
    require("alike", alike, "[n, a] u16")
    require("unit", unit, "[n, d] f32")
    require("bonus", bonus, "[n] i64")
    require("chosen", chosen, "[m] i64")
    n, chosen = len(alike), on_host(chosen)
    if not len(unit) == len(bonus) == n:
        raise ValueError(
            f"alike has {n} rows, unit {len(unit)}, bonus {len(bonus)}; pass one length"
        )
    require_rows(chosen, "alike", n)
    require_unchosen(count, chosen, n)
    if not 0 <= penalty < np.inf:
        raise ValueError(f"penalty={penalty} is not a weight; pass a number of 0 or more")


@representatives.cpu
def _representatives_cpu(
    alike: U16, unit: F32, bonus: I64, penalty: float, count: int, chosen: I64
) -> tuple[I64, I64]:
    (n, a), d, least = alike.shape, unit.shape[1], np.iinfo(np.int64).min
    best, nearest = np.zeros(a, np.int64), np.zeros(n)
    bounds, measured = np.full(n, np.iinfo(np.int64).max), np.zeros(n, np.int64)
    rows, values = np.empty(count, np.int64), np.empty(count, np.int64)
    taken = np.empty(len(chosen) + count, np.int64)
    for step in range(len(taken)):
        top, top_row = least, -1  # rows that are taken stay below
        likely = np.argmax(bounds) if step >= len(chosen) else 0
        for turn in range(-1, n if step >= len(chosen) else -1):
            row = int(likely) if turn < 0 else turn
            if bounds[row] < top or (bounds[row] == top and row >= top_row):
                continue
            if penalty > 0:
                for i in range(measured[row], step):
                    product = 0.0
                    for k in range(d):
                        product += np.float64(unit[row, k]) * np.float64(unit[taken[i], k])
                    nearest[row] = max(nearest[row], product)
            measured[row], worth = step, bonus[row] - np.int64(np.rint(penalty * nearest[row]))
            for anchor in range(a):
                worth += max(np.int64(alike[row, anchor]) - best[anchor], 0)
            bounds[row] = worth
            if worth > top or (worth == top and row < top_row):
                top, top_row = worth, row
        if step < len(chosen):
            top_row = chosen[step]
        else:
            rows[step - len(chosen)], values[step - len(chosen)] = top_row, top
        taken[step], bounds[top_row] = top_row, least
        for anchor in range(a):
            best[anchor] = max(best[anchor], alike[top_row, anchor])
    return rows, values


representatives.cupy(representatives_there)
