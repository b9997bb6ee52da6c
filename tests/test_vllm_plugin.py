"""Addresses of stores for vLLM: the right frames, and nothing outside the allowed folder."""

import asyncio
import base64
from importlib.metadata import entry_points

import numpy as np
import pytest

import fewframes as ff
from fewframes.bench.films import Film, write_film
from fewframes.bindings.vllm_plugin import MODEL, ROOT, Address, load, register

CASE = "fewframes://corpus.zarr/day%201/case"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "films/day 1").mkdir(parents=True)
    write_film(folder / "films/day 1/case.mp4", Film(size=(96, 128), frames=300))
    ff.index([folder / "films"], folder / "corpus.zarr", fps=4, dedup=0)
    (folder / "root").mkdir()
    (folder / "corpus.zarr").rename(folder / "root/corpus.zarr")
    (folder / "root/link.zarr").symlink_to(folder / "films")
    return folder / "root"


@pytest.fixture(autouse=True)
def owner(root, monkeypatch):
    monkeypatch.setenv(ROOT, str(root))
    monkeypatch.setenv(MODEL, "qwen3-vl")


def video_of(root):
    return ff.open(root / "corpus.zarr")["day 1/case"]


def test_an_address_gives_the_frames_of_the_store_with_their_times(root):
    frames, facts = load(f"{CASE}?k=6&policy=uniform&start=2&end=8")
    sample = video_of(root).sample(budget=6, policy="uniform", span=(2, 8))
    given, same = sample.to("vllm:qwen3-vl").arguments["multi_modal_data"]["video"][0]
    assert np.array_equal(frames, given)
    assert facts == same
    small, _ = load(f"{CASE}?k=2&size=64&model=glm4.6v")
    assert small.shape[1:] == (48, 64, 3)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("fewframes://corpus.zarr", "is no address"),
        ("fewframes://../corpus.zarr/x", "is no address"),
        ("fewframes://%2e%2e/x", "is no address"),
        ("file:///etc/passwd", "is no address"),
        ("fewframes://films/x", "no store 'films'"),
        ("fewframes://link.zarr/x", "no store 'link.zarr'"),
        ("fewframes://corpus.zarr/../day 1/case", "no video"),
        ("fewframes://corpus.zarr/other", "no video 'other' in 'corpus.zarr'"),
        (f"{CASE}?path=/etc", "'path' may not be asked for"),
        (f"{CASE}?k=2&k=3", "'k' may not be asked for, or not twice"),
        (f"{CASE}?k=0", "from 1 to 768"),
        (f"{CASE}?k=many", "k='many' is no number"),
        (f"{CASE}?model=gpt", "model='gpt' is not known"),
        (f"{CASE}?group=0", "indexed anew"),
    ],
)
def test_what_is_no_address_or_not_allowed_is_refused(address, words, root):
    with pytest.raises(ValueError, match=words) as told:
        load(address)
    assert str(root.parent) not in str(told.value)
    assert "day 1/case" not in str(told.value) or "case" in address


def test_without_a_folder_or_a_model_nothing_is_read(monkeypatch):
    monkeypatch.delenv(MODEL)
    with pytest.raises(ValueError, match="FEWFRAMES_VLLM_MODEL on the server"):
        load(CASE)
    monkeypatch.delenv(ROOT)
    with pytest.raises(ValueError, match="allows no store"):
        load(CASE)


def test_vllm_finds_the_plug_in():
    found = {point.name: point.value for point in entry_points(group="vllm.general_plugins")}
    if not found:
        pytest.skip("the package is not installed, so it has no entry points")
    assert found["fewframes"] == "fewframes.bindings.vllm_plugin:register"


@pytest.mark.filterwarnings("ignore")
def test_vllm_reads_addresses_by_its_own_connector_and_loader(root):
    pytest.importorskip("vllm", reason="vLLM is not installed")
    from vllm.multimodal.media.connector import MEDIA_CONNECTOR_REGISTRY
    from vllm.multimodal.parse import MultiModalDataParser

    register()
    register()  # plug-ins may be loaded twice
    address = f"{CASE}?k=6&start=1"
    connector = MEDIA_CONNECTOR_REGISTRY.load("fewframes")
    frames, facts = load(address)
    direct = connector.fetch_video(address, video_processor="Qwen3VLVideoProcessor")
    waited = asyncio.run(connector.fetch_video_async(address))
    plain = MEDIA_CONNECTOR_REGISTRY.load(
        "http", media_io_kwargs={"video": {"video_backend": "fewframes"}}
    )
    coded = base64.b64encode(address.encode()).decode()
    sent = plain.fetch_video(f"data:video/fewframes;base64,{coded}")
    for media in (direct, waited, sent):
        pixels, told = media.media
        assert np.array_equal(pixels, frames)
        assert told == facts
    assert direct.original_bytes == Address.read(address).pinned().encode()
    parsed = MultiModalDataParser(video_needs_metadata=True).parse_mm_data({"video": [direct]})
    pixels, told = parsed["video"].get(0)
    assert told["frames_indices"] == facts["frames_indices"]
    assert len(pixels) == len(frames)
    with pytest.raises(ValueError, match="no store"):
        connector.fetch_video("fewframes://films/x")
    with pytest.raises(ValueError, match="send it as video_url"):
        connector.fetch_image(address)
    with pytest.raises(ValueError, match="HTTP, data or file"):
        plain.fetch_video(address)


def test_a_video_indexed_anew_has_another_name_for_caches(root, tmp_path, monkeypatch):
    film = root.parent / "films/day 1/case.mp4"
    monkeypatch.setenv(ROOT, str(tmp_path))
    names = set()
    for fps in (2, 4):
        ff.index([film], tmp_path / "s.zarr", fps=fps)
        names.add(Address.read("fewframes://s.zarr/case?k=3").pinned())
    assert len(names) == 2
