"""Demuxed and Decoded: what packets say of a stream, and in which order a decoder shows them."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fewframes.arrays import I64
from fewframes.media.headers import Headers
from fewframes.media.timeline import Packets, StreamInfo


class Demuxed(NamedTuple):
    """All that the packets of one video stream say."""

    stream: StreamInfo
    packets: Packets
    durations: I64
    """How long the picture of each packet is shown in ticks, ``[p] i64``; 0 where unknown."""
    headers: tuple[Headers, ...]
    damage: list[str]
    """What is wrong with the file, in sentences."""
    notes: list[str]
    """What is no damage, and worth knowing of the file, in sentences."""
    depth: int | None
    """How many pictures the decoder holds back to put them in order (num_reorder_frames), as far as
    it knows by now; None for a codec that never reorders."""
    claimed: frozenset[int] = frozenset()
    """Packets that the container calls keyframes, and whose own bytes do not."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came out of stretches, in the decoder's order."""

    rows: list[int] = field(default_factory=list)
    """The packet of each picture, each packet once."""
    dts: list[int] = field(default_factory=list)
    """The decode time that came with each picture, or `NO_PTS`."""
    refused: set[int] = field(default_factory=set)
    """Packets at which the decoder complained."""

    def columns(self) -> tuple[I64, I64]:
        """Gives rows and decode times, both ``[n] i64``."""
        return np.array(self.rows, np.int64), np.array(self.dts, np.int64)
