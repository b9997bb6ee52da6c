"""Pictures that lie on a GPU stay there, and give what the same pictures in memory give.

A decoder takes DALI's place: FFmpeg, whose pictures are put on the GPU, or on the one that Numba's
simulator plays. All behind it is what runs on a real one.
"""

from dataclasses import replace

import numpy as np
import pytest
from dali_checks import PyavPipeline, play_gpu
from on_gpu import need_gpu, to_device

import fewframes
from fewframes.bench.research.films import RECIPES, write_film
from fewframes.bindings.dali import decode as dali_decode
from fewframes.bindings.dali import post_process as dali_post_process
from fewframes.bindings.dali import video as dali_video
from fewframes.bindings.ffmpeg import slice_streams as ffmpeg_slice_streams
from fewframes.decode.backend_choice import DecoderRequest
from fewframes.decode.decoder import DecodeReport, decoder
from fewframes.decode.plan import plan_frames
from fewframes.features.scan import scan
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.kernels import gpu
from fewframes.store.recipes import Recipe
from fewframes.store.store import create_store, open_store

pytestmark = pytest.mark.gpu
GPU, CPU = DecoderRequest("dali", "cuda"), DecoderRequest("dali", "cpu")
SMALL = replace(
    RECIPES["x264_pyramid"], frames=12, size=(16, 32), options={"g": "6", "bf": "2"}, fps=10
)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "film.mp4"
    write_film(path, SMALL)
    return path


class Pipeline(PyavPipeline):
    def given(self):
        where = "cuda" if self.device == "cuda" else "cpu"
        return [to_device(one, where) for one in super().given()]


@pytest.fixture(autouse=True)
def by_ffmpeg(monkeypatch):
    """DALI's place is taken; pictures begin where the device says."""
    need_gpu()

    play_gpu(monkeypatch, Pipeline)
    monkeypatch.setattr(
        dali_decode, "AUDIT_LEVELS", 30.0
    )  # so small a picture is nothing but edges


@pytest.fixture
def traffic(monkeypatch):
    """Counts launches, and the bytes of each copy to memory."""
    seen = {"launches": [], "bytes": []}
    launch, kind = gpu.launch, type(gpu.empty((1,), np.uint8))
    copy = kind.copy_to_host

    def counted(loops, *rest):
        seen["launches"].append(loops.__name__)
        launch(loops, *rest)

    def weighed(array, *rest, **options):
        seen["bytes"].append(array.nbytes)
        return copy(array, *rest, **options)

    def refused(array, *rest, **options):
        raise AssertionError("an array on the GPU was copied behind everybody's back")

    monkeypatch.setattr(gpu, "launch", counted)
    monkeypatch.setattr(kind, "copy_to_host", weighed)
    monkeypatch.setattr(kind, "__array__", refused, raising=False)
    return seen


def index_by(request, film, folder, **how):
    store = folder / f"{request.device}.zarr"
    create_store(store)
    recipe = Recipe(**{"fps": None, "size": "16", "dedup": 0.012, **how})
    outcome = index_film(FilmTask(film, store, "film", recipe, request=request))
    assert outcome.status == "ok", outcome
    return open_store(store)["film"]


@pytest.mark.parametrize("codec", ["jpeg", "raw"])
def test_an_index_made_on_a_gpu_is_that_made_in_memory_bit_for_bit(film, tmp_path, codec):
    ours, theirs = (index_by(request, film, tmp_path, codec=codec) for request in (CPU, GPU))
    assert theirs.facts["decoding"]["decoder"] == "dali 2.4 on cuda"
    assert "fallbacks_to_ffmpeg" not in theirs.facts["decoding"]
    for name, column in ours.table.signals.items():
        np.testing.assert_array_equal(theirs.table.signals[name], column, err_msg=name)
    np.testing.assert_array_equal(theirs.table.signatures, ours.table.signatures)
    assert theirs.table.pts.tolist() == ours.table.pts.tolist()
    assert theirs.slots.tolist() == ours.slots.tolist()
    rows = range(len(ours.table))
    assert theirs.encoded(rows) == ours.encoded(rows)
    for policy in ("adaptive", "kcenter", "dpp", "maxvol", "shots"):
        picks = [video.sample(budget=5, policy=policy).frame_numbers for video in (ours, theirs)]
        assert picks[0].tolist() == picks[1].tolist(), policy


@pytest.mark.parametrize("codec", ["jpeg", "raw", "zstd"])
def test_of_pictures_on_a_gpu_what_is_stored_comes_to_memory_once(tmp_path, traffic, codec):
    path, how = tmp_path / "film.mp4", {"dedup": 1.0, "codec": codec}
    write_film(path, replace(SMALL, frames=5))
    video = index_by(GPU, path, tmp_path, **how)  # whatever comes after the first repeats it
    assert video.facts["counts"]["stored"] == 1
    planes, rgb = [8 * 16, 4 * 8, 4 * 8], [8 * 16 * 3]
    audit, kept = (planes, planes) if codec == "jpeg" else ([*planes, *rgb], rgb)
    sizes = [size for size in traffic["bytes"] if size in (*planes, *rgb)]
    assert sizes == [*audit, *kept]


