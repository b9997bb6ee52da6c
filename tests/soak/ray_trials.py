"""Ray, disturbed: workers, nodes, the driver and the object store are taken away at random.

``python tests/soak/ray_trials.py --films 100 --disturbances 10 -o bench/results/ray_soak.json``

1. An S3 server on loopback holds small films; a real Ray cluster of several nodes on this machine
   has a core on each node but the first.
2. An undisturbed run says what has to be there at the end.
3. ``fewframes index --ray`` runs as a user runs it, into another prefix. At random moments one of
   `DISTURBANCES` strikes. A driver that was killed is started again.
4. In the end every video has the same facts, files and digests as in the undisturbed run. Of each
   video there are no more attempts than one, but for what was in hand when something struck: the
   bucket keeps all versions of all objects, so that none can be missed. No process is left.
"""

import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import psutil

import fewframes as ff
from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.films import Film, write_film
from fewframes.store.resolve import resolve_store

BUCKET = "trial"
WORDS = ("--fps", "10", "--size", "64", "--limit", "60", "--duplicates", "keep")
RECIPES = [
    Film(frames=40, size=(64, 96), options={"g": "20"}),
    Film(frames=30, size=(48, 80), times="uneven", suffix=".mkv"),
    Film(frames=50, size=(48, 80), codec="mpeg4", suffix=".avi", ticks=1),
]
AWAY_SECONDS = 6.0, 20.0
"""Longer than obstore itself tries again."""
NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ALLOW_HTTP")
NAMES += ("AWS_ENDPOINT_URL", "FEWFRAMES_CACHE", "RAY_USAGE_STATS_ENABLED")
"""What `Trial.environment` sets."""


