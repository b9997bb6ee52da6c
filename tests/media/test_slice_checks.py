"""Only a packet that shows one picture of the stream's size may be in a slice."""

import av
import pytest

from fewframes.bench.research.films import RECIPES
from fewframes.media.slice_checks import (
    CHANGED,
    HIDDEN,
    LENGTHS,
    NO_IDR,
    RESIZED,
    SEVERAL,
    UNKNOWN,
    fitness,
    vp9_size,
)


def packets_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        extradata = bytes(stream.codec_context.extradata or b"")
        codec = stream.codec_context.codec.canonical_name
        packets = [bytes(p) for p in container.demux(stream) if p.size]
    return codec, extradata, packets


def reasons(codec, extradata, packets, size, *, on_gpu):
    fits = fitness(codec, extradata, size, on_gpu=on_gpu)
    return {fits(memoryview(packet), at) for at, packet in enumerate(packets)}


@pytest.mark.parametrize("on_gpu", [False, True])
@pytest.mark.parametrize("recipe", ["vp8", "vp9", "mjpeg", "x264_pyramid", "x264_ts", "x265_b"])
def test_packets_of_plain_films_are_fit(films, recipe, on_gpu):
    assert reasons(*packets_of(films(recipe)), RECIPES[recipe].size, on_gpu=on_gpu) == {""}


@pytest.mark.parametrize("recipe", ["vp8", "vp9", "mjpeg"])
def test_a_picture_of_another_size_is_not(films, recipe):
    codec, extradata, packets = packets_of(films(recipe))
    for size in ((144, 258), (72, 256)):
        assert RESIZED in reasons(codec, extradata, packets, size, on_gpu=False)


def test_vp9_says_its_size_on_keyframes_alone(films):
    _, _, packets = packets_of(films("vp9"))
    sizes = [vp9_size(memoryview(packet)) for packet in packets]
    assert [at for at, size in enumerate(sizes) if size] == [0, 30, 60]
    assert sizes[0] == (144, 256)


def superframe(frames):
    """Several VP9 frames in one packet (Annex B), with sizes of two bytes."""
    marker = bytes([0xC0 | 1 << 3 | len(frames) - 1])
    sizes = b"".join(len(frame).to_bytes(2, "little") for frame in frames)
    return b"".join(frames) + marker + sizes + marker


def test_several_coded_pictures_are_not_for_a_gpu(films):
    _, _, packets = packets_of(films("vp9"))
    hidden = bytes([packets[1][0] & ~0x02]) + packets[1][1:]  # show_frame off
    both = memoryview(superframe([hidden, packets[2]]))
    repeat = memoryview(bytes([0x88]))
    size = (144, 256)
    assert fitness("vp9", b"", size, on_gpu=True)(both, 1) == SEVERAL
    assert fitness("vp9", b"", size, on_gpu=False)(both, 1) == ""
    assert fitness("vp9", b"", size, on_gpu=True)(repeat, 1) == SEVERAL
    assert fitness("vp9", b"", size, on_gpu=False)(memoryview(hidden), 1) == HIDDEN


def test_streams_of_units_that_dali_misreads_are_not(films):
    codec, extradata, packets = packets_of(films("x264_pyramid"))
    size = (144, 256)
    first, later = memoryview(packets[0]), memoryview(packets[1])
    fits = fitness(codec, extradata, size, on_gpu=True)
    assert (fits(first, 0), fits(later, 0), fits(later, 1)) == ("", NO_IDR, "")
    short = extradata[:4] + bytes([extradata[4] & ~3 | 1]) + extradata[5:]
    assert fitness(codec, short, size, on_gpu=True)(first, 0) == LENGTHS
    assert fitness(codec, extradata[:8], size, on_gpu=True)(first, 0) == UNKNOWN


def test_parameter_sets_that_change_are_not(films):
    codec, extradata, packets = packets_of(films("x264_ts"))
    fits = fitness(codec, extradata, (144, 256), on_gpu=True)
    at = packets[0].index(b"\0\0\1\x67") + 6
    changed = packets[0][:at] + bytes([packets[0][at] ^ 1]) + packets[0][at + 1 :]
    assert (fits(memoryview(packets[0]), 0), fits(memoryview(changed), 0)) == ("", CHANGED)
