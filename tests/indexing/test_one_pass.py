"""One film, one store, every policy, budgets 8 to 256: the film is decoded once, then never."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fewframes.bench.research import policies as bench
from fewframes.bench.research.films import Film, write_film
from fewframes.bindings.ffmpeg import cursor as ffmpeg_cursor
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.selection.policies import POLICIES
from fewframes.store.recipes import Recipe
from fewframes.store.store import open_store

pytestmark = pytest.mark.slow

FOOTAGE = ("bbb_480p_30s.mp4", "sam2_dog.mp4")


@pytest.fixture
def decodes(monkeypatch):
    """Counts what PyAV's decoders are fed, at the one place where they are."""
    fed, real = [], ffmpeg_cursor.pictures_of

    def counted(context, packet):
        fed.append(packet)
        return real(context, packet)

    monkeypatch.setattr(ffmpeg_cursor, "pictures_of", counted)
    return fed


def sampled_elsewhere(store):
    """What the policies give in a process that starts with the store alone."""
    command = [sys.executable, "-m", "fewframes.bench.research.policies", str(store), "--store"]
    command += ["--rounds", "1"]
    environment = os.environ | bench.ONE_THREAD
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def indexed_once(film, store, decodes):
    """Indexes every frame of a copy of a film, which is then gone."""
    copy = shutil.copy(film, store.with_name(f"copy{film.suffix}"))
    index_film(FilmTask(Path(copy), store, "film", Recipe(fps=None, size="160")))
    Path(copy).unlink()
    assert decodes
    decodes.clear()


def assert_promises(said):
    assert said["broken"] == []
    assert (
        len(said["policies"])
        == sum(not rule.is_upstream_sampler for rule in POLICIES.values())
        >= 10
    )
    for row in said["policies"].values():
        counts = [cell["frames"] for cell in row["budgets"].values()]
        assert counts == [min(budget, row["available"]) for budget in bench.BUDGETS]


def test_a_generated_film_is_decoded_once(tmp_path, decodes, monkeypatch):
    film, store = tmp_path / "film.mp4", tmp_path / "s.zarr"
    write_film(film, Film(frames=300, size=(90, 160), options={"g": "25"}))
    indexed_once(film, store, decodes)
    film.unlink()
    said = sampled_elsewhere(store)
    assert_promises(said)
    assert said["is_decoder_loaded"] is False  # PyAV was not even imported
    monkeypatch.setattr(bench, "BUDGETS", (16,))
    assert_promises(bench.measure(open_store(store)["film"], rounds=1))
    assert decodes == []


@pytest.mark.footage
@pytest.mark.parametrize("name", FOOTAGE)
def test_real_footage_is_decoded_once(footage, tmp_path, decodes, name):
    indexed_once(footage / name, tmp_path / "s.zarr", decodes)
    said = sampled_elsewhere(tmp_path / "s.zarr")
    assert_promises(said)
    assert said["is_decoder_loaded"] is False


def test_a_broken_promise_is_named(tmp_path):
    film = tmp_path / "film.mp4"
    write_film(film, Film(frames=50, size=(90, 160)))
    index_film(FilmTask(film, tmp_path / "s.zarr", "film", Recipe(fps=None, size="160")))
    video = open_store(tmp_path / "s.zarr")["film"]
    wishes = bench.wishes_of("adaptive", video.duration_seconds)
    available = bench.available_seconds(video.table, "adaptive", wishes)
    chosen, other = (
        bench.select(video.table, budget=8, policy=policy, span=wishes["span"])
        for policy in ("uniform", "segment_mid")
    )
    request = {"budget": 8, "options": wishes}
    assert bench.broken_promises(chosen, chosen, available, **request) == []
    assert bench.broken_promises(chosen, other, available, **request) == ["deterministic"]
    late = {"budget": 8, "options": wishes | {"span": (1.0, 1.9)}}
    assert "in span" in bench.broken_promises(chosen, chosen, available, **late)
    more = bench.broken_promises(chosen, chosen, available, budget=9, options=wishes)
    assert more == ["exactly min(K, available)"]
    far = np.append(available, 100.0)
    assert bench.broken_promises(chosen, chosen, far, **request) == ["coverage"]
