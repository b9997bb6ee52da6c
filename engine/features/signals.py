"""Signals: which columns does a scan measure of each frame, and what does each mean?

`SIGNALS` is the one table: the scan computes its columns from it, the store writes and checks them
by its types, and ``python tests/helpers/format_page.py`` writes FORMAT.md from it. A new signal is
a function of one of the records of `fewframes.features.picture_stats` and a row here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from fewframes.arrays import Mask, Samples
from fewframes.features.anomaly import ALIKE, ANOMALY, APART_SECONDS, RARE, RARITY
from fewframes.features.picture_stats import (
    AREA,
    BLACK_SHARE,
    BLUE,
    BRIGHT,
    CHANGED_LEVELS,
    DARK,
    DEVIATION,
    FROZEN_LEVELS,
    KEPT,
    LUMA,
    MEAN,
    PEAK,
    RED,
    SPREAD,
    FilmStats,
)
from fewframes.features.shots import shot_starts

DETAIL, BLACK, FROZEN, SHOT_START = "detail", "black", "frozen", "shot_start"
CHANGE, CHANGED_AREA, TONE_CHANGE = "change", "changed_area", "tone_change"
COLOUR_CHANGE, LUMA_HASH, PICTURE_HASH = "colour_change", "luma_xxh64", "picture_xxh64"
DHASH, CONTRAST = "dhash64", "contrast"
"""Names of columns that other pages read, beside `RARITY` and `ANOMALY`."""

Scope: TypeAlias = Literal["frame", "pair", "film"]
"""What a signal looks at: one frame (`FrameStats`), a frame and those before it (`PairStats`), or
all rows (`FilmStats`)."""
Type: TypeAlias = Literal["float32", "int32", "uint64"]
"""Type of a column, as NumPy names it."""
SHARE = "share, 0 to 1"
"""The unit of several."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One row of `SIGNALS`: a column ``[n]`` of the frame table, a value for each scanned frame.

    >>> SIGNALS["repeats"].dtype, SIGNALS["repeats"].scope, SIGNALS["dark"].unit
    ('int32', 'film', 'share, 0 to 1')
    """

    name: str
    """The column's name, in memory and in ``frames.parquet``."""
    unit: str
    """What its numbers count, and between which bounds."""
    scope: Scope
    meaning: str
    value: Callable[[Any], Any]
    """Function of the record of its scope: a number, or for ``film`` a column ``[n]``. A ``pair``
    is 0 where there is no frame before, and NaN where that is not known."""
    dtype: Type = "float32"


def _shot_starts(film: FilmStats) -> Mask:
    """What `shot_starts` reads of a film's columns."""
    columns = film.columns
    levels = columns[CHANGE] + 2 * columns[COLOUR_CHANGE]
    return shot_starts(columns[TONE_CHANGE], levels, film.signatures)


def _row(
    scope: Scope,
    name: str,
    unit: str,
    meaning: str,
    value: Callable[[Any], Any] | None = None,
    dtype: Type = "float32",
) -> Signal:
    """A row; its value is the record's field of the column's name, unless another is given."""
    return Signal(name, unit, scope, meaning, value or attrgetter(name), dtype)


_frame, _pair, _film = (partial(_row, scope) for scope in get_args(Scope))

