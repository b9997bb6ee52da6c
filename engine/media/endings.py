"""Ending: how a file ends, and the bounded reads by which that is found out."""

from typing import BinaryIO, NamedTuple

MOST_BYTES = 1 << 20
"""The longest read; what is longer is cut off."""


class Ending(NamedTuple):
    """Whether a file was cut, in sentences.

    >>> cut("the last page", 900, 850).damage
    'truncated: the last page ends at byte 900, the file at 850'
    """

    damage: str = ""
    """Says what is missing where the file was cut before its frames end."""
    note: str = ""
    """Says what is missing where no frame needs it."""


WHOLE = Ending()
INDEX_CUT = Ending(note="the file ends inside an index, which no frame needs")


def cut(part: str, end: int, size_bytes: int) -> Ending:
    """Says that a part of a file ends behind it."""
    return Ending(f"truncated: {part} ends at byte {end}, the file at {size_bytes}")


def second_film(at: int) -> Ending:
    """Says that a file holds one film behind another; of fragments FFmpeg may read some."""
    words = "and is not read, or only in part; cut the file in two"
    return Ending(note=f"a second film begins at byte {at} {words}")


class Bytes:
    """A file that is read here and there; outside of it there are no bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)

    def at(self, position: int, count: int) -> bytes:
        """Reads up to ``count`` bytes; fewer at the end of the file."""
        if not 0 <= position < self.size:
            return b""
        self._file.seek(position)
        return self._file.read(min(count, MOST_BYTES)) or b""

    def big(self, position: int, count: int) -> int:
        """Reads a big-endian number; 0 outside the file."""
        return int.from_bytes(self.at(position, count), "big")

    def little(self, position: int, count: int) -> int:
        """Reads a little-endian number; 0 outside the file."""
        return int.from_bytes(self.at(position, count), "little")
