"""Cropping: which part of the coded picture does the container want shown?

1. Matroska says it in the PixelCrop elements of a video track (RFC 9559, 5.1.4.1.28), MP4 and
   QuickTime in the ``clap`` box of a sample entry (ISO/IEC 14496-12, 12.1.4), whose fractions are
   rounded as FFmpeg rounds them.
2. Only headers of elements and boxes are read, one after the other, and never more than `MOST`.
3. What is shown begins and ends with a chroma sample, as FFmpeg's crop filter has it.
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeAlias

from fewframes.media.ebml import CLUSTER, SEGMENT, UNKNOWN, element
from fewframes.media.endings import Bytes

MOST = 10_000
"""How many elements or boxes are looked at."""
SEEK_HEAD, TRACKS = 0x114D9B74, 0x1654AE6B
SEEK_ID, SEEK_POSITION = 0x53AB, 0x53AC
TRACK, TRACK_TYPE, CODEC_ID, VIDEO = 0xAE, 0x83, 0x86, 0xE0
PIXEL_CROPS = (0x54CC, 0x54DD, 0x54BB, 0x54AA)
"""PixelCropLeft, -Right, -Top and -Bottom."""
SAMPLE_ENTRY_BYTES = 86
"""Of a visual sample entry, before its boxes."""


class Crop(NamedTuple):
    """How many samples of the coded picture are not shown on each side, before rotation."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0

    def __str__(self) -> str:
        return f"{self.left} left, {self.right} right, {self.top} top, {self.bottom} bottom"


Part: TypeAlias = tuple[int, int, int]
"""Name of an element or box, and where its payload begins and ends in the file."""


def matroska_crop(path: Path, place: int) -> Crop:
    """Reads the cropping of a video track of a Matroska file, ``place`` being its number from 0."""
    with path.open("rb") as file:
        data, budget = Bytes(file), iter(range(MOST))
        tracks = _tracks(data, budget)
        for part in _elements(data, tracks, budget):
            fields = {name: (start, end) for name, start, end in _elements(data, part, budget)}
            if part[0] != TRACK or not _is_video(data, fields):
                continue
            if place == 0:
                video = (VIDEO, *fields.get(VIDEO, (0, 0)))
                there = {name: where for name, *where in _elements(data, video, budget)}
                return Crop(*(_uint(data, *there.get(name, (0, 0))) for name in PIXEL_CROPS))
            place -= 1
    return Crop()


def _is_video(data: Bytes, fields: dict[int, tuple[int, int]]) -> bool:
    """Whether a track is one that FFmpeg makes a video stream of."""
    is_coded = CODEC_ID in fields and data.at(fields[CODEC_ID][0], 1) == b"V"
    return is_coded and _uint(data, *fields.get(TRACK_TYPE, (0, 0))) == 1


def _tracks(data: Bytes, budget: Iterator[int]) -> Part:
    """Finds the tracks: before the first cluster, or where the index of the file has them."""
    top = _elements(data, (0, 0, data.size), budget)
    segment = next((part for part in top if part[0] == SEGMENT), (0, 0, 0))
    listed = 0
    for part in _elements(data, segment, budget):
        if part[0] == TRACKS:
            return part
        if part[0] == SEEK_HEAD:
            listed = listed or _listed(data, part, budget)
        if part[0] == CLUSTER:
            break
    there = (0, segment[1] + listed, segment[2] if listed else 0)
    found = next(_elements(data, there, budget), (0, 0, 0))
    return found if found[0] == TRACKS else (0, 0, 0)


def _listed(data: Bytes, index: Part, budget: Iterator[int]) -> int:
    """Where the tracks are in the segment, by an index of it; 0 where that does not say."""
    for entry in _elements(data, index, budget):
        fields = {name: (start, end) for name, start, end in _elements(data, entry, budget)}
        if _uint(data, *fields.get(SEEK_ID, (0, 0))) == TRACKS:
            return _uint(data, *fields.get(SEEK_POSITION, (0, 0)))
    return 0


def _elements(data: Bytes, parent: Part, budget: Iterator[int]) -> Iterator[Part]:
    """The elements of an element, in order; one of unknown size has all that is left."""
    _, at, end = parent
    while at < end and next(budget, None) is not None:
        name, length, head_bytes = element(data.at(at, 12))
        start = at + head_bytes
        if not head_bytes or start > end:
            return
        at = end if length == UNKNOWN else min(end, start + length)
        yield name, start, at


