"""Packets that lean on tables or headers of an earlier one are no place to start."""

import io

import numpy as np
import pytest

import fewframes as ff
from fewframes.bench.research.films import RECIPES, write_film
from fewframes.media.start_headers import jpeg_starts, mpeg4_starts


def jpeg(*, without: int | None = None) -> bytes:
    """A small JPEG file, without the segments of one marker."""
    import simplejpeg

    whole = simplejpeg.encode_jpeg(np.zeros((16, 16, 3), np.uint8), quality=80)
    out, at = io.BytesIO(whole[:2]), 2
    out.seek(2)
    while whole[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(whole[at + 2 : at + 4], "big")
        if whole[at + 1] != without:
            out.write(whole[at:end])
        at = end
    out.write(whole[at:])
    return out.getvalue()


def starts(*packets: bytes) -> list[bool | None]:
    is_random_access = jpeg_starts()
    return [is_random_access(memoryview(packet)) for packet in packets]


def test_a_jpeg_with_its_tables_is_a_start_and_may_be_padded():
    assert starts(jpeg(), jpeg() + bytes(32), jpeg() + b"\xff") == [True] * 3


@pytest.mark.parametrize("marker", [0xDB, 0xC0], ids=["quantiser tables", "frame header"])
def test_a_jpeg_without_a_table_is_none(marker):
    assert starts(jpeg(without=marker)) == [False]


def test_a_jpeg_with_a_shortened_table_is_broken():
    whole = bytearray(jpeg())
    whole[whole.index(b"\xff\xdb") + 3] -= 1
    assert starts(bytes(whole)) == [None]


def test_huffman_tables_may_be_missing_where_no_packet_has_any():
    bare = jpeg(without=0xC4)
    assert starts(bare, bare) == [True, True]
    assert starts(bare, jpeg(), bare) == [True, True, False]


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", jpeg()[:-2], jpeg()[1:], jpeg()[40:] + jpeg()])
def test_a_jpeg_that_is_cut_or_shifted_is_none(data):
    assert starts(data) in ([False], [None])


def test_every_prefix_and_flip_of_a_jpeg_gets_an_answer():
    whole, is_random_access = jpeg(), jpeg_starts()
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 0xFF
        is_random_access(memoryview(whole[:at]))
        is_random_access(memoryview(bytes(flipped)))


def test_an_mpeg4_header_that_changes_ends_the_starts():
    picture, code = bytes([0, 0, 1, 0xB6, 0x10]), bytes([0, 0, 1, 0xB3, 5])
    header, other = bytes([0, 0, 1, 0x20, 7]), bytes([0, 0, 1, 0x20, 8])
    is_random_access = mpeg4_starts()
    packets = [header + picture, picture, header + code + picture, other + picture, picture]
    packets += [header + picture]
    assert [is_random_access(memoryview(p)) for p in packets] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.slow
def test_a_broken_first_picture_of_mpeg4_makes_decoding_begin_at_the_start(tmp_path):
    film = tmp_path / "film.avi"
    write_film(film, RECIPES["mpeg4_avi"])
    data = bytearray(film.read_bytes())
    first = int(ff.probe(film).packets.position[0])
    data[first + 300 : first + 340] = bytes(40)
    film.write_bytes(data)
    batch = ff.read(film, frames=[20], format="yuv", allow_damaged=True)
    assert batch.report["pictures"] > 20
    assert batch.report["runs"] == 1


def test_the_report_says_why_nothing_was_withheld(tmp_path):
    film = tmp_path / "film.avi"
    write_film(film, RECIPES["mpeg4_avi"])
    said = ff.read(film, frames=[5]).report["nothing_withheld"]
    assert said == "mpeg4 does not say what may be"
