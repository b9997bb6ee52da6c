"""A stream rewritten to show all that is coded is the same stream otherwise, down to the bit."""

import io
from dataclasses import replace

import av
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fewframes.bench.research.films import RECIPES, Film, write_film
from fewframes.media.cropping import Crop
from fewframes.media.matroska import matroska
from fewframes.media.parameter_sets import (
    h264_parameters,
    hevc_parameters,
    sequence_window,
    units_of,
)
from fewframes.media.uncropping import uncropped

QUIET = "log-level=none"
SHORT = f"{QUIET}:bframes=0:min-cu-size=16"
"""For two pictures: x265 may stamp so short a film as no muxer takes it where it has B-frames."""
TAGS = {"colorspace": 1, "color_range": 2, "color_trc": 1}
FILMS = {
    "h264": Film(frames=12, size=(150, 250), tags=TAGS, options={"g": "6", "bf": "2"}),
    "h264 ts": Film(frames=12, size=(150, 250), suffix=".ts", options={"g": "6"}),
    "h264 4:4:4": Film(frames=4, size=(151, 251), pixel_format="yuv444p"),
    "h264 10 bit": Film(frames=4, size=(150, 250), pixel_format="yuv420p10le"),
    "h264 sides": Film(frames=6, size=(160, 256), options={"x264-params": "crop-rect=64,16,6,10"}),
    "h264 baseline": Film(frames=4, size=(150, 250), options={"profile": "baseline"}),
    "hevc": Film(
        frames=12,
        size=(150, 250),
        codec="libx265",
        tags=TAGS,
        options={"preset": "fast", "x265-params": f"{QUIET}:keyint=6:min-cu-size=16"},
    ),
    "hevc repeated": Film(
        frames=12,
        size=(150, 250),
        codec="libx265",
        suffix=".ts",
        options={
            "preset": "fast",
            "x265-params": f"{QUIET}:keyint=6:min-cu-size=16:repeat-headers=1",
        },
    ),
}


def opened(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        packets = [bytes(p) for p in container.demux(stream) if p.size]
        codec = context.codec.canonical_name
        return codec, bytes(context.extradata or b""), (context.height, context.width), packets


def luma_of(codec, extradata, size, packets):
    """Luma in decode order, and what the decoder says of colours, of packets shown in turn."""
    data = matroska(packets, range(len(packets)), codec=codec, size=size, extradata=extradata)
    with av.open(io.BytesIO(data)) as container:
        pictures = list(container.decode(video=0))
        context = container.streams.video[0].codec_context
        said = (context.colorspace, context.color_range, context.color_trc, context.profile)
    return [first_plane(picture) for picture in pictures], said


def first_plane(picture):
    kind = np.uint16 if "10" in picture.format.name else np.uint8
    plane = picture.planes[0]
    rows = np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind().itemsize)
    return rows[: picture.height, : picture.width]


@pytest.mark.parametrize("name", FILMS)
def test_the_pictures_are_the_same_with_rows_and_columns_that_were_hidden(tmp_path, name):
    film = FILMS[name]
    path = tmp_path / f"film{film.suffix}"
    write_film(path, film)
    codec, extradata, size, packets = opened(path)
    whole = uncropped(codec, extradata, size)
    crop, (height, width) = whole.crop, whole.size
    assert (height - crop.top - crop.bottom, width - crop.left - crop.right) == size
    assert height % 16 == width % 16 == 0
    ours, said = luma_of(codec, whole.extradata, whole.size, map_packets(whole, packets))
    theirs, truly = luma_of(codec, extradata, size, packets)
    assert said == truly
    assert len(ours) == len(theirs) == film.frames
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == (height, width)
        right, bottom = width - crop.right, height - crop.bottom
        assert np.array_equal(one[crop.top : bottom, crop.left : right], other)
    read = h264_parameters if codec == "h264" else hevc_parameters
    assert read(whole.extradata) == read(extradata)


def map_packets(whole, packets):
    return [whole.packet(packet) for packet in packets]