def mp4_crop(path: Path, track: int) -> tuple[Crop, bool]:
    """Reads the cropping of a track of an MP4 or QuickTime file, by the track's id.

    Gives it, and whether all that the file says of it makes sense.
    """
    crop, is_sound = Crop(), True
    with path.open("rb") as file:
        data, budget = Bytes(file), iter(range(MOST))
        for entry in _sample_entries(data, track, budget):
            width, height = data.big(entry[1] + 24, 2), data.big(entry[1] + 26, 2)
            inside = (0, entry[1] + SAMPLE_ENTRY_BYTES - 8, entry[2])
            for name, start, _ in _boxes(data, inside, budget):
                if name == _name("clap"):
                    found = clean_aperture(data.at(start, 32), width, height)
                    crop, is_sound = found or crop, found is not None
    return crop, is_sound


def clean_aperture(payload: bytes, width: int, height: int) -> Crop | None:
    """Reads a ``clap`` box of a picture of this size; None where it makes no sense.

    >>> numbers = [80, 1, 120, 1, -3, 2, 0, 1]
    >>> clean_aperture(b"".join(n.to_bytes(4, "big", signed=True) for n in numbers), 160, 120)
    Crop(left=38, right=42, top=0, bottom=0)
    """
    numbers = struct.unpack(">8i", payload) if len(payload) == 32 else (0,) * 8
    if min(numbers[1::2]) < 1 or min(numbers[0], numbers[2]) < 1:
        return None
    sizes = [Fraction(*numbers[at : at + 2]) for at in range(0, 8, 2)]
    sides = []
    for whole, kept, offset in ((width, sizes[0], sizes[2]), (height, sizes[1], sizes[3])):
        first = int(Fraction(whole - 1, 2) + offset - (kept - 1) / 2)
        last = int(Fraction(whole - 1, 2) + offset + (kept - 1) / 2)
        if kept > whole or first < 0 or last < first or last > whole - 1:
            return None
        sides += [first, whole - 1 - last]
    return Crop(*sides)


def _sample_entries(data: Bytes, track: int, budget: Iterator[int]) -> Iterator[Part]:
    """The sample entries of a track, but those of another kind than the first one."""
    film = _inside(data, (0, 0, data.size), budget, "moov")
    for name, start, end in _boxes(data, film, budget):
        part = (name, start, end)
        if name != _name("trak") or _track_id(data, part, budget) != track:
            continue
        table = _inside(data, part, budget, "mdia", "minf", "stbl", "stsd")
        entries = list(_boxes(data, (0, table[1] + 8, table[2]), budget))
        yield from (entry for entry in entries if entry[0] == entries[0][0])


def _track_id(data: Bytes, track: Part, budget: Iterator[int]) -> int:
    _, start, _ = _inside(data, track, budget, "tkhd")
    return data.big(start + (20 if data.at(start, 1) == b"\1" else 12), 4)


def _inside(data: Bytes, part: Part, budget: Iterator[int], *names: str) -> Part:
    """Goes from box to box by their names; empty where one is not there."""
    for name in names:
        boxes = _boxes(data, part, budget)
        part = next((box for box in boxes if box[0] == _name(name)), (0, 0, 0))
    return part


def _boxes(data: Bytes, parent: Part, budget: Iterator[int]) -> Iterator[Part]:
    """The boxes of a box, in order."""
    _, at, end = parent
    while at + 8 <= end and next(budget, None) is not None:
        size, header = data.big(at, 4), 8
        if size == 1:
            size, header = data.big(at + 8, 8), 16
        size = size or end - at
        if size < header:
            return
        yield data.big(at + 4, 4), at + header, min(end, at + size)
        at += size


def _name(box: str) -> int:
    return int.from_bytes(box.encode(), "big")


def _uint(data: Bytes, start: int, end: int) -> int:
    """A number of up to eight bytes; 0 where there is none."""
    return data.big(start, end - start) if 0 < end - start <= 8 else 0


def aligned_crop(crop: Crop, size: tuple[int, int], steps: tuple[int, int]) -> Crop | None:
    """Moves a crop to whole chroma samples, as FFmpeg's crop filter does.

    ``size`` is height and width of the picture, ``steps`` how many luma samples a chroma sample
    has down and across. Gives None where nothing is left.

    >>> aligned_crop(Crop(3, 2, 1, 0), (120, 161), (2, 2))
    Crop(left=2, right=3, top=0, bottom=2)
    """
    sides: list[int] = []
    for whole, step, before, after in (
        (size[1], steps[1], crop.left, crop.right),
        (size[0], steps[0], crop.top, crop.bottom),
    ):
        kept, first = (whole - before - after) // step * step, before // step * step
        if kept <= 0:
            return None
        sides += [first, whole - first - kept]
    return Crop(*sides)
