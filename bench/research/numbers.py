"""Every number of the README's "Measured", by one command, in some 20 minutes on two cores.

    python -m fewframes.bench.research.numbers FOOTAGE -w WORK [--film FILM]…

1. Of the films of at least 1280 x 720 in FOOTAGE, two long ones are joined, H.264 and HEVC; with
   each FILM they are read and indexed beside peers (`fewframes.bench.throughput`).
2. Meanwhile, on the other core: the test set of `study.py` is made of FOOTAGE, indexed and
   studied; `relevance.py` is measured on its first films; so are peak memory and a large catalogue.
   What is quoted are CPU times, which the other core changes little in decoding.
3. Last come reads of stored pictures (`fewframes.bench.store`), which are bound by memory.

Results go into WORK/results, or where ``-o`` says; the README's tables are printed.
``--only`` does some steps alone.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

import fewframes as ff
from fewframes.bench.measure import keep_result, machine
from fewframes.bench.readers import READERS, least_cpu
from fewframes.bench.research.footage import join_clips
from fewframes.bench.research.report import measured
from fewframes.bench.store import PEERS
from fewframes.bench.throughput import EVEN, WORKLOADS, measure_film
from fewframes.errors import FewframesError
from fewframes.indexing.isolation import Worker
from fewframes.media.timeline import Timeline

REEL_FRAMES = 60 * 25
REEL_SIZE = (1280, 720)
REELS = {
    "h264_720p.mp4": ("libx264", {"g": "250", "preset": "veryfast"}),
    "hevc_720p.mp4": ("libx265", {"preset": "ultrafast", "x265-params": "keyint=60:log-level=0"}),
}
CLIP_SECONDS = (2.0, 50.0)
OF_REELS = (EVEN, "32 anywhere")
"""Workloads of the films made here; others have all."""
RELEVANCE_FILMS = 4


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is measured, and where it goes."""

    footage: Path
    films: tuple[Path, ...]
    work: Path
    results: Path
    rounds: int
    same: tuple[str, ...]

    def throughput(self) -> None:
        """Films beside peers."""
        request = {film: tuple(WORKLOADS) for film in self.films}
        request |= dict.fromkeys(make_reels(self.footage, self.work), OF_REELS)
        results = [
            measure_film(film, names, fps=2.0, rounds=self.rounds, readers=least_cpu())
            for film, names in request.items()
        ]
        packages = dict.fromkeys(row.package for row in READERS.values() if row.package)
        whole = {"machine": machine([*packages, *PEERS]), "films": results}
        keep_result(whole, self.results / "throughput.json")

    def store(self) -> None:
        """Stored pictures of the first film."""
        film = self.films[0] if self.films else make_reels(self.footage, self.work)[0]
        run("store", film, "--rounds", str(self.rounds), "-o", self.results / "store.json")

    def catalogue(self) -> None:
        """A hundred thousand videos."""
        out = self.results / "catalogue.json"
        run("research.catalogue", "--rounds", str(self.rounds), "-o", out)

    def evidence(self) -> None:
        """The policies that read no query, on the test set, which is made if it is not there."""
        same = [word for name in self.same for word in ("--same", name)]
        how = ["--set", "test", "--workers", "1", *same]
        out = self.results / "adaptive.json"
        run("research.study", self.footage, "-w", self.work, *how, "-o", out)

    def relevance(self) -> None:
        """Policies that read relevance, on the first films of the test set."""
        truth = self.work / "test.jsonl"
        if not truth.exists():
            raise click.UsageError(
                "relevance is measured on the test set; pass --only evidence, too"
            )
        known = truth.read_text(encoding="utf-8").splitlines()
        few = self.work / "relevance.jsonl"
        kept = sorted(known, key=lambda line: str(json.loads(line)["video"]))[:RELEVANCE_FILMS]
        few.write_text("\n".join(kept) + "\n", encoding="utf-8")
        store, out = str(self.work / "test.zarr"), self.results / "relevance.json"
        run("research.relevance", store, few, "-o", out)

    def memory(self) -> None:
        """A minute and an hour."""
        run("research.memory", "-o", self.results / "memory.json")


