"""What the processors of transformers make of what is handed over, and what models are told."""

import numpy as np
import pytest
from batches import UNEVEN, batch_at

from fewframes.bench.research.consumers import CONSUMERS, QWEN
from fewframes.bench.research.timestamps import chat_told, vllm_told
from fewframes.models.runtimes import RUNTIMES, bounded, resized, tokens

pytest.importorskip("torchvision", reason="torchvision, which video processors need, is not there")
pytest.importorskip("transformers", reason="transformers is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SPACINGS = {
    "uneven": UNEVEN,
    "odd": (0.0, 2.0, 4.0),
    "one": (7.25,),
    "even": tuple(np.arange(8) / 2),
    "vfr": tuple(np.cumsum(np.random.default_rng(1).uniform(0.01, 0.9, 24))),
}


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("runtime", CONSUMERS)
def test_the_model_is_told_the_times_that_the_hand_over_says(runtime, spacing):
    given_over = batch_at(SPACINGS[spacing], 64, 96).to(runtime)
    told, pictures = CONSUMERS[runtime].told(given_over)
    assert np.repeat(told, pictures) == pytest.approx(given_over.timestamps, abs=1e-6)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("runtime", [name for name in RUNTIMES if name.startswith("vllm")])
def test_a_model_in_vllm_is_told_them_too(runtime, spacing):
    pytest.importorskip("vllm", reason="vLLM is not installed")
    batch = batch_at(SPACINGS[spacing], 64, 96)
    if runtime.endswith("qwen2.5-vl") and spacing != "even":
        return  # refused, see test_handover
    given_over = batch.to(runtime)
    told, pictures = vllm_told(given_over)
    assert np.repeat(told, pictures) == pytest.approx(given_over.timestamps, abs=1e-6)


def test_qwen_vl_utils_gives_every_picture_in_its_place():
    pytest.importorskip("qwen_vl_utils", reason="qwen-vl-utils is not installed")
    given_over = batch_at(UNEVEN, 64, 96).to("qwen-vl-utils")
    assert chat_told(given_over) == pytest.approx(UNEVEN)


@pytest.mark.parametrize("most", [None, 300, 2000])
@pytest.mark.parametrize("runtime", ["qwen2.5-vl", "qwen3-vl", "glm4v", "glm4.6v"])
def test_size_and_tokens_are_those_of_the_processor(runtime, most):
    import transformers as tf

    batch = batch_at(np.arange(16) / 2, 270, 480)
    given_over = batch.to(runtime, max_tokens=most)
    kinds = {"qwen2.5-vl": "Qwen2VL", "qwen3-vl": "Qwen3VL", "glm4v": "Glm4v", "glm4.6v": "Glm46V"}
    processor = getattr(tf, kinds[runtime] + "VideoProcessor")()
    grid = processor(**given_over.arguments, return_tensors="pt")["video_grid_thw"][0].tolist()
    patch = RUNTIMES[runtime].factor // 2
    assert (grid[1] * patch, grid[2] * patch) == given_over.report["size"]
    assert grid[0] * grid[1] * grid[2] // 4 == given_over.report["tokens"] <= (most or 10**6)


def test_qwen25_is_told_the_rate_of_even_frames():
    from fewframes.bench.research.consumers import qwen

    batch = batch_at(np.arange(8) * 0.7, 64, 96)
    inputs = qwen("2.5")(text=[QWEN], **batch.to("qwen2.5-vl").arguments, return_tensors="pt")
    assert inputs["second_per_grid_ts"].tolist() == [pytest.approx(1.4)]


@pytest.mark.parametrize("runtime", ["qwen2-vl", "qwen2.5-vl", "qwen3-vl"])
def test_images_between_lines_of_text(runtime):
    from fewframes.bench.research.consumers import qwen

    given_over = batch_at(UNEVEN, 64, 96).to(runtime, pairing="images")
    picture = "<|vision_start|><|image_pad|><|vision_end|>"
    words = "".join(part.get("text", picture) for part in given_over.content)
    processor = qwen(runtime.removeprefix("qwen").removesuffix("-vl"))
    inputs = processor(text=[words], **given_over.arguments, return_tensors="pt")
    assert len(inputs["image_grid_thw"]) == len(UNEVEN)
    assert "Frame at 3.123 s:" in processor.tokenizer.decode(inputs["input_ids"][0])


