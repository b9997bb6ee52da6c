"""A film on the GPU beside its peers: ``python -m fewframes.bench.research.gpu_film JOB [FILM]``.

``decode``: every frame of the film's first part by PyNvVideoCodec alone, fed the same packets, and
by ``backend="nvdec"`` and "dali"; two frames a second by each, by FFmpeg on one core and by DALI's
own reader of whole files; what measuring signals adds. Starting is not counted: rates are of what
comes after the first batch. ``index``: the film into a store on disk, on the GPU and on the CPU,
with the memory of the GPU at the start and at the end. One line of JSON a measurement, at once.
"""

import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import av
import click
import numpy as np

import fewframes
from fewframes.arrays import I64
from fewframes.bench.research.gpu_films import LongFilm, write_long
from fewframes.decode.backend_choice import DecoderRequest
from fewframes.decode.decoder import DecodeReport, Event, decoder
from fewframes.decode.plan import plan_frames
from fewframes.features.scan import frames_at_rate, scan
from fewframes.media.sizes import output_size
from fewframes.media.timeline import Timeline

SIZE, RATE = 448, 2.0
DECODERS = 14
EVERY = 7200


def print_table(**facts: Any) -> None:  # noqa: ANN401 (anything that JSON takes)
    """Prints a measurement."""
    print(json.dumps(facts), flush=True)  # noqa: T201 (its only output)


def attempt(name: str, job: Callable[[], dict[str, Any]]) -> None:
    """Says what a job measured, or why it measured nothing."""
    started = time.monotonic()
    try:
        facts = job()
    except Exception as error:  # a peer may raise whatever it likes, and costs only itself
        facts = {"not_run": f"{type(error).__name__}: {error}"[:300]}
    print_table(name=name, **facts, job_seconds=round(time.monotonic() - started, 2))


def after_the_first(batches: Iterator[int]) -> dict[str, Any]:
    """The rate of what comes after the first batch, given how much is in each."""
    first = next(batches)
    started, count = time.monotonic(), 0
    for more in batches:
        count += more
    seconds = time.monotonic() - started
    return {"pictures": first + count, "a_second": round(count / seconds, 1), "seconds": seconds}


def ours(timeline: Timeline, numbers: I64, backend: str) -> dict[str, Any]:
    """Frames by one of this package's decoders, at the size and in the form of an index."""
    runs, report = plan_frames(timeline, numbers).runs, DecodeReport()
    how: dict[str, Any] = {"format": "jpeg", "size": output_size(timeline.stream, SIZE)}
    call = decoder(backend, "cpu" if backend == "ffmpeg" else "cuda")
    facts = after_the_first(len(one) for one in call(timeline, runs, report=report, **how))
    return {**facts, "decoded": report[Event.PICTURES], "passed_on": report.entries(Event.FALLBACK)}


def packets_of(path: Path, most: int) -> list[list[bytes]]:
    """The packets of the film's first GOPs as Annex B, about so many in all."""
    groups: list[list[bytes]] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        marks = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        count = 0
        for packet in container.demux(stream):
            is_key = packet.is_keyframe  # the filter takes the packet's contents with it
            if is_key and count >= most:
                break
            if is_key:
                groups.append([])
            for one in marks.filter(packet) if packet.size else ():
                groups[-1].append(bytes(one))
                count += 1
    return groups


def raw(groups: list[list[bytes]]) -> dict[str, Any]:
    """PyNvVideoCodec's decoders, each on a thread, fed whole GOPs from memory; nothing is kept."""
    codec = import_module("PyNvVideoCodec")
    idle: SimpleQueue[Any] = SimpleQueue()
    for _ in range(DECODERS):
        kind = codec.cudaVideoCodec.H264
        idle.put(codec.CreateDecoder(gpuid=0, codec=kind, usedevicememory=True))

    def work(group: list[bytes]) -> int:
        mine, count = idle.get(), 0
        for data in (*group, b""):
            packet, payload = codec.PacketData(), np.frombuffer(data, np.uint8)
            if data:
                packet.bsl_data, packet.bsl = payload.ctypes.data, payload.size
            count += len(mine.Decode(packet))
        idle.put(mine)
        return count

    with ThreadPoolExecutor(DECODERS) as pool:
        list(pool.map(work, [groups[0][:20]] * DECODERS))
        started = time.monotonic()
        count = sum(pool.map(work, groups))
        seconds = time.monotonic() - started
    return {"pictures": count, "a_second": round(count / seconds, 1), "seconds": seconds}


