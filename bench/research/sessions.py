"""What a look costs: ``python -m fewframes.bench.research.sessions FILM -o sessions.json``.

One process indexes FILM, opens the store again, and measures the CPU time of

1. ``look(t0, t1, 8)`` at random places, each with pictures that were not decoded before;
2. ``zoom`` into random frames at the film's full resolution, beside ``read`` of the same frame,
   which decodes one run of its GOP, interleaved.
"""

import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

import fewframes as ff
from fewframes.bench.measure import keep_result, machine
from fewframes.store.video import Video

LOOKS, ZOOMS = 40, 12
BOX = (0.25, 0.25, 0.75, 0.75)


def cpu_of(call: Callable[[], Any]) -> float:
    """CPU seconds of a call, of all its threads."""
    started = time.process_time()
    call()
    return time.process_time() - started


def looks(video: Video) -> dict[str, Any]:
    """CPU milliseconds of looks at random places."""
    random = np.random.default_rng(0)
    starts = random.uniform(0, video.duration_seconds - 20, LOOKS)
    ff.Session(video).look(0, 20, 8)  # the table is read and code compiled once a process
    spent = [cpu_of(partial(ff.Session(video).look, at, at + 20, 8)) for at in starts.tolist()]
    return {"median_ms": round(1e3 * median(spent), 2), "worst_ms": round(1e3 * max(spent), 2)}


def zooms(video: Video, film: Path) -> dict[str, Any]:
    """CPU of zooming beside that of reading the frame itself."""
    random = np.random.default_rng(1)
    timeline, ours, plain = ff.probe(film), [], []
    for at in random.uniform(0, video.duration_seconds, ZOOMS + 1).tolist():
        session = ff.Session(video, film=film)
        plain.append(cpu_of(partial(ff.read, timeline, seconds=[at])))
        ours.append(cpu_of(partial(session.zoom, at, BOX)))
    ratios = [a / b for a, b in zip(ours[1:], plain[1:], strict=True)]
    return {"zoom_ms": round(1e3 * median(ours[1:]), 2), "ratio_to_read": round(median(ratios), 3)}


@click.command()
@click.argument("film", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(film: Path, output: Path | None) -> None:
    """Measures looks and zooms of FILM."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.zarr"
        ff.index([film], store)
        video = next(iter(ff.open(store).values()))
        result = {
            "machine": machine(),
            "film": film.name,
            "seconds": video.duration_seconds,
            "look": looks(video),
            "zoom": zooms(video, film),
        }
    click.echo(json.dumps(result, indent=1))
    keep_result(result, output)


if __name__ == "__main__":
    main()
