"""The small streams that a GPU is given hold what they say, decoded here by FFmpeg."""

import io

import av
import numpy as np
import pytest
from dali_checks import ON_GPU, PyavPipeline, play_gpu

import fewframes
from fewframes.bench.research.films import RECIPES, Film, read_number, write_film
from fewframes.bindings.ffmpeg import slice_streams as ffmpeg_slice_streams
from fewframes.bindings.ffmpeg.cursor import Cursor
from fewframes.bindings.ffmpeg.slice_streams import SliceWriter, UnfitError
from fewframes.decode.decoder import DecodeReport, Event
from fewframes.decode.plan import plan_frames
from fewframes.decode.slices import slice_runs
from fewframes.media.slice_checks import NO_IDR


@pytest.mark.slow
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
        for packet, rank in zip(part.requested.tolist(), part.frames.tolist(), strict=True):
            assert np.array_equal(luma[rank], truth[at[packet]])
            seen += 1
    cursor.close()
    assert (seen, report[Event.NO_DROP]) == (len(numbers), 0)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ON_GPU)
def test_the_way_to_a_gpu_with_ffmpeg_in_place_of_dali(films, recipe, monkeypatch):
    """All but the decoder and the device: slices, their checks, the audit, order and numbers."""
    play_gpu(monkeypatch)
    film, numbers = films(recipe), np.arange(0, RECIPES[recipe].frames, 3)
    batch = fewframes.read(film, frames=numbers, backend="dali", device="cuda", workers=1)
    coded = np.rot90(batch.frames, k=RECIPES[recipe].rotation // 90, axes=(1, 2))
    assert [read_number(frame) for frame in coded] == numbers.tolist()
    assert batch.report["decoder"] == "dali 2.4 on cuda"
    assert "fallbacks_to_ffmpeg" not in batch.report
    assert batch.report["no_drop"] == 0


CROPPED = {
    "right and bottom": Film(frames=20, size=(150, 250), options={"g": "7", "bf": "2"}),
    "all sides": Film(
        frames=20, size=(192, 320), options={"g": "7", "x264-params": "crop-rect=64,16,6,10"}
    ),
    "turned": Film(frames=20, size=(150, 250), rotation=90, options={"g": "7"}),
    "of a stream": Film(frames=20, size=(150, 250), suffix=".ts", options={"g": "7"}),
    "hevc": Film(
        frames=20,
        size=(150, 250),
        codec="libx265",
        options={"x265-params": "log-level=none:keyint=7:open-gop=0:min-cu-size=16"},
    ),
    "other hevc": Film(
        frames=20,
        size=(150, 250),
        codec="libx265",
        options={"x265-params": "log-level=none:keyint=7:open-gop=0:min-cu-size=8"},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("size", [None, 64])
@pytest.mark.parametrize("name", CROPPED)
def test_all_that_is_coded_is_decoded_and_cut_afterwards(tmp_path, monkeypatch, name, size):
    shapes = set()

    class Pipeline(PyavPipeline):
        def given(self):
            pictures = super().given()
            shapes.update(one.shape[1:] for one in pictures)
            return pictures

    play_gpu(monkeypatch, Pipeline)
    path = tmp_path / f"film{CROPPED[name].suffix}"
    write_film(path, CROPPED[name])
    timeline, numbers = fewframes.probe(path, cache=False), np.arange(0, 20, 3)
    batch = fewframes.read(timeline, frames=numbers, size=size, backend="dali", device="cuda")
    assert "fallbacks_to_ffmpeg" not in batch.report
    height, width = (-(-side // 16) * 16 for side in CROPPED[name].size)
    assert shapes == {(150, 250, 3) if name == "other hevc" else (height, width, 3)}
    monkeypatch.setattr(ffmpeg_slice_streams, "uncropped", lambda *_: None)
    plain = fewframes.read(timeline, frames=numbers, size=size, backend="dali", device="cuda")
    assert np.array_equal(batch.frames, plain.frames)
    ours = fewframes.read(timeline, frames=numbers, size=size)
    assert np.abs(ours.frames.astype(int) - batch.frames).mean() < 3


@pytest.mark.slow
def test_a_start_that_is_no_idr_picture_is_not_for_a_gpu(films):
    timeline = fewframes.probe(films("x264_open_gop"))
    writer = SliceWriter(Cursor(timeline), DecodeReport(), on_gpu=True)
    first, *_, last = slice_runs(timeline, plan_frames(timeline, [2, len(timeline) - 1]).runs)
    writer.write(first)
    with pytest.raises(UnfitError, match=NO_IDR):
        writer.write(last)
