"""Runs that are killed, briefly, and stopped by Ctrl-C; `make soak` kills for long."""

import os
import signal
import subprocess
import sys

import kill_soak
import psutil
import pytest

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.checking.verify import verify_store

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_a_run_ends_as_if_it_had_not_been(tmp_path, seed):
    seen = kill_soak.soak(tmp_path, 5, 2, seed)
    assert seen["workers_killed"] + seen["drivers_killed"] == 2


def test_killed_at_random_a_run_by_url_ends_as_if_it_had_not_been(tmp_path, bucket):
    seen = kill_soak.soak(tmp_path, 5, 2, 1, bucket)
    assert seen["workers_killed"] + seen["drivers_killed"] == 2


def heed_ctrl_c():
    """A shell ignores Ctrl-C in what it runs in the background, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("log", ["plain", "json"])
def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tmp_path, log):
    for number in range(4):
        write_film(tmp_path / f"{number}.mp4", Film(frames=200 + number))
    words = ["index", tmp_path, "-o", tmp_path / "s.zarr", "--workers", 1, "--log", log]
    command = [sys.executable, "-m", "fewframes", *map(str, words)]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=env, preexec_fn=heed_ctrl_c
    )
    process.stderr.readline()
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "run the same command again to go on" in said
    assert "Traceback" not in said
    _, left = psutil.wait_procs(workers, timeout=20)
    assert not left
    assert not [verdict for verdict in verify_store(tmp_path / "s.zarr") if verdict.differences]
    assert ff.index(tmp_path, tmp_path / "s.zarr").exit_status == 0
