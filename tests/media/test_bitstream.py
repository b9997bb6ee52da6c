"""What a packet says of itself: which may be dropped, where decoding can start, what is shown."""

import hashlib

import av
import numpy as np
import pytest
from drawn_timelines import without_drops
from hypothesis import given
from hypothesis import strategies as st

import fewframes
from fewframes.bench.research.films import RECIPES
from fewframes.bench.research.oracle import luma_md5, sequential
from fewframes.decode.plan import plan_frames
from fewframes.media.bitstream import (
    HIDDEN,
    NEEDED,
    PLAIN,
    UNREFERENCED,
    WITH_HEADERS,
    packet_parser,
)

AVCC = bytes([1, 100, 0, 31, 0xFF])
HVCC = bytes([1, *range(20), 0xFF])


def sized(*units, length_bytes=4):
    """NAL units with their length in front."""
    return b"".join(len(unit).to_bytes(length_bytes, "big") + unit for unit in units)


def marked(*units):
    """NAL units with start codes (Annex B), of three and of four bytes."""
    return b"".join((b"\0\0\1" if place % 2 else b"\0\0\0\1") + u for place, u in enumerate(units))


def sei(*messages):
    """An H.264 SEI unit of (kind, payload) messages."""
    return b"\x06" + b"".join(bytes([k, len(p)]) + p for k, p in messages) + b"\x80"


def slice_of(unit_type, importance):
    """An H.264 unit of a type with an nal_ref_idc."""
    return bytes([importance << 5 | unit_type, 0x88, 0x84])


def hevc_unit(unit_type, *, temporal_id=0, layer_id=0):
    return bytes([unit_type << 1 | layer_id >> 5, (layer_id & 31) << 3 | temporal_id + 1, 0xAF])


DELIMITER, PARAMETERS = b"\x09\x10", b"\x67\x64\x00\x1f"
RECOVERY, SLOW_RECOVERY = (6, b"\x84"), (6, b"\x44")  # ue(v) 0 and 1
TEXT = (5, b"x" * 40)

H264 = {
    "an IDR picture": ([slice_of(5, 3)], PLAIN),
    "an IDR picture behind its parameters": (
        [DELIMITER, PARAMETERS, slice_of(5, 3)],
        WITH_HEADERS[PLAIN],
    ),
    "a reference picture": ([slice_of(1, 2)], NEEDED),
    "a picture no other needs": ([slice_of(1, 0)], UNREFERENCED),
    "a picture of two slices, one needed": ([slice_of(1, 0), slice_of(1, 1)], NEEDED),
    "data partitions": ([slice_of(2, 0), slice_of(3, 0)], UNREFERENCED),
    "a recovery point": ([sei(RECOVERY), slice_of(1, 2)], PLAIN),
    "a recovery point behind other messages": ([sei(TEXT, RECOVERY), slice_of(1, 2)], PLAIN),
    "a recovery point in a later unit": ([sei(TEXT), sei(RECOVERY), slice_of(1, 2)], PLAIN),
    "a recovery some frames later": ([sei(SLOW_RECOVERY), slice_of(1, 2)], NEEDED),
    "another view of an unneeded picture": ([slice_of(1, 0), slice_of(20, 0)], NEEDED),
    "no slice at all": ([DELIMITER, PARAMETERS], WITH_HEADERS[NEEDED]),
    "a picture nobody needs that brings parameters": (
        [PARAMETERS, slice_of(1, 0)],
        WITH_HEADERS[NEEDED],
    ),
}


@pytest.mark.parametrize("what", H264)
def test_h264_packets(what):
    units, kind = H264[what]
    for length_bytes in (1, 2, 4):
        parse = packet_parser("h264", AVCC[:4] + bytes([0xFC | length_bytes - 1, 0xE1]))
        assert parse(memoryview(sized(*units, length_bytes=length_bytes))) == kind
    assert packet_parser("h264", b"")(memoryview(marked(*units))) == kind
    annex_b = packet_parser("h264", b"\0\0\0\1" + PARAMETERS)
    assert annex_b(memoryview(marked(*units))) == kind


@pytest.mark.parametrize("unit_type", range(64))
@pytest.mark.parametrize("temporal_id", [0, 2])
def test_hevc_packets(unit_type, temporal_id):
    unit = hevc_unit(unit_type, temporal_id=temporal_id)
    for parse, data in (
        (packet_parser("hevc", HVCC), sized(unit)),
        (packet_parser("hevc", b""), marked(unit)),
    ):
        kind = parse(memoryview(data))
        assert kind.is_unreferenced == (unit_type in (0, 2, 4, 6, 8, 10, 12, 14))
        assert kind.is_random_access == (16 <= unit_type <= 21)
        assert kind.layer == (temporal_id if unit_type < 32 else 0)
        assert kind.is_shown


def test_hevc_packets_are_judged_by_every_slice_of_the_base_layer():
    parse = packet_parser("hevc", HVCC)
    parameters, message = hevc_unit(33), hevc_unit(39)
    needed, unneeded = hevc_unit(1), hevc_unit(0)
    assert parse(memoryview(sized(message, unneeded))).is_unreferenced
    assert not parse(memoryview(sized(parameters, unneeded))).is_unreferenced
    assert not parse(memoryview(sized(unneeded, needed))).is_unreferenced
    other_eye = hevc_unit(1, layer_id=1)
    assert parse(memoryview(sized(unneeded, other_eye))).is_unreferenced


