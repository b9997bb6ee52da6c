"""ScanResult: what a scan of a film gives, as one piece, to whatever commits it.

A film that was decoded in one go and one that was merged of its ranges give the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from fewframes.arrays import I64, Mask
from fewframes.decode.decoder import DecodeReport, Event
from fewframes.features.scan import TableBuilder
from fewframes.features.table import FrameTable
from fewframes.media.timeline import Timeline


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class ScanResult:
    """The scanned frames of a film, where their pictures are, and what is wrong with it."""

    timeline: Timeline
    """Of the film, whose notes also tell what decoding did to pictures of another size."""
    table: FrameTable
    """The frames that decode cleanly, ``n`` rows."""
    slots: I64
    """What was given for the picture of each row when it was kept, ``[n] i64``."""
    bad_ranges: tuple[tuple[int, int], ...] = ()
    """First and last frame number of each stretch of wanted frames that does not decode."""
    reason: str = ""
    """What is wrong with the film, in one sentence; empty where nothing is."""
    is_damaged: Mask | None = None
    """Rows that a decode anomaly may have touched, ``[n] bool``; None for none."""
    decoding: Mapping[str, str] = field(default_factory=dict)
    """Who decoded the film, and why."""
    pictures: int = 0
    """Pictures that were decoded for it."""

    @classmethod
    def of(
        cls, timeline: Timeline, numbers: I64, rows: TableBuilder, report: DecodeReport
    ) -> "ScanResult":
        """Sums up a scan for these sorted frames; takes the rows out of their builder."""
        decoding = report.provenance()
        if "fitted" in decoding:
            timeline = replace(timeline, notes=(*timeline.notes, decoding["fitted"]))
        table, slots = rows.table(timeline)
        return cls(
            timeline=timeline,
            table=table,
            slots=slots,
            bad_ranges=missing_ranges(numbers, table.frame_numbers),
            reason=_reason(timeline, len(numbers), len(table), report),
            decoding=decoding,
            pictures=report[Event.PICTURES],
        )

    def __repr__(self) -> str:
        state = self.reason or "whole"
        return f"ScanResult({self.timeline.source.name!r}, {len(self.table)} rows: {state})"

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong with the film."""
        return not (self.reason or self.bad_ranges)

    @property
    def gop(self) -> I64:
        """Number of the GOP that each row is coded in, ``[n] i64``."""
        return self.timeline.gop[self.table.frame_numbers]

    @property
    def kept(self) -> int:
        """How many pictures were kept; other rows repeat one of them."""
        return int(self.slots.max(initial=-1)) + 1


def missing_ranges(requested: I64, there: I64) -> tuple[tuple[int, int], ...]:
    """Gives the stretches of wanted frames that are not there, as first and last frame number.

    >>> missing_ranges(np.array([0, 5, 10, 15, 20]), np.array([0, 15]))
    ((5, 10), (20, 20))
    """
    is_missing = ~np.isin(requested, there)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_missing, [False]]).astype(int)))
    pairs = edges.reshape(-1, 2)
    return tuple((int(requested[first]), int(requested[end - 1])) for first, end in pairs)


def _reason(timeline: Timeline, requested: int, there: int, report: DecodeReport) -> str:
    parts = list(timeline.damage)
    if requested > there:
        parts.append(f"{requested - there} of {requested} scanned frames do not decode cleanly")
    if report.anomalies:
        parts.append(report.first_anomaly(timeline))
    return "; ".join(parts)