def test_a_scan_on_a_gpu_brings_grids_to_memory_and_takes_few_launches(film, traffic):
    """Slices of six pictures: five launches each, and two for the picture that is audited."""
    timeline = fewframes.probe(film)
    rows, _ = scan(timeline, np.arange(12), size=(8, 16), dedup=0.0, request=GPU)
    assert rows.kept == 12
    of_a_slice = ["_one_place", "_one_pixel", "_four_pixels", "_one_column", "_one_tile"]
    audit = ["_one_pixel", "_four_pixels"]
    assert traffic["launches"] == [of_a_slice[0], *audit, *of_a_slice[1:], *of_a_slice]
    witness, scalars, grids = 8, 6 * 3 * 8, 6 * 4 * 4 * 8 * 4
    audited = [8 * 16, 4 * 8, 4 * 8]
    assert traffic["bytes"] == [witness, *audited, scalars, grids, witness, scalars, grids]


def test_a_slice_that_goes_to_ffmpeg_joins_those_on_the_gpu(film, monkeypatch):
    class Refuses(Pipeline):
        def given(self):
            if any(one.data == second for one in self.streams):
                raise RuntimeError("no")
            return super().given()

    timeline, written = fewframes.probe(film), []
    stream_of = ffmpeg_slice_streams.stream_of
    monkeypatch.setattr(
        ffmpeg_slice_streams, "stream_of", lambda *what: written.append(what[1]) or stream_of(*what)
    )
    how = {"size": (8, 16), "dedup": 0.0, "request": GPU}
    ours = scan(timeline, np.arange(12), **how)[0].table(timeline)[0]
    (_, second), _ = written, monkeypatch.setattr(dali_video, "VideoPipeline", Refuses)
    rows, report = scan(timeline, np.arange(12), **how)
    assert report.provenance()["fallbacks_to_ffmpeg"] == f"{dali_video.REFUSED} (1)"
    theirs = rows.table(timeline)[0]
    assert theirs.frame_numbers.tolist() == list(range(12))
    for name in ("brightness", "sharpness"):
        mine, found = ours.signals[name], theirs.signals[name]
        np.testing.assert_array_equal(found[:6], mine[:6])
        np.testing.assert_allclose(found[6:], mine[6:], rtol=0.2, atol=6)
    assert (theirs.signals["luma_xxh64"] != 0).tolist() == [False] * 6 + [True] * 6


def test_no_batch_is_larger_than_memory_for_it(film, traffic, monkeypatch):
    monkeypatch.setattr(dali_post_process, "AT_ONCE", 4)
    timeline, report = fewframes.probe(film), DecodeReport()
    runs = plan_frames(timeline, np.arange(6)).runs
    how = {"format": "jpeg+rgb", "size": (8, 16), "report": report}
    given = list(decoder("dali", "cuda")(timeline, runs, **how))
    assert [len(batch) for batch in given] == [4, 2]
    assert all(gpu.is_on_gpu(plane) for batch in given for plane in batch.planes)
    assert [plane.shape for plane in given[0].planes] == [
        (4, 8, 16),
        (4, 4, 8),
        (4, 4, 8),
        (4, 8, 16, 3),
    ]
    assert len(traffic["bytes"]) == 5  # the witness, and the four planes that are audited


@pytest.mark.parametrize("rotation", [0, 90, 270])
def test_frames_read_through_a_gpu_are_those_read_in_memory(tmp_path, rotation):
    write_film(tmp_path / "film.mp4", replace(SMALL, rotation=rotation))
    timeline = fewframes.probe(tmp_path / "film.mp4", cache=False)
    assert timeline.stream.rotation == rotation
    for size in (None, 12):
        ours, theirs = (
            fewframes.read(timeline, frames=[11, 2, 11], size=size, backend="dali", device=device)
            for device in ("cpu", "cuda")
        )
        assert "fallbacks_to_ffmpeg" not in theirs.report
        assert np.array_equal(ours.frames, theirs.frames)
        assert type(theirs.frames) is np.ndarray
        assert theirs.seconds.tolist() == [1.1, 0.2, 1.1]


def test_samples_and_shots_take_the_device(film):
    for find in (
        lambda **how: fewframes.sample(film, budget=4, scan_fps=None, **how).frame_numbers,
        lambda **how: fewframes.shots(film, **how).first_frames,
    ):
        ours, theirs = (find(backend="dali", device=device) for device in ("cpu", "cuda"))
        assert ours.tolist() == theirs.tolist()
