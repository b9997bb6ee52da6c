"""Spans of a film in which there is nothing to see: black, or frozen.

Both are functions of the table's columns; a span lasts until the first scanned frame that is
otherwise, so its ends are known to one step of the scan.
"""

import numpy as np

from fewframes.arrays import F64, Mask
from fewframes.features.signals import BLACK, FROZEN
from fewframes.features.table import FrameTable


def black_spans(table: FrameTable, *, min_seconds: float = 0.0) -> F64:
    """Finds where the film is black, as start and end in seconds, ``[m, 2] f64``.

    A frame is black where the signal ``black`` is 1. Raises ValueError for a table without it.
    """
    is_black = _is_set(table, BLACK)
    begins = is_black & ~np.append(np.zeros(1, bool), is_black[:-1])
    return _long_spans(table.seconds, is_black, begins, min_seconds)


def frozen_spans(table: FrameTable, *, min_seconds: float = 2.0) -> F64:
    """Finds where the picture stands still, as start and end in seconds, ``[m, 2] f64``.

    A span starts at the frame that the first frozen one (signal ``frozen`` is 1) repeats. Raises
    ValueError for a table without the signal.

    >>> frozen = np.array([0, 0, 1, 1, 0], np.float32)
    >>> table = FrameTable.from_seconds([0.0, 1.0, 2.0, 3.0, 4.0], signals={"frozen": frozen})
    >>> frozen_spans(table).tolist()
    [[1.0, 4.0]]
    """
    is_frozen = _is_set(table, FROZEN)
    is_still = is_frozen.copy()
    is_still[:-1] |= is_frozen[1:]  # the frame that a frozen one repeats
    return _long_spans(table.seconds, is_still, is_still & ~is_frozen, min_seconds)


def _is_set(table: FrameTable, name: str) -> Mask:
    if name not in table.signals:
        raise ValueError(
            f"this table of {len(table)} frames has no signal {name!r}; "
            f"it has {', '.join(table.signals) or 'none'}; index the film again"
        )
    return table.signals[name] > 0


def _long_spans(seconds: F64, mask: Mask, begins: Mask, min_seconds: float) -> F64:
    """Stretches of set rows of at least a length; a row that begins one ends the one before."""
    starts = np.flatnonzero(begins)
    ends = np.flatnonzero(mask & np.append(~mask[1:] | begins[1:], np.ones(1, bool)))
    after = np.minimum(ends + 1, len(seconds) - 1)
    spans = np.stack([seconds[starts], seconds[after]], axis=1)
    return spans[spans[:, 1] - spans[:, 0] >= min_seconds]
