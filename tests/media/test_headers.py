"""A decoder that starts in mid-film is given the headers that are in force there."""

from dataclasses import replace

import numpy as np
import pytest

from fewframes.media import timeline_cache
from fewframes.media.coded_order import field_pairs
from fewframes.media.headers import NOTHING, Headers, HeaderTracker
from fewframes.media.timeline import example_timeline

SPS, OTHER_SPS = bytes.fromhex("674d401e9a"), bytes.fromhex("674d401f9a")
PPS, NEW_PPS = bytes.fromhex("68ee3c80"), bytes.fromhex("68ee3d80")
SECOND_PPS = bytes.fromhex("685e3c80")
IDR = bytes.fromhex("6588840a")


def avcc(*pictures, sequence=SPS):
    sets = b"".join(len(one).to_bytes(2, "big") + one for one in pictures)
    head = bytes([1, 77, 64, 30, 0xFF, 0xE1]) + len(sequence).to_bytes(2, "big") + sequence
    return head + bytes([len(pictures)]) + sets


def sized(*units):
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def marked(*units):
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def test_a_set_that_comes_once_counts_from_the_next_packet_on():
    tracker = HeaderTracker("h264", avcc(PPS))
    before = tracker.state(sized(NEW_PPS, IDR), {})
    assert (before, tracker.now) == (0, 1)
    assert tracker.states == (Headers(sized(SPS, PPS)), Headers(sized(SPS, NEW_PPS)))


def test_sets_that_are_repeated_change_nothing():
    tracker = HeaderTracker("h264", avcc(PPS))
    assert tracker.state(sized(SPS, PPS, IDR), {}) == tracker.now == 0
    assert len(tracker.states) == 1


def test_sets_are_told_apart_by_their_numbers():
    tracker = HeaderTracker("h264", avcc(PPS))
    tracker.state(sized(SECOND_PPS, IDR), {})
    assert tracker.states[tracker.now].prefix == sized(SPS, PPS, SECOND_PPS)


def test_a_state_that_comes_back_is_the_same_one():
    tracker = HeaderTracker("h264", avcc(PPS))
    for unit in (NEW_PPS, PPS, NEW_PPS):
        tracker.state(sized(unit, IDR), {})
    assert (tracker.now, len(tracker.states)) == (1, 2)


def test_marked_units_stay_marked():
    tracker = HeaderTracker("h264", marked(SPS, PPS))
    tracker.state(marked(OTHER_SPS, PPS, IDR), {})
    assert tracker.states[tracker.now].prefix == marked(OTHER_SPS, PPS)


def test_a_new_header_of_the_stream_counts_for_its_own_packet():
    """A demuxer gives it with that packet alone, and not after a seek."""
    tracker = HeaderTracker("h264", avcc(PPS))
    assert tracker.state(sized(IDR), {"new_extradata": avcc(NEW_PPS)}) == 1
    assert tracker.states[1] == Headers(sized(SPS, NEW_PPS))


def test_a_palette_counts_until_another_comes():
    tracker = HeaderTracker("rawvideo", b"")
    states = [tracker.state(b"", {"palette": colour}) for colour in (b"red", b"blue", b"red")]
    assert (states, tracker.now) == ([1, 2, 1], 1)
    assert tracker.states[2] == Headers(b"", (("palette", b"blue"),))


SEQUENCE = bytes.fromhex("000001b3" + "10009014ffffe0a0")
NEW_SEQUENCE = bytes.fromhex("000001b3" + "14009014ffffe0a0")
GROUP, PICTURE = bytes.fromhex("000001b800080000"), bytes.fromhex("00000100000f")


def test_a_sequence_header_counts_for_pictures_without_one():
    tracker = HeaderTracker("mpeg2video", SEQUENCE)
    assert tracker.state(SEQUENCE + GROUP + PICTURE, {}) == NOTHING
    assert (tracker.now, len(tracker.states)) == (0, 1)
    assert tracker.state(NEW_SEQUENCE + GROUP + PICTURE, {}) == NOTHING
    assert tracker.states[tracker.now] == Headers(NEW_SEQUENCE)


@pytest.mark.parametrize("codec", ["h264", "hevc", "mpeg2video", "vc1", "av1", "vp9"])
def test_bytes_that_are_no_headers_are_none(codec):
    rng = np.random.default_rng(1)
    for size in (0, 1, 5, 40, 400):
        tracker = HeaderTracker(codec, rng.bytes(size))
        tracker.state(rng.bytes(size), {})
        tracker.state(b"\0\0\1" * size, {"new_extradata": rng.bytes(size)})


def test_headers_travel_with_a_remembered_timeline(tmp_path, monkeypatch):
    monkeypatch.setenv("FEWFRAMES_CACHE", str(tmp_path))
    headers = (Headers(), Headers(b"\0\1", (("palette", bytes(range(256))),)))
    timeline = replace(example_timeline(), headers=headers, repaired=np.array([2]), notes=("a",))
    timeline_cache.save(timeline, None)
    loaded = timeline_cache.load(timeline.source, None)
    assert (loaded.headers, loaded.repaired.tolist(), loaded.notes) == (headers, [2], ("a",))


def field_header(number, *, bottom, is_field=True):
    """The first bytes of an IDR slice of an I picture, with 4 bits of frame_num."""
    bits = "1" + "0001000" + "1" + f"{number:04b}" + ("1" if is_field else "0")
    bits += ("1" if bottom else "0") if is_field else ""
    bits = bits.ljust(32, "0")
    return b"\x65" + int(bits, 2).to_bytes(4, "big")


SET_BITS = "111101000100100"
"""4 bits of frame_num, 2 macroblocks wide, 4 high, and frame_mbs_only_flag 0."""
INTERLACED = bytes.fromhex("6742001e") + int(SET_BITS.ljust(32, "0"), 2).to_bytes(4, "big")


def test_a_field_of_the_other_parity_completes_the_one_before():
    is_second = field_pairs("h264", marked(INTERLACED))
    assert is_second is not None
    request = [
        (field_header(0, bottom=False), False),
        (field_header(0, bottom=True), True),
        (field_header(1, bottom=False), False),
        (field_header(2, bottom=True), False),
        (field_header(2, bottom=False), True),
        (field_header(3, bottom=False), False),
        (field_header(3, bottom=False), False),
        (field_header(3, bottom=False, is_field=False), False),
        (field_header(3, bottom=True), False),
    ]
    for unit, expected in request:
        assert is_second(memoryview(marked(unit))) == expected


def test_both_fields_in_one_packet_are_whole():
    is_second = field_pairs("h264", marked(INTERLACED))
    both = marked(field_header(0, bottom=False), field_header(0, bottom=True))
    assert not is_second(memoryview(both))
    assert not is_second(memoryview(marked(field_header(0, bottom=True))))
