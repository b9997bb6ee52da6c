"""A damaged film gives true frames, or says which are not; what is no film is refused."""

import re
import wave
from dataclasses import replace

import av
import numpy as np
import pytest

import fewframes
from fewframes.bench.research.films import RECIPES, write_film
from fewframes.bench.research.oracle import luma_md5, sequential
from fewframes.decode.decoder import DecodeReport, decoder
from fewframes.decode.plan import plan_frames
from fewframes.errors import DamagedFrameError, UnreadableMediaError

FASTSTART = {"movflags": "faststart"}


@pytest.fixture(scope="session")
def faststart(tmp_path_factory):
    """An MP4 whose index comes first, so that a cut leaves it whole."""
    path = tmp_path_factory.mktemp("faststart") / "faststart.mp4"
    write_film(path, replace(RECIPES["x264_pyramid"], muxing=FASTSTART))
    return path


@pytest.fixture
def sound_film(request, films, faststart):
    """A film of which the tests below damage a copy."""
    return faststart if request.param == "faststart" else films(request.param)


def tried(timeline, numbers, **how):
    """The frames, or the sentence that refuses them."""
    try:
        return fewframes.read(timeline, frames=numbers, format="yuv", **how)
    except DamagedFrameError as error:
        return str(error)


def check_every_frame(damaged, truth):
    """Reads each frame alone, then ten at once: true ones are unmarked, all others known as such.

    ``truth`` maps pts to the luma of the frame there. Gives how many frames came out unmarked.
    """
    timeline = fewframes.probe(damaged)
    true_frames = 0
    for number in range(len(timeline)):
        one = tried(timeline, number)
        if isinstance(one, str):
            assert f"frame {number} " in one
        else:
            expected = truth.get(int(timeline.pts[number]))
            assert luma_md5(one) == [expected], f"frame {number} is another one, without a mark"
            true_frames += 1
    for start in range(0, len(timeline), 10):
        check_marks(timeline, np.arange(start, min(start + 10, len(timeline))), truth)
    return true_frames


def check_marks(timeline, numbers, truth):
    """With ``allow_damaged=True`` every frame that is not true is marked."""
    batch = tried(timeline, numbers, allow_damaged=True)
    if isinstance(batch, str):
        assert "cannot be decoded" in batch
        return
    marked = np.zeros(len(numbers), bool) if batch.is_damaged is None else batch.is_damaged
    expected = [truth.get(pts) for pts in batch.pts.tolist()]
    wrong = np.array([a != b for a, b in zip(luma_md5(batch), expected, strict=True)])
    assert not (wrong & ~marked).any(), f"frames {numbers[wrong & ~marked]} are wrong, unmarked"


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0.3, 0.62, 0.9])
@pytest.mark.parametrize(
    "sound_film",
    ["faststart", "x264_fragments", "x264_mkv", "x264_ts", "vp9"],
    indirect=True,
)
def test_a_film_that_breaks_off_gives_true_frames_up_to_there(sound_film, tmp_path, kept):
    data = sound_film.read_bytes()
    cut = tmp_path / f"cut{sound_film.suffix}"
    cut.write_bytes(data[: int(len(data) * kept)])
    truth = dict(sequential(sound_film))
    given = check_every_frame(cut, truth)
    assert len(truth) * (kept - 0.25) < given < len(truth)


