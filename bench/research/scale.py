"""Writes SCALE.md from results: ``python -m fewframes.bench.research.scale SCALE.md``.

Every number on that page is one of `bench/results/corpus.json`, `effort.json` and `kill_soak.json`,
or follows from them and from the constants of `fewframes.indexing.cost_model` by what stands beside
it.
"""

import json
from pathlib import Path
from typing import Any

import click

from fewframes.indexing.cost_model import (
    DECODING,
    FILM_SECONDS,
    ROW_MADE_SECONDS,
    ROW_READ_SECONDS,
    ROW_SECONDS,
)

RESULTS = Path(__file__).parents[1] / "results"
CORPORA = (759, 100_000)
"""Hours: the full procedures of MedHorizon, and a large one."""
KINDS = (
    ("H.264 854x480, 1 Mbit/s", "h264", 854, 480, 1.0),
    ("H.264 1920x1080, 5 Mbit/s", "h264", 1920, 1080, 5.0),
    ("HEVC 1920x1080, 3 Mbit/s", "hevc", 1920, 1080, 3.0),
    ("AV1 1920x1080, 2 Mbit/s", "av1", 1920, 1080, 2.0),
)
RATE, ROWS_A_SECOND, LONGER_SIDE = 25, 2, 448


def hour_seconds(codec: str, width: int, height: int, megabits: float) -> float:
    """CPU seconds of a film-hour by the model, with no picture withheld."""
    megapixels, made = width * height / 1e6, LONGER_SIDE**2 * height / width / 1e6
    a_megapixel, a_megabyte = DECODING[codec]
    decoding = 3600 * (RATE * megapixels * a_megapixel + megabits / 8 * a_megabyte)
    row = ROW_SECONDS + ROW_READ_SECONDS * megapixels + ROW_MADE_SECONDS * made
    return decoding + 3600 * ROWS_A_SECOND * row


def page(results: Path = RESULTS) -> str:
    """Gives the page."""
    corpus, effort, soak = (
        json.loads((results / f"{name}.json").read_text())
        for name in ("corpus", "effort", "kill_soak")
    )
    picture = corpus["short"]["stored_bytes"] / corpus["short"]["stored"]
    parts = [
        HEAD.format(cpu=corpus["machine"]["cpu"], cores=corpus["machine"]["cores"]),
        _measured(corpus),
        _model(effort),
        _needs(picture),
        _held(soak),
    ]
    return "\n".join(parts)


HEAD = """# What a corpus costs

Written by `python -m fewframes.bench.research.scale` from `bench/results/corpus.json`,
`effort.json` and `kill_soak.json`; make them anew on your machine and footage. Measured on {cpu},
{cores} cores; the load beside wall times is what else ran. Recipe: 2 frames a second, longer side
448, JPEG 90. GPUs: not measured.
"""


def _measured(corpus: dict[str, Any]) -> str:
    lines = ["## Measured", "", "| | |", "|---|---|"]
    films = [corpus["short"], *corpus["long"].values()]
    rows = {
        f"{film['film']}, CPU seconds a film-hour": f"{film['cpu_seconds_a_film_hour']:.1f}"
        for film in films
    }
    for name, film in corpus["long"].items():
        rows |= _long(film) | _commands(corpus, name, film["film"])
    rows |= _commands(corpus, "many", "many films")
    rows["a film of 2 s in a warm worker, CPU beside decoding and encoding"] = (
        f"{corpus['tiny']['overhead_ms']:.1f} ms"
    )
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows.items()), MERGE])


MERGE = """
The merge of a film that is cut is one task: what a frame is beside those before it is asked in
their order, and pictures are copied. Its share of the work is what bounds how much faster a film
becomes on several workers, and it is largest where pictures are small and quick to decode.
"""


