"""Films indexed and read through DALI are those that FFmpeg gives, within what RGB can tell.

Run where DALI is installed; REQUIRE_DALI=1 turns the skip into a failure. Its CPU decoder knows
VP8, VP9 and Motion JPEG. With a GPU, REQUIRE_GPU=1 runs the same promises there, and more codecs.
"""

import io
import os
import subprocess
from dataclasses import replace

import av
import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from test_decode import DecoderTests

import fewframes
from fewframes.bench.films import RECIPES, read_number, write_film
from fewframes.bindings import dali, dali_machine, dali_slices
from fewframes.bindings.dali_slices import SliceWriter, UnfitError
from fewframes.bindings.ffmpeg_cursor import Cursor
from fewframes.decoding import DecodeReport, decoder
from fewframes.errors import FewframesError, UnsupportedStreamError
from fewframes.fitness import HIDDEN, NO_IDR
from fewframes.kernels import picture_sweep
from fewframes.kernels.area import area_weights
from fewframes.plan import plan_frames
from fewframes.signals import BLOCKS
from fewframes.slices import NO_TIMES, slice_runs
from fewframes.verifying import verify_store

RGB_MEAN, RGB_MOST = 1.2, 64
"""Levels by which RGB may differ from this package's: chroma is interpolated in another way."""
LUMA_MEAN, CHROMA_MEAN, PLANE_MOST = 0.6, 1.2, 20
"""The same for the planes that are measured and stored."""
NEAR = {
    "brightness": 0.5,
    "contrast": 0.8,
    "detail": 0.6,
    "sharpness": 1.0,
    "dark": 0.03,
    "bright": 0.03,
    "change": 0.5,
    "change_peak": 4.0,
    "changed_area": 0.06,
    "colour_change": 0.6,
    "kept_change": 0.5,
    "tone_change": 1.2,
    "similarity": 0.016,
}
"""Tolerance of each signal, on top of `SHARE` of its value."""
SHARE = 0.06
"""Hard edges between colours are softer in DALI's RGB, so changes of colour are smaller."""
ON_CPU = ["vp9", "vp8", "mjpeg"]
ON_GPU = [*ON_CPU, "x264_pyramid", "x264_long_gop", "x264_turned", "x265_b", "x265_open_gop"]
TAGGED = {
    "bt709": {"colorspace": 1, "color_range": 1},
    "full": {"colorspace": 5, "color_range": 2},
    "bt709 full": {"colorspace": 1, "color_range": 2},
}


def need(device):
    """Skips where DALI, or a GPU, is not there; fails where it is required to be."""
    missing = dali_machine.machine_facts().missing(device)
    name = "REQUIRE_GPU" if device == "cuda" else "REQUIRE_DALI"
    if missing:
        (pytest.fail if os.environ.get(name) == "1" else pytest.skip)(missing)


@pytest.fixture
def with_dali():
    need("cpu")


class TestDaliOnCpu(DecoderTests):
    decoder = "dali"
    recipes = ON_CPU

    @pytest.fixture(autouse=True)
    def is_there(self):
        need(self.device)


@pytest.mark.gpu
class TestDaliOnGpu(DecoderTests):
    decoder = "dali"
    device = "cuda"
    recipes = ON_GPU

    @pytest.fixture(autouse=True)
    def is_there(self):
        need(self.device)


def check_pixels(timeline, numbers, device="cpu", size=None):
    ours = fewframes.read(timeline, frames=numbers, size=size).frames
    theirs = fewframes.read(timeline, frames=numbers, size=size, backend="dali", device=device)
    difference = np.abs(ours.astype(int) - theirs.frames)
    assert difference.mean(axis=(1, 2, 3)).max() < RGB_MEAN
    assert difference.max() <= RGB_MOST
    assert theirs.report["decoder"].startswith("dali")
    return theirs


@pytest.mark.usefixtures("with_dali")
@pytest.mark.parametrize("size", [None, (72, 100)])
@pytest.mark.parametrize("recipe", ON_CPU)
def test_rgb_is_near_that_of_ffmpeg(films, recipe, size):
    timeline = fewframes.probe(films(recipe))
    report = check_pixels(timeline, np.arange(0, len(timeline), 7), size=size).report
    assert "passed_on_to_ffmpeg" not in report


@pytest.mark.usefixtures("with_dali")
@pytest.mark.parametrize("tags", TAGGED)
def test_matrix_and_range_are_the_streams_own(tmp_path, tags):
    film = replace(RECIPES["vp9"], frames=12, tags=TAGGED[tags])
    write_film(tmp_path / "film.webm", film)
    timeline = fewframes.probe(tmp_path / "film.webm", cache=False)
    assert (timeline.stream.colour_space == "bt709") == ("bt709" in tags)
    assert (timeline.stream.colour_range == "full") == ("full" in tags)
    check_pixels(timeline, [0, 5, 11])


