"""Hostile stores: whatever somebody has put into a store, who opens it loses nothing.

``python tests/soak/hostile_stores.py -n 200 -o bench/results/hostile_stores.json``

1. A small store (a film under two recipes, vectors, a catalogue, a note, a film that failed, parts
   and an attempt that were left) is mutated: records and tables with any values, sealed again by
   right digests; shards; folders and files that are links, pipes or gone; names.
2. Every command works on it, its film is indexed into it again, and what is left is removed.
   With ``--url`` it is then put below a URL of an S3 server on loopback, as far as it is files, and
   worked on there, too.
3. Beside it lies a canary: a tree that looks like a store, old enough to be swept. It has the same
   names, bytes and times afterwards. A command ends by a sentence, never by a traceback, and the
   process needs no more memory than the bound.
"""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import click
import xxhash
from click.testing import CliRunner
from hostile_mutations import STEPS
from places import clear, keys, new_bucket, served

import fewframes as ff
from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.films import Film, write_film
from fewframes.cli.main import main as fewframes
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.store.compaction import compact
from fewframes.store.embedding import named_embedder
from fewframes.store.marker import create_store
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import resolve_store
from fewframes.store.untrusted import files_below

MEMORY_BYTES = 3 << 30
"""Address space that a process of mutants may have beyond what it has at its start."""
WAITS_SECONDS = 120
RECIPE = Recipe(fps=5, size="64")
OTHER = Recipe(fps=2, size="32", codec="raw")
OLD = 40 * 24 * 3600


def build(folder: Path) -> Path:
    """The film, and the sound store."""
    film, store = folder / "film.mp4", folder / "sound"
    write_film(film, Film(frames=40, size=(48, 64), options={"g": "10"}))
    create_store(store)
    for recipe in (OTHER, RECIPE):
        index_film(FilmTask(film, store, "film.mp4", recipe))
        index_film(FilmTask(film, store, "ward/other", recipe))
    colour = named_embedder(lambda batch: batch.mean(axis=(1, 2)), name="colour", dim=3)
    ff.open(store)["film.mp4"].embed(colour)
    compact(store)
    index_film(FilmTask(film, store, "late", RECIPE))
    parts = store / ".parts" / "film.mp4" / ("0" * 32)
    parts.mkdir(parents=True)
    (parts / "0000-00.arrow").write_bytes(b"part")
    facts = {"id": "bad", "recipe": RECIPE.to_dict(), "limits": [60.0, 1 << 30], "file": [1, 2]}
    (store / "failures").mkdir()
    words = json.dumps({**facts, "reason": "it crashed", "when": "2026-01-01 00:00:00Z"})
    (store / "failures" / "bad").write_text(words)
    (store / ".attempts" / ("a" * 32)).mkdir()
    return store


def build_canary(folder: Path, store: Path) -> None:
    """A tree that a link may lead to: a store's folders, and a file of each name, all old."""
    shutil.copytree(store, folder)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - OLD))


