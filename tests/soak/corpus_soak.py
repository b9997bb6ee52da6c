"""Corpus soak: hundreds of films, some of them hostile, indexed by one command and looked at after.

``python tests/soak/corpus_soak.py --films 1000 -o bench/results/corpus_soak.json``

1. `soak_films` makes the films, and says of each what has to become of it.
2. ``fewframes index`` runs as a user runs it, with a small memory bound and time limit; its
   processes and their memory are watched.
3. Every sound film is there with all its frames and its bytes are as published; every broken one
   is listed with a reason of the kind expected; no process is left; the memory of the process that
   leads the run is the same in the second half as at its first quarter.
4. A second run decodes nothing, and lists the same films.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import click
import psutil
from real_footage import footage_folder, sound_footage
from soak_films import SoakFilm, make_films, write_hook

import fewframes as ff
from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.films import Film, write_film
from fewframes.checking.verify import verify_store

LIMIT_SECONDS = 20.0
SAMPLE_SECONDS = 0.25
GROWTH_MB = 24.0
"""So much more memory than at the first quarter of a run is still flat."""
LISTED = re.compile(r"^(damaged|failed): (.*?): (.*)$", re.MULTILINE)


@dataclass(slots=True)
class Watched:
    """What a run did."""

    exit_status: int
    wall_seconds: float
    cpu_seconds: float
    said: str
    driver_mb: list[float] = field(default_factory=list)
    workers_mb: list[float] = field(default_factory=list)
    seen: set[psutil.Process] = field(default_factory=set)

    @property
    def reasons(self) -> dict[str, tuple[str, str]]:
        """Status and reason of each film that was listed."""
        return {name: (status, words) for status, name, words in LISTED.findall(self.said)}

    def left(self) -> list[psutil.Process]:
        """Processes of the run that still live."""
        psutil.wait_procs(list(self.seen), timeout=10)
        return [process for process in self.seen if process.is_running()]


def run_index(films: Path, store: Path, hook: Path, *words: str) -> Watched:
    """Runs ``fewframes index`` to its end, and watches it."""
    command = [sys.executable, "-m", "fewframes", "index", str(films), "-o", str(store), *words]
    env = {**os.environ, **write_hook(hook), "FEWFRAMES_CACHE": str(store.parent / "cache")}
    began = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stderr=said, env=env)
        watched, leader = Watched(0, 0, 0, ""), psutil.Process(process.pid)
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            look(watched, leader)
            time.sleep(SAMPLE_SECONDS)
        _, status, usage = ended
        process.returncode = watched.exit_status = os.waitstatus_to_exitcode(status)
        watched.wall_seconds = time.monotonic() - began
        watched.cpu_seconds = usage.ru_utime + usage.ru_stime
        said.seek(0)
        watched.said = said.read().decode()
    return watched


def look(watched: Watched, leader: psutil.Process) -> None:
    """Notes which processes there are, and their memory."""
    try:
        watched.driver_mb.append(leader.memory_info().rss / 1e6)
        below = leader.children(recursive=True)
    except psutil.NoSuchProcess:
        return
    watched.seen |= set(below)
    for child in below:
        try:
            watched.workers_mb.append(child.memory_info().rss / 1e6)
        except psutil.NoSuchProcess:
            continue


def check(films: list[SoakFilm], store: Path, run: Watched) -> None:
    """Compares a run and its store with what had to come of each film; all faults at once."""
    assert run.exit_status == 3, run.said
    assert "Traceback" not in run.said
    there, faults = ff.open(store), []
    for film in films:
        status, reason = run.reasons.get(film.video_id, ("ok", ""))
        is_there = film.video_id in there
        if status not in film.statuses or not re.search(film.reason, reason):
            faults.append(f"{film.video_id}: {status} ({reason}), but {film.statuses}")
        elif is_there != (status != "failed"):
            faults.append(f"{film.video_id}: {status}, but there: {is_there}")
        elif film.frames and len(there[film.video_id].table) != film.frames:
            faults.append(f"{film.video_id}: {len(there[film.video_id].table)} of {film.frames}")
    assert not faults, "\n".join(faults)
    wrong = [verdict for verdict in verify_store(store) if verdict.differences]
    assert not wrong, wrong
    assert run.left() == []


def is_flat(samples: list[float]) -> tuple[float, float]:
    """Memory at the first quarter and in the second half; fails where it has grown."""
    quarter = samples[len(samples) // 4 : len(samples) // 2]
    then, now = median(quarter), median(samples[len(samples) // 2 :])
    assert now < then + GROWTH_MB, f"{then:.0f} MB at first, {now:.0f} MB later"
    return round(then, 1), round(now, 1)


def soak(
    folder: Path, count: int, *, clips: list[Path], every: int, seed: int = 1
) -> dict[str, Any]:
    """Makes films, indexes them twice, and checks all that is promised."""
    write_film(folder / "warm.mp4", Film(frames=30))
    ff.index(folder / "warm.mp4", folder / "warm", fps=None, size=64)  # compiles the kernels
    films = make_films(folder / "films", count, clips=clips, seed=seed, every=every)
    words = ["--fps", "all", "--size", "64", "--workers", "2", "--limit", str(LIMIT_SECONDS)]
    words += ["--duplicates", "keep"]
    places = (folder / "films", folder / "store", folder / "hook")
    first = run_index(*places, *words)
    check(films, folder / "store", first)
    again = run_index(*places, *words)
    assert again.exit_status == 3
    assert set(again.reasons) >= {name for name, (s, _) in first.reasons.items() if s == "failed"}
    assert again.left() == []
    then, now = is_flat(first.driver_mb)
    ways = Counter(film.way for film in films)
    return {
        "films": count,
        "broken": {way: number for way, number in sorted(ways.items()) if way != "sound"},
        "statuses": dict(Counter(first.reasons.get(f.video_id, ("ok",))[0] for f in films)),
        "as_expected": count,
        "frames": sum(film.frames for film in films),
        "wall_seconds": round(first.wall_seconds, 1),
        "cpu_seconds_a_film": round(first.cpu_seconds / count, 4),
        "leading_process_mb": {"first_quarter": then, "second_half": now},
        "worker_mb_most": round(max(first.workers_mb), 1),
        "processes_started": len(first.seen),
        "processes_left": 0,
        "second_run_cpu_seconds_a_film": round(again.cpu_seconds / count, 4),
    }


@click.command()
@click.option("--films", default=1000, show_default=True)
@click.option("--every", default=20, show_default=True, help="One film in so many is broken.")
@click.option("--seed", default=1, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(films: int, every: int, seed: int, output: Path | None) -> None:
    """Runs the soak and says what was seen; any fault is an error."""
    home = footage_folder()
    clips = [home / name for name in sound_footage()] if home else []
    with tempfile.TemporaryDirectory() as folder:
        result = soak(Path(folder), films, clips=clips, every=every, seed=seed)
    result = {"seed": seed, "from": f"{len(clips)} clips of footage", **result}
    click.echo(json.dumps(result))
    facts = {"machine": machine(["av", "numpy"]), **result}
    keep_result(facts, output)


if __name__ == "__main__":
    main()
