"""Timeline: which frames does a correct player show, and when?

It is read from packets alone, so it is a prediction until a full decode has verified it:

1. `Packets` are kept in decode order, as the demuxer gives them.
2. Packets that are shown (not discarded by an edit list, not hidden references) are frames.
3. Frames are put in presentation order by pts; frame number = position in that order.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F64, I64, Mask
from fewframes.media.cropping import Crop
from fewframes.media.headers import Headers
from fewframes.media.source import Source
from fewframes.times import as_times, rows_at, whole_numbers

NO_PTS = np.iinfo(np.int64).min
"""Stands for a missing time stamp (FFmpeg's AV_NOPTS_VALUE)."""

State = Literal["predicted", "verified"]
Timing = Literal["pts", "decoded", "repaired"]


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What the container and the codec header say of one video stream."""

    index: int
    """Position of the stream in the container."""
    container: str
    codec: str
    width: int
    height: int
    """Size of the coded picture in samples, before rotation."""
    pixel_format: str
    time_base: Fraction
    """Seconds per tick of every pts."""
    pixel_aspect: Fraction = Fraction(1)
    """Width of a sample divided by its height; 1 where unknown."""
    rotation: int = 0
    """Degrees to turn the picture clockwise for display: 0, 90, 180 or 270."""
    is_mirrored: bool = False
    """Whether the picture is flipped left to right before it is turned."""
    colour_space: str = "unspecified"
    colour_range: str = "unspecified"
    header_frames: int = 0
    """Frames the header claims; 0 where it says nothing. Never trusted."""
    transfer: str = "unspecified"
    """Transfer curve by FFmpeg's name; ``smpte2084`` (PQ) and ``arib-std-b67`` (HLG) are HDR."""
    crop: Crop = Crop()  # noqa: RUF009 (immutable)
    """Samples of the coded picture that the container wants hidden, on whole chroma samples."""
    crop_note: str = ""
    """Why what the container says of cropping is ignored, in a sentence, where it is."""

    def __post_init__(self) -> None:
        """Takes a crop out of JSON, too."""
        object.__setattr__(self, "crop", Crop(*self.crop))

    @property
    def cropped_size(self) -> tuple[int, int]:
        """Height and width in samples of what is shown, before rotation."""
        left, right, top, bottom = self.crop
        return self.height - top - bottom, self.width - left - right

    @property
    def display_size(self) -> tuple[int, int]:
        """Height and width in samples as shown, after cropping and rotation."""
        height, width = self.cropped_size
        return (width, height) if self.rotation in (90, 270) else (height, width)


@dataclass(frozen=True, slots=True, repr=False)
class Packets:
    """The packets of one video stream in decode order, each column ``[p]``."""

    pts: I64
    """Presentation time in ticks, or `NO_PTS`."""
    dts: I64
    """Decode time in ticks, or `NO_PTS`."""
    size_bytes: I64
    position: I64
    """Byte offset in the file, -1 where the demuxer does not say."""
    is_random_access: Mask
    """A decoder can start here and decode everything after it in presentation order."""
    is_droppable: Mask
    """No other picture needs this one: unwanted, it may be kept from the decoder."""
    is_frame: Mask
    """A player shows it: not discarded by an edit list, not a hidden reference."""
    is_corrupt: Mask
    """The demuxer says that bytes are missing."""
    is_second_field: Mask
    """It completes the picture of the packet before it, and is no frame of its own."""
    header_state: I64
    """Which of the timeline's ``headers`` a decoder needs that starts here; -1 for none."""

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def last_position(self) -> int:
        """Where the last packet begins in the file; -1 where the demuxer does not say."""
        return int(self.position.max(initial=-1))

    def __repr__(self) -> str:
        return (
            f"Packets({len(self)}: {int(self.is_frame.sum())} frames, "
            f"{int(self.is_random_access.sum())} keyframes, "
            f"{int(self.is_droppable.sum())} droppable)"
        )


@dataclass(frozen=True, slots=True, repr=False)
class Timeline:
    """The frames of one video in presentation order, with their exact times.

    >>> timeline = example_timeline()
    >>> timeline
    Timeline('example.mp4': 4 frames, 0.00 s to 0.16 s, h264 640x360, predicted)
    >>> timeline.seconds.tolist()
    [0.0, 0.04, 0.08, 0.12]
    >>> timeline.frame_at([0.05, 0.08])
    array([1, 2])
    """

    source: Source
    stream: StreamInfo
    packets: Packets
    order: I64
    """Decode position (a row of ``packets``) of each frame, ``[n] i64``."""
    pts: I64
    """Presentation time of each frame in ticks of ``time_base``, ``[n] i64``, strictly rising."""
    duration_pts: int
    """How long the last frame is shown, in ticks."""
    timing: Timing = "pts"
    """Where times come from: the container's ``pts``; a full decode, where the container stores
    none (``decoded``); or stamps of which some were repaired (``repaired``)."""
    state: State = "predicted"
    damage: tuple[str, ...] = ()
    """What is wrong with the file, in sentences; empty for a clean one."""
    undecodable: I64 = field(default_factory=lambda: np.empty(0, np.int64))
    """Numbers of the frames that a full decode did not give, ``[m] i64``."""
    repaired: I64 = field(default_factory=lambda: np.empty(0, np.int64))
    """Numbers of the frames whose ``pts`` is not the container's stamp, ``[m] i64``."""
    ticks_per_stamp: int = 1
    """How many ticks of ``time_base`` one tick of the container's stamps has: more than one where
    frames share a stamp and no tick is free behind it."""
    notes: tuple[str, ...] = ()
    """What a careful reader of the file should know and what is no damage, in sentences."""
    headers: tuple[Headers, ...] = (Headers(),)
    """What decoders that start at a packet must be given, by ``packets.header_state``; a stream
    with one state needs nothing."""

    def __len__(self) -> int:
        return len(self.order)

    def __repr__(self) -> str:
        stream = self.stream
        return (
            f"Timeline({self.source.name!r}: {len(self)} frames, "
            f"0.00 s to {self.duration_seconds:.2f} s, "
            f"{stream.codec} {stream.width}x{stream.height}, {self.state}"
            f"{', damaged' if self.damage else ''})"
        )

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick."""
        return self.stream.time_base / self.ticks_per_stamp

    @property
    def container_pts(self) -> I64:
        """The file's own stamp of each frame in ticks of ``stream.time_base``, ``[n] i64``.

        It is `NO_PTS` where the file has none.
        """
        return self.packets.pts[self.order]

    @property
    def is_repaired(self) -> Mask:
        """Whether the ``pts`` of each frame is not the container's stamp, ``[n] bool``."""
        mask = np.zeros(len(self), bool)
        mask[self.repaired] = True
        return mask

    @property
    def start_pts(self) -> int:
        """The pts of the first shown frame, where seconds count from."""
        return int(self.pts[0]) if len(self) else 0

    @property
    def seconds(self) -> F64:
        """Time of each frame since the first one, ``[n] f64``."""
        ticks: F64 = (self.pts - self.start_pts).astype(np.float64)
        return ticks * float(self.time_base)

    @property
    def duration_seconds(self) -> float:
        """From the first frame to the end of the last one."""
        if not len(self):
            return 0.0
        return float((int(self.pts[-1]) + self.duration_pts - self.start_pts) * self.time_base)

    @property
    def is_keyframe(self) -> Mask:
        """Whether decoding can start at each frame, ``[n] bool``."""
        return self.packets.is_random_access[self.order]

    @property
    def packet_times(self) -> I64:
        """Presentation time of every packet in ticks, ``[p] i64``, `NO_PTS` where none is known."""
        stamps = self.packets.pts
        times = np.where(stamps == NO_PTS, NO_PTS, stamps * self.ticks_per_stamp)
        times[self.order] = self.pts
        return times

    def packet_seconds(self, row: int) -> float:
        """When the picture of a packet is shown, in seconds; 0 where that is not known."""
        time = int(self.packet_times[row])
        return 0.0 if time == NO_PTS else float((time - self.start_pts) * self.time_base)

    @property
    def gop(self) -> I64:
        """Number of the GOP that each frame is coded in, ``[n] i64``, in decode order from 0."""
        groups: I64 = np.cumsum(self.packets.is_random_access, dtype=np.int64) - 1
        return np.maximum(groups, 0)[self.order]

    @property
    def frame_rate(self) -> float:
        """Mean frames per second."""
        return len(self) / self.duration_seconds if self.duration_seconds else 0.0

    def stamped(self, numbers: I64) -> tuple[I64, I64, Fraction, int, str]:
        """Gives what a `FrameBatch` has of frames: numbers, pts, time base, start pts and name."""
        return numbers, self.pts[numbers], self.time_base, self.start_pts, self.source.name

    def check_numbers(self, numbers: npt.ArrayLike) -> I64:
        """Gives frame numbers as an array, or an IndexError that says the range.

        >>> example_timeline().check_numbers([0, 4])
        Traceback (most recent call last):
        IndexError: frame 4 of 'example.mp4' is asked for, but it has frames 0 to 3 (0.16 s)
        """
        requested = whole_numbers(numbers, "frames")
        outside = requested[(requested < 0) | (requested >= len(self))]
        if outside.size:
            raise IndexError(
                f"frame {outside[0]} of {self.source.name!r} is asked for, but it has frames "
                f"0 to {len(self) - 1} ({self.duration_seconds:.2f} s)"
            )
        return requested

    def frame_at(self, seconds: npt.ArrayLike) -> I64:
        """Gives the number of the frame on screen at each time, ``[k] f64 -> [k] i64``.

        Times are seconds, or text such as ``"00:01:30"``.

        It is the last frame shown at or before the time; a time within a nanosecond of a frame's
        own belongs to that frame. An IndexError says the range for any time before 0 or after the
        end of the last frame.
        """
        times = as_times(seconds)
        outside = times[~((times >= 0) & (times <= self.duration_seconds))]
        if outside.size:
            raise IndexError(
                f"time {outside[0]} s of {self.source.name!r} is asked for, but it is shown "
                f"from 0 to {self.duration_seconds:.3f} s"
            )
        return rows_at(self.seconds, times)


def example_timeline() -> Timeline:
    """Makes the timeline of four frames coded I P B B, for examples and tests.

    >>> example_timeline().packets
    Packets(4: 4 frames, 1 keyframes, 2 droppable)
    """
    packets = Packets(
        pts=np.array([0, 3, 1, 2]),
        dts=np.array([-1, 0, 1, 2]),
        size_bytes=np.array([900, 300, 80, 70]),
        position=np.array([48, 948, 1248, 1328]),
        is_random_access=np.array([True, False, False, False]),
        is_droppable=np.array([False, False, True, True]),
        is_frame=np.ones(4, bool),
        is_corrupt=np.zeros(4, bool),
        is_second_field=np.zeros(4, bool),
        header_state=np.zeros(4, np.int64),
    )
    stream = StreamInfo(0, "mov", "h264", 640, 360, "yuv420p", Fraction(1, 25), header_frames=4)
    source = Source(Path("example.mp4"), size_bytes=1398, mtime_ns=0, edges_xxh3="")
    order = np.array([0, 2, 3, 1])
    return Timeline(source, stream, packets, order, packets.pts[order], duration_pts=1)
