"""Matrix films: which codecs, containers and faults go together, and the bytes of each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from fewframes.bench.research import container_bytes, transport_bytes
from fewframes.bench.research.clock_faults import FAULTS, Fault, sound, stamped
from fewframes.bench.research.coded_films import FRAME_MS, Coded, encodable, encode, joined
from fewframes.bench.research.film_judge import Known
from fewframes.bench.research.hand_coded import field_pairs, packed, with_palette

FRAMES, HALF, CUT = 40, 20, 10


@dataclass(frozen=True, slots=True)
class Container:
    """How packets become a file."""

    suffix: str
    write: Callable[..., bytes]
    tick_seconds: float
    has_header: bool = True
    """Whether parameter sets may be in a header of the file."""
    has_stamps: bool = True


CONTAINERS: dict[str, Container] = {
    "mkv": Container("mkv", container_bytes.matroska, 1 / 1000),
    "flv": Container("flv", container_bytes.flv, 1 / 1000),
    "mp4": Container("mp4", container_bytes.mp4, 1 / 16000),
    "avi": Container("avi", container_bytes.avi, 1 / 25, has_stamps=False),
    "asf": Container("wmv", container_bytes.asf, 1 / 1000),
    "ts": Container("ts", transport_bytes.transport, 1 / 90000, has_header=False),
    "mpg": Container("mpg", transport_bytes.program, 1 / 90000, has_header=False),
    "raw": Container("", transport_bytes.elementary, 1 / 25, has_header=False, has_stamps=False),
}
RAW_SUFFIXES = {"h264": "h264", "fields": "h264", "hevc": "hevc", "mpeg2": "m2v"}

FITS: dict[str, str] = {
    "h264": "mkv flv mp4 avi ts raw",
    "h264_b": "mkv flv mp4 avi ts raw",
    "h264_open": "mkv flv mp4 ts",
    "h264_refresh": "mkv ts",
    "hevc": "mkv ts raw",
    "hevc_b": "mkv mp4 ts raw",
    "mpeg4": "avi mkv",
    "mpeg4_b": "avi mkv mp4 ts",
    "mpeg4_ib": "avi",
    "mpeg2": "ts",
    "mpeg2_b": "mkv mp4 ts mpg raw",
    "mjpeg": "avi mkv mp4",
    "vp8": "mkv",
    "vp9": "mkv mp4",
    "vp9_alt": "mkv",
    "av1": "mkv mp4",
    "wmv2": "asf mkv",
    "fields": "ts raw",
    "field_frames": "mkv ts",
    "pal8": "avi",
    "msvideo1": "avi",
}
"""Which containers a codec is put into."""
LATER: dict[str, Mapping[str, str]] = {
    "h264": {"x264-params": "chroma-qp-offset=8"},
    "hevc": {"x265-params": "cbqpoffs=8:crqpoffs=8"},
    "mpeg4": {"mpeg_quant": "1"},
}
"""What is different in a recording whose parameter sets are."""
OTHER_CODER = {"x264-params": "cabac=0:ref=1"}
SETS = ("once", "repeated", "changed", "changed_repeated", "changed_back", "changed_coder")
NEEDS_MS = ("tight_twins",)
"""Faults that need a tick of a millisecond."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A film of the matrix."""

    name: str
    """``codec.container.fault``"""
    suffix: str
    bytes: Callable[[], bytes]
    known: Known
    numbers: range = range(FRAMES)
    """Which numbers its pictures show."""


@cache
def recording(codec: str, first: int = 0, last: int = FRAMES, later: str = "") -> Coded:
    """A stretch of frames as one recording; ``later`` asks for other parameter sets."""
    numbers = range(first, last)
    if codec in ("fields", "field_frames"):
        return field_pairs(numbers, are_apart=codec == "fields")
    if codec in ("pal8", "msvideo1"):
        return with_palette("rawvideo" if codec == "pal8" else codec, numbers)
    kind = codec.split("_")[0]
    more = {"": {}, "changed": LATER.get(kind, {}), "coder": OTHER_CODER}[later]
    return encode(codec, numbers, more)


def cells() -> Iterator[Cell]:
    """All films of the matrix that this build of FFmpeg can make."""
    here = {*encodable(), "fields", "field_frames", "pal8", "msvideo1"}
    for codec, names in FITS.items():
        if codec not in here:
            continue
        for name in names.split():
            yield from clock_cells(codec, name)
            yield from header_cells(codec, name)
            yield from wrap_cells(codec, name)
            yield from palette_cells(codec, name)
            yield from gap_cells(codec, name)
            yield from other_cells(codec, name)


def _cell(codec: str, name: str, fault: str, write: Callable[[], bytes], known: Known) -> Cell:
    suffix = CONTAINERS[name].suffix or RAW_SUFFIXES[codec.split("_")[0]]
    return Cell(f"{codec}.{name}.{fault}", suffix, write, known)


def clock_cells(codec: str, name: str) -> Iterator[Cell]:
    """A film of two recordings, with each fault of the clock."""
    container = CONTAINERS[name]
    for fault, make in FAULTS.items():
        if fault != "sound" and not container.has_stamps:
            continue
        if fault in NEEDS_MS and name not in ("mkv", "flv"):
            continue
        made = make(FRAMES)
        known = made.known(container.tick_seconds)
        yield _cell(codec, name, fault, partial(clock_film, codec, name, made), known)


