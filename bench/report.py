"""The README's figures, drawn from ``bench/results``: ``python -m fewframes.bench.report``.

Nobody types a figure: the block between the two marks is what `measured` makes of the JSON files.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
README = ROOT / "README.md"
PEERS = ("lance + simplejpeg", "tensorstore")
MARKS = ("<!-- measured: begin -->\n", "<!-- measured: end -->")


def measured(results: Path = RESULTS) -> str:
    """Gives the block of Markdown that the JSON files make."""
    throughput = json.loads((results / "throughput.json").read_text())
    memory = json.loads((results / "memory.json").read_text())
    lines = [*_machine(throughput["machine"]), *_read(throughput["films"])]
    catalogue = json.loads((results / "catalogue.json").read_text())
    store = json.loads((results / "store.json").read_text())
    lines += [*_index(throughput["films"]), *_memory(memory)]
    lines += [*_catalogue(catalogue), *_store(store)]
    return "\n".join(lines) + "\n"


def _machine(machine: dict[str, Any]) -> Iterator[str]:
    there = {name: v for name, v in machine["versions"].items() if v != "not installed"}
    yield f"On {machine['cores']} cores of {machine['cpu']}, Python {machine['python']}."
    yield "CPU seconds, medians of interleaved cold processes, lower is better;"
    yield ", ".join(f"{name} {version}" for name, version in there.items()) + "."
    yield ""


def _film(film: dict[str, Any]) -> str:
    """Says what a film is: its codec and size, its frames, its length."""
    name, rest = film["about"].removeprefix("Timeline('").split("': ", 1)
    frames, span, kind, *_ = rest.split(", ")
    return f"{Path(name).stem}: {kind}, {frames}, {span.removeprefix('0.00 s to ')}"


def _read(films: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield "**Reading evenly spaced exact frames at full size**, each peer in its best setting:"
    yield ""
    yield "| film | frames | pictures decoded | fewframes | best peer | ratio | TorchCodec |"
    yield "|---|---|---|---|---|---|---|"
    for film in films:
        read = film["read"]
        rows, best = read["results"], read["best_peer"]
        yield _row(
            _film(film),
            read["frames"],
            f"{read['pictures_decoded']} of {read['pictures_in_film']}",
            f"{rows['fewframes workers=1']['cpu_seconds']:.2f}",
            f"{rows[best]['cpu_seconds']:.2f} ({best})" if best else "none installed",
            f"{read['cpu_ratio']:.2f}" if best else "",
            _seconds(rows["torchcodec exact"]),
        )
    yield ""


def _index(films: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield "**Indexing at 2 frames a second** (decode, signals, JPEG, publish; process start and"
    yield "imports included) beside PyAV decoding the same pictures and throwing them away:"
    yield ""
    yield "| film | pictures | fewframes index | decode alone | ratio |"
    yield "|---|---|---|---|---|"
    for film in films:
        index = film["index"]
        ours, alone = (row["cpu_seconds"] for row in index["results"].values())
        cells = (f"{ours:.2f}", f"{alone:.2f}", index["cpu_ratio"])
        yield _row(_film(film), index["pictures"], *cells)
    yield ""


def _memory(memory: dict[str, Any]) -> Iterator[str]:
    peaks = [f"{row['peak_mb']:.0f} MB for {name}" for name, row in memory["results"].items()]
    yield f"**Peak memory of indexing:** {' and '.join(peaks)} of the same pictures."


def _catalogue(result: dict[str, Any]) -> Iterator[str]:
    costs = {name: cost["cpu_ms"]["median"] for name, cost in result["costs"].items()}
    frames = [cost for name, cost in costs.items() if name.startswith("first frame")]
    yield ""
    whole = costs["open, count and list ids"]
    count, peak = result["videos"], result["peak_mb"]["median"]
    yield f"**A store of {count:,} videos:** opened, counted, listed in {whole:.0f} ms of CPU time,"
    yield f"the first frame of a video after that in {max(frames):.1f} ms; {peak:.0f} MB in all."


def _store(result: dict[str, Any]) -> Iterator[str]:
    rows = result["reading_64_random"]
    size = "x".join(map(str, result["size"]))
    yield ""
    yield f"**Reading 64 random pictures of {size} from a store**, CPU milliseconds, beside the"
    yield "least that a program can do, which is to read the bytes and decode them:"
    yield ""
    yield "| codec | fewframes | read and decode | ratio | zarr-python | Lance | TensorStore |"
    yield "|---|---|---|---|---|---|---|"
    for codec in ("jpeg", "zstd", "raw"):
        mine = {name.removeprefix(f"{codec}: "): row for name, row in rows.items()}
        ours = rows[f"{codec}: fewframes"]
        floor = next(row for name, row in rows.items() if _is_floor(name, codec))
        zarr = min(row["cpu_ms"] for name, row in mine.items() if name.startswith("zarr"))
        lance, tensorstore = (mine.get(name, {}).get("cpu_ms") for name in PEERS)
        cells = [ours["cpu_ms"], floor["cpu_ms"], ours["cpu_ratio"], zarr, lance, tensorstore]
        yield _row(codec, *("" if cell is None else f"{cell:.3g}" for cell in cells))
    writing = result["writing_a_picture"]
    yield ""
    yield f"**Writing a JPEG** takes {writing['cpu_ratio']:.2f} times the CPU of encoding it alone."


def _is_floor(name: str, codec: str) -> bool:
    return name.startswith(f"{codec}: pread") and "in place" not in name


def _seconds(row: dict[str, Any]) -> str:
    return "does not load here" if "error" in row else f"{row['cpu_seconds']:.2f}"


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def rewritten(readme: str, block: str) -> str:
    r"""Puts a block between the two marks of a README.

    >>> rewritten("a\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nb", "new\n")
    'a\n<!-- measured: begin -->\nnew\n<!-- measured: end -->\nb'
    """
    begin, end = MARKS
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    return re.sub(pattern, lambda _: begin + block + end, readme, flags=re.DOTALL)


@click.command()
def main() -> None:
    """Rewrites the README's figures from bench/results."""
    README.write_text(rewritten(README.read_text(), measured()))


if __name__ == "__main__":
    main()
