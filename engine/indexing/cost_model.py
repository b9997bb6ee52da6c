"""Cost model: predicts the work of indexing a film from its timeline, before a decode.

A linear model of CPU seconds, with constants that `fewframes.bench.research.corpus` has measured on
natural film (its results say how well they fit, and on which machine): so much for each million
samples decoded and for each megabyte of packets, by codec; so much for each row, by the samples
that are scaled and encoded; and so much for a film. It divides work evenly and predicts the rest of
a run; it is no promise: another machine is faster or slower as a whole.
"""

from dataclasses import dataclass

import numpy as np

from fewframes.arrays import F64, I64
from fewframes.decode.plan import plan_frames
from fewframes.media.timeline import Timeline

DECODING: dict[str, tuple[float, float]] = {
    "h264": (0.57e-3, 172e-3),
    "hevc": (2.2e-3, 330e-3),
    "vp8": (2.4e-3, 30e-3),
    "vp9": (1.05e-3, 158e-3),
    "av1": (1.5e-3, 260e-3),
}
"""CPU seconds to decode a million samples of luma, and a megabyte of packets, by codec."""
OTHER_CODECS = (1.5e-3, 150e-3)
ROW_SECONDS, ROW_READ_SECONDS, ROW_MADE_SECONDS = 0.34e-3, 0.51e-3, 5.75e-3
"""CPU seconds of a row: for itself, a million samples of the film's and of the stored picture."""
FILM_SECONDS = 14e-3
"""CPU seconds of a film beside its pictures."""


@dataclass(frozen=True, slots=True)
class PredictedCost:
    """What indexing takes; two efforts add up.

    >>> PredictedCost(3, rows=1, cpu_seconds=0.5) + PredictedCost(2, rows=1, cpu_seconds=1.0)
    PredictedCost(pictures=5, rows=2, cpu_seconds=1.5)
    """

    pictures: int = 0
    """Pictures to decode."""
    rows: int = 0
    """Frames to measure."""
    cpu_seconds: float = 0.0
    """Predicted CPU time."""

    def __add__(self, other: "PredictedCost") -> "PredictedCost":
        return PredictedCost(
            self.pictures + other.pictures,
            self.rows + other.rows,
            self.cpu_seconds + other.cpu_seconds,
        )


def packet_seconds(timeline: Timeline) -> F64:
    """CPU seconds to decode each packet, ``[p] f64``."""
    stream = timeline.stream
    a_megapixel, a_megabyte = DECODING.get(stream.codec, OTHER_CODECS)
    picture = a_megapixel * _megapixels(stream.height, stream.width)
    return picture + a_megabyte / 1e6 * timeline.packets.size_bytes.astype(np.float64)


def fed_seconds(timeline: Timeline, numbers: I64) -> F64:
    """The same for the packets that are decoded for these frames, and nothing for the others."""
    is_fed = np.zeros(len(timeline.packets), bool)
    for run in plan_frames(timeline, numbers).runs:
        is_fed[run.feed] = True
    return np.where(is_fed, packet_seconds(timeline), 0.0)


def row_seconds(timeline: Timeline, size: tuple[int, int] | None) -> float:
    """CPU seconds that each row takes, with pictures of a height and width (None: the film's)."""
    height, width = timeline.stream.display_size
    read = _megapixels(height, width)
    made = _megapixels(*size) if size else read
    return ROW_SECONDS + ROW_READ_SECONDS * read + ROW_MADE_SECONDS * made


def effort_of(timeline: Timeline, numbers: I64, size: tuple[int, int] | None) -> PredictedCost:
    """Predicts the effort of a film of which these frames are scanned.

    >>> from fewframes.media.timeline import example_timeline
    >>> effort_of(example_timeline(), np.array([0, 3]), None)
    PredictedCost(pictures=2, rows=2, cpu_seconds=0.0...)
    """
    seconds = fed_seconds(timeline, numbers)
    rows = row_seconds(timeline, size) * len(numbers)
    pictures = int(np.count_nonzero(seconds))
    return PredictedCost(pictures, len(numbers), FILM_SECONDS + float(seconds.sum()) + rows)


def _megapixels(height: int, width: int) -> float:
    return height * width / 1e6