@pytest.mark.parametrize("name", ["h264", "h264 ts", "h264 sides", "hevc", "hevc repeated"])
def test_no_set_hides_anything_afterwards(tmp_path, name):
    path = tmp_path / f"film{FILMS[name].suffix}"
    write_film(path, FILMS[name])
    codec, extradata, size, packets = opened(path)
    whole = uncropped(codec, extradata, size)
    kind = 7 if codec == "h264" else 33
    units = list(units_of(codec, whole.extradata))
    if not whole.length_bytes:  # units with start codes: sets are in packets as well
        inside = [unit for p in packets for unit in units_of(codec, whole.packet(p))]
        assert any(kind_of(codec, unit) == kind for unit in inside)
        units += inside
    sets = [unit for unit in units if kind_of(codec, unit) == kind]
    assert sets
    assert {sequence_window(codec, unit)[:2] for unit in sets} == {(whole.size, Crop())}
    assert uncropped(codec, whole.extradata, whole.size) is None


def kind_of(codec, unit):
    return unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63


@pytest.mark.parametrize("recipe", ["x264_pyramid", "x264_ts", "x265_b", "vp9", "mjpeg"])
def test_a_stream_that_hides_nothing_is_left_alone(films, recipe):
    codec, extradata, _, _ = opened(films(recipe))
    assert uncropped(codec, extradata, RECIPES[recipe].size) is None


class Writer:
    """Bits of a unit, one after the other."""

    def __init__(self):
        self.bits = ""

    def u(self, value, count):
        self.bits += f"{value:0{count}b}" if count else ""

    def ue(self, value):
        word = f"{value + 1:b}"
        self.bits += "0" * (len(word) - 1) + word

    def unit(self, head):
        """Ends the unit, and puts in what keeps start codes out, byte after byte."""
        bits = self.bits + "1"
        bits += "0" * (-len(bits) % 8)
        unit, zeros = bytearray(head), 0
        for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
            if zeros >= 2 and byte <= 3:
                unit.append(3)
                zeros = 0
            unit.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return bytes(unit)


def set_of(facts, crop, *, is_frame=True):
    """A sequence parameter set of H.264 (7.3.2.1.1): high profile, 4:2:0, then any tail."""
    bits = Writer()
    bits.u(100 << 16 | facts["level"], 24)
    for value in (facts["id"], 1, 0, 0):
        bits.ue(value)
    bits.u(0, 2)
    for value in (facts["number"], 0, facts["order"], facts["references"]):
        bits.ue(value)
    bits.u(0, 1)
    bits.ue(facts["columns"] - 1)
    bits.ue(facts["rows"] - 1)
    bits.u(is_frame, 1)
    bits.u(0, 1 - is_frame)
    bits.u(1, 1)
    bits.u(crop is not None, 1)
    for side in crop or ():
        bits.ue(side)
    bits.bits += facts["tail"]
    return bits.unit(bytes([0x67]))


def avcc(*sets, picture=bytes([0x68, 1, 2])):
    """The header of an MP4 track (ISO/IEC 14496-15) with sets of sequences and of pictures."""
    body = b"".join(len(unit).to_bytes(2, "big") + unit for unit in sets)
    return (
        bytes([1, 100, 0, 31, 0xFF, 0xE0 | len(sets)])
        + body
        + b"\1"
        + len(picture).to_bytes(2, "big")
        + picture
        + b"\xfd\xf8\xf8\0"
    )


PLAIN = {
    "level": 31,
    "id": 0,
    "number": 0,
    "order": 2,
    "references": 4,
    "columns": 20,
    "rows": 12,
    "tail": "1011",
}
FACTS = st.fixed_dictionaries(
    {
        "level": st.integers(0, 255),
        "id": st.integers(0, 31),
        "number": st.integers(0, 12),
        "order": st.integers(0, 12),
        "references": st.integers(0, 16),
        "columns": st.integers(8, 512),
        "rows": st.integers(8, 512),
        "tail": st.text("01", max_size=90) | st.text("0", min_size=40, max_size=90),
    }
)


