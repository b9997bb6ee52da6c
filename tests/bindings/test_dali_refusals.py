"""What DALI would give wrongly, or does not take, goes to FFmpeg or is an error that says so."""

import subprocess
from dataclasses import replace

import av
import numpy as np
import pytest
from dali_checks import check_pixels, need
from imageio_ffmpeg import get_ffmpeg_exe

import fewframes
from fewframes.bench.research.films import read_number
from fewframes.bindings.dali import capabilities as dali_capabilities
from fewframes.bindings.dali import decode as dali_decode
from fewframes.bindings.dali import groups as dali_groups
from fewframes.bindings.dali.video import REFUSED, SliceDecoder, VideoPipeline
from fewframes.bindings.ffmpeg import slice_streams as ffmpeg_slice_streams
from fewframes.bindings.ffmpeg.cursor import Cursor
from fewframes.bindings.ffmpeg.slice_streams import SliceWriter
from fewframes.decode.decoder import DecodeReport, Event
from fewframes.decode.plan import plan_frames
from fewframes.decode.slices import NO_TIMES, slice_runs
from fewframes.errors import FewframesError, UnsupportedStreamError
from fewframes.media.slice_checks import HIDDEN


@pytest.fixture
def with_dali():
    need("cpu")


@pytest.mark.slow
@pytest.mark.usefixtures("with_dali")
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_packets_cut_away_by_an_edit_list_are_no_black_frames(films, tmp_path, suffix):
    """Whole files cut so make DALI give black frames after the last one."""
    cut = tmp_path / f"cut{suffix}"
    words = ["-v", "error", "-ss", "0.5", "-i", str(films("vp9")), "-c", "copy", str(cut)]
    subprocess.run([get_ffmpeg_exe(), *words], check=True)
    timeline = fewframes.probe(cut, cache=False)
    numbers = np.arange(len(timeline))
    batch = check_pixels(timeline, numbers)
    shown = [read_number(frame) for frame in batch]
    assert shown == [read_number(frame) for frame in fewframes.read(timeline, frames=numbers)]
    assert shown[-1] == 89
    assert np.diff(shown).tolist() == [1] * (len(shown) - 1)


@pytest.mark.usefixtures("with_dali")
@pytest.mark.parametrize("frames", [[-1], [30], [10**6]])
def test_dali_itself_is_never_asked_for_what_is_not_there(films, frames):
    """Such a frame would be black, without an error, if padding were on."""
    timeline = fewframes.probe(films("vp9"))
    (part,) = slice_runs(timeline, plan_frames(timeline, [3]).runs)
    cursor = Cursor(timeline)
    stream = SliceWriter(cursor, DecodeReport(), on_gpu=False).write(part)
    cursor.close()
    request = replace(part, feed=np.arange(len(frames)), requested=np.arange(len(frames)))
    beyond = replace(stream, part=request, request=np.array(frames, np.int32))
    ((_, given),) = (
        (group, list(given)) for group, given in SliceDecoder("cpu", 2).decode([[beyond]])
    )
    assert given == [REFUSED]


@pytest.mark.usefixtures("with_dali")
def test_what_dali_refuses_goes_to_ffmpeg_and_is_counted(films, monkeypatch):
    timeline = fewframes.probe(films("vp9"))
    truth = fewframes.read(timeline, frames=[5, 40, 75]).frames
    original = VideoPipeline.start

    def fails_on_the_second(self, streams):
        original(self, streams)
        if any(10 in one.request for one in streams):
            raise RuntimeError("no")

    monkeypatch.setattr(VideoPipeline, "start", fails_on_the_second)
    batch = fewframes.read(timeline, frames=[5, 40, 75], backend="dali", workers=1)
    assert batch.report["fallbacks_to_ffmpeg"] == f"{REFUSED} (1)"
    assert np.array_equal(batch.frames[1], truth[1])
    assert [read_number(frame) for frame in batch] == [5, 40, 75]


@pytest.mark.slow
@pytest.mark.usefixtures("with_dali")
def test_a_picture_that_dali_does_not_give_shifts_no_other(films, tmp_path, monkeypatch):
    """It counts pictures, and says nothing of one that is missing: the witness tells."""
    with av.open(str(films("vp8"))) as container:
        packet = [bytes(p) for p in container.demux(video=0)][40]
    data = bytearray(films("vp8").read_bytes())
    data[data.index(packet)] &= ~0x10  # show_frame off
    (tmp_path / "film.webm").write_bytes(data)
    timeline = fewframes.probe(tmp_path / "film.webm", cache=False)
    assert len(timeline) == 89
    monkeypatch.setattr(ffmpeg_slice_streams, "fitness", lambda *a, **k: lambda data, place: "")
    batch = fewframes.read(timeline, frames=np.arange(35, 50), backend="dali", workers=1)
    shown = [read_number(frame) for frame in batch]
    assert shown == [*range(35, 40), *range(41, 51)]
    assert batch.report["fallbacks_to_ffmpeg"] == f"{dali_decode.MISCOUNTED} (1)"


