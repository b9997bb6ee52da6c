"""CLIP- and SigLIP-like models through transformers: real ones, small, of random weights."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from stored import put
from tiny_models import make, needs_transformers, unit

from fewframes.cli.main import main
from fewframes.errors import MissingBackendError
from fewframes.store.embedding import embed_pictures, embed_query, load_embedder
from fewframes.store.store import open_store

KINDS = {"clip": 24, "siglip": 32}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    needs_transformers()
    folder = tmp_path_factory.mktemp("models")
    return {kind: make(kind, folder / f"tiny-{kind}") for kind in KINDS}


def pictures(count, *, size=(48, 64)):
    rng = np.random.default_rng(3)
    return rng.integers(0, 255, (count, *size, 3), np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_the_model_s_own_at_length_one(models, kind):
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    embedder = load_embedder(models[kind])
    model = AutoModel.from_pretrained(models[kind]).eval()
    process = AutoImageProcessor.from_pretrained(models[kind])
    tokenize = AutoTokenizer.from_pretrained(models[kind])
    batch = pictures(3)
    pixels = process(images=[Image.fromarray(picture) for picture in batch], return_tensors="pt")
    words = tokenize(["a red picture"], padding="max_length", max_length=12, return_tensors="pt")
    with torch.inference_mode():
        seen = model(**pixels, **words)
    np.testing.assert_allclose(
        embed_pictures(embedder, batch), unit(seen.image_embeds.numpy()), atol=1e-5
    )
    text = embed_query(embedder, "a red picture", dim=embedder.dim)
    np.testing.assert_allclose(text, unit(seen.text_embeds.numpy())[0], atol=1e-5)
    assert (embedder.name, embedder.dim) == (f"tiny-{kind}", KINDS[kind])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_s_vector_hangs_on_nothing_else_of_its_batch(models, kind):
    embedder, batch = load_embedder(models[kind]), pictures(5, size=(3, 90))
    alone = np.concatenate([embed_pictures(embedder, picture[None]) for picture in batch])
    np.testing.assert_allclose(embed_pictures(embedder, batch), alone, atol=1e-5)


@pytest.mark.slow
def test_the_revision_tells_weights_apart_and_names_no_path(models, tmp_path):
    first = load_embedder(models["clip"])
    again = load_embedder(make("clip", tmp_path / "elsewhere" / "tiny-clip"))
    other = load_embedder(make("clip", tmp_path / "other" / "tiny-clip", seed=1))
    assert (first.name, first.revision) == (again.name, again.revision)
    assert other.name == first.name
    assert other.revision != first.revision
    assert "/" not in first.name + first.revision


@pytest.mark.slow
def test_a_long_text_is_cut_and_an_empty_one_is_a_text(models):
    embedder = load_embedder(models["siglip"])
    for words in ("a red picture " * 50, ""):
        assert np.isfinite(embed_query(embedder, words, dim=32)).all()


@pytest.mark.slow
def test_the_second_question_embeds_no_picture(models, tmp_path, monkeypatch):
    put(tmp_path / "s", "film")
    embedder = load_embedder(models["clip"])
    assert open_store(tmp_path / "s")["film"].embed(embedder) == 14
    monkeypatch.setattr(type(embedder), "frames", None)
    video = open_store(tmp_path / "s")["film"]
    texts = ["a red picture", "a black picture"]
    scores = [video.relevance(text, embedder=embedder) for text in texts]
    assert not np.array_equal(*scores)
    for text, score in zip(texts, scores, strict=True):
        request = {"budget": 4, "policy": "query"}
        by_text = video.sample(**request, query=text, embedder=embedder)
        by_score = video.sample(**request, relevance=score)
        np.testing.assert_array_equal(by_text.frame_numbers, by_score.frame_numbers)


@pytest.mark.slow
def test_the_command_embeds_a_store_and_asks_it(models, tmp_path):
    store, model = tmp_path / "s", str(models["siglip"])
    put(store, "case_07")
    put(store, "case_08", frames=20)
    for status in ("ok", "done"):
        said = CliRunner().invoke(main, ["embed", str(store), "--model", model, "--json"])
        assert said.exit_code == 0, said.output
        rows = [json.loads(line) for line in said.stdout.splitlines()]
        assert [(row["video"], row["status"]) for row in rows] == [
            ("case_07", status),
            ("case_08", status),
        ]
        assert rows[0]["embedder"] == "tiny-siglip"
    arguments = ["sample", str(store), "case_07", "-k", "3", "--policy", "query", "--json"]
    request = [*arguments, "--query", "a red picture", "--model", model]
    said = CliRunner().invoke(main, request)
    assert said.exit_code == 0, said.output
    assert len(json.loads(said.stdout)["frames"]) == 3
    by_look = [*arguments[:-2], "kcenter", "--features", "tiny-siglip"]
    assert CliRunner().invoke(main, by_look).exit_code == 0
    for wrong in ([*arguments, "--query", "red"], [*arguments, "--model", model]):
        assert CliRunner().invoke(main, wrong).exit_code == 2


@pytest.mark.slow
def test_a_model_without_texts_is_refused(models, tmp_path):
    import transformers

    transformers.CLIPVisionModel.from_pretrained(models["clip"]).save_pretrained(tmp_path / "v")
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        (tmp_path / "v" / name).write_bytes((models["clip"] / name).read_bytes())
    with pytest.raises(ValueError, match=r"model='v' is .* no features of pictures and texts"):
        load_embedder(tmp_path / "v")


@pytest.mark.slow
def test_a_folder_has_no_revision(models):
    with pytest.raises(
        ValueError, match=r"revision='main' is of the hub, but 'tiny-clip' is a fol"
    ):
        load_embedder(models["clip"], revision="main")


@pytest.mark.slow
def test_what_is_not_installed_is_one_sentence():
    code = "import sys; sys.modules['transformers'] = None\n"
    code += "from fewframes.store.embedding import load_embedder\nload_embedder('some/model')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = said.stderr.strip().splitlines()[-1]
    assert last.startswith(f"fewframes.errors.{MissingBackendError.__name__}: model='some/model'")
    assert last.endswith("pip install 'fewframes[hf]'")
