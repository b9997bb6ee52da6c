"""Peak memory of indexing one minute and one hour: ``python -m fewframes.bench.research.memory``.

The hour is the minute sixty times over, packet by packet, so both have the same pictures.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import av
import click

from fewframes.bench.measure import keep_result, machine, run_cold
from fewframes.bench.research.films import Film, write_film

MINUTE = Film(frames=1500, size=(360, 640), options={"g": "250", "preset": "veryfast"})


def repeat_film(source: Path, target: Path, times: int) -> None:
    """Copies a film's packets so many times one after the other, without coding anything."""
    with av.open(str(target), "w") as out:
        shift, stream = 0, None
        for _ in range(times):
            with av.open(str(source)) as film:
                video = film.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                for packet in film.demux(video):
                    if packet.pts is None or packet.dts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    out.mux(packet)
                shift += video.duration or 0


def measure(minutes: tuple[int, int], folder: Path) -> dict[str, Any]:
    """Indexes films of two lengths in cold processes."""
    write_film(folder / "minute.mp4", MINUTE)
    results: dict[str, Any] = {}
    for length in minutes:
        film = folder / f"{length}_minutes.mp4"
        repeat_film(folder / "minute.mp4", film, length)
        store = str(folder / f"{length}.zarr")
        run = run_cold(["-m", "fewframes", "index", str(film), "-o", store, "--quiet"])
        results[f"{length} minutes"] = {
            "peak_mb": round(run["peak_mb"], 1),
            "cpu_seconds": round(run["cpu_seconds"], 2),
        }
    low, high = (row["peak_mb"] for row in results.values())
    return {"difference_mb": round(high - low, 1), "results": results}


@click.command()
@click.option("--hours", default=1.0, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(hours: float, output: Path | None) -> None:
    """Measures peak memory of a long film beside that of a minute of it."""
    with tempfile.TemporaryDirectory() as folder:
        result = measure((1, round(hours * 60)), Path(folder))
    click.echo(json.dumps(result, indent=1))
    keep_result({"machine": machine(), **result}, output)


if __name__ == "__main__":
    main()