def clock_film(codec: str, name: str, fault: Fault) -> bytes:
    """Two recordings end to end, with stamps as a fault has them."""
    container = CONTAINERS[name]
    parts = [recording(codec, 0, HALF), recording(codec, HALF, FRAMES)]
    return container.write(stamped(_joined(parts, name, "repeated"), fault))


def _joined(parts: Sequence[Coded], name: str, sets: str) -> Coded:
    """Joins recordings; H.264 in AVI has its parameter sets in the stream."""
    has_header = CONTAINERS[name].has_header
    has_header &= name != "avi" or parts[0].codec not in ("h264", "hevc")
    return joined(parts, sets, has_header=has_header)


def header_cells(codec: str, name: str) -> Iterator[Cell]:
    """Films whose parameter sets are there once, always, or change in the middle."""
    kind = codec.split("_")[0]
    if kind not in ("h264", "hevc", "mpeg4"):
        return
    for how in (*SETS, *(("announced",) if name == "flv" else ())):
        if how == "changed_coder" and kind != "h264":
            continue
        yield _cell(codec, name, how, partial(header_film, codec, name, how), _even(name))


def header_film(codec: str, name: str, how: str) -> bytes:
    """A film whose parameter sets are as ``how`` says."""
    if how in ("once", "repeated"):
        return CONTAINERS[name].write(_joined([recording(codec)], name, how))
    later = "coder" if how == "changed_coder" else "changed"
    parts = [recording(codec, 0, HALF), recording(codec, HALF, FRAMES, later)]
    if how == "changed_back":
        kinds = ((0, 10, ""), (10, 30, later), (30, FRAMES, ""))
        parts = [recording(codec, first, last, more) for first, last, more in kinds]
    sets = {"changed_repeated": "repeated", "announced": "announced"}.get(how, "once")
    return CONTAINERS[name].write(_joined(parts, name, sets))


def wrap_cells(codec: str, name: str) -> Iterator[Cell]:
    """Films in whose middle the counter of the stamps is full and begins at 0."""
    half = HALF * FRAME_MS
    offsets = {"ts": (1 << 33) - 90 * half, "mpg": (1 << 33) - 90 * half, "flv": (1 << 32) - half}
    if name in offsets:
        film = partial(wrapped_film, codec, name, offsets[name])
        yield _cell(codec, name, "wrap", film, replace(_even(name), repaired=None))


def wrapped_film(codec: str, name: str, offset: int) -> bytes:
    """A film with so much added to its stamps."""
    return CONTAINERS[name].write(_joined([recording(codec)], name, "repeated"), offset=offset)


def gap_cells(codec: str, name: str) -> Iterator[Cell]:
    """Films in AVI with five empty chunks, which stand for frames that are not there."""
    if name != "avi" or codec in ("h264", "h264_b", "mpeg4_b", "mpeg4_ib"):
        return
    fault = sound(FRAMES)
    later = fault.seconds + (np.arange(FRAMES) >= HALF) * 5 * FRAME_MS / 1000
    known = Known(later, (), later[-1] + FRAME_MS / 1000)
    yield _cell(codec, name, "empty_chunks", partial(gap_film, codec, name), known)


def gap_film(codec: str, name: str) -> bytes:
    """A film with five packets of no bytes in its middle."""
    film = _joined([recording(codec)], name, "once")
    at = next(at for at, packet in enumerate(film.packets) if packet.number == HALF)
    empty = (replace(film.packets[at], data=b"", sets=b"", header=b"", is_key=False),) * 5
    packets = (*film.packets[:at], *empty, *film.packets[at:])
    return CONTAINERS[name].write(replace(film, packets=packets))


def palette_cells(codec: str, name: str) -> Iterator[Cell]:
    """Films whose palette changes, at a keyframe or not."""
    if codec not in ("pal8", "msvideo1"):
        return
    kind = "rawvideo" if codec == "pal8" else codec
    for fault, changes in (("palette", (25,)), ("palettes", (15, 20, 34))):
        film = with_palette(kind, range(FRAMES), changes)
        write = partial(CONTAINERS[name].write, film)
        yield _cell(codec, name, fault, write, _even(name))


def other_cells(codec: str, name: str) -> Iterator[Cell]:
    """MPEG-4 packed into AVI, and films that begin in the middle of an open group of pictures."""
    if codec in ("mpeg4_b", "mpeg4_ib") and name == "avi":
        yield _cell(codec, name, "packed", partial(packed_film, codec), _even(name))
    if codec in ("h264_open", "hevc_b"):
        known = sound(FRAMES - CUT).known(CONTAINERS[name].tick_seconds)
        cell = _cell(codec, name, "cut", partial(cut_film, codec, name), known)
        yield replace(cell, numbers=range(CUT, FRAMES))


def packed_film(codec: str) -> bytes:
    """MPEG-4 in AVI with two pictures in a packet and none in another."""
    return container_bytes.avi(_joined([packed(recording(codec))], "avi", "once"))


def cut_film(codec: str, name: str) -> bytes:
    """A film from its second keyframe on, without the pictures that need what lies before it."""
    film = recording(codec)
    start = next(at for at, packet in enumerate(film.packets) if packet.number == CUT)
    rest = tuple(packet for packet in film.packets[start:] if packet.number >= CUT)
    return CONTAINERS[name].write(_joined([replace(film, packets=rest)], name, "repeated"))


def _even(name: str) -> Known:
    return sound(FRAMES).known(CONTAINERS[name].tick_seconds)