class Trial:
    """A server, a cluster, films, and the facts of an undisturbed run."""

    def __init__(self, folder: Path, films: int, nodes: int = 2) -> None:
        from ray.cluster_utils import Cluster

        self.folder, self.runs = folder, 0
        self.server, self.address = start_server(0)
        os.environ |= self.environment()
        self.client = client_of(self.address)
        self.client.create_bucket(Bucket=BUCKET)
        versions = {"Status": "Enabled"}
        self.client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=versions)
        self.films = put_films(folder / "films", films)
        head = {"num_cpus": 0, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(nodes)]
        reference = f"s3://{BUCKET}/reference"
        assert self.start(reference).wait() == 0
        self.wanted = contents(reference)
        assert len(self.wanted) == films

    def environment(self) -> dict[str, str]:
        """What obstore and the cache read, here and on all nodes."""
        values = (
            "me",
            "secret",
            "us-east-1",
            "true",
            self.address,
            str(self.folder / "cache"),
            "0",
        )
        return dict(zip(NAMES, values, strict=True))

    def start(self, store: str) -> subprocess.Popen[bytes]:
        """Starts a run on the cluster."""
        command = [sys.executable, "-m", "fewframes", "index", self.films, "-o", store, *WORDS]
        command += ["--ray", self.cluster.address]
        self.runs += 1
        with (self.folder / f"run-{self.runs}.log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def workers(self) -> list[psutil.Process]:
        """The processes of Ray's workers on all nodes."""
        found = []
        for node in self.nodes:
            raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
            below = raylet.children()
            found += [process for process in below if "ray::" in " ".join(process.cmdline())]
        return found

    def close(self) -> None:
        """Ends cluster and server."""
        self.cluster.shutdown()
        self.server.stop()

    def left(self) -> list[psutil.Process]:
        """Processes that make calls for this trial and still live."""
        end = time.monotonic() + 30
        while (found := list(serving(self.folder))) and time.monotonic() < end:
            time.sleep(0.2)
        return found


def serving(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            is_ours = process.environ().get("FEWFRAMES_CACHE") == str(folder / "cache")
            words = " ".join(process.cmdline())
            if is_ours and ("fork_server import run_server" in words or "ray::" in words):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def start_server(port: int) -> tuple[Any, str]:
    """Starts an S3 server; what it holds stays where it is stopped and started again."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return server, f"http://{host}:{port}"


def client_of(address: str) -> Any:
    import boto3

    keys = {"aws_access_key_id": "me", "aws_secret_access_key": "secret"}
    return boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys)


def put_films(folder: Path, count: int) -> str:
    """Puts small films into the bucket; gives their prefix."""
    folder.mkdir()
    made = []
    for number, film in enumerate(RECIPES):
        made.append(folder / f"{number}{film.suffix}")
        write_film(made[-1], film)
    objects = resolve_store(f"s3://{BUCKET}/films")
    for number in range(count):
        film = made[number % len(made)]
        objects.put(f"ward {number % 3}/{number:03d}{film.suffix}", film.read_bytes())
    return f"s3://{BUCKET}/films/"


def contents(store: str) -> dict[str, Any]:
    """All that a store says of its videos, but for times of day and names of attempts."""
    found = {}
    for video_id, video in ff.open(store).items():
        files = {name: fact for name, fact in video.commit.files.items() if name != "zarr.json"}
        facts = {k: v for k, v in video.facts.items() if k not in ("created", "attempt")}
        found[video_id] = (facts, files)
    return found


def attempts(trial: Trial, store: str) -> Counter[str]:
    """How often each video of a store was put, wholly or in part, by all versions of all keys."""
    prefix = f"{store.removeprefix(f's3://{BUCKET}/')}/videos/"
    pages = trial.client.get_paginator("list_object_versions")
    found = set()
    for page in pages.paginate(Bucket=BUCKET, Prefix=prefix):
        for version in page.get("Versions", []):
            parts = version["Key"].removeprefix(prefix).split("/")
            if len(parts) > 3:
                found.add((parts[0], parts[2]))
    return Counter(video for video, _ in found)


@contextmanager
def without_server(trial: Trial, seconds: float) -> Iterator[None]:
    port = int(trial.address.rsplit(":", 1)[1])
    trial.server.stop()
    time.sleep(seconds)
    yield
    trial.server, _ = start_server(port)


def lose_worker(trial: Trial, chance: random.Random, driver: subprocess.Popen[bytes]) -> None:
    """Kills the process of a Ray worker."""
    workers = trial.workers()
    if workers:
        chance.choice(workers).kill()


def lose_call(trial: Trial, chance: random.Random, driver: subprocess.Popen[bytes]) -> None:
    """Kills the process in which a node does what may crash."""
    calls = [process for process in serving(trial.folder) if "-c" in process.cmdline()]
    if calls:
        chance.choice(calls).kill()


def lose_driver(trial: Trial, chance: random.Random, driver: subprocess.Popen[bytes]) -> None:
    """Kills the process that leads the run."""
    driver.kill()
    driver.wait()


def lose_node(trial: Trial, chance: random.Random, driver: subprocess.Popen[bytes]) -> None:
    """Kills a node with all that is on it; another one comes."""
    node = trial.nodes.pop(chance.randrange(len(trial.nodes)))
    trial.cluster.remove_node(node, allow_graceful=False)
    trial.nodes.append(trial.cluster.add_node(num_cpus=1))


def lose_server(trial: Trial, chance: random.Random, driver: subprocess.Popen[bytes]) -> None:
    """The object store does not answer for a while."""
    with without_server(trial, chance.uniform(*AWAY_SECONDS)):
        pass


DISTURBANCES = {
    f.__name__: f for f in (lose_worker, lose_driver, lose_server, lose_node, lose_call)
}


def disturb(trial: Trial, count: int, chance: random.Random) -> dict[str, Any]:
    """Disturbs runs ``count`` times, and checks what they leave."""
    kinds = [list(DISTURBANCES)[number % len(DISTURBANCES)] for number in range(count)]
    chance.shuffle(kinds)
    seen: dict[str, Any] = {"struck": dict(Counter(kinds)), "stores": 0, "videos_put_again": 0}
    while kinds:
        seen["stores"] += 1
        store = f"s3://{BUCKET}/store-{seen['stores']}"
        strikes = _disturbed(trial, store, kinds, chance)
        assert contents(store) == trial.wanted
        more = sum(attempts(trial, store).values()) - len(trial.wanted)
        assert more <= strikes * len(trial.nodes), (more, strikes)
        seen["videos_put_again"] += more
    return seen


def _disturbed(trial: Trial, store: str, kinds: list[str], chance: random.Random) -> int:
    """One run, which is struck whenever some more videos are there, until it ends well."""
    films = len(trial.wanted)
    moments = sorted(chance.choices(range(1, max(2, films - 4)), k=len(kinds)))
    driver, strikes = trial.start(store), 0
    while driver.poll() is None:
        if moments and len(list(ff_ids(store))) >= moments[0]:
            moments.pop(0)
            DISTURBANCES[kinds.pop()](trial, chance, driver)
            strikes += 1
        if driver.poll() == -9:
            driver = trial.start(store)
        time.sleep(chance.random())
    assert driver.wait() == 0, log_of(trial)
    return strikes


def ff_ids(store: str) -> Iterator[str]:
    """The videos of a store that may not be there yet."""
    try:
        yield from ff.open(store)
    except FileNotFoundError:
        return


def log_of(trial: Trial) -> str:
    return (trial.folder / f"run-{trial.runs}.log").read_text()


@click.command()
@click.option("--films", default=100, show_default=True)
@click.option("--disturbances", default=10, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(films: int, disturbances: int, seed: int, output: Path | None) -> None:
    """Disturbs runs on a Ray cluster and says what was seen; any fault is an error."""
    folder = Path(tempfile.mkdtemp())
    trial = Trial(folder, films)
    try:
        seen = disturb(trial, disturbances, random.Random(seed))
    finally:
        trial.close()
    assert trial.left() == []
    result = {"films": films, "nodes": 1 + len(trial.nodes), **seen, "processes_left": 0}
    click.echo(json.dumps(result))
    facts = {"machine": machine(["ray", "obstore", "moto"]), "seed": seed, **result}
    keep_result(facts, output)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
