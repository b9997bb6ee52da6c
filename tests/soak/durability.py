"""Durability: whatever is killed, full, doubled or damaged, a store gives whole videos or an error.

1. `kills`: indexing is killed at random moments, then resumed, while foreign files (`.nfs…`,
   `.DS_Store`, editors' copies, folders) are strewn over every folder of the store.
2. `full_disks`: it runs on small disks of random size (as root), then is resumed on a larger one;
   of stores in a folder only.
3. `crowds`: four processes index the same films at once.
4. `damages`: one bit is flipped, or one file cut, anywhere in a store.

All of it is done to stores in a folder, and with ``--url`` to stores of an S3 server on loopback.

After each, every video that is listed has all its frames, and ``verify`` finds nothing (1 to 3) or
something (4). A resumed store equals an undisturbed one in every byte but for names of attempts
and times of day.

``python tests/soak/durability.py -o bench/results/durability.json`` is the long run.
"""

import json
import multiprocessing
import os
import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from places import clear, keys, new_bucket, served, strew_over

import fewframes as ff
from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.films import Film, write_film
from fewframes.checking.verify import verify_store
from fewframes.errors import FewframesError
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.store import compaction
from fewframes.store.marker import create_store
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import resolve_store

RECIPE = Recipe(fps=10, size="64")
FILMS = {
    "a": Film(frames=60, options={"g": "25"}),
    "ward/b": Film(frames=40, times="uneven", suffix=".mkv"),
    "c": Film(frames=30, size=(96, 160)),
    "d": Film(frames=50, codec="mpeg4", suffix=".avi", ticks=1),
}
LONGEST_TAIL = 2
"""So few notes make a new snapshot here, so that it is disturbed, too."""
OURS = ("AWS_", "FEWFRAMES_")
"""Beginnings of the environment's names by which a process finds server and cache."""
OF_A_RUN = ("created", "attempt")
"""Facts of a record that differ between runs."""


def make_films(folder: Path) -> dict[str, Path]:
    films = {}
    for video_id, film in FILMS.items():
        films[video_id] = folder / f"{video_id.replace('/', '_')}{film.suffix}"
        write_film(films[video_id], film)
    return films


def index_all(
    films: dict[str, Path], store: Path | str, ready: Any = None, env: dict[str, str] | None = None
) -> list[str]:
    """Indexes films in this process; gives why films failed."""
    os.environ.update(env or {})
    create_store(store)
    compaction.LONGEST_TAIL = LONGEST_TAIL
    if ready is not None:
        ready.set() if hasattr(ready, "set") else ready.wait()
    failures = []
    for video_id, path in films.items():
        try:
            index_film(FilmTask(path, store, video_id, RECIPE))
        except OSError as error:
            failures.append(str(error))
    return failures


def contents(store: Path | str) -> dict[str, Any]:
    """All that a store says of its videos, but for names of attempts and times of day."""
    found = {}
    for video_id, video in ff.open(store).items():
        files = {name: fact for name, fact in video.commit.files.items() if name != "zarr.json"}
        facts = {name: value for name, value in video.facts.items() if name not in OF_A_RUN}
        found[video_id] = (video.commit.key, facts, files)
    return found


def pixels(store: Path | str) -> dict[str, Any]:
    return {name: v.read(rows=range(len(v.slots))).frames for name, v in ff.open(store).items()}


def check_whole(store: Path | str, wanted: dict[str, Any]) -> int:
    """Every reader sees whole videos; gives how many."""
    wrong = [verdict for verdict in verify_store(store) if verdict.differences]
    assert not wrong, wrong
    seen = pixels(store)
    for name, frames in seen.items():
        np.testing.assert_array_equal(frames, wanted[name])
    return len(seen)


