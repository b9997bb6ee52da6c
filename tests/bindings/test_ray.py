"""Indexing on a real Ray cluster of several nodes on this machine, against a real S3 server.

Run where Ray is installed; REQUIRE_RAY=1 turns the skips into failures.
"""

import importlib.util
import os
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from soak_films import write_hook

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.cli.main import main
from fewframes.errors import MissingBackendError, StoreAwayError
from fewframes.indexing.retry import RetryPolicy

pytestmark = pytest.mark.slow

SMALL = Film(frames=30, size=(48, 80), options={"g": "15"})


def need_ray() -> None:
    """Skips where Ray is not there; fails where it is required to be."""
    if importlib.util.find_spec("ray") is None:
        missing = "Ray is not installed; pip install 'fewframes[ray]'"
        (pytest.fail if os.environ.get("REQUIRE_RAY") == "1" else pytest.skip)(missing)


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """Sound films, and hostile ones."""
    folder = tmp_path_factory.mktemp("films")
    for number, name in enumerate(("a", "b", "c", "crashes", "hangs")):
        write_film(folder / f"{name}.mp4", replace(SMALL, frames=SMALL.frames + number))
    (folder / "text.mp4").write_text("no film\n" * 50)
    compiled = tmp_path_factory.mktemp("compiled")
    ff.index(folder / "a.mp4", compiled / "s", fps=10, size=64)  # kernels, at the first time
    return folder


@pytest.fixture(scope="module")
def cluster(films, tmp_path_factory):
    """A head without a core, and two nodes with one each, where `soak_films.HOOK` works."""
    need_ray()
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        for name, value in write_hook(tmp_path_factory.mktemp("hook")).items():
            patch.setenv(name, value)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        head = {"num_cpus": 0, "include_dashboard": False}
        running = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            running.add_node(num_cpus=1)
        yield running
        running.shutdown()


@pytest.mark.filterwarnings("default")
def test_a_cluster_makes_the_store_that_one_machine_makes(films, cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(films.parent)
    options = {"fps": 10, "size": 64, "limit_seconds": 15}
    there = ff.index(films.name, tmp_path / "there", ray=cluster.address, **options)
    here = ff.index(films, tmp_path / "here", **options)
    assert {o.video_id: o.status for o in there.outcomes} == {
        **dict.fromkeys(("a.mp4", "b.mp4", "c.mp4"), "ok"),
        **dict.fromkeys(("crashes.mp4", "hangs.mp4", "text.mp4"), "failed"),
    }
    words = {outcome.video_id: outcome.reason for outcome in here.outcomes}
    assert {outcome.video_id: outcome.reason for outcome in there.outcomes} == words
    stores = [ff.open(tmp_path / name) for name in ("there", "here")]
    for name in "abc":
        one, other = (store[name] for store in stores)
        assert one.commit.key == other.commit.key
        files = [
            {path: fact for path, fact in video.commit.files.items() if path != "zarr.json"}
            for video in (one, other)
        ]
        assert files[0] == files[1]


@pytest.mark.filterwarnings("default")
def test_an_address_without_a_cluster_is_one_sentence(films, tmp_path):
    need_ray()
    words = ["index", str(films), "-o", str(tmp_path / "s"), "--ray", "127.0.0.1:1"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "no Ray cluster at '127.0.0.1:1'" in done.output
    assert "Traceback" not in done.output


def test_without_ray_the_message_says_what_to_install(films, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingBackendError, match=r"pip install 'fewframes\[ray\]'"):
        ff.index(films, tmp_path / "s", ray="auto")


def test_another_version_on_a_node_is_an_error():
    from fewframes.bindings.ray_workers import _call_there

    kind, error = _call_there("0.0.0", (1 << 30, 5.0, False), len, ("ab",), {})
    assert kind == "error"
    assert "the driver 0.0.0; install the same" in str(error)


def test_a_run_waits_for_an_object_store_once_and_then_fails_at_once(monkeypatch):
    monkeypatch.setattr("fewframes.indexing.retry.FIRST_SECONDS", 0.0)
    request = []

    def ask(*answers):
        waiting = list(answers)

        def call():
            request.append(1)
            if (answer := waiting.pop(0)) is None:
                raise StoreAwayError("away")
            return answer

        return call

    retry = RetryPolicy(seconds=3600)
    assert retry.call(ask(None, None, 7), is_over=lambda: False) == 7
    with pytest.raises(StoreAwayError):
        retry.call(ask(None, 8), is_over=lambda: True)
    spent = RetryPolicy(seconds=0)
    with pytest.raises(StoreAwayError):
        spent.call(ask(None, 9), is_over=lambda: False)
    assert len(request) == 5


@pytest.mark.filterwarnings("default")
def test_whoever_is_lost_the_store_is_that_of_an_undisturbed_run(tmp_path):
    need_ray()
    pytest.importorskip("moto.server", reason="moto's server is not installed")
    pytest.importorskip("obstore", reason="obstore is not installed")
    import ray_trials

    with pytest.MonkeyPatch.context() as patch:
        for name in ray_trials.NAMES:
            patch.setenv(name, "")  # so that it is as it was, after
        trial = ray_trials.Trial(tmp_path, 16)
        try:
            seen = ray_trials.disturb(trial, 5, random.Random(1))
        finally:
            trial.close()
    assert sum(seen["struck"].values()) == 5
    assert trial.left() == []