@pytest.mark.slow
def test_a_film_that_breaks_off_says_so(faststart, tmp_path):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(faststart.read_bytes()[: faststart.stat().st_size // 2])
    timeline = fewframes.probe(cut)
    assert "damaged" in repr(timeline)
    assert any("ends early" in sentence for sentence in timeline.damage)


FLIPS = [(r, n) for r in ("x264_pyramid", "x264_open_gop", "x264_mkv") for n in range(8)]
FLIPS += [("x265_open_gop", 0), ("x265_b", 0), ("mpeg4_avi", 1), ("mpeg4_avi", 4)]
"""Recipe and seed. Of HEVC and MPEG-4 only a few: their decoders take many a flip without
complaint, and then what they give depends on which other pictures they were given."""


@pytest.fixture
def flipped(request, films, tmp_path):
    """A film with four bits flipped in its middle."""
    recipe, seed = request.param
    data, rng = bytearray(films(recipe).read_bytes()), np.random.default_rng(seed)
    for at in rng.integers(len(data) // 2, len(data) // 2 + 4000, 4):
        data[at] ^= 1 << int(rng.integers(8))
    path = tmp_path / f"flipped{films(recipe).suffix}"
    path.write_bytes(data)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("flipped", FLIPS, indirect=True, ids=str)
def test_flipped_bits_never_give_a_wrong_frame_unmarked(flipped):
    """The truth is what ffmpeg makes of the very same file, since not every flip is noticed."""
    check_every_frame(flipped, dict(sequential(flipped)))


@pytest.mark.slow
@pytest.mark.parametrize("flipped", [("x264_mkv", 2)], indirect=True, ids=str)
def test_a_spoilt_frame_is_refused_every_time_it_is_read(flipped):
    timeline = fewframes.probe(flipped)
    for _ in range(3):
        assert isinstance(tried(timeline, 40), str)


@pytest.fixture
def holed(request, films, tmp_path):
    """A film with zeroes over a reference picture of its second GOP, and the sound one."""
    sound = films(request.param)
    packets = fewframes.probe(sound).packets
    key = int(np.flatnonzero(packets.is_random_access)[1])
    row = key + 1 + int(np.flatnonzero(~packets.is_droppable[key + 1 :])[1])
    start, size = int(packets.position[row]), int(packets.size_bytes[row])
    data = bytearray(sound.read_bytes())
    data[start : start + size] = bytes(size)
    path = tmp_path / f"holed{sound.suffix}"
    path.write_bytes(data)
    return path, sound


HOLED = ["x264_open_gop", "x264_pyramid", "x265_b", "x265_open_gop", "mpeg4_avi"]


@pytest.mark.slow
@pytest.mark.parametrize("holed", HOLED, indirect=True)
def test_a_hole_marks_every_frame_that_it_spoils(holed):
    """Also those of the next GOP that are shown before its keyframe."""
    path, sound = holed
    timeline, truth = fewframes.probe(path), dict(sequential(sound))
    runs = plan_frames(timeline, range(len(timeline))).runs
    report, spoilt = DecodeReport(), []
    for batch in decoder()(timeline, runs, format="yuv", size=None, report=report):
        true = [truth[pts] for pts in batch.pts.tolist()] == luma_md5(batch)
        spoilt += [] if true else [batch.is_damaged is not None and batch.is_damaged.all()]
    assert spoilt or report.missing
    assert all(spoilt), f"{spoilt.count(False)} of {len(spoilt)} spoilt frames are not marked"


@pytest.mark.slow
@pytest.mark.parametrize("holed", HOLED, indirect=True)
def test_a_hole_costs_no_frame_of_a_gop_that_it_does_not_touch(holed):
    path, sound = holed
    timeline, truth = fewframes.probe(path), sequential(sound)
    keys = np.flatnonzero(timeline.is_keyframe)
    for sound_part in (np.arange(keys[1] - 5), np.arange(keys[-1], len(timeline))):
        batch = fewframes.read(path, frames=sound_part, format="yuv")
        assert luma_md5(batch) == [truth[number][1] for number in sound_part]


def write_wave(path):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        file.writeframes(bytes(16000))


def write_m4a(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


NO_FILMS = {
    "missing.mp4": lambda path: None,
    "empty.mp4": lambda path: path.write_bytes(b""),
    "text.mp4": lambda path: path.write_text("these are not the frames you are looking for\n" * 9),
    "noise.mkv": lambda path: path.write_bytes(np.random.default_rng(1).bytes(5000)),
    "folder.mp4": lambda path: path.mkdir(),
    "sound.wav": write_wave,
    "sound.m4a": write_m4a,
}


@pytest.mark.parametrize("name", NO_FILMS)
@pytest.mark.parametrize("opened", [fewframes.probe, lambda p: fewframes.read(p, frames=[0])])
def test_what_is_no_film_is_refused_in_one_sentence(tmp_path, name, opened):
    NO_FILMS[name](tmp_path / name)
    with pytest.raises(UnreadableMediaError) as caught:
        opened(tmp_path / name)
    assert isinstance(caught.value, OSError)
    assert re.fullmatch(rf"'[^']*{re.escape(name)}' [^\n]+", str(caught.value))


def test_a_lost_index_is_refused_in_one_sentence(films, tmp_path):
    """An MP4 cut before the index at its end cannot be read at all."""
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(films("x264_pyramid").read_bytes()[:20000])
    with pytest.raises(UnreadableMediaError, match=r"'cut.mp4' is not a video [^\n]+"):
        fewframes.probe(cut)


def test_a_stream_that_is_not_there_is_refused_with_those_that_are(films):
    with pytest.raises(UnreadableMediaError, match="no video stream 3; its video streams: 0"):
        fewframes.probe(films("x264_pyramid"), stream=3)


@pytest.mark.slow
def test_damage_does_not_end_at_a_keyframe_that_gives_no_picture(tmp_path):
    """FFmpeg passes over a picture without slices, and says nothing."""
    sound, path = tmp_path / "sound.mkv", tmp_path / "garbled.mkv"
    film = replace(RECIPES["mpeg4_avi"], codec="mpeg1video", suffix=".mkv")
    write_film(sound, film)
    packets = fewframes.probe(sound).packets
    first, second, third = np.flatnonzero(packets.is_random_access)[1:4]
    data = bytearray(sound.read_bytes())
    start = int(packets.position[second])
    end = start + int(packets.size_bytes[second])
    data[start:end] = re.sub(b"\0\0\1[\1-\xaf]", b"\0\0\2\2", data[start:end])
    spoilt = int(packets.position[first + 1] + packets.size_bytes[first + 1] // 2)
    data[spoilt : spoilt + 40] = bytes(40)
    path.write_bytes(data)
    timeline, truth = fewframes.probe(path, cache=False), dict(sequential(sound))
    for number in range(len(timeline)):
        one, row = tried(timeline, number), int(timeline.order[number])
        is_leading = timeline.packets.pts[row] < timeline.packets.pts[second]
        if not isinstance(one, str) and not (second < row < third and is_leading):
            pts = int(timeline.container_pts[number])
            assert luma_md5(one) == [truth[pts]], f"packet {row} is another picture"
    assert isinstance(tried(timeline, int(np.flatnonzero(timeline.order == second + 3)[0])), str)
