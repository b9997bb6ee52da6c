"""Budgets of tokens, sizes of single frames, fetched neighbours, and masks of changed tokens."""

import base64

import numpy as np
import pytest
import simplejpeg
from batches import batch_at
from hypothesis import given, settings
from hypothesis import strategies as st

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.models.export import changed_tokens
from fewframes.models.neighbours import with_neighbours
from fewframes.models.resolutions import sides_by_score
from fewframes.models.runtimes import RUNTIMES, resized
from fewframes.models.token_fit import fit_tokens, sample_within

COUNTED = [name for name, row in RUNTIMES.items() if row.factor]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("budgets") / "case.mp4"
    write_film(path, Film(size=(144, 256), frames=500, options={"g": "50"}))
    return path


@pytest.fixture(scope="module")
def video(film):
    ff.index([film], film.with_name("store.zarr"), fps=5, dedup=0)
    return ff.open(film.with_name("store.zarr"))["case"]


@pytest.mark.slow
@settings(max_examples=300)
@given(
    st.sampled_from(COUNTED),
    st.integers(200, 40000),
    st.integers(120, 2200),
    st.integers(120, 2200),
    st.sampled_from(["frames", "size"]),
)
def test_what_is_chosen_fits_and_the_processor_leaves_it(runtime, most, height, width, prefer):
    fit = fit_tokens(runtime, most, size=(height, width), prefer=prefer)
    row = RUNTIMES[runtime]
    pictures = 2 * fit.frames if row.fuses else fit.frames
    assert fit.tokens <= most
    assert all(side % row.factor == 0 for side in fit.size)
    if not row.shares_pixels:
        assert resized(row, pictures, *fit.size) == fit.size


@pytest.mark.slow
def test_frames_or_size_come_first():
    many = fit_tokens("qwen2.5-vl", 8000, size=(720, 1280))
    large = fit_tokens("qwen2.5-vl", 8000, size=(720, 1280), prefer="size")
    assert many.frames == 8000 // 144  # what the processor makes of the smallest of this shape
    assert large.frames == 8000 // 720
    assert large.size == (560, 1008)
    assert fit_tokens("qwen2.5-vl", 8000, size=(720, 1280), available=5).frames == 5
    for wrong, words in (
        ({"max_tokens": 100}, "less than one picture of 144 tokens"),
        ({"runtime": "openai"}, "counts no tokens by size"),
        ({"prefer": "speed"}, "pass 'frames' or 'size'"),
        ({"available": 0}, "index the film first"),
    ):
        request = {"runtime": "qwen2.5-vl", "max_tokens": 8000, "size": (720, 1280)} | wrong
        with pytest.raises(ValueError, match=words):
            fit_tokens(**request)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["qwen2.5-vl", "qwen3-vl", "vllm:qwen3-vl"])
@pytest.mark.parametrize("prefer", ["frames", "size"])
def test_a_sample_within_tokens_is_handed_over_within_them(video, runtime, prefer):
    batch = sample_within(video, runtime, 1500, prefer=prefer, min_tokens=32, policy="kcenter")
    fit = batch.report["fit"]
    assert batch.frames.shape[1:3] == fit.size
    assert fit.tokens <= 1500
    if runtime == "qwen3-vl":
        assert batch.to(runtime, max_tokens=1500).report["tokens"] <= 1500
    few = sample_within(video, runtime, 1500, prefer="size", min_tokens=32)
    assert fit.frames >= len(few)


@pytest.mark.slow
def test_frames_go_out_in_sizes_of_their_own():
    batch = batch_at(np.arange(6.0), 240, 320)
    sides = sides_by_score([0.1, 0.9, np.nan, 0.5, 0.5, 0.2], 320, counts=(1, 2))
    assert sides.tolist() == [80, 320, 80, 160, 160, 80]
    parts = batch.to("openai", sides=sides).content[1::2]
    files = [base64.b64decode(part["image_url"]["url"].split(",")[1]) for part in parts]
    shapes = [simplejpeg.decode_jpeg(file).shape[:2] for file in files]
    assert shapes == [(60, 80), (240, 320), (60, 80), (120, 160), (120, 160), (60, 80)]
    images = batch.to("qwen3-vl", pairing="images", sides=sides).arguments["images"]
    assert [image.shape[:2] for image in images] == shapes
    block = batch.frames[0].reshape(60, 4, 80, 4, 3).mean(axis=(1, 3))
    assert np.abs(images[0] - block).max() <= 1  # averaged by area
    with pytest.raises(ValueError, match="sides go with images"):
        batch.to("qwen3-vl", sides=sides)
    with pytest.raises(ValueError, match="one a frame"):
        batch.to("openai", sides=[320])


@pytest.mark.slow
def test_neighbours_are_the_true_next_frames(video, film):
    chosen = video.read(seconds=[1, 3, 3.4, 19.8])
    near = with_neighbours(chosen, video)
    assert near.report["neighbours"] == 1  # two are neighbours, and the last one has none
    assert near.seconds.round(2).tolist() == [1.0, 1.4, 3.0, 3.4, 19.8]
    assert np.array_equal(near.frames, video.read(seconds=near.seconds).frames)
    given_over = near.to("qwen3-vl")
    assert given_over.rows.tolist() == [0, 1, 2, 3, 4, 4]
    own = ff.read(film, seconds=[1, 19.96])
    close = with_neighbours(own, film, near_seconds=0.1)
    assert close.frame_numbers.tolist() == [25, 26, 499]
    assert np.array_equal(close.frames, ff.read(film, frames=[25, 26, 499]).frames)
    with pytest.raises(ValueError, match="not in the source"):
        with_neighbours(own, video)


@pytest.mark.slow
def test_tokens_that_show_nothing_new_are_not_marked():
    batch = batch_at(np.arange(4) * 5.0, 256, 320)
    batch.frames[:] = 90
    batch.frames[2:, :32, 32:64] = 200
    for runtime in ("qwen3-vl", "qwen2.5-vl", "glm4.6v"):
        wishes = {} if runtime != "qwen2.5-vl" else {"pairing": "neighbour", "near_seconds": 6}
        given_over = batch.to(runtime, **wishes)
        marks = changed_tokens(given_over)
        assert marks.size == given_over.report["tokens"]
        if runtime == "qwen3-vl":
            assert marks[0].all()
            assert not marks[1].any()
            assert marks[2].sum() == 1
            assert marks[2, 0, 1]
            assert not marks[3].any()
    with pytest.raises(ValueError, match="no video whose tokens"):
        changed_tokens(batch.to("gemma4"))
