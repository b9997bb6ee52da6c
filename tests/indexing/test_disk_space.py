"""A disk that is too small: refused before the run, or the store stays as it was."""

import os
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.checking.verify import verify_store
from fewframes.cli.main import main
from fewframes.errors import NoSpaceError
from fewframes.indexing.disk_space import predict_bytes
from fewframes.store.recipes import Recipe

pytestmark = pytest.mark.slow

NOISY = Film(frames=75, size=(288, 512), options={"g": "25"})


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for number, name in enumerate("abcd"):
        write_film(folder / f"{name}.mp4", replace(NOISY, frames=72 + number))
    return folder


def free_bytes(monkeypatch, count):
    usage = shutil.disk_usage("/")._replace(free=count)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


def test_a_run_that_may_not_fit_is_refused_before_anything_is_decoded(films, tmp_path, monkeypatch):
    needed = predict_bytes(Recipe(), rows=6, height=252, width=448) * 4
    free_bytes(monkeypatch, needed - 1)
    with pytest.raises(NoSpaceError, match=r"may take up to 1.1 MB in 's', but 1.1 MB are free"):
        ff.index(films, tmp_path / "s")
    assert len(ff.open(tmp_path / "s")) == 0
    words = ["index", str(films), "-o", str(tmp_path / "s")]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "--no-space-check" in done.output
    free_bytes(monkeypatch, needed)
    ff.index(films / "a.mp4", tmp_path / "s")
    free_bytes(monkeypatch, needed * 3 // 4)
    assert ff.index(films, tmp_path / "s").exit_status == 0
    free_bytes(monkeypatch, 0)
    assert len(ff.index(films, tmp_path / "s").with_status("done")) == 4
    assert CliRunner().invoke(main, [*words, "--fps", "5", "--no-space-check"]).exit_code == 0


@pytest.mark.parametrize("quality", [50, 80, 90, 95, 100])
def test_a_film_takes_no_more_than_predicted(films, tmp_path, quality):
    ff.index(films / "a.mp4", tmp_path / "s", quality=quality, dedup=0, fps=None)
    taken = sum(p.stat().st_size for p in (tmp_path / "s/videos").rglob("*") if p.is_file())
    assert taken < predict_bytes(Recipe(quality=quality), rows=72, height=252, width=448)


def tmpfs(folder: Path, size: str) -> None:
    """Mounts a small disk, or skips."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here; needs root")


def check_that_whole_films_are_left(store, films, failed):
    assert failed
    assert all(outcome.status == "failed" for outcome in failed)
    assert not [verdict for verdict in verify_store(store) if verdict.differences]
    assert len(ff.open(store)) == 4 - len(failed)
    assert list((store / ".attempts").iterdir()) == []


def test_a_disk_that_gets_full_leaves_whole_films_only(films, tmp_path):
    disk = tmp_path / "disk"
    tmpfs(disk, "700k")
    try:
        report = ff.index(films, disk / "s", fps=5, dedup=0, workers=2, check_space=False)
        failed = report.with_status("failed")
        assert {outcome.reason.split("]")[0] for outcome in failed} == {"[Errno 28"}
        check_that_whole_films_are_left(disk / "s", films, failed)
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        assert ff.index(films, disk / "s", fps=5, dedup=0).exit_status == 0
        assert len(ff.open(disk / "s")) == 4
        assert not [verdict for verdict in verify_store(disk / "s") if verdict.differences]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


LIMITED = """
import resource, sys
import fewframes as ff
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
report = ff.index(sys.argv[1], sys.argv[2], fps=5, dedup=0, workers=1)
print(len(report.with_status("failed")), {o.reason for o in report.outcomes})
"""


def test_a_file_that_cannot_grow_fails_its_film_alone(films, tmp_path):
    ff.index(films / "a.mp4", tmp_path / "s", fps=5, dedup=0)
    command = [sys.executable, "-c", LIMITED, str(films), str(tmp_path / "s")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("3 "), done.stdout
    assert "File too large" in done.stdout
    assert list(ff.open(tmp_path / "s")) == ["a.mp4"]
    assert list((tmp_path / "s/.attempts").iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