def _long(film: dict[str, Any]) -> dict[str, str]:
    faster = ", ".join(f"{n}: {t:.2f} x" for n, t in film["times_faster_on_workers"].items())
    cut = f"{film['film']}, {film['film_hours']:.2g} h, in {film['ranges']} ranges and a merge"
    return {
        f"{cut}, CPU beside one go": f"{film['cpu_in_ranges_by_one_go']:.2f} x",
        f"{film['film']}, the merge alone, CPU milliseconds a row": (
            f"{1e3 * film['merge_seconds'] / film['rows']:.2f}"
        ),
        f"{film['film']}, times faster on so many workers, by the CPU times of its tasks": faster,
    }


def _commands(corpus: dict[str, Any], name: str, words: str) -> dict[str, str]:
    found = corpus["commands"][name]
    one, two = (found[count]["cpu_seconds"] for count in ("one_worker", "two_workers"))
    return {
        f"{words}, two workers beside one, whole commands: wall": (
            f"{found['times_faster']:.2f} x faster (load {corpus['load']:.0f} to "
            f"{corpus['load_after']:.0f})"
        ),
        f"{words}, the same: CPU seconds with one and with two": (
            f"{one:.1f} and {two:.1f} ({two / one:.2f} x)"
        ),
    }


def _model(effort: dict[str, Any]) -> str:
    fit, films = effort["predicted_by_measured"], len(effort["films"])
    row, read, made, film = (
        f"{seconds * 1e3:.2g} ms"
        for seconds in (ROW_SECONDS, ROW_READ_SECONDS, ROW_MADE_SECONDS, FILM_SECONDS)
    )
    lines = [f"| {codec} | {a * 1e3:.2f} | {b * 1e3:.0f} |" for codec, (a, b) in DECODING.items()]
    return f"""## The model

CPU seconds of a film = a for each million samples decoded + b for each megabyte of packets, by
codec; {row} for each row, {read} for each million samples of the film that are scaled for it and
{made} for each million that are stored; {film} for the film. It is what `--dry-run` says and how
ranges are cut (`engine/indexing/cost_model.py`).

| codec | a, ms | b, ms |
|---|---|---|
{chr(10).join(lines)}

Of {films} films of real footage it predicts {fit["of_the_sum"]:.2f} x what all took together; of
single ones {fit["tenth"]:.2f} x (lowest tenth) to {fit["ninetieth"]:.2f} x (highest tenth). The
constants follow a fit on these films (`bench/research/effort.py`; where those of a codec are too
few to tell a from b, its cost is shared between them): it is how well such a model can fit, not how
well it foresees other footage.
"""


def _needs(picture: float) -> str:
    head = " | ".join(f"{hours:,} h" for hours in CORPORA)
    lines = []
    for name, codec, width, height, megabits in KINDS:
        seconds = hour_seconds(codec, width, height, megabits)
        needs = " | ".join(f"{hours * seconds / 3600:,.0f}" for hours in CORPORA)
        lines.append(f"| {name} | {seconds:.0f} | {needs} |")
    disk = " and ".join(
        f"{hours * 3600 * ROWS_A_SECOND * picture / 1e12:,.2f} TB for {hours:,} h"
        for hours in CORPORA
    )
    return f"""## What a corpus needs, by the model

{RATE} frames a second, every picture decoded (those that no other needs are withheld: see
`pictures_by_frames` in the results), core-hours of this machine:

| film | CPU seconds a film-hour | {head} |
|---|---|---|---|
{chr(10).join(lines)}

Disk: {picture / 1e3:.0f} kB a stored picture, as of the short film, make {disk},
if no frame repeats another. While a long film is decoded in ranges, its parts take about three
times its place beside it.
GPU-hours: not measured.
"""


def _held(soak: dict[str, Any]) -> str:
    rounds = soak["rounds"]
    workers, drivers, films = (
        sum(one[name] for one in rounds) for name in ("workers_killed", "drivers_killed", "films")
    )
    return f"""## What holds while it is disturbed

{workers} workers and {drivers} whole runs killed at random over {films} films: every store equal to
an undisturbed one, byte for byte but for times of day; no film indexed twice, no process left.
"""


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
def main(output: Path) -> None:
    """Writes the page."""
    output.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
