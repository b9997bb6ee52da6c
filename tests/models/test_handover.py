"""Handing frames over: true times, honest pairs, and the limits of runtimes."""

import base64
import json

import numpy as np
import pytest
import simplejpeg
from batches import UNEVEN, batch_at
from hypothesis import given, settings
from hypothesis import strategies as st

from fewframes.bench.research.timestamps import chat_told
from fewframes.models.pairing import paired_rows
from fewframes.models.runtimes import RUNTIMES, bounded, resized, tokens

TRANSFORMERS = [name for name, row in RUNTIMES.items() if "transformers" in row.exporter]
CHATS = [name for name, row in RUNTIMES.items() if "messages" in row.exporter]


times = st.lists(st.integers(0, 10**7), min_size=1, max_size=40).map(
    lambda ms: np.sort(np.array(ms)) / 1000
)


@pytest.mark.slow
@given(times, st.floats(0, 5), st.sampled_from(["neighbour", "repeat"]))
def test_every_frame_is_sent_and_no_pair_is_far_apart(seconds, near, pairing):
    rows = paired_rows(seconds, pairing, near_seconds=near)
    pairs = seconds[rows].reshape(-1, 2)
    assert set(rows.tolist()) == set(range(len(seconds)))
    assert (np.diff(rows) >= 0).all()
    assert (np.diff(pairs, axis=1) <= (near if pairing == "neighbour" else 0)).all()
    assert np.abs(pairs - pairs.mean(axis=1, keepdims=True)).max() <= near / 2 + 1e-9


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("seconds", [UNEVEN, (5.0,), tuple(np.arange(8) / 2)], ids=len)
def test_told_times_are_true_for_every_runtime(runtime, seconds):
    batch = batch_at(seconds)
    if runtime.startswith("vllm") and runtime.endswith("qwen2.5-vl") and len(seconds) != 8:
        with pytest.raises(ValueError, match="cannot tell the model the times"):
            batch.to(runtime)
        return
    given_over = batch.to(runtime)
    off = np.abs(given_over.timestamps - batch.seconds[given_over.rows]).max()
    assert off == pytest.approx(given_over.report["time_error_seconds"])
    assert off <= 1.0
    assert set(given_over.rows.tolist()) == set(range(len(batch)))


@pytest.mark.parametrize("runtime", ["qwen2-vl", "qwen2.5-vl", "internvl", "llava-onevision"])
def test_models_that_are_told_no_times_get_images_and_text(runtime):
    given_over = batch_at(UNEVEN).to(runtime)
    assert given_over.report["layout"] == "images and text"
    words = [part["text"] for part in given_over.content if part["type"] == "text"]
    assert words[2] == "Frame at 3.123 s:"
    assert len(given_over.arguments["images"]) == len(UNEVEN)


def test_one_rate_is_told_only_of_even_frames_from_the_start():
    even = batch_at(np.arange(8) * 0.7).to("qwen2.5-vl")
    facts = even.arguments["video_metadata"][0]
    rate = len(facts["frames_indices"]) / facts["total_num_frames"] * facts["fps"]
    assert rate == pytest.approx(1 / 0.7)
    assert batch_at(np.arange(8) * 0.7 + 3).to("qwen2.5-vl").report["layout"] != "video"


def test_wishes_for_pairs():
    batch = batch_at(UNEVEN)
    assert batch.to("qwen3-vl").report["pictures"] == 10
    assert batch.to("qwen3-vl", pairing="repeat").report["pictures"] == 14
    assert batch.to("qwen3-vl", pairing="images").report["layout"] == "images and text"
    exact = batch.to("qwen3-vl", max_time_error=0.001)
    assert exact.report["layout"] == "images and text"
    with pytest.raises(ValueError, match="fuses no frames"):
        batch.to("gemma4", pairing="repeat")
    for runtime in ("qwen3-vl", "vllm:qwen3-vl", "vllm-server:qwen3-vl"):
        with pytest.raises(ValueError, match="pairings: neighbour, repeat, images"):
            batch.to(runtime, pairing="mean")