_ROWS = (
    _frame("brightness", "levels, 0 to 255", "mean luma", lambda one: one.moments[LUMA][MEAN]),
    _frame(
        CONTRAST,
        "levels",
        "standard deviation of the block means of luma",
        lambda frame: frame.moments[LUMA][DEVIATION],
    ),
    _frame(
        DETAIL,
        "levels",
        "mean spread of luma within a block",
        lambda frame: frame.moments[SPREAD][MEAN],
    ),
    _frame("sharpness", "levels", "mean absolute Laplacian of luma, over every eighth row"),
    _frame("dark", SHARE, f"luma samples at or below {DARK} of 255, over every eighth row"),
    _frame("bright", SHARE, f"luma samples at or above {BRIGHT} of 255, over every eighth row"),
    _frame(
        BLACK,
        "0 or 1",
        f"1 where at least {BLACK_SHARE:.0%} of those samples are dark",
        lambda frame: float(frame.dark >= BLACK_SHARE),
    ),
    _pair(
        CHANGE,
        "levels",
        "mean absolute change of luma blocks since the scanned frame before",
        lambda pair: pair.changes[LUMA][MEAN],
    ),
    _pair("change_peak", "levels", "largest such change", lambda pair: pair.changes[LUMA][PEAK]),
    _pair(
        CHANGED_AREA,
        SHARE,
        f"blocks that changed by more than {CHANGED_LEVELS:g} levels, in luma or in a chroma "
        "plane, whichever changed more",
        lambda pair: max(pair.changes[grid][AREA] for grid in (LUMA, BLUE, RED)),
    ),
    _pair(
        COLOUR_CHANGE,
        "levels",
        "mean absolute change of both chroma planes since the frame before",
        lambda pair: (pair.changes[BLUE][MEAN] + pair.changes[RED][MEAN]) / 2,
    ),
    _pair(
        "kept_change",
        "levels",
        f"smallest mean change of luma blocks from any of the {KEPT} pictures kept last before "
        "it: low where a view returns",
    ),
    _pair(
        FROZEN,
        "0 or 1",
        f"1 where no block changed by more than {FROZEN_LEVELS:g} level since the scanned "
        "frame before",
        lambda pair: float(max(grid[PEAK] for grid in pair.changes) <= FROZEN_LEVELS),
    ),
    _pair(
        TONE_CHANGE,
        "levels",
        "mean distance that blocks, wherever they are, must move to be those of the frame "
        "before, luma plus both chroma planes: what motion alone hardly changes",
    ),
    _pair(
        "similarity",
        SHARE,
        f"likeness to the most similar of the {KEPT} pictures kept last before it: 1 minus the "
        "largest local difference, as a share of the full range",
        lambda pair: 1.0 - pair.difference,
    ),
    _film(
        "repeats",
        "row, or -1",
        "row of the frame whose picture it shares, -1 for a picture of its own",
        dtype="int32",
    ),
    _film(
        "familiarity",
        "likeness, 0 to 1",
        "likeness of its signature to the nearest kept picture of the whole film so far",
    ),
    _film(
        RARITY,
        "distance, 0 to 2",
        f"distance of its signature to the {RARE}th most similar frame of the film more than "
        f"{APART_SECONDS:g} s away (in a film of less than {4 * APART_SECONDS:g} s, more than a "
        "quarter of it): high for a scene that is hardly ever seen",
    ),
    _film(
        ANOMALY,
        "times the usual",
        f"largest local difference in luma or chroma that none of the {ALIKE} most similar "
        "frames as far away explains, beside what is usual in that place",
    ),
    _film(
        SHOT_START,
        "0 or 1",
        "1 where a shot begins: the film's first frame, the first one after a cut or in the "
        "midst of a fade; its running sum numbers the shots from 1",
        _shot_starts,
    ),
    _frame(DHASH, "hash", "perceptual difference hash of luma, for similarity", dtype="uint64"),
    _film(
        LUMA_HASH,
        "hash, or 0",
        "hash of the decoded luma at native depth, for integrity, never for similarity; 0 "
        "where the decoder gives no planes (DALI)",
        dtype="uint64",
    ),
    _film(
        PICTURE_HASH,
        "hash, or 0",
        "the same of all decoded planes one after the other, alpha and palette included, "
        "which sees a change of colour, too; 0 where it is not known; older stores lack it",
        dtype="uint64",
    ),
)

SIGNALS: dict[str, Signal] = {row.name: row for row in _ROWS}
"""Name -> signal, in the order of the stored columns. A new one is a function and a row here."""


def of_scope(scope: Scope) -> list[Signal]:
    """Gives the signals of a scope, in the order of the table.

    >>> [signal.name for signal in of_scope("frame")][:3]
    ['brightness', 'contrast', 'detail']
    """
    return [signal for signal in SIGNALS.values() if signal.scope == scope]


def typed(name: str, values: Samples) -> Samples:
    """Gives a column in the type of its signal; one that is not of the table becomes f32.

    Hashes (u64) and rows (i32) of other names keep their type.

    >>> typed("repeats", np.array([-1, 0])).dtype, typed("mine", np.array([0.5])).dtype
    (dtype('int32'), dtype('float32'))
    """
    if name in SIGNALS:
        return values.astype(SIGNALS[name].dtype, copy=False)
    return values if values.dtype in (np.uint64, np.int32) else values.astype(np.float32)
