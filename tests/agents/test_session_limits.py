"""What a session and its tools may give is bounded: tokens, sides of pictures, words."""

import pytest

import fewframes as ff
from fewframes.agents.session import BudgetSpentError, Session
from fewframes.agents.tools import LONGEST_SIDE, call
from fewframes.bench.research.films import Film, write_film
from fewframes.models.runtimes import RUNTIMES, tokens


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Wider than a call may give; stored as it is."""
    path = tmp_path_factory.mktemp("wide") / "case.mp4"
    write_film(path, Film(size=(96, 1600), frames=50))
    return path


@pytest.fixture(scope="module")
def video(film):
    ff.index([film], film.with_name("store.zarr"), fps=12.5, dedup=0, size=None)
    return ff.open(film.with_name("store.zarr"))["case"]


@pytest.mark.slow
def test_no_tool_gives_a_side_longer_than_1024(video, film):
    assert video.frame_size == (96, 1600)
    session = Session(video, film=film)
    assert session.zoom(1).frames.shape == (1, 96, 1600, 3)  # its owner may
    zoomed = call(session, "zoom", {"seconds": 1, "box": [0, 0, 1, 1]})
    assert max(zoomed.frames.shape) == LONGEST_SIDE == 1024
    assert session.history[-1].arguments["size"] == LONGEST_SIDE
    for name, request in (
        ("glance", {"k": 3}),
        ("look", {"start": 0, "end": 1, "k": 3}),
        ("frame_at", {"seconds": 1}),
        ("find", {"query": "sharpness", "k": 3}),
        ("find_like", {"seconds": 1, "k": 3}),
    ):
        assert max(call(session, name, request).frames.shape) == LONGEST_SIDE, name


@pytest.mark.slow
def test_tokens_are_spent_and_then_there_are_none(video, film):
    row = RUNTIMES["qwen3-vl"]
    each = tokens(row, 2, 96, 1600)
    session = Session(video, film=film, max_tokens=5 * each + 1, runtime="qwen3-vl")
    assert session.frames_left == 5
    first = session.look(0, 1, 3)
    assert len(first) == 3
    assert (session.frames_left, session.tokens_given) == (2, 3 * each)
    session.frame_at(first.seconds[0])  # the same, which costs nothing
    assert session.frames_left == 2
    assert len(session.look(1.2, 2, 9)) == 2
    for spent in (lambda: session.glance(1), lambda: session.frame_at(1.04)):
        with pytest.raises(BudgetSpentError, match="all 5 frames"):
            spent()
    assert session.tokens_given == 5 * each


@pytest.mark.slow
def test_a_crop_costs_the_tokens_of_its_size(video, film):
    row = RUNTIMES["qwen3-vl"]
    whole, half = tokens(row, 2, 96, 1600), tokens(row, 2, 96, 800)
    session = Session(video, film=film, max_tokens=whole + half, runtime="qwen3-vl")
    session.zoom(1)
    session.zoom(1)  # the same crop
    assert session.tokens_given == whole
    with pytest.raises(BudgetSpentError, match="take a smaller box"):
        session.zoom(1, (0, 0, 0.9, 1))
    session.zoom(1, (0, 0, 0.5, 1))
    assert session.tokens_given == whole + half
    with pytest.raises(BudgetSpentError):
        session.zoom(1, (0, 0, 0.1, 1))


HUGE = 10**5000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("frame_at", {"seconds": HUGE}),
        ("frame_at", {"seconds": float("inf")}),
        ("frame_at", {"seconds": float("nan")}),
        ("frame_at", {"seconds": "1" * 100_000}),
        ("glance", {"k": HUGE}),
        ("glance", {"k" * 100_000: 1}),
        ("o" * 100_000, {}),
        ("zoom", {"seconds": 1, "box": [[[[0] * 10_000]]]}),
        ("zoom", {"seconds": 1, "box": [HUGE, 0, 1, 1]}),
        ("glance", "[" * 100_000),
        ("glance", '{"k": ' + "[" * 100_000),
    ],
)
def test_whatever_is_sent_is_a_short_sentence(video, name, arguments):
    with pytest.raises(ValueError, match=r"\w") as told:
        call(Session(video), name, arguments)
    assert len(str(told.value)) < 500


@pytest.mark.slow
def test_what_is_nested_too_deeply_is_a_sentence(video):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="k must be a number"):
        call(Session(video), "glance", {"k": deep})
    while deep:  # Python takes what is nested apart by recursion
        deep = deep[0]