@pytest.mark.usefixtures("with_dali")
@pytest.mark.parametrize("recipe", ON_CPU)
def test_planes_for_signals_are_near_those_of_ffmpeg(films, recipe):
    timeline = fewframes.probe(films(recipe))
    runs, given = plan_frames(timeline, [0, 9, 24]).runs, {}
    for name in ("ffmpeg", "dali"):
        how = {"format": "jpeg", "size": (72, 128), "report": DecodeReport()}
        given[name] = list(decoder(name)(timeline, runs, **how))
    for ours, theirs in zip(given["ffmpeg"], given["dali"], strict=True):
        pairs = zip(ours.planes, theirs.planes, (LUMA_MEAN, CHROMA_MEAN, CHROMA_MEAN), strict=True)
        for one, other, most in pairs:
            assert np.abs(one.astype(int) - other).mean() < most
            assert np.abs(one.astype(int) - other).max() <= PLANE_MOST


def index_by(film, folder, backend, device="cpu", **how):
    store = folder / f"{backend}.zarr"
    report = fewframes.index(film, store, backend=backend, device=device, workers=1, **how)
    assert report.with_status("ok"), report.outcomes
    return next(iter(fewframes.open(store).values()))


def undecided_bits(film, video):
    """Bits of each row's dhash64 that compare parts less than a level apart: rounding decides."""
    timeline, counts = fewframes.probe(film), []
    runs = plan_frames(timeline, video.table.frame_numbers).runs
    how = {"format": "jpeg", "size": video.frame_size, "report": DecodeReport()}
    for batch in decoder()(timeline, runs, **how):
        planes = [np.ascontiguousarray(plane[0]) for plane in batch.planes]
        half = min(32, max(1, round(max(planes[0].shape) / BLOCKS / 2)))
        luma = picture_sweep(*planes, half, 0, 255)[0][0]
        rows, columns = (
            area_weights(*sides) / sides[0] for sides in zip(luma.shape, (8, 9), strict=True)
        )
        parts = rows @ luma @ columns.T
        counts.append((np.abs(np.diff(parts, axis=1)) < 1).sum())
    return np.array(counts)


def check_index(film, folder, device="cpu", **how):
    ours = index_by(film, folder, "ffmpeg", **how)
    theirs = index_by(film, folder, "dali", device, **how)
    one, other = ours.table, theirs.table
    assert one.frame_numbers.tolist() == other.frame_numbers.tolist()
    assert one.pts.tolist() == other.pts.tolist()
    for name, near in NEAR.items():
        mine, found = one.signals[name], other.signals[name]
        np.testing.assert_allclose(found, mine, rtol=SHARE, atol=near, err_msg=name)
    bits = np.bitwise_count(one.signals["dhash64"] ^ other.signals["dhash64"])
    assert (bits <= 2 + undecided_bits(film, ours)).all()
    assert theirs.facts["decoding"]["decoder"].startswith("dali 2.")
    assert ours.facts["decoding"] == {"decoder": "ffmpeg on cpu"}
    return ours, theirs


@pytest.mark.usefixtures("with_dali")
@pytest.mark.parametrize("recipe", ON_CPU)
def test_an_index_is_that_of_ffmpeg(films, tmp_path, recipe):
    check_index(films(recipe), tmp_path, fps=10, size=160, dedup=0.0)


LOOKS = "AABBACBCCAB"
"""Which of three places each scene of `write_scenes` shows, from a slightly different angle."""
SCENE_FRAMES = 8