@pytest.mark.usefixtures("with_dali")
def test_pictures_unlike_those_of_ffmpeg_are_found_out(films, monkeypatch):
    """What a GPU's first slice has to pass, tried with a decoder that gives one of the others."""

    def shifted(pipeline, places):
        (frames,) = original(pipeline)
        return [np.concatenate([frames[:1], np.roll(frames[1:-1], places, axis=0), frames[-1:]])]

    timeline = fewframes.probe(films("vp9"))
    work = [timeline, "rgb", None, DecodeReport(), "dali", "cpu", 2, False]
    runs = plan_frames(timeline, np.arange(30)).runs
    original = VideoPipeline.given
    for shift, says in ((0, ""), (15, dali_decode.UNLIKE)):
        one = dali_decode._Work(*work[:3], DecodeReport(), *work[4:])
        monkeypatch.setattr(VideoPipeline, "given", lambda self, n=shift: shifted(self, n))
        shown = [read_number(batch.frames[0]) for batch in one.batches(runs)]
        assert shown == list(range(30))
        assert list(one.report.entries(Event.FALLBACK)) == ([says] if says else [])


@pytest.mark.usefixtures("with_dali")
@pytest.mark.parametrize(
    ("recipe", "how", "error", "says"),
    [
        ("x264_pyramid", {}, UnsupportedStreamError, "on the CPU it takes vp8, vp9, mjpeg"),
        ("vp9", {"format": "yuv"}, ValueError, "DALI gives RGB alone"),
    ],
)
def test_what_cannot_be_is_an_error_that_says_what_to_do(films, recipe, how, error, says):
    with pytest.raises(error, match=f"{says}.*backend='ffmpeg'"):
        fewframes.read(films(recipe), frames=[1], backend="dali", **how)


@pytest.mark.usefixtures("with_dali")
def test_auto_goes_to_ffmpeg_where_dali_cannot(films):
    batch = fewframes.read(films("x264_pyramid"), frames=[8], backend="dali", device="auto")
    assert read_number(batch.frames[0]) == 8
    if dali_capabilities.machine_facts().no_gpu:
        assert batch.report["decoder"] == "ffmpeg on cpu"
        assert "on the CPU it takes vp8, vp9, mjpeg, not h264" in batch.report["chosen_because"]


@pytest.mark.slow
@pytest.mark.usefixtures("with_dali")
def test_many_frames_of_one_slice_come_in_parts(films, monkeypatch):
    monkeypatch.setattr(dali_groups, "HOST_BYTES", 4 * 144 * 256 * 3)
    batch = fewframes.read(films("vp9"), frames=np.arange(60), backend="dali", workers=1)
    assert [read_number(frame) for frame in batch] == list(range(60))
    assert batch.report["pictures"] > 60


@pytest.mark.slow
@pytest.mark.footage
@pytest.mark.usefixtures("with_dali")
def test_hidden_pictures_go_to_ffmpeg(footage):
    timeline = fewframes.probe(footage / "ax_vp9_roadtrip-vp92-10bit.webm")
    numbers = np.arange(0, len(timeline), 2)
    batch = fewframes.read(timeline, frames=numbers, backend="dali", workers=1)
    truth = fewframes.read(timeline, frames=numbers)
    assert np.array_equal(batch.frames, truth.frames)
    assert batch.report["fallbacks_to_ffmpeg"] == f"{HIDDEN} (1); {NO_TIMES} (2)"


@pytest.mark.footage
@pytest.mark.usefixtures("with_dali")
def test_a_broken_film_gives_what_ffmpeg_gives_or_an_error(footage):
    film = footage / "ax_vp9_invalid-bitstream.webm"
    for number in (0, 10, 20):
        got = []
        for backend in ("ffmpeg", "dali"):
            try:
                got.append(fewframes.read(film, frames=[number], backend=backend).frames.tolist())
            except FewframesError as error:
                got.append(str(error))
        assert got[0] == got[1]
