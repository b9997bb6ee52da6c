"""Decoders: one protocol, a table of backends.

A decoder turns runs of a plan into batches of frames, in bounded memory. Adding one is a file in
`bindings/` and a row of `DECODERS`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias, cast

from fewframes.decode.batch import Format, FrameBatch
from fewframes.decode.plan import GopRun
from fewframes.media.timeline import Timeline
from fewframes.plugins import load

Device: TypeAlias = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Backend:
    """One row of `DECODERS`."""

    decode: str
    """``module:name`` of its `Decoder`, which also takes ``device=`` where it decodes on a GPU."""
    devices: tuple[Device, ...]
    """Where it decodes."""


DECODERS: dict[str, Backend] = {
    "ffmpeg": Backend("fewframes.bindings.ffmpeg.decode:decode", ("cpu",)),
    "dali": Backend("fewframes.bindings.dali.decode:decode", ("cpu", "cuda")),
    "nvdec": Backend("fewframes.bindings.nvcodec.decode:decode", ("cuda",)),
}
"""What ``backend=`` names. A new one is a file in `bindings/` and a row here."""
FFMPEG_ON_CPU = "ffmpeg on cpu"
"""What a report calls the default decoder."""


def _fitted(entry: tuple[str, str], count: int) -> str:
    size, how = entry
    are, were = ("frame is", "was") if count == 1 else ("frames are", "were")
    return f"{count} {are} of another size ({size}) and {were} {how}"


class Event(Enum):
    """What a decode counts, and how its report shows that. A new event is one row here.

    A row is the key of the report, the kind, and how an entry becomes words. A "number" is shown
    always, one that is "hidden" never; "words" are the entries that were counted, where there are
    any, and "provenance" such words that a store keeps, too.
    """

    PICTURES = "pictures", "number"
    """Packets given to the decoder."""
    PLANNED = "runs", "number"
    """Runs decoded as planned: the first step of the ladder."""
    NO_DROP = "no_drop", "number"
    """Runs decoded again with nothing withheld, or less strictly: their packets do not follow as
    they were coded, or are not coded as the standard says."""
    PREVIOUS_KEYFRAME = "previous_keyframe", "number"
    """Runs decoded again from one keyframe further back."""
    FROM_START = "from_start", "number"
    """Runs decoded again from the very start of the file."""
    LINEAR_IN_VAIN = "linear_in_vain", "hidden"
    """Those of them that gave no frame that was not there before."""
    STRICT_IN_VAIN = "strict_in_vain", "hidden"
    """Decodes in order that had no complaint of packets that a strict decoder refuses."""
    DECODER = "decoder", "provenance"
    """What decoded, and where."""
    CHOSEN = "chosen_because", "provenance"
    """Why it did, where the caller left that open."""
    FALLBACK = "fallbacks_to_ffmpeg", "provenance", lambda why, count: f"{why} ({count})"
    """Why runs, or parts of them, were decoded by ffmpeg after all, and how many."""
    FITTED = "fitted", "provenance", _fitted
    """Frames of another size than the stream's, by that size, and what was made of them."""
    COLOUR = "colour", "words"
    """How pictures became RGB: by whom, and what their samples were taken for."""
    NOTHING_WITHHELD = "nothing_withheld", "words"
    """Why pictures that nobody asked for were decoded all the same, where that is so."""

    def __init__(
        self,
        key: str,
        kind: Literal["number", "hidden", "provenance", "words"],
        in_words: Callable[[Any, int], str] = lambda entry, _: str(entry),
    ) -> None:
        self.key, self.kind, self.in_words = key, kind, in_words


@dataclass(slots=True)
class DecodeReport:
    """What decoding cost and what went wrong; a decoder adds to it while it works.

    It counts events, alone or with an entry that says more:

    >>> report = DecodeReport()
    >>> report[Event.PICTURES] += 3
    >>> report[Event.DECODER, "ffmpeg on cpu"] += 1
    >>> report.summary()
    {'pictures': 3, 'runs': 0, 'no_drop': 0, 'previous_keyframe': 0, 'from_start': 0, \
'missing': 0, 'anomalies': 0, 'decoder': 'ffmpeg on cpu'}
    """

    counts: Counter[Event | tuple[Event, Any]] = field(default_factory=Counter)
    missing: list[int] = field(default_factory=list)
    """Packets whose frames never came out."""
    anomalies: list[tuple[int, str]] = field(default_factory=list)
    """Packets at which the decoder complained, and its words."""

    def __getitem__(self, event: Event | tuple[Event, Any]) -> int:
        return self.counts[event]

    def __setitem__(self, event: Event | tuple[Event, Any], count: int) -> None:
        self.counts[event] = count

    def entries(self, event: Event) -> dict[Any, int]:
        """Gives what was counted of an event, by entry.

        >>> report = DecodeReport(Counter({(Event.FALLBACK, "fields"): 2}))
        >>> report.entries(Event.FALLBACK)
        {'fields': 2}
        """
        pairs = ((key, n) for key, n in self.counts.items() if isinstance(key, tuple))
        return {key[1]: n for key, n in pairs if key[0] is event}

    def add(self, other: "DecodeReport") -> None:
        """Adds what another worker reports."""
        self.counts.update(other.counts)
        self.missing += other.missing
        self.anomalies += other.anomalies

    def first_anomaly(self, timeline: Timeline) -> str:
        """Says how often the decoder complained, and when and how for the first time."""
        row, words = self.anomalies[0]
        seconds = timeline.packet_seconds(row)
        return f"{len(self.anomalies)} decode errors, the first near {seconds:.2f} s: {words}"

    def provenance(self) -> dict[str, str]:
        """Says who decoded, and why, in words; only what there is to say."""
        return self._words("provenance")

    def summary(self) -> dict[str, Any]:
        """Gives the counts as plain numbers, and in words what else there is to say."""
        return {
            **{event.key: self[event] for event in Event if event.kind == "number"},
            "missing": len(self.missing),
            "anomalies": len(self.anomalies),
            **self._words("provenance"),
            **self._words("words"),
        }

    def _words(self, kind: str) -> dict[str, str]:
        """The entries of events of a kind, in words, sorted; of those that have any."""
        said = {
            event.key: [event.in_words(*pair) for pair in self.entries(event).items()]
            for event in Event
            if event.kind == kind
        }
        return {key: "; ".join(sorted(words)) for key, words in said.items() if words}


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
    row = DECODERS[name]
    if device not in row.devices:
        known = ", ".join(map(repr, row.devices))
        others = " or ".join(repr(one) for one, row in DECODERS.items() if device in row.devices)
        raise ValueError(
            f"backend={name!r} does not decode on device={device!r}; pass {known}"
            + (f", or backend={others}" if others else "")
        )
    decode = load(row.decode)
    return cast("Decoder", decode if device == "cpu" else partial(decode, device=device))


def is_of_gpu(decode: Decoder) -> bool:
    """Whether a decoder that `decoder` gave decodes on a GPU: one thread then feeds all of it.

    >>> is_of_gpu(decoder())
    False
    """
    return isinstance(decode, partial) and decode.keywords["device"] == "cuda"