def whole_file(path: Path, numbers: I64) -> dict[str, Any]:
    """DALI's decoder given the whole file and the numbers of the frames."""
    from fewframes.bindings.dali.video import video_pipeline

    pipeline = video_pipeline("cuda", 1)
    pipeline.feed_input("encoded", [np.fromfile(path, np.uint8)])
    pipeline.feed_input("frames", [numbers.astype(np.int32)])
    started = time.monotonic()
    (made,) = pipeline.run()
    count, seconds = int(made[0].shape()[0]), time.monotonic() - started
    return {"pictures": count, "a_second": round(count / seconds, 1), "seconds": seconds}


def signals(timeline: Timeline, numbers: I64) -> dict[str, Any]:
    """The time that measuring adds to decoding, as a share of it."""
    size = output_size(timeline.stream, SIZE)
    request, taken = DecoderRequest("nvdec", "cuda"), []
    for _ in range(2):
        started = time.monotonic()
        ours(timeline, numbers, "nvdec")
        plain = time.monotonic() - started
        started = time.monotonic()
        scan(timeline, numbers, size=size, dedup=0.012, request=request)
        taken.append((time.monotonic() - started) / plain - 1)
    return {"added_share": [round(one, 3) for one in taken]}


def decode_jobs(path: Path) -> None:
    """Every measurement of ``decode``."""
    timeline = fewframes.probe(path)
    every = np.arange(min(len(timeline), EVERY))
    sparse = frames_at_rate(timeline, RATE)
    groups = packets_of(path, EVERY)
    ours(timeline, every[:300], "nvdec")  # kernels are compiled, the audit is done
    attempt("raw PyNvVideoCodec, every frame", lambda: raw(groups))
    attempt("nvdec, every frame", lambda: ours(timeline, every, "nvdec"))
    attempt("raw PyNvVideoCodec, again", lambda: raw(groups))
    attempt("nvdec, every frame, again", lambda: ours(timeline, every, "nvdec"))
    attempt("nvdec, 2 a second", lambda: ours(timeline, sparse, "nvdec"))
    attempt("nvdec, signals beside decode", lambda: signals(timeline, sparse))
    attempt("dali, 2 a second", lambda: ours(timeline, sparse, "dali"))
    attempt("ffmpeg on one core, 2 a second", lambda: ours(timeline, sparse[:200], "ffmpeg"))
    attempt("DALI on the whole file, 2 a second", lambda: whole_file(path, sparse[:200]))


def index_jobs(path: Path) -> None:
    """Every measurement of ``index``."""
    timeline = fewframes.probe(path)
    for backend, device in (("nvdec", "cuda"), ("dali", "cuda"), ("ffmpeg", "cpu")):
        attempt(f"index, {backend} on {device}", partial(index, timeline, backend, device))


def index(timeline: Timeline, backend: str, device: str) -> dict[str, Any]:
    """A film into a store on disk: how many times faster than it plays?"""
    path = timeline.source.path
    with tempfile.TemporaryDirectory() as folder, watched() as seen:
        started = time.monotonic()
        store = Path(folder) / "store.zarr"
        report = fewframes.index(path, store, backend=backend, device=device)
        seconds = time.monotonic() - started
        outcome = report.outcomes[0]
        shutil.rmtree(store)
    half = len(seen) // 2
    return {
        "seconds": round(seconds, 2),
        "times_real_time": round(float(timeline.seconds[-1]) / seconds, 1),
        "status": outcome.status,
        "rows": outcome.rows,
        "reason": outcome.reason,
        "gpu_mib_first_half": max(seen[:half], default=0),
        "gpu_mib_second_half": max(seen[half:], default=0),
    }


@contextmanager
def watched() -> Iterator[list[int]]:
    """The memory of the GPU in MiB, five times a second."""
    seen: list[int] = []
    is_over = threading.Event()

    def watch() -> None:
        words = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        while not is_over.wait(0.2):
            seen.append(int(subprocess.run(words, capture_output=True, text=True).stdout or 0))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


@click.command()
@click.argument("job", type=click.Choice(["decode", "index"]))
@click.argument("film", type=click.Path(path_type=Path), required=False)
@click.option("--seconds", default=600, show_default=True, help="Length of a film that is made.")
def main(job: str, film: Path | None, seconds: int) -> None:
    """Times one JOB on FILM, or on a film of 1080p that is made where it is not there yet."""
    path = film or Path(tempfile.gettempdir()) / f"fewframes-{seconds}.mp4"
    if not path.exists():
        write_long(path, LongFilm(seconds))
    print_table(film=path.name, bytes=path.stat().st_size)
    decode_jobs(path) if job == "decode" else index_jobs(path)


if __name__ == "__main__":
    main()
