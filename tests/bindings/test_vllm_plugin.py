"""Addresses of stores for vLLM: the right frames, and nothing outside the allowed folder."""

import asyncio
import base64
import shutil
import sys
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.bindings.vllm.plugin import MODEL, ROOT, Address, load, register

WATCHED = []


def _watch(event, args):
    if event == "open" and isinstance(args[0], str | bytes):
        for opened in WATCHED:
            opened.append(args[0] if isinstance(args[0], str) else args[0].decode())


sys.addaudithook(_watch)


@contextmanager
def opens(into):
    """Notes the path of every file that is opened."""
    WATCHED.append(into)
    try:
        yield
    finally:
        WATCHED.remove(into)


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


@pytest.mark.slow
def test_an_address_gives_the_frames_of_the_store_with_their_times(root):
    frames, facts = load(f"{CASE}?k=6&policy=uniform&start=2&end=8")
    sample = video_of(root).sample(budget=6, policy="uniform", span=(2, 8))
    given, same = sample.to("vllm:qwen3-vl").arguments["multi_modal_data"]["video"][0]
    assert np.array_equal(frames, given)
    assert facts == same
    small, _ = load(f"{CASE}?k=2&size=64&model=glm4.6v")
    assert small.shape[1:] == (48, 64, 3)


@pytest.mark.slow
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
        (f"{CASE}?size=0", "size=0 must be a number from 1 to 16384"),
        (f"{CASE}?size=-1", "size=-1 must be"),
        (f"{CASE}?policy={'x' * 5000}", "has 5000 letters; 100 may be"),
        (f"{CASE}?start=nan", "start=nan must be a number of 0 or more"),
        (f"{CASE}?end=-1", "end=-1 must be"),
        (
            f"{CASE}?start=50",
            r"no frame of 'day 1/case\.mp4' is indexed from 50 to inf s; it is 12",
        ),
        (f"{CASE}?start=5&end=2", "starts after it ends"),
        (f"fewframes://{'手' * 200}/x", "is no address"),
        (f"fewframes://corpus.zarr/{'x' * 20000}", "is too long"),
        ("fewframes://corpus.zarr/\ud800", "is no address"),
        ("fewframes://[/x", "Invalid IPv6 URL"),
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
    assert found["fewframes"] == "fewframes.bindings.vllm.plugin:register"


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


@pytest.mark.slow
def test_a_video_indexed_anew_has_another_name_for_caches(root, tmp_path, monkeypatch):
    film = root.parent / "films/day 1/case.mp4"
    monkeypatch.setenv(ROOT, str(tmp_path))
    names = set()
    for fps in (2, 4):
        ff.index([film], tmp_path / "s.zarr", fps=fps)
        names.add(Address.read("fewframes://s.zarr/case?k=3").pinned())
    assert len(names) == 2


def test_zero_is_a_value(root):
    frames, facts = load(f"{CASE}?k=6&policy=uniform&end=0")
    given, same = load(f"{CASE}?k=6&policy=uniform&start=0&end=0")
    assert facts == same
    assert set(facts["frames_indices"]) == {0}
    assert np.array_equal(frames, given)
    assert Address.read(f"{CASE}?end=0").span == (0.0, 0.0)
    assert Address.read(f"{CASE}?start=0").span == (0.0, float("inf"))


def test_pictures_are_decoded_at_the_size_asked_for_alone(root, monkeypatch):
    from fewframes.store.shard_reader import ShardReader

    sizes, read = [], ShardReader.read

    def noted(self, slots, **options):
        sizes.append((len(slots), options.get("size")))
        return read(self, slots, **options)

    monkeypatch.setattr(ShardReader, "read", noted)
    load(f"{CASE}?k=4&size=64")
    assert sizes == [(4, (48, 64))]


def test_an_address_gives_a_bounded_number_of_bytes(root, monkeypatch):
    from fewframes.bindings.vllm import plugin as vllm_plugin
    from fewframes.store.shard_reader import ShardReader

    monkeypatch.setattr(vllm_plugin, "MOST_BYTES", 2 * 8 * 96 * 128 * 3)
    assert 8 <= len(load(f"{CASE}?k=8")[0]) <= 16  # some twice, as this model fuses two
    monkeypatch.setattr(ShardReader, "read", None)  # what is refused is not read
    words = r"9 frames of 96x128 are \d+ bytes for this model, more than .*size=, or k=8"
    with pytest.raises(ValueError, match=words):
        load(f"{CASE}?k=9")
    monkeypatch.setattr(vllm_plugin, "fitted_size", lambda *_: (9000, 9000))
    with pytest.raises(ValueError, match=r"1 frames of 9000x9000.*smaller size=$"):
        load(f"{CASE}?k=1&size=9000")


@pytest.mark.parametrize(
    "link", ["videos", "video", "group", "files", "commit.json", "frames.parquet", "mark"]
)
def test_a_link_that_leads_out_of_a_store_is_refused(root, tmp_path, monkeypatch, link):
    (tmp_path / "root").mkdir()
    outside, store = tmp_path / "outside.zarr", tmp_path / "root/corpus.zarr"
    shutil.copytree(root / "corpus.zarr", outside)
    shutil.copytree(outside, store)
    video = next((store / "videos").iterdir())
    group = next(path for path in video.iterdir() if path.is_dir())
    files = next(path for path in group.iterdir() if path.is_dir())
    places = {"videos": store / "videos", "video": video, "group": group, "files": files}
    places |= {"commit.json": group / "commit.json", "frames.parquet": files / "frames.parquet"}
    places["mark"] = store / "fewframes-store.json"
    monkeypatch.setenv(ROOT, str(tmp_path / "root"))
    assert len(load(f"{CASE}?k=2")[0])
    linked = places[link]
    shutil.rmtree(linked) if linked.is_dir() else linked.unlink()
    linked.symlink_to(outside / linked.relative_to(store))
    opened = []
    with opens(opened), pytest.raises(ValueError, match="is a link that leads out") as told:
        load(f"{CASE}?k=2")
    assert str(tmp_path) not in str(told.value)
    assert not [path for path in opened if Path(path).resolve().is_relative_to(outside)]
    linked.unlink()
    linked.symlink_to("../" * 9 + "nowhere")
    with pytest.raises(ValueError, match="leads out"):
        load(f"{CASE}?k=2")


def test_a_store_whose_own_folder_is_a_link_is_refused(root, tmp_path, monkeypatch):
    store = tmp_path / "corpus.zarr"
    shutil.copytree(root / "corpus.zarr", store)
    (store / "videos").rename(store / "large")
    (store / "videos").symlink_to("large")
    monkeypatch.setenv(ROOT, str(tmp_path))
    with pytest.raises(ValueError, match="is a link"):
        load(f"{CASE}?k=2")