@pytest.mark.slow
@example(facts={**PLAIN, "tail": "0" * 60}, crop=[1, 0, 0, 4], is_frame=True)
@given(
    facts=FACTS, crop=st.lists(st.integers(0, 20), min_size=4, max_size=4), is_frame=st.booleans()
)
def test_a_set_is_that_which_hides_nothing_bit_for_bit(facts, crop, is_frame):
    cropped, plain = (set_of(facts, sides, is_frame=is_frame) for sides in (crop, None))
    fields = 1 if is_frame else 2
    left, right, top, bottom = (
        side * step for side, step in zip(crop, (2, 2, 2 * fields, 2 * fields), strict=True)
    )
    coded = 16 * facts["rows"] * fields, 16 * facts["columns"]
    size = coded[0] - top - bottom, coded[1] - left - right
    whole = uncropped("h264", avcc(cropped), size)
    if not any(crop):
        assert whole is None
        return
    assert (whole.size, whole.crop) == (coded, Crop(left, right, top, bottom))
    assert whole.extradata == avcc(plain)
    slice_ = bytes([0, 0, 0, 5, 0x65, 1, 2, 3, 4])
    packets = [len(one).to_bytes(4, "big") + one + slice_ for one in (cropped, plain)]
    assert whole.packet(packets[0]) == packets[1]
    assert whole.packet(slice_) == slice_
    marked = [b"\0\0\0\1" + one + b"\0\0\0\1\x65\1\2\3" for one in (cropped, plain)]
    header = uncropped("h264", marked[0], size)
    assert (header.extradata, header.packet(marked[0])) == (marked[1], marked[1])


def test_what_is_not_certain_is_left_alone():
    cropped, other = set_of(PLAIN, [0, 0, 0, 5]), set_of(PLAIN, [0, 0, 1, 4])
    size = 182, 320
    assert uncropped("h264", avcc(cropped), size).crop == Crop(bottom=10)
    assert uncropped("h264", avcc(cropped, other), size) is None
    assert uncropped("h264", avcc(cropped), (180, 320)) is None
    assert uncropped("h264", avcc(cropped[:8]), size) is None
    assert uncropped("h264", b"", size) is None
    assert uncropped("h264", avcc(set_of({**PLAIN, "tail": ""}, [0, 0, 0, 5])), size) is not None


def test_a_set_in_a_packet_that_ends_too_early_is_an_error():
    cropped = set_of(PLAIN, [0, 0, 0, 5])
    whole, broken = uncropped("h264", avcc(cropped), (182, 320)), cropped[:9]
    with pytest.raises(ValueError, match="past the end"):
        whole.packet(len(broken).to_bytes(4, "big") + broken)


def test_hevc_that_is_not_of_whole_macroblocks_is_left_alone(tmp_path):
    """Nothing is won by it: NVIDIA's parser rounds the coded size up."""
    film = replace(FILMS["hevc"], frames=2, options={"x265-params": SHORT.replace("=16", "=8")})
    write_film(tmp_path / "film.mp4", film)
    codec, extradata, size, _ = opened(tmp_path / "film.mp4")
    units = units_of(codec, extradata)
    (one,) = [unit for unit in units if kind_of(codec, unit) == 33]
    assert sequence_window(codec, one)[:2] == ((152, 256), Crop(right=6, bottom=2))
    assert uncropped(codec, extradata, size) is None


def test_sets_of_other_layers_are_left_alone(tmp_path):
    film = replace(FILMS["hevc"], frames=2, options={"x265-params": SHORT})
    write_film(tmp_path / "film.mp4", film)
    codec, extradata, size, _ = opened(tmp_path / "film.mp4")
    assert uncropped(codec, extradata, size) is not None
    units = units_of(codec, extradata)
    (one,) = [unit for unit in units if kind_of(codec, unit) == 33]
    layered = extradata.replace(one, bytes([one[0], one[1] | 8]) + one[2:])
    assert uncropped(codec, layered, size) is None