@pytest.mark.parametrize("runtime", CHATS)
def test_chat_messages_hold_every_picture_behind_its_time(runtime):
    batch = batch_at(UNEVEN)
    message = batch.to(runtime).message("What happens?")
    parts = message["parts" if runtime == "gemini" else "content"]
    json.dumps(message)
    assert len(parts) == 2 * len(batch) + 1
    assert parts[4]["text"] == "Frame at 3.123 s:"
    assert parts[-1]["text"] == "What happens?"
    encoded = json.dumps(parts[5])
    found = encoded[encoded.index("/9j/") :].split('"')[0]
    picture = simplejpeg.decode_jpeg(base64.b64decode(found))
    assert picture.shape == batch.frames[2].shape


@pytest.mark.parametrize("runtime", [name for name in CHATS if name != "qwen-vl-utils"])
@pytest.mark.parametrize("seconds", [UNEVEN, (7.25,), (0.0, 2.0, 4.0)], ids=len)
def test_chat_messages_tell_a_true_time_for_every_picture(runtime, seconds):
    assert chat_told(batch_at(seconds).to(runtime)) == pytest.approx(seconds)


@pytest.mark.slow
def test_limits_are_respected_and_said():
    with pytest.raises(ValueError, match=r"101 frames are more than 'anthropic' takes \(100\)"):
        batch_at(np.arange(101.0), 8, 8).to("anthropic")
    with pytest.raises(ValueError, match="sides of 2008 pixels are longer"):
        batch_at(np.arange(21.0), 8, 2008).to("anthropic")
    with pytest.raises(ValueError, match="MiB as base64, more than 'anthropic' takes"):
        batch_at(np.arange(20.0), 1500, 1500).to("anthropic", quality=100)
    with pytest.raises(ValueError, match="runtimes: qwen2-vl"):
        batch_at([0.0]).to("gpt")
    with pytest.raises(ValueError, match="without frames"):
        batch_at([]).to("openai")


@pytest.mark.slow
@settings(max_examples=1000)
@given(
    st.sampled_from(["qwen2.5-vl", "qwen3-vl", "glm4v"]),
    st.integers(1, 64),
    st.integers(32, 2200),
    st.integers(32, 2200),
    st.integers(64, 20000),
)
def test_a_bound_on_tokens_is_kept(runtime, pairs, height, width, most):
    model = bounded(RUNTIMES[runtime], 2 * pairs, most)
    tall, wide = resized(model, 2 * pairs, height, width)
    sides_at_least = tall > model.factor and wide > model.factor
    assert tokens(model, 2 * pairs, height, width) <= most or not sides_at_least


@pytest.mark.parametrize("model", ["qwen2.5-vl", "qwen3-vl", "glm4v", "glm4.6v"])
@pytest.mark.parametrize("vllm", ["vllm", "vllm-server"])
def test_vllm_is_given_the_same_bound_on_tokens_as_transformers(vllm, model):
    batch = batch_at(np.arange(16) / 2, 270, 480)
    given_over, plain = batch.to(f"{vllm}:{model}", max_tokens=900), batch.to(model, max_tokens=900)
    assert given_over.arguments["mm_processor_kwargs"] == {"size": plain.arguments["size"]}
    assert given_over.report["tokens"] == plain.report["tokens"] <= 900
    assert given_over.report["size"] == plain.report["size"]
    assert "mm_processor_kwargs" not in batch.to(f"{vllm}:{model}").arguments


@pytest.mark.parametrize("runtime", ["vllm:qwen3-vl", "vllm-server:qwen3-vl"])
def test_vllm_gets_milliseconds_as_whole_numbers(runtime):
    batch = batch_at(UNEVEN)
    given_over = batch.to(runtime)
    if "server" in runtime:
        facts = given_over.arguments["media_io_kwargs"]["video"]
        url = given_over.content[0]["video_url"]["url"]
        assert len(url.split(",")) == 1 + len(facts["frames_indices"])
        json.dumps([given_over.content, given_over.arguments])
    else:
        pixels, facts = given_over.arguments["multi_modal_data"]["video"][0]
        assert np.array_equal(pixels, batch.frames[given_over.rows])
    assert (
        facts["frames_indices"]
        == [0, 400, 3123, 3123, 65900, 66200, 200050, 200050] + [3601700] * 2
    )
    assert facts["do_sample_frames"] is False