def write_scenes(path):
    """Scenes of still blocks; places are farther apart than any conversion of colours can say."""
    rng = np.random.default_rng(5)
    places = {look: rng.integers(30, 226, (9, 16, 3)) for look in "ABC"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=10, options={"g": "8", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 256, 144, "yuv420p"
        for look in LOOKS:
            blocks = places[look] + rng.integers(-20, 21, (9, 16, 3))
            picture = np.kron(blocks, np.ones((16, 16, 1), int)).astype(np.uint8)
            for _ in range(SCENE_FRAMES):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.mark.usefixtures("with_dali")
def test_selections_with_a_margin_are_the_same(tmp_path):
    write_scenes(tmp_path / "film.webm")
    videos = check_index(tmp_path / "film.webm", tmp_path, fps=10, size=160)
    repeats, starts = (
        [video.table.signals[name].tolist() for video in videos]
        for name in ("repeats", "shot_start")
    )
    assert repeats[0] == repeats[1]
    assert starts[0] == starts[1]
    for policy in ("uniform", "shots"):
        picks = [video.sample(budget=6, policy=policy).frame_numbers.tolist() for video in videos]
        assert picks[0] == picks[1], policy
    for policy in ("adaptive", "kcenter", "dpp"):
        for video in videos:
            batch = video.sample(budget=3, policy=policy, distinct=True)
            seen = sorted(LOOKS[number // SCENE_FRAMES] for number in batch.frame_numbers)
            assert seen == ["A", "B", "C"], policy


@pytest.mark.usefixtures("with_dali")
def test_verify_skips_what_has_no_luma_hash_and_says_so(films, tmp_path):
    video = index_by(films("vp9"), tmp_path, "dali", dedup=0.0)
    assert not video.table.signals["luma_xxh64"].any()
    (verdict,) = verify_store(tmp_path / "dali.zarr", [films("vp9")])
    assert (verdict.compared, verdict.differences) == (0, ())
    assert verdict.notes == (
        f"{len(video.table)} frames were decoded by dali {dali_machine.machine_facts().dali} on "
        "cpu, which gives no luma: not compared",
    )


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
    asked = replace(part, feed=np.arange(len(frames)), wanted=np.arange(len(frames)))
    beyond = replace(stream, part=asked, asked=np.array(frames, np.int32))
    assert list(dali._Video("cpu", 2).decode([beyond])) == [None]


@pytest.mark.usefixtures("with_dali")
def test_what_dali_refuses_goes_to_ffmpeg_and_is_counted(films, monkeypatch):
    timeline = fewframes.probe(films("vp9"))
    truth = fewframes.read(timeline, frames=[5, 40, 75]).frames
    original = dali._Video._run

    def fails_on_the_second(self, encoded, frames):
        if any(10 in one for one in frames):
            raise RuntimeError("no")
        return original(self, encoded, frames)

    monkeypatch.setattr(dali._Video, "_run", fails_on_the_second)
    batch = fewframes.read(timeline, frames=[5, 40, 75], backend="dali", workers=1)
    assert batch.report["passed_on_to_ffmpeg"] == f"{dali.REFUSED} (1)"
    assert np.array_equal(batch.frames[1], truth[1])
    assert [read_number(frame) for frame in batch] == [5, 40, 75]


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
    monkeypatch.setattr(dali_slices, "fitness", lambda *a, **k: lambda data, place: "")
    batch = fewframes.read(timeline, frames=np.arange(35, 50), backend="dali", workers=1)
    shown = [read_number(frame) for frame in batch]
    assert shown == [*range(35, 40), *range(41, 51)]
    assert batch.report["passed_on_to_ffmpeg"] == f"{dali.MISCOUNTED} (1)"


@pytest.mark.usefixtures("with_dali")
def test_pictures_unlike_those_of_ffmpeg_are_found_out(films, monkeypatch):
    """What a GPU's first slice has to pass, tried with a decoder that gives one of the others."""

    def shifted(given, places):
        (frames,) = given
        return [np.concatenate([frames[:1], np.roll(frames[1:-1], places, axis=0), frames[-1:]])]

    timeline = fewframes.probe(films("vp9"))
    work = [timeline, "rgb", None, DecodeReport(), "cpu", 2]
    runs = plan_frames(timeline, np.arange(30)).runs
    for shift, says in ((0, ""), (15, dali.UNLIKE)):
        one = dali._Work(*work[:3], DecodeReport(), *work[4:])
        one.is_audited = False
        original = dali._Video._run
        monkeypatch.setattr(
            dali._Video, "_run", lambda s, e, f, o=original, n=shift: shifted(o(s, e, f), n)
        )
        shown = [read_number(batch.frames[0]) for batch in one.batches(runs)]
        assert shown == list(range(30))
        assert list(one.report.passed_on) == ([says] if says else [])
        monkeypatch.setattr(dali._Video, "_run", original)


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
    if dali_machine.machine_facts().no_gpu:
        assert batch.report["decoder"] == "ffmpeg on cpu"
        assert "on the CPU it takes vp8, vp9, mjpeg, not h264" in batch.report["chosen_because"]


@pytest.mark.usefixtures("with_dali")
def test_many_frames_of_one_slice_come_in_parts(films, monkeypatch):
    monkeypatch.setitem(dali.DECODED_BYTES, "cpu", 4 * 144 * 256 * 3)
    batch = fewframes.read(films("vp9"), frames=np.arange(60), backend="dali", workers=1)
    assert [read_number(frame) for frame in batch] == list(range(60))
    assert batch.report["pictures"] > 60


@pytest.mark.parametrize(
    "recipe",
    [
        "x264_pyramid",
        "x264_long_gop",
        "x264_mkv",
        "x264_ts",
        "x265_b",
        "x265_layers",
        "x265_open_gop",
    ],
)
def test_slices_for_a_gpu_decode_to_the_same_bits(films, recipe):
    """FFmpeg decodes the small streams that a GPU would be given."""
    timeline, report = fewframes.probe(films(recipe)), DecodeReport()
    numbers = np.arange(1, len(timeline), 4)
    truth = fewframes.read(timeline, frames=numbers, format="yuv").planes[0]
    at = dict(zip(timeline.order[numbers].tolist(), range(len(numbers)), strict=True))
    cursor, seen = Cursor(timeline), 0
    writer = SliceWriter(cursor, report, on_gpu=True)
    for part in slice_runs(timeline, plan_frames(timeline, numbers).runs):
        with av.open(io.BytesIO(writer.write(part).data)) as container:
            luma = {p.pts: p.to_ndarray()[: p.height] for p in container.decode(video=0)}
        for packet, rank in zip(part.wanted.tolist(), part.frames.tolist(), strict=True):
            assert np.array_equal(luma[rank], truth[at[packet]])
            seen += 1
    cursor.close()
    assert (seen, report.whole) == (len(numbers), 0)


def by_pyav(self, encoded, frames):
    """What DALI would give for small streams, in memory of the CPU: RGB by BT.601."""
    given = []
    for data, ranks in zip(encoded, frames, strict=True):
        with av.open(io.BytesIO(data)) as container:
            stream = container.streams.video[0]
            rgb = {p.pts: p.to_ndarray(format="rgb24") for p in container.decode(stream)}
        given.append(np.stack([rgb[rank] for rank in ranks.tolist()]))
    assert len(encoded) <= self.slices
    return given


@pytest.mark.parametrize("recipe", ON_GPU)
def test_the_way_to_a_gpu_with_ffmpeg_in_place_of_dali(films, recipe, monkeypatch):
    """All but the decoder and the device: slices, their checks, the audit, order and numbers."""
    monkeypatch.setattr(dali, "require", lambda stream, device: "2.4")
    monkeypatch.setattr(dali._Video, "_run", by_pyav)
    film, numbers = films(recipe), np.arange(0, RECIPES[recipe].frames, 3)
    batch = fewframes.read(film, frames=numbers, device="cuda", workers=1)
    coded = np.rot90(batch.frames, k=RECIPES[recipe].rotation // 90, axes=(1, 2))
    assert [read_number(frame) for frame in coded] == numbers.tolist()
    assert batch.report["decoder"] == "dali 2.4 on cuda"
    assert "passed_on_to_ffmpeg" not in batch.report
    assert batch.report["whole"] == 0


def test_a_start_that_is_no_idr_picture_is_not_for_a_gpu(films):
    timeline = fewframes.probe(films("x264_open_gop"))
    writer = SliceWriter(Cursor(timeline), DecodeReport(), on_gpu=True)
    first, *_, last = slice_runs(timeline, plan_frames(timeline, [2, len(timeline) - 1]).runs)
    writer.write(first)
    with pytest.raises(UnfitError, match=NO_IDR):
        writer.write(last)


@pytest.mark.footage
@pytest.mark.usefixtures("with_dali")
def test_hidden_pictures_go_to_ffmpeg(footage):
    timeline = fewframes.probe(footage / "ax_vp9_roadtrip-vp92-10bit.webm")
    numbers = np.arange(0, len(timeline), 2)
    batch = fewframes.read(timeline, frames=numbers, backend="dali", workers=1)
    truth = fewframes.read(timeline, frames=numbers)
    assert np.array_equal(batch.frames, truth.frames)
    assert batch.report["passed_on_to_ffmpeg"] == f"{HIDDEN} (1); {NO_TIMES} (2)"


FOOTAGE = [
    "bbb_180p_10s_vp9.webm",
    "mdn_flower_vp8.webm",
    "nasa_apollo15_144p_mjpeg_frag.mov",
    "moviepy_no_duration.webm",
    "ax_vp9_bear-vp9-odd-dimensions.webm",
    "ax_mp4_bbb_800x640_768kbps_30fps_vp9.mp4",
]


@pytest.mark.footage
@pytest.mark.usefixtures("with_dali")
@pytest.mark.parametrize("name", FOOTAGE)
def test_an_index_of_real_footage_is_that_of_ffmpeg(footage, tmp_path, name):
    check_index(footage / name, tmp_path, dedup=0.0)


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


@pytest.mark.gpu
@pytest.mark.parametrize("recipe", ON_GPU)
def test_a_gpu_gives_the_index_of_ffmpeg(films, tmp_path, recipe):
    need("cuda")
    check_pixels(fewframes.probe(films(recipe)), np.arange(0, 25, 4), device="cuda")
    _, theirs = check_index(films(recipe), tmp_path, "cuda", fps=10, size=160, dedup=0.0)
    assert "passed_on_to_ffmpeg" not in theirs.facts["decoding"]
