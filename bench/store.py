"""Reading and writing stored pictures beside what cannot be avoided, and beside peers.

``python -m fewframes.bench.store FILM`` lays the frames of a film out as JPEG, zstd and raw, all
at 448 x 448, and reads 64 random ones: by fewframes; by the least that a reader has to do (the
floor: a pread and a decode a picture into one batch, with open files and known places, without
checksums); by stock zarr-python, TensorStore and Lance, where they are installed. Each case is a
fresh process a round, cases in turn; medians. Files are in the page cache: CPU is measured.
"""

import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

import fewframes as ff
from fewframes.bench.measure import complaint, keep_result, machine, run_cold
from fewframes.bench.store_jobs import CASES, FLOORS, place_of
from fewframes.decode.decoder import DecodeReport, decoder
from fewframes.decode.plan import plan_frames
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.store.codecs import CODECS
from fewframes.store.recipes import Recipe
from fewframes.store.shard_format import SHARD_FRAMES
from fewframes.store.shard_reader import ShardReader

SIDE = 448
PEERS = ("zarr", "numcodecs", "imagecodecs", "tensorstore", "pylance")
JOB = ["-m", "fewframes.bench.store_jobs"]


def lay_out(film: Path, folder: Path, frames: int) -> None:
    """Writes the frames by every codec, where each picture lies, and the planes of one shard."""
    timeline = ff.probe(film)
    fps = frames / timeline.duration_seconds
    places: dict[str, Any] = {}
    for codec in CODECS:
        recipe = Recipe(fps=fps, size=f"{SIDE}x{SIDE}", codec=codec, dedup=0)
        index_film(FilmTask(film, folder / codec, "film", recipe))
        places[codec] = picture_places(ShardReader(place_of(folder, codec)))
    facts = {"size": [SIDE, SIDE], "count": len(places["raw"]), "places": places}
    (folder / "facts.json").write_text(json.dumps(facts))
    numbers = np.linspace(0, len(timeline) - 1, SHARD_FRAMES).astype(np.int64)
    runs, size = plan_frames(timeline, numbers).runs, (SIDE, SIDE)
    planes = [
        batch.planes
        for batch in decoder()(timeline, runs, format="jpeg", size=size, report=DecodeReport())
    ]
    for number, plane in enumerate(zip(*planes, strict=True)):
        np.save(folder / f"plane{number}.npy", np.concatenate(plane))


def picture_places(reader: ShardReader) -> list[list[int]]:
    """Gives shard, offset and bytes of each picture, without its checksum."""
    places = []
    for slot in range(len(reader)):
        shard, at = divmod(slot, SHARD_FRAMES)
        offset, size = reader.index_of(shard)[at].tolist()
        places.append([shard, offset, size - 4])
    return places


def write_lance(folder: Path) -> None:
    """Puts the same JPEG files into a Lance table, if Lance is installed."""
    try:
        import lance
        import pyarrow as pa
    except ImportError:
        return
    reader = ShardReader(place_of(folder, "jpeg"))
    column = pa.array(reader.encoded(np.arange(len(reader))), pa.large_binary())
    lance.write_dataset(pa.table({"jpeg": column}), str(folder / "pictures.lance"))


def measure(job: str, cases: list[str], folder: Path, calls: int, rounds: int) -> dict[str, Any]:
    """Runs the cases in turn; gives medians, and for a case that cannot run why."""
    said: dict[str, list[dict[str, Any]]] = {case: [] for case in cases}
    broken: dict[str, str] = {}
    for _ in range(rounds):
        for case in [case for case in cases if case not in broken]:
            try:
                run = run_cold([*JOB, job, case, str(folder), str(calls)])
                said[case].append(run["said"])
            except RuntimeError as error:
                broken[case] = complaint(error)
    results: dict[str, Any] = {case: {"error": words} for case, words in broken.items()}
    for case in (case for case in cases if case not in broken):
        results[case] = medians(said[case])
    return {case: results[case] for case in cases}


def medians(said: list[dict[str, Any]]) -> dict[str, Any]:
    """Gives the median of each time that the runs of a case have told."""
    names = [name for name in said[0] if name.endswith("_ms")]
    row = {name: round(median(one[name] for one in said), 3) for name in names}
    return {**row, "pixels": said[0].get("pixels")}


def with_ratios(results: dict[str, Any]) -> dict[str, Any]:
    """Adds what each case costs beside the floor of its codec."""
    for case, row in results.items():
        floor = results[FLOORS[CASES[case][0]]]
        for name in ("cpu", "wall"):
            if f"{name}_ms" in row:
                row[f"{name}_ratio"] = round(row[f"{name}_ms"] / floor[f"{name}_ms"], 3)
    return results


def measured(film: Path, *, frames: int, calls: int, rounds: int) -> dict[str, Any]:
    """Reading and writing of so many pictures of a film: all but the machine."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(film, folder, frames)
        write_lance(folder)
        reading = with_ratios(measure("read", list(CASES), folder, calls, rounds))
        writes = ["encode alone", "encode and write"]
        writing = measure("write", writes, folder, 3, rounds)
        count = json.loads((folder / "facts.json").read_text())["count"]
        sizes = {
            codec: sum(p.stat().st_size for p in place_of(folder, codec).rglob("*") if p.is_file())
            for codec in CODECS
        }
    alone, written = (writing[case]["cpu_ms"] for case in writes)
    return {
        "film": film.name,
        "pictures": count,
        "size": [SIDE, SIDE],
        "array_bytes": sizes,
        "reading_64_random": reading,
        "writing_a_picture": {**writing, "cpu_ratio": round(written / alone, 3)},
    }


@click.command()
@click.argument("film", type=click.Path(path_type=Path, exists=True))
@click.option("--frames", default=4 * SHARD_FRAMES, show_default=True, help="Pictures stored.")
@click.option("--calls", default=9, show_default=True, help="Calls a process.")
@click.option("--rounds", default=7, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(film: Path, frames: int, calls: int, rounds: int, output: Path | None) -> None:
    """Measures reading and writing of the frames of FILM."""
    result = measured(film, frames=frames, calls=calls, rounds=rounds)
    print_table(result)
    keep_result({"machine": machine(PEERS), **result}, output)


def print_table(result: dict[str, Any]) -> None:
    """Prints the tables."""
    for case, row in result["reading_64_random"].items():
        words = row.get("error") or (
            f"{row['cpu_ms']:9.2f} ms CPU {row['cpu_ratio']:6.2f} x "
            f"{row['wall_ms']:9.2f} ms {row['wall_ratio']:6.2f} x"
        )
        click.echo(f"{case:<34}{words}")
    click.echo(f"writing: {result['writing_a_picture']['cpu_ratio']} x encoding alone")


if __name__ == "__main__":
    main()
