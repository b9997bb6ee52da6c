"""The examples do what they say; those of agents and of training are in other tests."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import fewframes as ff
from fewframes.bench.research.films import Film, write_film

EXAMPLES = Path(__file__).parents[2] / "examples"
SPANS = {"a": [[6, 8, 3.0], [10, 11, 1.0]]}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    for name, gop in {"a": "25", "b": "20"}.items():
        write_film(folder / f"{name}.mp4", Film(size=(48, 64), frames=400, options={"g": gop}))
    ff.index([folder], folder / "store.zarr", fps=5, dedup=0)
    return folder / "store.zarr"


@pytest.mark.slow
def test_moments_draw_clips_and_frames_by_weight(store):
    moments = import_module("moments")
    drawn = moments.clips_by_moments(store, SPANS, draws=2000, elsewhere=0.1)
    assert drawn == moments.clips_by_moments(store, SPANS, draws=2000, elsewhere=0.1)
    inside = [sum(v == "a.mp4" and s <= t <= e for v, t in drawn) / 2000 for s, e, _ in SPANS["a"]]
    # anchors every half second from 2 s on: 5 and 3 of them inside, 28 each video in all
    total = 5 * 3.1 + 3 * 1.1 + (56 - 8) * 0.1
    assert inside == pytest.approx([5 * 3.1 / total, 3 * 1.1 / total], abs=0.03)
    times = moments.frames_by_moments(store, "a", SPANS).seconds
    assert len(times) == 16
    assert ((times >= 6) & (times <= 8)).sum() >= 7
    assert np.diff(times).max() < 8  # a quarter of the budget covers the film


@pytest.mark.slow
def test_the_future_lies_behind_the_past(store):
    rows = import_module("anticipate").errors(store)
    assert {video for video, _, _ in rows} == {"a.mp4", "b.mp4"}
    assert len(rows) == 2 * 12  # 16 s less 2 s on both sides
    assert all(error > 0 for _, _, error in rows)  # the films move


@pytest.mark.slow
@pytest.mark.parametrize("name", ["moments", "anticipate"])
def test_they_run_as_scripts(store, tmp_path, name):
    (tmp_path / "spans.json").write_text(json.dumps(SPANS))
    more = [str(tmp_path / "spans.json")] if name == "moments" else []
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(store), *more]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(said.stdout.splitlines()) >= 16
