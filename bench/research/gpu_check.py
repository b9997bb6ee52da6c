"""Is the GPU half right here, and how fast? ``bench/research/gpu_check.sh`` runs it by the part.

a: driver, libraries and what the video engines take; kernels beside their NumPy meaning; their
   rates at 64 pictures of 1080p and 100,000 rows.
b: DALI beside FFmpeg, and its rates at so many slices in flight.
c: films and stores from end to end on the GPU, peers, memory checks of the kernels.

A step is a command in a process of its own under a time limit. When it ends, one line of JSON is
written: what it was, how it ended, how long it took, and the last line of JSON it printed, or the
end of what it said. With ``--dry-run`` steps that need a GPU are named with their limits and not
run, and those that have a dry form run that.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

TESTS = Path("tests")
"""From the root of the project, where `gpu_check.sh` runs this."""
KERNELS, CUPY = "kernels/test_kernels.py", "kernels/test_cupy.py"
DALI = "bindings/test_dali.py", "bindings/test_dali_refusals.py"
ON_GPU = "indexing/test_on_gpu.py", "store/test_stored_on_gpu.py"
NO_GPU = 3
"""Exit status where there is nothing to run on."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command."""

    name: str
    command: tuple[str, ...]
    seconds: float
    """Its time limit."""
    dry: tuple[str, ...] | None = None
    """What shows without a GPU that the step can be run; None where nothing does."""
    simulated: bool = False
    """Whether the dry command runs in Numba's simulator."""


def module(name: str, *words: str) -> tuple[str, ...]:
    """A module of this package as a command."""
    return ("-m", f"fewframes.{name}", *words)


def tests(*files: str, only: str) -> tuple[str, ...]:
    """Tests as a command."""
    paths = [str(TESTS / file) for file in files]
    marked = ["-m", only] if only else []
    return ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *marked, *paths)


def parts(films: Path | None) -> Mapping[str, list[Step]]:
    """The steps of each part, in the order in which they are run."""
    own = sorted(map(str, films.iterdir())) if films else []
    rates, gpu = module("bench.research.gpu_rates"), module("bench.research.gpu")
    machine = module("bench.research.gpu_machine")
    one = tests(KERNELS, only="gpu and not each")
    return {
        "a": [
            Step("machine", machine, 30, machine),
            Step("compiled", tests("kernels/test_gpu_compile.py", only=""), 90),
            Step("kernels", tests(KERNELS, only="gpu"), 90, one, simulated=True),
            Step("cupy", tests(CUPY, only=""), 180, tests(CUPY, only="not gpu")),
            Step("rates", rates, 90, (*rates, "--small"), simulated=True),
        ],
        "b": [
            Step("dali", tests(*DALI, only="gpu"), 150),
            Step("dali rates", gpu, 150, (*gpu, "--device", "cpu")),
        ],
        "c": [
            Step("on the gpu", tests(*ON_GPU, only="gpu"), 120),
            *(_of_film(job) for job in ("decode", "index")),
            *(Step(f"film {Path(film).name}", (*gpu, film), 120) for film in own),
            Step("sanitizer", ("compute-sanitizer",), 120),
        ],
    }


def _of_film(job: str) -> Step:
    """A job of one film, beside its peers."""
    return Step(f"film {job}", module("bench.research.gpu_film", job), 300)


def run(step: Step, *, is_dry: bool) -> dict[str, Any]:
    """Runs a step to its end or its limit, and gives what is to be said of it."""
    facts: dict[str, Any] = {"step": step.name, "limit": step.seconds}
    command = step.dry if is_dry else step.command
    if command is None:
        return {**facts, "status": "needs a GPU", "command": " ".join(step.command)}
    simulated = {"NUMBA_ENABLE_CUDASIM": "1"} if is_dry and step.simulated else {}
    required = {} if is_dry and not step.simulated else {"REQUIRE_GPU": "1", "REQUIRE_DALI": "1"}
    started = time.monotonic()
    try:
        done = subprocess.run(
            _words(command),
            env={**os.environ, **simulated, **required},
            timeout=step.seconds if not is_dry else 900,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        status, said = ("ok" if done.returncode == 0 else f"exit {done.returncode}"), done.stdout
    except subprocess.TimeoutExpired as error:
        status, said = "over its limit", (error.stdout or b"").decode("utf-8", "replace")
    facts |= {"status": status, "seconds": round(time.monotonic() - started, 1)}
    return {**facts, **_of(said, is_whole=status == "ok")}


def _words(command: tuple[str, ...]) -> list[str]:
    if command[0] != "compute-sanitizer":
        return [sys.executable, *command]
    small = [sys.executable, *module("bench.research.gpu_rates", "--small")]
    return [*command, "--error-exitcode", "9", "--log-file", os.devnull, *small]


def _of(said: str, *, is_whole: bool) -> dict[str, Any]:
    """The JSON lines of what a command said; its end, where that is all or it failed."""
    found = []
    for line in said.splitlines():
        try:
            if line.startswith("{"):
                found.append(json.loads(line))
        except ValueError:
            continue
    end = {} if found and is_whole else {"said": said[-2500:]}
    return {"found": found, **end} if found else end


def steps(chosen: tuple[str, ...], films: Path | None) -> Iterator[tuple[str, Step]]:
    """Every step of the chosen parts, with the part's name."""
    every = parts(films)
    for part in chosen or tuple(every):
        for step in every[part]:
            yield part, step


@click.command()
@click.argument("chosen", metavar="PART...", nargs=-1, type=click.Choice(["a", "b", "c"]))
@click.option("--films", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/gpu"))
@click.option("--dry-run", "is_dry", is_flag=True, help="Run what can be run without a GPU.")
def main(chosen: tuple[str, ...], films: Path | None, out: Path, *, is_dry: bool) -> None:
    """Runs the steps of each PART and writes a line for each into OUT."""
    from fewframes.bindings.dali.capabilities import machine_facts

    if not is_dry and machine_facts().no_gpu:
        click.echo(f"NO GPU: {machine_facts().no_gpu}; nothing was run")
        sys.exit(NO_GPU)
    out.mkdir(parents=True, exist_ok=True)
    is_right = True
    for part, step in steps(chosen, films):
        facts = run(step, is_dry=is_dry)
        with (out / f"{part}.jsonl").open("a") as file:
            file.write(json.dumps(facts) + "\n")
        click.echo(json.dumps(facts))
        is_right &= facts["status"] in ("ok", "needs a GPU")
    sys.exit(0 if is_right else 1)


if __name__ == "__main__":
    main()
