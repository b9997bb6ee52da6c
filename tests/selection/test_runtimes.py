"""`runtime:…` policies sample as the libraries they are named after, in counts and in errors."""

import json
import re
import warnings

import numpy as np
import pytest
import upstream
from stored import put

from fewframes.features.table import FilmFacts, FrameTable
from fewframes.selection.policies import POLICIES
from fewframes.selection.runtimes import torch_arange, torch_linspace
from fewframes.selection.selection import select
from fewframes.store.store import open_store

RUNTIMES = [
    name.removeprefix("runtime:") for name, row in POLICIES.items() if row.is_upstream_sampler
]
GOLDEN = json.loads(upstream.GOLDEN.read_text())


def ours(runtime, frames, fps, budget, rate, span):
    """Our answer in upstream's form: an error is named in its text."""

    def call():
        function = POLICIES[f"runtime:{runtime}"].function
        return function(FilmFacts(frames, fps), budget=budget, fps=rate, span=span)

    try:
        return upstream.answer_of(call())
    except ValueError as error:
        (name,) = re.findall(r"would raise (\w+):", str(error))
        return {"error": name}


def test_every_runtime_has_golden_values():
    assert set(RUNTIMES) == set(upstream.SAMPLERS) == set(GOLDEN) - {"torch"}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_samples_as_its_release_did(runtime):
    for case, expected in GOLDEN[runtime]["cases"]:
        assert ours(runtime, *case) == expected, case


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_samples_as_the_installed_library_does(runtime):
    package = upstream.package_of(runtime)
    for name in ("torch", package):
        if not upstream.is_installed(name):
            pytest.skip(f"{name} is not installed")
    for case in upstream.cases(runtime, 150, seed=1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # upstream's own
            expected = upstream.answer(lambda case=case: upstream.SAMPLERS[runtime](*case))
        assert ours(runtime, *case) == expected, case


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_ranges_are_pytorch_s_to_the_bit(seed):
    torch = pytest.importorskip("torch")
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("PyTorch computes ranges otherwise on this CPU")
    rng = np.random.default_rng(seed)
    for frames in rng.integers(2, 10 ** rng.integers(1, 6, 150)):
        count = int(rng.integers(1, min(frames, 768) + 1))
        step = int(frames) / count
        for start in (0, step / 2):
            there = torch.arange(start, int(frames), step).numpy()
            np.testing.assert_array_equal(torch_arange(start, int(frames), step), there)
        there = torch.linspace(0, int(frames) - 1, count).numpy()
        np.testing.assert_array_equal(torch_linspace(0, int(frames) - 1, count), there)


def film_table(frames, fps=25.0):
    return FrameTable.from_seconds(np.arange(frames) / fps, film=FilmFacts(frames, fps))


def test_a_table_of_all_frames_gives_the_very_frames():
    chosen = select(film_table(100), budget=5, policy="runtime:transformers_qwen3_vl")
    assert chosen.frame_numbers.tolist() == chosen.requested.tolist() == [0, 25, 50, 74, 99]
    assert chosen.reasons == ("runtime",) * 5
    assert not chosen.scores.any()


def test_budget_is_the_most_frames_of_a_rate():
    def count(budget, **wish):
        return len(select(film_table(1000), budget=budget, policy="runtime:qwen_vl_utils", **wish))

    assert count(64) == 64
    assert count(64, fps=0.5) == 20
    assert count(8, fps=0.5) == 8
    assert count(64, fps=0.5, span=(10.0, 20.0)) == 4


def test_frames_that_are_not_in_the_table_are_the_nearest_and_the_distance_is_told():
    every_tenth = np.arange(0, 100, 10)
    table = FrameTable.from_seconds(
        every_tenth / 25, frame_numbers=every_tenth, film=FilmFacts(100, 25.0)
    )
    chosen = select(table, budget=4, policy="runtime:transformers_qwen2_vl")
    assert chosen.requested.tolist() == [0, 25, 50, 75]
    assert chosen.frame_numbers.tolist() == [0, 20, 50, 70]
    twice = select(table, budget=64, policy="runtime:transformers_qwen3_vl")
    assert len(twice) == 64
    assert np.diff(twice.frame_numbers).min() == 0


def test_a_store_reads_the_nearest_and_reports_how_far(tmp_path):
    put(tmp_path / "corpus.zarr", "case_07")
    video = open_store(tmp_path / "corpus.zarr")["case_07"]
    assert video.table.film == FilmFacts(40, 25.0)
    batch = video.sample(budget=4, policy="runtime:qwen_vl_utils")
    assert batch.report["asked_frames"] == [0, 13, 26, 39]
    assert batch.frame_numbers.tolist() == [0, 12, 26, 38]
    assert batch.report["frames_away"] == [0, 1, 0, 1]
    assert batch.report["seconds_away"] == pytest.approx(1 / 25)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"span": (0.0, 1.0)}, r"does not read span; leave it out, or use runtime:qwen_vl_utils"),
        ({"min_gap_seconds": 1.0}, r"does not read min_gap_seconds; leave it out$"),
        ({"distinct": True}, r"does not read distinct; leave it out$"),
        ({"coverage": 0.0}, r"does not read coverage; leave it out, or use adaptive"),
        ({"budget": 103}, r"transformers would raise ValueError: it comes to 104 frames.*pass"),
    ],
)
def test_misuse_is_refused(wish, message):
    name = "runtime:transformers_qwen2_vl"
    with pytest.raises(ValueError, match=message):
        select(film_table(100), **({"policy": name, "budget": 4} | wish))


def test_a_table_that_does_not_know_its_film_is_refused():
    with pytest.raises(ValueError, match=r"counts the frames of the whole film.*film=FilmFacts"):
        select(FrameTable.from_seconds([0.0, 1.0]), budget=2, policy="runtime:vllm")


def test_a_frame_beyond_the_end_is_refused_as_upstream_cannot_read_it():
    frames, budget = beyond_the_end()
    with pytest.raises(ValueError, match=rf"asks for frame {frames}, and the film has {frames}"):
        select(film_table(frames), budget=budget, policy="runtime:transformers_qwen2_vl")


def beyond_the_end():
    """A film on which PyTorch's f32 range rounds up to its length."""
    for frames in range(100, 3000):
        for budget in range(2, 64, 2):
            step = frames / budget
            if np.ceil(frames / step) > budget and int(torch_arange(0, frames, step)[-1]) == frames:
                return frames, budget
    raise AssertionError("no such film below 3000 frames")
