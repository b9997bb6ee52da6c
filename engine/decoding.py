"""Decoders: one protocol, a table of backends.

A decoder turns runs of a plan into batches of frames, in bounded memory. Adding one is a file in
`bindings/` and a row of `DECODERS`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol, cast

from fewframes.frames import Format, FrameBatch
from fewframes.plan import Run
from fewframes.timeline import Timeline

DECODERS = {"ffmpeg": "fewframes.bindings.ffmpeg_decode"}
"""Name of a backend and the module whose ``decode`` function it is."""


@dataclass(slots=True)
class DecodeReport:
    """What decoding cost and what went wrong; a decoder adds to it while it works.

    >>> DecodeReport(pictures=3, runs=1).summary()
    {'pictures': 3, 'runs': 1, 'retries': 0, 'linear': 0, 'missing': 0, 'anomalies': 0}
    """

    pictures: int = 0
    """Packets given to the decoder."""
    runs: int = 0
    retries: int = 0
    """Runs that had to start again further back."""
    linear: int = 0
    """Retries from the very start of the file."""
    missing: list[int] = field(default_factory=list)
    """Packets whose frames never came out."""
    anomalies: list[tuple[int, str]] = field(default_factory=list)
    """Packets at which the decoder complained, and its words."""
    colours: set[str] = field(default_factory=set)
    """How pictures became RGB: by whom, and what their samples were taken for."""

    def add(self, other: "DecodeReport") -> None:
        """Adds what another worker reports."""
        self.pictures += other.pictures
        self.runs += other.runs
        self.retries += other.retries
        self.linear += other.linear
        self.missing += other.missing
        self.anomalies += other.anomalies
        self.colours |= other.colours

    def summary(self) -> dict[str, Any]:
        """Gives the counts as plain numbers, and what RGB was made of where there is any."""
        colour = {"colour": "; ".join(sorted(self.colours))} if self.colours else {}
        return {
            "pictures": self.pictures,
            "runs": self.runs,
            "retries": self.retries,
            "linear": self.linear,
            "missing": len(self.missing),
            "anomalies": len(self.anomalies),
            **colour,
        }


class Decoder(Protocol):
    """The contract of a backend."""

    def __call__(
        self,
        timeline: Timeline,
        runs: Sequence[Run],
        *,
        format: Format,
        size: tuple[int, int] | None,
        report: DecodeReport,
    ) -> Iterator[FrameBatch]:
        """Gives every wanted frame of the runs exactly once, or adds it to ``report.missing``.

        Batches may have any length and come run by run, in presentation order within a run. Their
        arrays may share the decoder's memory: copy what must outlive the next step. ``size`` is
        height and width in display orientation, None for the decoder's own; it does not apply to
        ``format="yuv"``. The generator uses the calling thread alone and may be closed early.
        """
        ...


def decoder(name: str = "ffmpeg") -> Decoder:
    """Looks a backend up.

    >>> decoder("nvdec")
    Traceback (most recent call last):
    ValueError: decoder='nvdec' is not known; decoders: ffmpeg
    """
    if name not in DECODERS:
        raise ValueError(f"decoder={name!r} is not known; decoders: {', '.join(DECODERS)}")
    return cast(Decoder, import_module(DECODERS[name]).decode)