FIRST: dict[str, Callable[[Numbers], None]] = {
    "throughput": Numbers.throughput,
    "store": Numbers.store,
}
"""Name -> what is measured on one core, which is busy for longer than the other."""
BESIDE: dict[str, Callable[[Numbers], None]] = {
    "evidence": Numbers.evidence,
    "relevance": Numbers.relevance,
    "memory": Numbers.memory,
    "catalogue": Numbers.catalogue,
}
"""Name -> what is measured meanwhile, on the other core."""
STEPS = (*FIRST, *BESIDE)


def run(page: str, *arguments: str | Path) -> None:
    """Runs a module of the benchmarks to its end; its stdout goes to stderr."""
    command = [sys.executable, "-m", f"fewframes.bench.{page}", *map(str, arguments)]
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode:
        raise click.ClickException(f"bench.{page} ended with exit status {done.returncode}")


def take(steps: Mapping[str, Callable[[Numbers], None]], numbers: Numbers) -> None:
    """Does steps one after the other, and says how long each took."""
    for name, step in steps.items():
        started = time.monotonic()
        step(numbers)
        click.echo(f"{name}: {time.monotonic() - started:.0f} s", err=True)


def clips_for(footage: Path) -> list[Path]:
    """Films of the folder that reels are made of: sound, upright, 8 bits, large, not too long."""
    fit = []
    with Worker() as worker:
        for path in sorted(footage.iterdir()):
            with suppress(FewframesError, OSError):
                if not path.is_file() or not _is_fit(worker.call(ff.probe, path)):
                    continue
                if _is_fit(worker.call(ff.probe, path, verify=True)):  # that decodes all of it
                    fit.append(path)
    return fit


def _is_fit(timeline: Timeline) -> bool:
    stream, (least, most) = timeline.stream, CLIP_SECONDS
    large = stream.width >= REEL_SIZE[0] and stream.height >= REEL_SIZE[1]
    plain = stream.pixel_format == "yuv420p" and not stream.rotation
    sound = timeline.timing == "pts" and not timeline.damage
    return large and plain and sound and least <= timeline.duration_seconds <= most


def make_reels(footage: Path, work: Path) -> list[Path]:
    """Joins the clips into the films of `REELS`, unless they are there."""
    missing = [name for name in REELS if not (work / name).exists()]
    clips = clips_for(footage) if missing else []
    if missing and not clips:
        raise click.UsageError(
            f"{footage.name!r} holds no sound film of at least 1280x720 that lasts 2 to 50 s; "
            "pass a folder with some"
        )
    for name in missing:
        codec, options = REELS[name]
        part = work / f"part_{name}"
        join_clips(clips, part, frames=REEL_FRAMES, size=REEL_SIZE, codec=codec, options=options)
        part.rename(work / name)
    return [work / name for name in REELS]


@click.command()
@click.argument("footage", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-w", "--work", required=True, type=click.Path(path_type=Path))
@click.option("--film", "films", multiple=True, type=click.Path(path_type=Path, exists=True))
@click.option("--same", multiple=True, help="Names with this word are one recording; repeat it.")
@click.option("--only", multiple=True, type=click.Choice(STEPS), help="This step; repeat it.")
@click.option("--rounds", default=3, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder of the JSON files.")
def main(
    footage: Path,
    work: Path,
    films: tuple[Path, ...],
    same: tuple[str, ...],
    only: Sequence[str],
    rounds: int,
    output: Path | None,
) -> None:
    """Measures what the README quotes, with the films of FOOTAGE and each further FILM."""
    results = output or work / "results"
    for folder in (work, results):
        folder.mkdir(parents=True, exist_ok=True)
    numbers = Numbers(footage, films, work, results, rounds, same)
    request = set(only or STEPS)
    with ThreadPoolExecutor(1) as other_core:
        beside = {name: step for name, step in BESIDE.items() if name in request}
        meanwhile = other_core.submit(take, beside, numbers)
        take({name: step for name, step in FIRST.items() if name in request}, numbers)
        meanwhile.result()
    if request == set(STEPS):
        click.echo(measured(results))


if __name__ == "__main__":
    main()