class Trial:
    """Films, and the store that an undisturbed run makes of them, in a folder or below a URL."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder, self.url = folder, url
        folder.mkdir(exist_ok=True)
        self.films = make_films(folder)
        self.reference = self.place("reference")
        assert index_all(self.films, self.reference) == []
        self.contents, self.pixels = contents(self.reference), pixels(self.reference)
        self.env = {name: os.environ[name] for name in os.environ if name.startswith(OURS)}
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["durability"])

    def place(self, name: str) -> Path | str:
        """Where a store of this name lies."""
        return f"{self.url}/{name}" if self.url else self.folder / name

    def check_resumed(self, store: Path | str) -> None:
        assert index_all(self.films, store) == []
        assert check_whole(store, self.pixels) == len(FILMS)
        assert contents(store) == self.contents
        clear(store)

    def process(self, store: Path | str, ready: Any) -> Any:
        args = (self.films, store, ready, self.env)
        return self.context.Process(target=index_all, args=args)

    def index_in_process(self, store: Path | str) -> Any:
        ready = self.context.Event()
        process = self.process(store, ready)
        process.start()
        assert ready.wait(60)
        return process


def kills(trial: Trial, count: int, chance: random.Random) -> dict[str, int]:
    """Kills indexing ``count`` times while it is at work."""
    store, killed, left, foreign = trial.place("killed"), 0, 0, 0
    process = trial.index_in_process(store)
    started = time.monotonic()
    process.join()
    usual = time.monotonic() - started
    clear(store)
    while killed < count:
        process = trial.index_in_process(store)
        process.join(chance.random() * usual / 2)
        foreign += strew_over(store)
        process.join(chance.random() * usual / 2)
        if process.exitcode is None:
            process.kill()
        process.join()
        foreign += strew_over(store)
        killed += process.exitcode == -9
        left += check_whole(store, trial.pixels)
        trial.check_resumed(store)
    return {"kills": killed, "whole_videos_left_by_them": left, "foreign_files": foreign}


def can_mount(folder: Path) -> bool:
    """Whether small disks can be mounted here; leaves none."""
    folder.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        return False
    subprocess.run(["umount", str(folder)], check=True)
    return True


def full_disks(trial: Trial, count: int, chance: random.Random) -> dict[str, int]:
    """Indexes on ``count`` disks too small by chance."""
    disk, failed = trial.folder / "disk", 0
    disk.mkdir(exist_ok=True)
    files = [path for path in Path(trial.reference).rglob("*") if path.is_file()]
    needed = sum(-(-path.stat().st_size // 4096) * 4096 for path in files)
    for _ in range(count):
        size = chance.randrange(40_000, needed)
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        subprocess.run(words, check=True)
        try:
            reasons = index_all(trial.films, disk / "s")
            assert all("No space left" in reason for reason in reasons), reasons
            failed += len(reasons)
            check_whole(disk / "s", trial.pixels)
            subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
            trial.check_resumed(disk / "s")
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    return {"full_disks": count, "films_that_did_not_fit": failed}


def crowds(trial: Trial, count: int, _chance: random.Random) -> dict[str, int]:
    """Lets four processes index the same films at once, ``count`` times."""
    store = trial.place("crowd")
    for _ in range(count):
        ready = trial.context.Barrier(4)
        crowd = [trial.process(store, ready) for _ in range(4)]
        for process in crowd:
            process.start()
        for process in crowd:
            process.join()
        assert [process.exitcode for process in crowd] == [0] * 4
        assert check_whole(store, trial.pixels) == len(FILMS)
        trial.check_resumed(store)
    return {"crowds_of_four": count}


def damages(trial: Trial, count: int, chance: random.Random) -> dict[str, int]:
    """Flips ``count`` single bits and cuts files ``count`` times; each must be seen."""
    place, reference = trial.place("damaged"), resolve_store(trial.reference)
    store = resolve_store(place)
    for key in keys(reference):
        store.put(key, reference.read(key))
    files = [key for key in keys(store) if store.read(key)]
    seen = {"bits_flipped": 0, "files_cut": 0, "seen_by_readers": 0, "seen_by_verify_alone": 0}
    for number in range(2 * count):
        file = chance.choice(files)
        whole = store.read(file)
        store.put(file, flipped(whole, chance) if number % 2 else cut(whole, chance))
        seen["bits_flipped" if number % 2 else "files_cut"] += 1
        is_read = is_seen_by_readers(place, trial.pixels)
        seen["seen_by_readers" if is_read else "seen_by_verify_alone"] += 1
        assert is_read or is_seen_by_verify(place), file
        store.put(file, whole)
    assert check_whole(place, trial.pixels) == len(FILMS)
    clear(place)
    return seen


def flipped(whole: bytes, chance: random.Random) -> bytes:
    data = bytearray(whole)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def cut(whole: bytes, chance: random.Random) -> bytes:
    return whole[: chance.randrange(len(whole))]


def is_seen_by_readers(store: Path | str, wanted: dict[str, Any]) -> bool:
    """Whether reading all frames is an error; what is read without one must be right."""
    try:
        videos = ff.open(store)
        names = list(videos)
    except (FewframesError, ValueError):
        return True
    assert names == list(wanted)
    is_seen = False
    for name in names:
        try:
            frames = videos[name].read(rows=range(len(wanted[name]))).frames
        except FewframesError:
            is_seen = True
        else:
            np.testing.assert_array_equal(frames, wanted[name])
    return is_seen


def is_seen_by_verify(store: Path | str) -> bool:
    try:
        return any(verdict.differences for verdict in verify_store(store))
    except (FewframesError, ValueError):
        return True


@click.command()
@click.option("--kills", "kill_count", default=200, show_default=True)
@click.option("--disks", default=100, show_default=True)
@click.option("--rounds", default=20, show_default=True, help="Crowds of four processes.")
@click.option("--damages", "damage_count", default=1000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--url", "by_url", is_flag=True, help="Disturb stores of an S3 server, too.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(
    kill_count: int,
    disks: int,
    rounds: int,
    damage_count: int,
    seed: int,
    by_url: bool,
    output: Path | None,
) -> None:
    """Disturbs stores for long and says what was seen; any fault is an error."""
    result: dict[str, Any] = {"seed": seed, "videos": len(FILMS)}
    steps = {damages: damage_count, full_disks: disks, crowds: rounds, kills: kill_count}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not can_mount(folder / "disk"):
            del steps[full_disks]
        run_steps(Trial(folder / "films"), steps, result, output)
        if by_url:
            steps.pop(full_disks, None)
            with served(folder / "cache"):
                trial = Trial(folder / "films_by_url", new_bucket())
                run_steps(trial, steps, result.setdefault("by_url", {}), None)
                click.echo(json.dumps(result))
                keep_result({"machine": machine(["pyarrow"]), **result}, output)


def run_steps(
    trial: Trial, steps: dict[Any, int], result: dict[str, Any], output: Path | None
) -> None:
    """Takes the steps with the same seed, and keeps what was seen after each."""
    chance = random.Random(result.get("seed", 1))
    for step, count in steps.items():
        result |= step(trial, count, chance)
        click.echo(json.dumps(result))
        keep_result({"machine": machine(["pyarrow"]), **result}, output)


if __name__ == "__main__":
    main()