VISION = {"depth": 2, "hidden_size": 32, "num_heads": 2, "out_hidden_size": 64}
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 512,
}


@pytest.mark.parametrize("runtime", ["qwen2.5-vl", "qwen3-vl"])
def test_a_small_model_runs_on_what_is_handed_over(runtime):
    import torch
    import transformers as tf

    from fewframes.bench.research.consumers import qwen

    kind = {"qwen2.5-vl": "Qwen2_5_VL", "qwen3-vl": "Qwen3VL"}[runtime]
    processor = qwen(runtime.removeprefix("qwen").removesuffix("-vl"))
    seconds = UNEVEN if runtime == "qwen3-vl" else np.arange(8) / 2
    given_over = batch_at(seconds, 64, 96).to(runtime)
    inputs = processor(text=[QWEN], **given_over.arguments, return_tensors="pt")
    ids = {
        f"{name}_id": processor.tokenizer.convert_tokens_to_ids(token)
        for name, token in (
            ("image_token", "<|image_pad|>"),
            ("video_token", "<|video_pad|>"),
            ("vision_start_token", "<|vision_start|>"),
            ("vision_end_token", "<|vision_end|>"),
        )
    }
    sections = {"mrope_section": [2, 3, 3], "rope_type": "default", "rope_theta": 10000.0}
    vision = VISION | (
        {"deepstack_visual_indexes": [0], "intermediate_size": 64, "num_position_embeddings": 64}
        if runtime == "qwen3-vl"
        else {"fullatt_block_indexes": [1], "intermediate_size": 64}
    )
    config = getattr(tf, kind + "Config")(
        text_config=TEXT | {"rope_scaling": sections, "rope_parameters": sections},
        vision_config=vision,
        **ids,
    )
    torch.manual_seed(0)
    model = getattr(tf, kind + "ForConditionalGeneration")(config).eval()
    with torch.no_grad():
        logits = model(**inputs).logits
    assert logits.shape[:2] == inputs["input_ids"].shape
    assert torch.isfinite(logits).all()


def test_the_size_rule_is_that_of_the_processors():
    from transformers.models.glm4v.video_processing_glm4v import smart_resize as glm4v
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import smart_resize as qwen2
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize as qwen3

    rng = np.random.default_rng(3)
    for _ in range(500):
        height, width = (int(side) for side in rng.integers(28, 2400, 2))
        frames = 2 * int(rng.integers(1, 200))
        most = int(rng.integers(200, 40000)) * (frames // 2)
        for runtime in ("qwen2.5-vl", "qwen3-vl", "glm4v", "glm4.6v"):
            for row in (RUNTIMES[runtime], bounded(RUNTIMES[runtime], frames, most)):
                limits = {"min_pixels": row.pixels[0], "max_pixels": row.pixels[1]}
                if row.shares_pixels:
                    rule = qwen3 if runtime == "qwen3-vl" else glm4v
                    theirs = rule(frames, height, width, 2, row.factor, **limits)
                else:
                    theirs = qwen2(height, width, row.factor, **limits)
                assert resized(row, frames, height, width) == theirs
                assert tokens(row, frames, height, width) > 0


def test_the_size_rule_is_that_of_qwen_vl_utils():
    pytest.importorskip("qwen_vl_utils", reason="qwen-vl-utils is not installed")
    from qwen_vl_utils.vision_process import smart_resize

    rng = np.random.default_rng(4)
    for _ in range(500):
        height, width = (int(side) for side in rng.integers(28, 2400, 2))
        row = bounded(RUNTIMES["qwen2.5-vl"], 2, int(rng.integers(4, 4000)))
        limits = {"min_pixels": row.pixels[0], "max_pixels": row.pixels[1]}
        assert resized(row, 2, height, width) == smart_resize(height, width, row.factor, **limits)
