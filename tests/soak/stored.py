"""Small stores for the tests, made of pictures that can be told apart."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import simplejpeg
import zarr

from fewframes.features.scan_result import ScanResult
from fewframes.features.table import FrameTable
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.media.source import Source
from fewframes.media.timeline import Packets, StreamInfo, Timeline
from fewframes.store.codecs import Jpeg, PictureCodec
from fewframes.store.layout import ATTEMPT, GROUP, VIDEOS, folder_name
from fewframes.store.manifest import Manifest
from fewframes.store.marker import create_store
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import AnyStore
from fewframes.store.shard_writer import ShardWriter
from fewframes.store.store import Video, open_store
from fewframes.store.writer import VideoWriter

zarr.config.set(
    {"codecs.imagecodecs_jpeg": "fewframes.store.zarr_codec.JpegCodec"}
)  # not imagecodecs'
HEIGHT, WIDTH = 48, 64
RECIPE = Recipe(fps=12.5, size="64")


def jpeg(number: int, *, height: int = HEIGHT, width: int = WIDTH) -> bytes:
    """A picture that no other number has; every tenth is black."""
    pixels = np.zeros((height, width, 3), np.uint8)
    if number % 10:
        noise = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
        pixels[:] = np.kron(noise, np.ones((height // 6, width // 8, 1), np.uint8))
    return simplejpeg.encode_jpeg(pixels, quality=90, colorsubsampling="420")


def film(frames: int, *, name: str = "film.mp4", mtime_ns: int = 7) -> Timeline:
    flags = np.arange(frames) % 50 == 0
    packets = Packets(
        pts=np.arange(frames) + 100,
        dts=np.arange(frames),
        size_bytes=np.full(frames, 10),
        position=np.arange(frames),
        is_random_access=flags,
        is_droppable=np.zeros(frames, bool),
        is_frame=np.ones(frames, bool),
        is_corrupt=np.zeros(frames, bool),
        is_second_field=np.zeros(frames, bool),
        header_state=np.zeros(frames, np.int64),
    )
    time_base, aspect = Fraction(1, 25), Fraction(1)
    words = ("unspecified", "unspecified")
    info = ("mov", "h264", 320, 240, "yuv420p", time_base, aspect, 0, False)
    stream = StreamInfo(0, *info, *words, frames)
    source = Source(Path("/somewhere/secret") / name, frames * 10, mtime_ns, "edges")
    return Timeline(source, stream, packets, np.arange(frames), packets.pts, duration_pts=1)


def indexed(path: Path, folder: Path, **recipe) -> Video:
    """A film's video in a store of its own, indexed in this process."""
    create_store(folder / "store.zarr")
    made = Recipe(**{"dedup": 0.0, **recipe})
    assert index_film(FilmTask(path, folder / "store.zarr", "film", made)).status == "ok"
    return open_store(folder / "store.zarr")["film"]


def table_of(timeline: Timeline) -> FrameTable:
    """Every second frame is a row."""
    numbers = np.arange(0, len(timeline), 2)
    random_numbers = np.random.default_rng(0)
    signatures = random_numbers.normal(size=(len(numbers), 16)).astype(np.float32)
    signals = {
        "sharpness": random_numbers.random(len(numbers), np.float32),
        "dhash64": np.array([2**64 - 1 - n for n in numbers.tolist()], np.uint64),
    }
    return FrameTable(
        numbers,
        timeline.pts[numbers],
        timeline.time_base,
        timeline.start_pts,
        timeline.is_keyframe[numbers],
        signals,
        signatures,
    )


def put(
    store: AnyStore, video_id: str, *, frames: int = 40, digest: str = "d1", **facts
) -> Manifest:
    """Stores a video of frames / 2 rows, of which every third repeats the picture before it.

    It takes the place of what has another digest.
    """
    timeline, slots = film(frames), []
    table = table_of(timeline)
    options = {"video_id": video_id, "recipe": facts.pop("recipe", RECIPE)}
    how = {"source_digest": digest, "report_progress": facts.pop("report_progress", lambda: None)}
    options["replaces_content"] = True
    with VideoWriter(store, **options, height=HEIGHT, width=WIDTH) as out:
        for row in range(len(table)):
            slots.append(slots[-1] if row % 3 == 2 else out.append(jpeg(row)))
        scanned = ScanResult(timeline=timeline, table=table, slots=np.array(slots), **facts)
        return out.commit(scanned, **how)


def home_of(store: Path, video_id: str) -> Path:
    """The folder of a video's only group in a store on a disk; there its record lies."""
    folders = (store / VIDEOS / folder_name(video_id)).iterdir()
    (home,) = (folder for folder in folders if GROUP.fullmatch(folder.name))
    return home


def place_of(store: Path, video_id: str) -> Path:
    """The folder of the files of a video's only group, named as the attempt that made them."""
    (place,) = (path for path in home_of(store, video_id).iterdir() if ATTEMPT.fullmatch(path.name))
    return place


def picture_of_row(row: int) -> np.ndarray:
    return simplejpeg.decode_jpeg(jpeg(row - 1 if row % 3 == 2 else row))


def pixels_of(number: int) -> np.ndarray:
    """The picture that `jpeg` makes a file of, before it is coded."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    if number % 10:
        noise = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
        pixels[:] = np.kron(noise, np.ones((HEIGHT // 6, WIDTH // 8, 1), np.uint8))
    return pixels


def encoded(codec: PictureCodec, number: int) -> bytes:
    return jpeg(number) if codec.name == "jpeg" else codec.encode((pixels_of(number),))


def decoded(codec: PictureCodec, number: int) -> np.ndarray:
    """By another way than the reader's."""
    is_lossy = codec.name == "jpeg"
    return simplejpeg.decode_jpeg(jpeg(number)) if is_lossy else pixels_of(number)


def array_of(folder: Path, count: int, codec: PictureCodec = Jpeg(90)) -> Path:  # noqa: B008
    writer = ShardWriter(folder, HEIGHT, WIDTH, codec)
    for number in range(count):
        assert writer.append(encoded(codec, number)) == number
    writer.close()
    return folder


KILLED_AT_A_STEP = """
import os, pathlib, signal, sys
store, steps = sys.argv[1], int(sys.argv[2])
def count(real):
    def step(*args, **options):
        global steps
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    return step
"""
"""Beginning of a script for `run_apart`, whose arguments are a store and a number: a function that
`count` has wrapped kills the process at that call of all of them."""


def run_apart(script: str, *arguments) -> subprocess.CompletedProcess[str]:
    """Runs a script in a process of its own, which finds the modules that are found here."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False)