def superframe(*frames):
    sizes = b"".join(len(f).to_bytes(2, "little") for f in frames)
    marker = bytes([0xC0 | 1 << 3 | len(frames) - 1])
    return b"".join(frames) + marker + sizes + marker


def vp9(*, profile=0, shows_existing=False, shown=True):
    bits = f"10{profile & 1}{profile >> 1}{'0' if profile == 3 else ''}"
    bits += "1000" if shows_existing else f"01{shown:d}0"
    return bytes([int(bits[:8].ljust(8, "0"), 2), 1, 2, 3])


@pytest.mark.parametrize("profile", range(4))
def test_vp9_packets_that_show_nothing_are_no_frames(profile):
    parse = packet_parser("vp9", b"")
    shown, hidden = vp9(profile=profile), vp9(profile=profile, shown=False)
    again = vp9(profile=profile, shows_existing=True)
    for data, kind in (
        (shown, PLAIN),
        (hidden, HIDDEN),
        (again, PLAIN),
        (superframe(hidden, shown), PLAIN),
        (superframe(hidden, hidden), HIDDEN),
        (b"", PLAIN),
    ):
        assert parse(memoryview(data)) == kind


def test_vp8_packets_that_show_nothing_are_no_frames():
    parse = packet_parser("vp8", b"")
    assert parse(memoryview(b"\x10\0\0")) == PLAIN
    assert parse(memoryview(b"\x00\0\0")) == HIDDEN
    assert parse(memoryview(b"")) == PLAIN


CODECS = [("h264", b""), ("h264", AVCC + b"\xe1"), ("hevc", b""), ("hevc", HVCC + b"\0")]
CODECS += [("vp8", b""), ("vp9", b""), ("av1", b""), ("mjpeg", b"")]


@given(data=st.binary(max_size=300), codec=st.sampled_from(CODECS))
def test_any_bytes_are_judged_without_an_error(data, codec):
    kind = packet_parser(*codec)(memoryview(data))
    assert 0 <= kind.layer <= 6
    assert not (kind.is_unreferenced and kind.is_random_access)
    if codec[0] in ("vp8", "vp9", "av1", "mjpeg"):
        assert not kind.is_unreferenced


@pytest.mark.slow
@given(data=st.binary(max_size=60), extradata=st.binary(max_size=40))
def test_any_extradata_will_do(data, extradata):
    for codec in ("h264", "hevc"):
        assert packet_parser(codec, extradata)(memoryview(data)).is_shown


@given(units=st.lists(st.sampled_from([b"\x09\x10", b"\x0c\xff\xff", sei(TEXT)]), max_size=4))
def test_a_packet_without_a_slice_is_never_dropped(units):
    for extradata, data in ((AVCC + b"\xe1", sized(*units)), (b"", marked(*units))):
        assert not packet_parser("h264", extradata)(memoryview(data)).is_unreferenced


@given(cut=st.integers(0, 30), importance=st.integers(1, 3))
def test_a_cut_reference_picture_is_never_dropped(cut, importance):
    data = sized(DELIMITER, slice_of(1, importance), slice_of(1, importance))
    assert not packet_parser("h264", AVCC + b"\xe1")(memoryview(data[:cut])).is_unreferenced


DROPPING = [name for name, film in RECIPES.items() if film.codec in ("libx264", "libx265")]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", DROPPING)
def test_dropping_every_droppable_packet_changes_no_other_picture(films, recipe):
    """Shown with a bare decoder, which is fed the other packets alone."""
    packets = fewframes.probe(films(recipe)).packets
    truth = dict(sequential(films(recipe)))
    given = {}
    with av.open(str(films(recipe))) as container:
        stream = container.streams.video[0]
        rows = (packet for packet in container.demux(stream) if packet.size)
        for droppable, packet in zip(packets.is_droppable, rows, strict=True):
            given |= {} if droppable else {p.pts: p for p in stream.decode(packet)}
        given |= {p.pts: p for p in stream.decode(None)}
    assert len(given) == np.count_nonzero(~packets.is_droppable)
    for pts, picture in given.items():
        plane = picture.planes[0]
        width = plane.width * (2 if "10" in picture.format.name else 1)
        luma = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, :width]
        assert hashlib.md5(np.ascontiguousarray(luma)).hexdigest() == truth[pts]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["x264_pyramid", "x265_b", "x265_layers"])
def test_much_is_dropped_and_dropped_frames_can_still_be_had(films, recipe):
    timeline, truth = fewframes.probe(films(recipe)), sequential(films(recipe))
    droppable = np.flatnonzero(timeline.packets.is_droppable[timeline.order])
    assert len(droppable) > len(timeline) / 3
    plan = plan_frames(timeline, [len(timeline) - 1])
    whole = plan_frames(without_drops(timeline), [len(timeline) - 1])
    assert plan.pictures < whole.pictures
    batch = fewframes.read(timeline, frames=droppable[::5], format="yuv")
    assert luma_md5(batch) == [truth[number][1] for number in droppable[::5]]


def test_only_the_highest_temporal_layer_is_dropped(films):
    """A lower layer's sub-layer non-reference picture may be needed by a higher layer."""
    container = av.open(str(films("x265_layers")))
    with container:
        stream = container.streams.video[0]
        parse = packet_parser("hevc", bytes(stream.codec_context.extradata))
        kinds = [parse(memoryview(p)) for p in container.demux(stream) if p.size]
    layers = np.array([kind.layer for kind in kinds])
    assert layers.max() >= 2
    droppable = fewframes.probe(films("x265_layers")).packets.is_droppable
    assert set(layers[droppable]) == {layers.max()}