def seen(folder: Path) -> dict[str, Any]:
    """Names, bytes and times of change of a tree."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        is_now = path.lstat()
        data = xxhash.xxh3_64_hexdigest(path.read_bytes()) if path.is_file() else ""
        facts = (is_now.st_mode, is_now.st_mtime_ns, is_now.st_size, data)
        found[str(path.relative_to(folder))] = facts
    return found


class Here:
    """Stands for a worker process: the call is made in this one, whose memory is bounded."""

    is_stopped = False

    def __init__(self, **_: Any) -> None:
        pass

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stop(self) -> None:
        pass

    def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        options.pop("limit_seconds", None)
        return function(*args, **options)


def commands(store: Path | str, film: Path, out: Path) -> list[list[str]]:
    """What a user does with a store, in order."""
    s, f = str(store), str(film)
    return [
        ["ls", s], ["ls", s, "--json"], ["ls", s, "--parquet", str(out / "ls.parquet")],
        ["info", s, "film"], ["sample", s, "film", "-k", "3", "--json"],
        ["sample", s, "ward/other", "-k", "3", "--out", str(out / "sample")],
        ["verify", s, "--film", f],
        ["export", s, "film", "--to", str(out / "x"), "--format", "mp4"],
        ["index", f, "-o", s, "--fps", "5", "--size", "64", "--workers", "1", "--quiet"],
        ["verify", s, "--film", f, "--repair"], ["verify", s, "--repair", "--drop"],
        ["compact", s], ["ls", s], ["rm", s, "film.mp4"], ["rm", s, "ward/other", "late"],
    ]  # fmt: skip


class Waits(BaseException):
    """A command has been at work for so long that it waits for what never comes."""


def raise_waits(*_: object) -> None:
    """Ends a command."""
    raise Waits


def tried(words: list[str]) -> tuple[int, str]:
    """The exit status of a command and its traceback, if it has one; where it waits is one, too."""
    signal.signal(signal.SIGALRM, raise_waits)
    signal.alarm(WAITS_SECONDS)
    try:
        done = CliRunner().invoke(fewframes, words)
    except Waits:
        return -1, f"{' '.join(words[:1])}: {traceback.format_exc()}"
    finally:
        signal.alarm(0)
    if done.exception is None or isinstance(done.exception, SystemExit):
        return done.exit_code, ""
    lines = traceback.format_exception(done.exception)
    return done.exit_code, f"{' '.join(words[:1])}: {''.join(lines[-6:])}"


def attack(sound: Path, film: Path, folder: Path, seed: int, url: str) -> dict[str, Any]:
    """Mutates a copy of the sound store, and works on it; says what was seen."""
    chance = random.Random(seed)
    folder.mkdir()
    store, canary, out = folder / "store", folder / "canary", folder / "out"
    out.mkdir()
    shutil.copytree(sound, store, symlinks=True)
    build_canary(canary, sound)
    step = STEPS[seed % len(STEPS)]
    how = [step(store, canary, chance)]
    if chance.random() < 0.3:
        with contextlib.suppress(Exception):  # the first may have left nothing to mutate
            how.append(chance.choice(STEPS)(store, canary, chance))
    before, place = all_seen(canary, url), put_below(url, store) if url else store
    results = [tried(words) for words in commands(place, film, out)]
    touched = set(before.items()) ^ set(all_seen(canary, url).items())
    if url:
        clear(place)
    return {
        "seed": seed,
        "how": how,
        "touched": sorted(touched),
        "tracebacks": [words for _, words in results if words],
        "exits": [status for status, _ in results],
    }


def put_below(url: str, store: Path, name: str = "store") -> str:
    """Puts the files of a tree below a URL; links and pipes are no objects."""
    objects = resolve_store(f"{url}/{name}")
    for path in files_below(store):
        if stat.S_ISREG(path.lstat().st_mode):
            objects.put(path.relative_to(store).as_posix(), path.read_bytes())
    return f"{url}/{name}"


def all_seen(canary: Path, url: str) -> dict[str, Any]:
    """What the canary is, and what the one at the URL is."""
    found = seen(canary)
    if url:
        objects = resolve_store(f"{url}/canary")
        for key in keys(objects):
            found[f"{url}/{key}"] = (xxhash.xxh3_64_hexdigest(objects.read(key)),)
    return found


def attack_all(folder: Path, seeds: list[int], url: str) -> dict[str, Any]:
    """Attacks with bounded memory, in this process."""
    sound, film = build(folder), folder / "film.mp4"
    if url:
        put_below(url, sound, "canary")
    soft = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (soft + MEMORY_BYTES, resource.RLIM_INFINITY))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = []
    with (
        mock.patch("fewframes.indexing.executor.Worker", Here),
        mock.patch("fewframes.indexing.isolation.Worker", Here),
    ):
        for seed in seeds:
            found.append(attack(sound, film, folder / f"mutant{seed}", seed, url))
            shutil.rmtree(folder / f"mutant{seed}")
    bad = [one for one in found if one["touched"] or one["tracebacks"]]
    exits = [status for one in found for status in one["exits"]]
    return {
        "stores": len(found),
        "touched_outside": sum(bool(one["touched"]) for one in found),
        "tracebacks": sum(bool(one["tracebacks"]) for one in found),
        "commands": {str(status): exits.count(status) for status in sorted(set(exits))},
        "memory_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10,
        "bad": bad,
    }


def in_process(folder: Path, first: int, count: int, url: str = "") -> dict[str, Any]:
    """`attack_all` in a process of its own, which may be killed by what it reads."""
    env = {**os.environ, "FEWFRAMES_CACHE": str(folder / "cache"), "PYTHONWARNINGS": "ignore"}
    words = [sys.executable, __file__, "--here", str(folder), "--seed", str(first), "--at", url]
    done = subprocess.run(
        [*words, "-n", str(count)], capture_output=True, text=True, env=env, check=False
    )
    if done.returncode:
        raise AssertionError(f"{done.returncode}: {done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@click.command()
@click.option("-n", "--count", default=200, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--here", type=click.Path(path_type=Path), hidden=True)
@click.option("--at", "url", default="", hidden=True)
@click.option("--url", "by_url", is_flag=True, help="Attack by stores of an S3 server, too.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(
    count: int, seed: int, here: Path | None, url: str, by_url: bool, output: Path | None
) -> None:
    """Attacks readers by so many stores; any harm is an error."""
    if here is not None:
        click.echo(json.dumps(attack_all(here, list(range(seed, seed + count)), url)))
        return
    with tempfile.TemporaryDirectory() as folder:
        result = in_process(Path(folder), seed, count)
    bad = bool(result["bad"])
    if by_url:
        with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "cache"):
            result["by_url"] = in_process(Path(folder), seed, count, new_bucket())
        bad = bad or bool(result["by_url"]["bad"])
    click.echo(json.dumps(result, indent=1))
    keep_result({"machine": machine(["pyarrow"]), "first_seed": seed, **result}, output)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
