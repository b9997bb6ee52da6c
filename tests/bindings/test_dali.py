"""Films indexed and read through DALI are those that FFmpeg gives, within what RGB can tell.

Run where DALI is installed; REQUIRE_DALI=1 turns the skip into a failure. Its CPU decoder knows
VP8, VP9 and Motion JPEG. With a GPU, REQUIRE_GPU=1 runs the same promises there, and more codecs.
"""

from dataclasses import replace

import av
import numpy as np
import pytest
from dali_checks import (
    CHROMA_MEAN,
    LUMA_MEAN,
    ON_CPU,
    ON_GPU,
    PLANE_MOST,
    check_index,
    check_pixels,
    index_by,
    need,
)
from decoder_tests import DecoderTests

import fewframes
from fewframes.bench.research.films import RECIPES, write_film
from fewframes.bindings.dali import capabilities as dali_capabilities
from fewframes.checking.verify import verify_store
from fewframes.decode.decoder import DecodeReport, decoder
from fewframes.decode.plan import plan_frames

TAGGED = {
    "bt709": {"colorspace": 1, "color_range": 1},
    "full": {"colorspace": 5, "color_range": 2},
    "bt709 full": {"colorspace": 1, "color_range": 2},
}


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


@pytest.mark.slow
@pytest.mark.usefixtures("with_dali")
@pytest.mark.parametrize("size", [None, (72, 100)])
@pytest.mark.parametrize("recipe", ON_CPU)
def test_rgb_is_near_that_of_ffmpeg(films, recipe, size):
    timeline = fewframes.probe(films(recipe))
    report = check_pixels(timeline, np.arange(0, len(timeline), 7), size=size).report
    assert "fallbacks_to_ffmpeg" not in report


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.usefixtures("with_dali")
def test_verify_skips_what_has_no_luma_hash_and_says_so(films, tmp_path):
    video = index_by(films("vp9"), tmp_path, "dali", dedup=0.0)
    assert not video.table.signals["luma_xxh64"].any()
    (verdict,) = verify_store(tmp_path / "dali.zarr", [films("vp9")])
    assert (verdict.compared, verdict.differences) == (0, ())
    assert verdict.notes == (
        f"{len(video.table)} frames were decoded by dali {dali_capabilities.machine_facts().dali} "
        "on cpu, which gives no luma: not compared",
    )


FOOTAGE = [
    "bbb_180p_10s_vp9.webm",
    "mdn_flower_vp8.webm",
    "nasa_apollo15_144p_mjpeg_frag.mov",
    "moviepy_no_duration.webm",
    "ax_vp9_bear-vp9-odd-dimensions.webm",
    "ax_mp4_bbb_800x640_768kbps_30fps_vp9.mp4",
]


@pytest.mark.slow
@pytest.mark.footage
@pytest.mark.usefixtures("with_dali")
@pytest.mark.parametrize("name", FOOTAGE)
def test_an_index_of_real_footage_is_that_of_ffmpeg(footage, tmp_path, name):
    check_index(footage / name, tmp_path, dedup=0.0)


@pytest.mark.gpu
@pytest.mark.parametrize("recipe", ON_GPU)
def test_a_gpu_gives_the_index_of_ffmpeg(films, tmp_path, recipe):
    need("cuda")
    check_pixels(fewframes.probe(films(recipe)), np.arange(0, 25, 4), device="cuda")
    _, theirs = check_index(films(recipe), tmp_path, "cuda", fps=10, size=160, dedup=0.0)
    assert "fallbacks_to_ffmpeg" not in theirs.facts["decoding"]
