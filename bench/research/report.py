"""The README's figures, from ``bench/results``: ``python -m fewframes.bench.research.report``.

Nobody types a figure: the block between the two marks is what `measured` makes of the JSON files,
and ``bench/charts`` what `draw` makes of them.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from fewframes.bench.charts import bars, lines
from fewframes.bench.readers import OURS

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"
CHARTS = ROOT / "bench" / "charts"
README = ROOT / "README.md"
PEERS = ("lance + simplejpeg", "tensorstore")
MARKS = ("<!-- measured: begin -->\n", "<!-- measured: end -->")


def measured(results: Path = RESULTS) -> str:
    """Gives the block of Markdown that the JSON files make."""
    throughput = json.loads((results / "throughput.json").read_text())
    memory = json.loads((results / "memory.json").read_text())
    text = [*_machine(throughput["machine"]), *_read(throughput["films"])]
    catalogue = json.loads((results / "catalogue.json").read_text())
    store = json.loads((results / "store.json").read_text())
    text += [*_index(throughput["films"]), *_memory(memory)]
    text += [*_catalogue(catalogue), *_store(store)]
    adaptive = json.loads((results / "adaptive.json").read_text())
    text += _evidence(adaptive)
    relevance = json.loads((results / "relevance.json").read_text())
    text += _charts(throughput["films"], relevance)
    return "\n".join(text) + "\n"


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


def _read(films: Sequence[dict[str, Any]]) -> Iterator[str]:
    parts = [part for film in films for part in film["reading"].values()]
    judged = ", whose pictures were judged first" if all("judged" in p for p in parts) else ""
    yield "**Reading exact frames at full size**, each peer in its best setting" + judged + ";"
    yield "charts of all settings are below:"
    yield ""
    yield "| film | frames | fewframes | best peer | ratio | not timed |"
    yield "|---|---|---|---|---|---|"
    for film in films:
        for name, part in film["reading"].items():
            rows, best = part["results"], part["best_peer"]
            yield _row(
                _film(film),
                f"{name} ({part['frames']})",
                _seconds(rows[OURS]),
                f"{rows[best]['cpu_seconds']:.2f} ({best})" if best else "none installed",
                part["cpu_ratio"] or "",
                _not_timed(rows),
            )
    yield ""


def _not_timed(rows: dict[str, dict[str, Any]]) -> str:
    """Who gives wrong pictures, and who does not run, in few words."""
    wrong = [name for name, row in rows.items() if "wrong" in row]
    broken = [name for name, row in rows.items() if "error" in row]
    words = [f"wrong pictures: {', '.join(wrong)}"] if wrong else []
    return "; ".join(words + ([f"does not run here: {', '.join(broken)}"] if broken else []))


def reading_chart(film: dict[str, Any]) -> str:
    """CPU seconds of every reader on every workload of a film, as SVG."""
    groups = {
        f"{name} ({part['frames']})": {
            reader: row.get("cpu_seconds", "wrong pictures" if "wrong" in row else "does not run")
            for reader, row in part["results"].items()
        }
        for name, part in film["reading"].items()
    }
    return bars(groups, title=f"Reading {_film(film)}: CPU seconds", unit="s")


def relevance_chart(result: dict[str, Any], *, noise: str, ratio: str) -> str:
    """Recall over K of policies that read relevance, as SVG."""
    series = {
        method: [(float(k), c["mean"], c["low"], c["high"]) for k, c in row.items()]
        for method, row in result["recall"][noise][ratio].items()
    }
    title = f"Events found, relevance with {noise} noise, signal to noise {ratio}"
    return lines(series, title=title, across="frames a video", up="interval recall")


def draw(results: Path = RESULTS, charts: Path = CHARTS) -> list[Path]:
    """Writes every chart, as ``charts/….svg``, and gives the files."""
    drawn = {}
    for film in json.loads((results / "throughput.json").read_text())["films"]:
        drawn[f"reading_{Path(film['film']).stem}"] = reading_chart(film)
    relevance = json.loads((results / "relevance.json").read_text())
    for noise in relevance["recall"]:
        drawn[f"relevance_{noise}"] = relevance_chart(relevance, noise=noise, ratio="1")
    charts.mkdir(exist_ok=True)
    for name, svg in drawn.items():
        (charts / f"{name}.svg").write_text(svg)
    return [charts / f"{name}.svg" for name in drawn]


def _evidence(study: dict[str, Any]) -> Iterator[str]:
    policies = study["policies"]
    others = sorted(policies, key=lambda name: -float(policies[name]["area"]))
    next_best = next(name for name in others if name not in ("adaptive", "uniform"))
    films, minutes = study["films"], f"{study['minutes_a_film']:g}"
    yield ""
    yield f"**Evidence found without a query:** share of {study['events_a_grade']} events a grade"
    yield f"that K frames show, in {films} films of {minutes} minutes, 95 % intervals by film; the"
    yield "area is the mean over grades and K = 8 to 256. [STUDY.md](bench/research/STUDY.md) says"
    yield "how it was measured, and where `uniform` wins:"
    yield ""
    yield "| policy | K | another scene | a new object or colour | a faint, small change | area |"
    yield "|---|---|---|---|---|---|"
    for name in ("adaptive", next_best, "uniform"):
        for budget in ("32", "64"):
            cell = policies[name]["budgets"][budget]
            shares = [
                f"{share:.2f} ({low:.2f} to {high:.2f})"
                for share, (low, high) in zip(cell["recall"], cell["interval"], strict=True)
            ]
            yield _row(f"`{name}`", budget, *shares, f"{policies[name]['area']:.3f}")
    yield ""


def _charts(films: Iterable[dict[str, Any]], relevance: dict[str, Any]) -> Iterator[str]:
    yield ""
    for film in films:
        yield f"![CPU seconds of readers](bench/charts/reading_{Path(film['film']).stem}.svg)"
    yield ""
    sure = sum(row["is_more_than_chance"] for row in relevance["behind"])
    yield "**Relevance with noise:** `query` beside AKS, BOLT, MarKey and the best scores, on"
    films, events = relevance["films"], relevance["events_asked"]
    yield f"{films} films with {events} planted events, at six budgets, four signal-to-noise ratios"
    yield "and two kinds of noise: its mean recall is below a peer's in"
    yield f"{len(relevance['behind'])} of {_cases(relevance)} cases, by more than chance in {sure}."
    yield ""
    for noise in relevance["recall"]:
        yield f"![Recall with {noise} noise](bench/charts/relevance_{noise}.svg)"


def _cases(relevance: dict[str, Any]) -> int:
    """How many comparisons of `query` with a peer there are."""
    ratios = [methods for noise in relevance["recall"].values() for methods in noise.values()]
    return sum(len(row) for methods in ratios for name, row in methods.items() if name != "query")


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
    short, long = ((name, f"{row['peak_mb']:.0f} MB") for name, row in memory["results"].items())
    yield f"**Peak memory of indexing:** {long[1]} for {long[0]}, {short[1]} for a minute of them."


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
    return f"{row['cpu_seconds']:.2f}" if "cpu_seconds" in row else "not timed"


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
    """Rewrites the README's figures, and draws its charts, from bench/results."""
    draw()
    README.write_text(rewritten(README.read_text(), measured()))


if __name__ == "__main__":
    main()
