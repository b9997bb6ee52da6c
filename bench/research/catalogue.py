"""Opens a store of 100,000 videos and reads a frame of one.

Run it by ``python -m fewframes.bench.research.catalogue``:

1. A few videos are indexed for real, of one minute to one hour.
2. The snapshot gets a row for each of 100,000 videos; as many later notes as a store ever has lead
   to groups of their own (copies of a small one).
3. Cold processes open it, count and list it, then read one frame of each real video. Imports are
   made first, by the same steps on another store, and not counted. CPU time is what counts on a
   busy machine; wall time stands beside it.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

import click

import fewframes
from fewframes.bench.measure import keep_result, machine, run_cold
from fewframes.bench.research.films import write_film
from fewframes.bench.research.memory import MINUTE, repeat_film
from fewframes.store.catalogue import row_of
from fewframes.store.catalogue_rows import table_of_rows
from fewframes.store.compaction import LONGEST_TAIL, compact, write_snapshot
from fewframes.store.journal import announce
from fewframes.store.layout import folder_name
from fewframes.store.resolve import resolve_store
from fewframes.store.staging import Staging
from fewframes.store.store import Store

R = TypeVar("R")


def make_films(folder: Path, minutes: tuple[int, ...]) -> None:
    """Makes films of so many minutes, by repeating the packets of one."""
    films = folder / "films"
    films.mkdir()
    write_film(folder / "minute.mp4", MINUTE)
    for length in minutes:
        repeat_film(folder / "minute.mp4", films / f"real_{length:03d}_minutes.mp4", length)


def make_store(folder: Path, videos: int, tail: int) -> Path:
    """Makes a store of that many videos, of which few have pictures."""
    store = folder / "corpus.zarr"
    fewframes.index(folder / "films", store)
    fewframes.index(folder / "minute.mp4", folder / "other.zarr")
    compact(folder / "other.zarr")
    real = list(fewframes.open(store))
    files = resolve_store(store)
    rows = [row for video_id in real if (row := row_of(files, video_id))]
    names = [f"ward {n % 40:02d}/day {n // 40 % 50:02d}/case_{n:06d}" for n in range(videos)]
    made = [rows[0] | {"id": name, "keys": [f"{n:016x}"]} for n, name in enumerate(names)]
    files.delete_below("catalogue")
    write_snapshot(files, table_of_rows([*rows, *made[len(rows) + tail :]]), [])
    (group,) = (store / "videos" / folder_name(real[0])).iterdir()
    for name in names[:tail]:
        shutil.copytree(group, store / "videos" / folder_name(name) / group.name)
        with Staging(store) as attempt:
            announce(files, attempt, name)
    return store


class Cost(NamedTuple):
    """Milliseconds that a call took."""

    cpu_ms: float
    wall_ms: float


def timed(call: Callable[[], R]) -> tuple[Cost, R]:
    """Gives what a call costs, on all threads, and its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    spent = time.process_time() - cpu, time.perf_counter() - wall
    return Cost(*(round(seconds * 1000, 2) for seconds in spent)), result


def measure(store: Path, other: Path) -> dict[str, Any]:
    """Measures one process; the imports come first, by another store."""
    warm_up(other)
    before_mb = peak_mb()
    opening, videos = timed(lambda: fewframes.open(store))
    counting, count = timed(lambda: len(videos))
    listing, ids = timed(lambda: list(videos))
    parts = zip(opening, counting, listing, strict=True)
    costs = {
        "open": opening,
        "count": counting,
        "list ids": listing,
        "open, count and list ids": Cost(*(round(sum(part), 2) for part in parts)),
    }
    for name in (name for name in ids if name.startswith("real")):
        costs[f"first frame of {name}"] = first_frame(videos, name)
    opened_mb = peak_mb()
    costs["list all rows"], listed = timed(lambda: sum(1 for _ in videos.lines()))
    return {
        "videos": count,
        "listed": listed,
        "costs": costs,
        "peak_mb": round(opened_mb, 1),
        "peak_mb_of_imports": round(before_mb, 1),
    }


def warm_up(store: Path) -> None:
    """Imports all that is needed, by reading another store."""
    for _ in range(2):
        videos = fewframes.open(store)
        for video in videos.values():
            video.read(rows=[0])
        len(videos)
        list(videos.lines())


def first_frame(videos: Store, name: str) -> Cost:
    """Gives the cost from the id of a video to one of its frames."""
    return timed(lambda: videos[name].read(rows=[7]))[0]


def peak_mb() -> float:
    """Gives the largest memory of this process so far.

    It is the kernel's VmHWM, since ``ru_maxrss`` also counts the process that started this one
    (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html).
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Gives the median and the worst of each figure."""
    first = runs[0]
    names = ("peak_mb", "peak_mb_of_imports")
    return {
        "videos": first["videos"],
        "runs": len(runs),
        **{name: spread([run[name] for run in runs]) for name in names},
        "costs": {
            name: {
                "cpu_ms": spread([run["costs"][name][0] for run in runs]),
                "wall_ms": spread([run["costs"][name][1] for run in runs]),
            }
            for name in first["costs"]
        },
    }


def spread(values: list[float]) -> dict[str, float]:
    """Gives the median and the worst.

    >>> spread([3.0, 1.0, 2.0])
    {'median': 2.0, 'worst': 3.0}
    """
    return {"median": round(median(values), 2), "worst": round(max(values), 2)}


@click.command()
@click.option("--videos", default=100_000, show_default=True)
@click.option("--tail", default=LONGEST_TAIL, show_default=True, help="Notes after the snapshot.")
@click.option("--rounds", default=7, show_default=True)
@click.option("--stores", nargs=2, type=click.Path(path_type=Path), help="Measures once, in here.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(
    videos: int, tail: int, rounds: int, stores: tuple[Path, Path] | None, output: Path | None
) -> None:
    """Measures a large catalogue."""
    if stores:
        click.echo(json.dumps(measure(*stores)))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_films(folder, (1, 10, 60))
        store = make_store(folder, videos, tail)
        size = sum(file.stat().st_size for file in (store / "catalogue").glob("*.arrows"))
        command = [
            "-m",
            "fewframes.bench.research.catalogue",
            "--stores",
            store,
            folder / "other.zarr",
        ]
        runs = [run_cold(list(map(str, command)))["said"] for _ in range(rounds)]
    result = {"tail": tail, "snapshot_mb": round(size / 1e6, 1), **summary(runs)}
    click.echo(json.dumps(result, indent=1), file=sys.stdout)
    keep_result({"machine": machine(["pyarrow"]), **result}, output)


if __name__ == "__main__":
    main()
