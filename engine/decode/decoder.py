"""Decoders: one protocol, a table of backends.

A decoder turns runs of a plan into batches of frames, in bounded memory. Adding one is a file in
`bindings/` and a row of `DECODERS`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias, cast

from fewframes.decode.batch import Format, FrameBatch
from fewframes.decode.plan import GopRun
from fewframes.media.timeline import Timeline
from fewframes.plugins import plugin

Rung: TypeAlias = Literal["planned", "no_drop", "previous_keyframe", "from_start"]
"""Steps of the ladder that a decoder climbs until every wanted frame has come out."""
Device: TypeAlias = Literal["cpu", "cuda"]
DECODERS = ("ffmpeg", "dali", "nvdec")
"""Names of the backends; ``decoder.<name>`` of `fewframes.plugins` is the function of each."""
DEVICES: dict[str, tuple[Device, ...]] = {
    "ffmpeg": ("cpu",),
    "dali": ("cpu", "cuda"),
    "nvdec": ("cuda",),
}
"""Where each backend decodes; ``decode`` of one that knows several takes ``device=``."""


FFMPEG_ON_CPU = "ffmpeg on cpu"
"""What a report calls the default decoder."""


@dataclass(slots=True)
class DecodeReport:
    """What decoding cost and what went wrong; a decoder adds to it while it works.

    >>> DecodeReport(pictures=3, runs=1).summary()
    {'pictures': 3, 'runs': 1, 'no_drop': 0, 'previous_keyframe': 0, 'from_start': 0, \
'missing': 0, 'anomalies': 0}
    """

    pictures: int = 0
    """Packets given to the decoder."""
    runs: int = 0
    no_drop: int = 0
    """Runs decoded again with nothing withheld, or less strictly: their packets do not follow as
    they were coded, or are not coded as the standard says."""
    previous_keyframe: int = 0
    """Runs decoded again from one keyframe further back."""
    from_start: int = 0
    """Runs decoded again from the very start of the file."""
    linear_in_vain: int = 0
    """Those of them that gave no frame that was not there before."""
    strict_in_vain: int = 0
    """Decodes in order that had no complaint of packets that a strict decoder refuses."""
    missing: list[int] = field(default_factory=list)
    """Packets whose frames never came out."""
    anomalies: list[tuple[int, str]] = field(default_factory=list)
    """Packets at which the decoder complained, and its words."""
    nothing_withheld: set[str] = field(default_factory=set)
    """Why pictures that nobody asked for were decoded all the same, where that is so."""
    fallbacks: Counter[str] = field(default_factory=Counter)
    """Why runs, or parts of them, were decoded by ffmpeg after all, and how many."""
    decoders: set[str] = field(default_factory=set)
    """What decoded, and where."""
    chosen: set[str] = field(default_factory=set)
    """Why it did, where the caller left that open."""
    colours: set[str] = field(default_factory=set)
    """How pictures became RGB: by whom, and what their samples were taken for."""
    fitted: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Frames of another size than the stream's, by that size, and what was made of them."""

    def count(self, rung: Rung) -> None:
        """Counts one step of the ladder."""
        if rung == "planned":
            self.runs += 1
        else:
            setattr(self, rung, getattr(self, rung) + 1)

    def add(self, other: "DecodeReport") -> None:
        """Adds what another worker reports."""
        for name in (one.name for one in fields(self)):
            mine, more = getattr(self, name), getattr(other, name)
            setattr(self, name, mine | more if isinstance(mine, set) else mine + more)

    def first_anomaly(self, timeline: Timeline) -> str:
        """Says how often the decoder complained, and when and how for the first time."""
        row, words = self.anomalies[0]
        seconds = timeline.packet_seconds(row)
        return f"{len(self.anomalies)} decode errors, the first near {seconds:.2f} s: {words}"

    def provenance(self) -> dict[str, str]:
        """Says who decoded, and why, in words; only what there is to say."""
        words = {
            "decoder": self.decoders,
            "chosen_because": self.chosen,
            "fallbacks_to_ffmpeg": {f"{why} ({n})" for why, n in self.fallbacks.items()},
            "fitted": set(map(_fitted_words, self.fitted.items())),
        }
        return {name: "; ".join(sorted(said)) for name, said in words.items() if said}

    def summary(self) -> dict[str, Any]:
        """Gives the counts as plain numbers, and in words what else there is to say."""
        words = {"colour": self.colours, "nothing_withheld": self.nothing_withheld}
        return {
            "pictures": self.pictures,
            "runs": self.runs,
            "no_drop": self.no_drop,
            "previous_keyframe": self.previous_keyframe,
            "from_start": self.from_start,
            "missing": len(self.missing),
            "anomalies": len(self.anomalies),
            **self.provenance(),
            **{name: "; ".join(sorted(said)) for name, said in words.items() if said},
        }


def _fitted_words(entry: tuple[tuple[str, str], int]) -> str:
    (size, how), count = entry
    are, were = ("frame is", "was") if count == 1 else ("frames are", "were")
    return f"{count} {are} of another size ({size}) and {were} {how}"


class Decoder(Protocol):
    """The contract of a backend."""

    def __call__(
        self,
        timeline: Timeline,
        runs: Sequence[GopRun],
        *,
        format: Format,
        size: tuple[int, int] | None,
        report: DecodeReport,
    ) -> Iterator[FrameBatch]:
        """Gives every wanted frame of the runs exactly once, or adds it to ``report.missing``.

        Batches may have any length and come run by run, in presentation order within a run. Their
        arrays may share the decoder's memory: copy what must outlive the next step. Those of a GPU
        lie there (`fewframes.kernels.on_host` copies them). ``size`` is
        height and width in display orientation, None for the decoder's own; it does not apply to
        ``format="yuv"``. The generator uses the calling thread alone and may be closed early.
        """
        ...


def decoder(name: str = "ffmpeg", device: Device = "cpu") -> Decoder:
    """Looks a backend up.

    >>> decoder("vaapi")
    Traceback (most recent call last):
    ValueError: backend='vaapi' is not known; backends: ffmpeg, dali, nvdec
    """
    if name not in DECODERS:
        raise ValueError(f"backend={name!r} is not known; backends: {', '.join(DECODERS)}")
    if device not in DEVICES[name]:
        known = ", ".join(repr(one) for one in DEVICES[name])
        others = " or ".join(repr(one) for one, where in DEVICES.items() if device in where)
        raise ValueError(
            f"backend={name!r} does not decode on device={device!r}; pass {known}"
            + (f", or backend={others}" if others else "")
        )
    decode = plugin(f"decoder.{name}")
    return cast("Decoder", decode if device == "cpu" else partial(decode, device=device))


def is_of_gpu(decode: Decoder) -> bool:
    """Whether a decoder that `decoder` gave decodes on a GPU: one thread then feeds all of it.

    >>> is_of_gpu(decoder())
    False
    """
    return isinstance(decode, partial) and decode.keywords["device"] == "cuda"
