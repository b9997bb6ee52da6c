"""Kill soak: an indexing run whose workers and driver are killed at random ends as if it had not.

``python tests/soak/kill_soak.py --films 100 --kills 10 -o bench/results/kill_soak.json``

1. Tiny films, and a longer one that is cut into many ranges, are indexed undisturbed.
2. They are indexed into another store by ``fewframes index``; at random moments one of its workers,
   or the run itself, is killed (SIGKILL), and foreign files are strewn over a store in a folder. A
   run that was killed is started again. With ``--url`` the stores are of an S3 server on loopback.
3. In the end the store equals the undisturbed one in every byte but for names of attempts and times
   of day. A film or
   range that was done is never done again: what was decoded beyond the undisturbed run is at most
   one task for each kill. No process is left.
"""

import json
import os
import random
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import psutil
from durability import contents
from places import new_bucket, served, strew_over

from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.films import Film, write_film
from fewframes.checking.verify import verify_store

OPTIONS = ("--fps", "5", "--size", "64", "--workers", "2", "--range-seconds", "0.01")
OPTIONS += ("--duplicates", "keep")
LOG = ("--log", "json")
LONG_FRAMES = 600
LONGEST_SECONDS = 600.0


def make_films(folder: Path, count: int) -> None:
    """Tiny films, and one that is cut."""
    folder.mkdir()
    for number in range(count - 1):
        write_film(folder / f"{number:03d}.mp4", Film(frames=20 + number % 7, size=(96, 128)))
    write_film(folder / "long.mp4", Film(frames=LONG_FRAMES, options={"g": "20"}))


@dataclass(slots=True)
class Watched:
    """What all starts of one run did together."""

    starts: int = 0
    workers_killed: int = 0
    drivers_killed: int = 0
    pictures: int = 0
    """Decoded for films that got an outcome."""
    outcomes: dict[str, list[str]] = field(default_factory=dict)
    """Of each film, in the order of the starts."""
    seen: set[psutil.Process] = field(default_factory=set)


def start(films: Path, store: Path | str, home: Path) -> psutil.Popen:
    """Starts a run whose log and cache lie in a folder of its own."""
    command = [sys.executable, "-m", "fewframes", "index", str(films), "-o", str(store)]
    env = {**os.environ, "FEWFRAMES_CACHE": str(home / "cache")}
    with (home / "log").open("wb") as said:
        return psutil.Popen([*command, *OPTIONS, *LOG], stderr=said, env=env)


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def count_outcomes(log: Path, watched: Watched) -> int:
    """Adds up what a start said; gives its exit status, or -1 where it did not end."""
    status = -1
    for line in log.read_text(errors="replace").splitlines():
        try:
            said = json.loads(line)
        except ValueError:  # the line at which it was killed
            continue
        if said["event"] == "film":
            watched.outcomes.setdefault(said["video_id"], []).append(said["status"])
            watched.pictures += said["pictures"]
        elif said["event"] == "end":
            status = said["exit_status"]
    return status


def disturbed(
    films: Path, store: Path | str, home: Path, kills: int, seconds: float, chance: random.Random
) -> Watched:
    """Runs until a run ends, with so many kills, each within ``seconds`` of the last."""
    home.mkdir()
    watched, left = Watched(), kills
    began = time.monotonic()
    while time.monotonic() - began < LONGEST_SECONDS:
        process, watched.starts = start(films, store, home), watched.starts + 1
        while process.poll() is None and left:
            due = time.monotonic() + chance.random() * seconds
            while process.poll() is None and time.monotonic() < due:
                watched.seen.update(children(process))
                time.sleep(0.02)
            workers = children(process)
            if process.poll() is None and workers:
                left -= 1
                strew_over(store)
                is_driver = chance.random() < 0.4
                watched.drivers_killed += is_driver
                watched.workers_killed += not is_driver
                with suppress(psutil.NoSuchProcess):  # it has just ended by itself
                    (process if is_driver else chance.choice(workers)).kill()
        process.wait()
        if count_outcomes(home / "log", watched) >= 0 and not left:
            return watched
    raise AssertionError("the run does not come to an end")


def soak(folder: Path, count: int, kills: int, seed: int = 1, url: str = "") -> dict[str, Any]:
    """Makes films, indexes them with and without kills, and compares; any fault is an error.

    The stores lie in the folder, or below a URL.
    """
    films = folder / "films"
    calm, store = (f"{url}/{name}" if url else folder / name / "s" for name in ("calm", "killed"))
    make_films(films, count)
    began = time.monotonic()
    undisturbed = disturbed(films, calm, folder / "calm", 0, 1.0, random.Random(seed))
    seconds = (time.monotonic() - began) / max(1, kills)
    chance = random.Random(seed)
    watched = disturbed(films, store, folder / "killed", kills, 1.5 * seconds, chance)
    psutil.wait_procs(list(watched.seen), timeout=20)
    orphans = [p for p in watched.seen if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not orphans, orphans
    wanted = contents(calm)
    assert len(wanted) == count
    found = contents(store)
    different = [name for name in wanted if found.get(name) != wanted[name]]
    assert not different, f"not as undisturbed: {different}"
    assert len(found) == count
    assert not [verdict for verdict in verify_store(store) if verdict.differences]
    again = {name: said for name, said in watched.outcomes.items() if said.count("ok") > 1}
    assert not again, f"indexed twice: {again}"
    assert not [path for path in folder.rglob("*.arrow") if ".parts" in path.parts]
    ended = [said[-1] for said in watched.outcomes.values()]
    assert set(ended) <= {"ok", "done"}, watched.outcomes
    return {
        "seed": seed,
        "films": count,
        "workers_killed": watched.workers_killed,
        "drivers_killed": watched.drivers_killed,
        "starts": watched.starts,
        "pictures_undisturbed": undisturbed.pictures,
        "orphans": 0,
        "indexed_twice": 0,
        "differences": 0,
    }


@click.command()
@click.option("--films", default=100, show_default=True)
@click.option("--kills", default=10, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--url", "by_url", is_flag=True, help="Kill runs on stores of an S3 server, too.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(films: int, kills: int, rounds: int, by_url: bool, output: Path | None) -> None:
    """Kills runs and says what was seen."""
    result: dict[str, Any] = {"rounds": soaks(films, kills, rounds)}
    if by_url:
        with tempfile.TemporaryDirectory() as cache, served(Path(cache)):
            result["by_url"] = soaks(films, kills, rounds, by_url=True)
    keep_result({"machine": machine(), **result}, output)


def soaks(films: int, kills: int, rounds: int, *, by_url: bool = False) -> list[dict[str, Any]]:
    """Soaks once a seed, and prints what was seen each time."""
    results = []
    for seed in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            url = new_bucket() if by_url else ""
            results.append(soak(Path(folder), films, kills, seed, url))
            click.echo(json.dumps(results[-1]))
    return results


if __name__ == "__main__":
    main()
