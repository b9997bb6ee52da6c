"""64 random frames of a film in one format: ``python -m fewframes.bench.research.format_jobs``.

Each process opens its format, reads once, and then measures further calls with other frames.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import fewframes as ff
from fewframes.arrays import I64, U8
from fewframes.store.video import Video

FRAMES, CALLS = 64, 3


def the_video(store: Path) -> Video:
    """Gives the only video of a store."""
    (video,) = ff.open(store).values()
    return video


def of_store(store: Path) -> Callable[[I64], U8]:
    """One thread, as the others."""
    video = the_video(store)
    return lambda rows: video.read(rows=rows, workers=1).frames


def of_tar(path: Path) -> Callable[[I64], U8]:
    """A pread and a decode a frame, into one array."""
    from simplejpeg import decode_jpeg, decode_jpeg_header

    places = json.loads(path.with_suffix(".json").read_text())
    file = os.open(path, os.O_RDONLY)
    height, width = map(int, decode_jpeg_header(os.pread(file, places[0][1], places[0][0]))[:2])

    def read(rows: I64) -> U8:
        out = np.empty((len(rows), height, width, 3), np.uint8)
        for at, row in enumerate(rows.tolist()):
            start, size = places[row]
            decode_jpeg(os.pread(file, size, start), "RGB", buffer=out[at])
        return out

    return read


def of_mp4(path: Path) -> Callable[[I64], U8]:
    """Exact frames by our own reader, with the timeline known."""
    timeline = ff.probe(path)
    return lambda rows: ff.read(timeline, frames=rows, workers=1).frames


READERS: dict[str, Callable[[Path], Callable[[I64], U8]]] = {
    "fewframes": lambda folder: of_store(folder / "fewframes"),
    "fewframes dedup=0": lambda folder: of_store(folder / "fewframes dedup=0"),
    "tar of jpegs": lambda folder: of_tar(folder / "tar of jpegs.tar"),
    "mp4 av1 g=2 crf=30": lambda folder: of_mp4(folder / "mp4 av1 g=2 crf=30.mp4"),
    "mp4 h264 g=2 crf=23": lambda folder: of_mp4(folder / "mp4 h264 g=2 crf=23.mp4"),
}


def run(case: str, folder: Path, count: int) -> dict[str, Any]:
    """Reads random frames once, then measures."""
    read, chance = READERS[case](folder), np.random.default_rng(3)
    spent = []
    for _ in range(CALLS + 1):
        rows = chance.choice(count, min(FRAMES, count), replace=False)
        clocks = time.process_time(), time.perf_counter()
        shape = list(read(rows).shape)
        spent.append((time.process_time() - clocks[0], time.perf_counter() - clocks[1]))
    cpu, wall = (median(times) * 1000 for times in zip(*spent[1:], strict=True))
    return {"cpu_ms": cpu, "wall_ms": wall, "pixels": shape}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
