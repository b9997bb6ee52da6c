"""Which packets of a Theora stream are headers, and which lean on headers of another joint?

A chained Ogg stream has its headers again at each joint, and FFmpeg gives them as packets. By the
Theora specification (6.1 and 6.2) the first bit of a header is set. A decoder that starts at a
later keyframe is given the stream's first headers only, so:

1. A header is no picture.
2. What follows headers that differ from the first ones, in what pictures and times are made of, is
   broken: the decoder would make other pictures of it.
"""

from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

from fewframes.media.start_headers import Buffer

Start: TypeAlias = bool | Literal["header"] | None
"""Whether decoding can start at a packet; None for a broken one, "header" for no picture."""
IDENTIFICATION, SETUP = 0x80, 0x82
"""How the headers begin that a decoder needs; between them are comments."""


def theora_starts(extradata: bytes) -> Callable[[Buffer], Start]:
    r"""Makes the test of a stream.

    >>> test = theora_starts(b"")
    >>> test(memoryview(b"\x00")), test(memoryview(b"\x81")), test(memoryview(b"\x00"))
    (True, 'header', True)
    >>> test(memoryview(b"\x82")), test(memoryview(b"\x00"))
    ('header', None)
    """
    known = {_essence(header) for header in _headers(extradata)}
    is_other = False

    def test(data: Buffer) -> Start:
        nonlocal is_other
        if len(data) and data[0] & 0x80:
            is_other |= _essence(data.tobytes()) not in known | {b""}
            return "header"
        return None if is_other else True

    return test


def _essence(header: bytes) -> bytes:
    """What pictures and times depend on: not the comments, nor the nominal rate and quality."""
    if header[0] == SETUP:
        return header
    if header[0] == IDENTIFICATION and len(header) > 41:
        return header[:37] + bytes([header[40] & 3, header[41]])
    return b""


def _headers(extradata: bytes) -> Iterator[bytes]:
    """The headers of a stream as FFmpeg keeps them, each behind its length of two bytes."""
    at = 0
    while at + 2 < len(extradata):
        end = at + 2 + int.from_bytes(extradata[at : at + 2], "big")
        yield extradata[at + 2 : max(end, at + 3)]
        at = max(end, at + 3)
