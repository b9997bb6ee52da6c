"""Hand-coded films: what no encoder at hand makes, H.264 field pairs and pictures with a palette.

1. Field pairs: I_PCM macroblocks hold what changes, skipped ones what stays, so that a field needs
   the same field of the frame before. Nothing is lost: the samples are those of the pictures.
2. Palettes: uncompressed pictures, and Microsoft Video 1, whose pictures between two keyframes
   hold only the blocks that change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np

from fewframes.arrays import U8
from fewframes.bench.research.coded_films import FRAME_MS, Coded, CodedPacket, with_start_codes
from fewframes.bench.research.films import write_number

GOP = 10
FIELDS_SIZE, PALETTE_SIZE = (64, 64), (64, 128)


class Bits:
    """Bits of a NAL unit, as H.264 writes them.

    >>> bits = Bits()
    >>> bits.ue(3, 0)
    >>> bits.raw().hex()
    '26'
    """

    def __init__(self) -> None:
        self.bits: list[int] = []

    def u(self, count: int, value: int) -> None:
        """A number of so many bits."""
        self.bits += [value >> place & 1 for place in range(count - 1, -1, -1)]

    def ue(self, *values: int) -> None:
        """Numbers in Exp-Golomb code."""
        for value in values:
            size = (value + 1).bit_length()
            self.u(2 * size - 1, value + 1)

    def samples(self, data: bytes) -> None:
        """Whole bytes, behind zeros up to the next byte."""
        self.bits += [0] * (-len(self.bits) % 8)
        self.bits += np.unpackbits(np.frombuffer(data, np.uint8)).tolist()

    def raw(self) -> bytes:
        """The bytes, ended by a one and zeros."""
        bits = [*self.bits, 1]
        return np.packbits(bits + [0] * (-len(bits) % 8)).tobytes()


def unit(kind: int, bits: Bits, importance: int = 3) -> bytes:
    """A NAL unit: three bytes that could be taken for a start code are told apart by a 3."""
    out, zeros = bytearray([importance << 5 | kind]), 0
    for byte in bits.raw():
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def _field_sets() -> bytes:
    """Parameter sets: Main profile, fields, two reference frames."""
    height, width = FIELDS_SIZE
    sps, pps = Bits(), Bits()
    sps.u(24, 77 << 16 | 30)
    sps.ue(0, 0, 0, 4, 2)
    sps.u(1, 0)
    sps.ue(width // 16 - 1, height // 32 - 1)
    sps.u(5, 0b00100)
    pps.ue(0, 0)
    pps.u(2, 0)
    pps.ue(0, 0, 0)
    pps.u(3, 0)
    pps.ue(0, 0, 0)
    pps.u(3, 0b100)
    return with_start_codes([unit(7, sps), unit(8, pps)])


def field_pairs(numbers: Sequence[int], *, are_apart: bool = True) -> Coded:
    """H.264 in fields: a packet for each, the second without a stamp, or (not apart) for two."""
    packets = []
    for at, number in enumerate(numbers):
        luma = field_picture(number)
        pair = [_field(luma[half::2], at, half) for half in (0, 1)]
        for half, part in enumerate(pair if are_apart else [pair[0] + pair[1]]):
            time, is_key = number * FRAME_MS, at % GOP == 0 and half == 0
            packets.append(CodedPacket(part, number, time, time, is_key, has_stamp=half == 0))
    return Coded("h264", FIELDS_SIZE, tuple(packets), _field_sets())


def field_picture(number: int) -> U8:
    """The luma of a frame: a still texture above, a changing one with the number below."""
    height, width = FIELDS_SIZE
    y, x = np.mgrid[:height, :width]
    step = np.where(y >= height // 2, number, number // GOP)
    luma: U8 = (60 + (3 * x + 5 * y + 11 * step) % 120).astype(np.uint8)
    write_number(luma, number)
    return luma


def _field(luma: U8, at: int, half: int) -> bytes:
    """One field: all of it in the first field pair of a group, else its lower half."""
    place = at % GOP
    is_first, is_idr = place == 0, place == 0 and half == 0
    bits = Bits()
    bits.ue(0, 7 if is_first else 5, 0)
    bits.u(4, place)
    bits.u(2, 2 | half)
    if is_idr:
        bits.ue(at // GOP % 2)
    bits.u(8, 2 * place + half)
    bits.u(2, 0) if is_idr else bits.u(1 if is_first else 3, 0)
    bits.ue(0, 1)  # QP as it is, no deblocking
    _macroblocks(bits, luma, is_first=is_first)
    return with_start_codes([unit(5 if is_idr else 1, bits)])


def _macroblocks(bits: Bits, luma: U8, *, is_first: bool) -> None:
    high, wide = luma.shape[0] // 16, luma.shape[1] // 16
    kept = 0 if is_first else high // 2
    for place in range(kept * wide, high * wide):
        if not is_first:
            bits.ue(kept * wide if place == kept * wide else 0)
        bits.ue(25 if is_first else 30)
        top, left = 16 * (place // wide), 16 * (place % wide)
        block = luma[top : top + 16, left : left + 16]
        chroma = (100 + block[:8, :8] // 4).tobytes()
        bits.samples(block.tobytes() + chroma + chroma)


def palette(shade: int) -> bytes:
    """256 colours, B, G, R and 0; 0 is black and 1 white in all, the others depend on ``shade``."""
    index = np.arange(256)
    colours = np.stack([3 * index + shade, 255 - index, index], axis=1) % 256
    colours = np.roll(colours, shade % 3, axis=1)
    colours[:2] = [[0, 0, 0], [255, 255, 255]]
    return np.pad(colours, ((0, 0), (0, 1))).astype(np.uint8).tobytes()


def indices(number: int) -> U8:
    """Which colour each block of 4 x 4 has, ``[16, 32]``; one row and the number change a frame."""
    high, wide = PALETTE_SIZE[0] // 4, PALETTE_SIZE[1] // 4
    y, x = np.mgrid[:high, :wide]
    turns = (number + high - 2 - y) // (high - 1)  # how often the row has changed
    blocks: U8 = (16 + (7 * x + 13 * y + 29 * turns) % 200).astype(np.uint8)
    row = np.zeros((wide, wide), np.uint8)
    write_number(row, number)
    blocks[-1] = row[-1] > 128
    return blocks


def with_palette(codec: str, numbers: Sequence[int], changes: Sequence[int] = ()) -> Coded:
    """A film of ``rawvideo`` or ``msvideo1`` in 256 colours, others from each of some frames on."""
    packets = []
    for at, number in enumerate(numbers):
        is_key = codec == "rawvideo" or at % GOP == 0
        before = None if is_key else indices(numbers[at - 1])
        data = b"".join(_blocks(indices(number), before)) if codec != "rawvideo" else _raw(number)
        header = palette(changes.index(number) + 1) if number in changes else b""
        time = number * FRAME_MS
        packets.append(CodedPacket(data, number, time, time, is_key, header=header))
    return Coded(codec, PALETTE_SIZE, tuple(packets), palette(0))


def _raw(number: int) -> bytes:
    return np.kron(indices(number), np.ones((4, 4), np.uint8))[::-1].tobytes()


def _blocks(blocks: U8, before: U8 | None) -> Iterator[bytes]:
    """Blocks from the bottom up, of one colour each; runs of those that stay are skipped."""
    skipped = 0
    for y in range(blocks.shape[0] - 1, -1, -1):
        for x in range(blocks.shape[1]):
            if before is not None and before[y, x] == blocks[y, x]:
                skipped += 1
                continue
            yield from _skip(skipped)
            skipped = 0
            yield bytes([blocks[y, x], 0x80])
    yield from _skip(skipped)


def _skip(count: int) -> Iterator[bytes]:
    while count:
        some = min(count, 1023)
        yield bytes([some & 255, 0x84 | some >> 8])
        count -= some


def packed(coded: Coded) -> Coded:
    """MPEG-4 with B-frames as DivX and Xvid pack it into AVI.

    The first B-frame lies in the packet of the picture that is shown after it, each further one in
    the packet before its own, and the last packet of such a row holds a picture that is not there.
    """
    made: list[CodedPacket] = []
    furthest = -1
    note = b"\0\0\1\xb2DivX503b1393p"
    for packet, behind in zip_longest(coded.packets, coded.packets[1:]):
        is_b, furthest = packet.number < furthest, max(furthest, packet.number)
        more = behind.data if behind and behind.number < furthest else b""
        data = (more or _not_coded(packet.number)) if is_b else packet.data + more
        made.append(replace(packet, data=data if made else note + data))
    return replace(coded, packets=tuple(made))


def _not_coded(number: int) -> bytes:
    """A picture that is not there (ISO/IEC 14496-2, vop_coded = 0), at 25 ticks a second."""
    bits = Bits()
    bits.u(4, 0b0101)
    bits.u(5, number % 25)
    bits.u(2, 0b10)
    bits.u(1, 0)
    bits.bits += [1] * (-len(bits.bits) % 8)
    return b"\0\0\1\xb6" + np.packbits(bits.bits).tobytes()
