"""Breaks small films in every way of `media_mutations` and checks what is promised of broken files.

``python tests/soak/media_fuzzer.py -n 1000 [--seed 0] [-o result.json]``

For each mutant, in a worker process that stays warm:

1. probing gives a timeline, or a typed error;
2. frames in random and backward order come out, or are typed errors; those that are not marked as
   damaged are hash-equal to a decode of the same mutant in order, on one thread, by plain PyAV,
   or are "recovered": all packets from the keyframe on are those of the film before it was broken,
   and so is the picture (dav1d refuses even whole keyframes after a broken packet);
3. the worker neither crashes nor goes over its time limit, and leaves no handle behind.
"""

import functools
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import click
import numpy as np
import psutil
import xxhash
from media_mutations import MUTATIONS

import fewframes as ff
from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.films import RECIPES, Film, write_film
from fewframes.bindings.ffmpeg.opening import OPENING
from fewframes.errors import (
    CrashedError,
    DamagedFrameError,
    FewframesError,
    TimedOutError,
    UnsupportedStreamError,
)
from fewframes.indexing.isolation import Worker

SIZE, FRAMES = (48, 80), 36
LIMIT_SECONDS = 20.0
COUNTED = ("true", "recovered", "unknown", "marked", "refused")
MOST_PICTURES = 400
"""A mutant may claim any length; this much of it is compared."""

SEEDS: dict[str, Film] = {
    **{
        name: replace(film, size=SIZE, frames=FRAMES)
        for name, film in RECIPES.items()
        if film.pixel_format in ("yuv420p", "yuvj420p") and name != "x264_long_gop"
    },
    "x264_avi": Film(size=SIZE, frames=FRAMES, suffix=".avi", ticks=1, options={"g": "12"}),
    "x264_flv": Film(size=SIZE, frames=FRAMES, suffix=".flv", options={"g": "12"}),
    "x264_raw": Film(size=SIZE, frames=FRAMES, suffix=".h264", options={"g": "12"}),
    "x265_raw": replace(RECIPES["x265_b"], size=SIZE, frames=FRAMES, suffix=".hevc"),
    "mpeg2_ps": Film(size=SIZE, frames=FRAMES, codec="mpeg2video", suffix=".mpg", ticks=1),
    "mpeg2_ts": Film(size=SIZE, frames=FRAMES, codec="mpeg2video", suffix=".ts", ticks=1),
    "mpeg4_mp4": Film(size=SIZE, frames=FRAMES, codec="mpeg4", options={"g": "12", "bf": "2"}),
    "vp8_webm": Film(size=SIZE, frames=FRAMES, codec="libvpx", suffix=".webm"),
    "vp9_mkv": Film(size=SIZE, frames=FRAMES, codec="libvpx-vp9", suffix=".mkv"),
    "prores": Film(
        size=SIZE, frames=8, codec="prores_ks", suffix=".mov", pixel_format="yuv422p10le"
    ),
}


def make_seeds(folder: Path) -> list[Path]:
    """Writes the small films that are to be broken."""
    paths = []
    for name, film in SEEDS.items():
        paths.append(folder / f"{name}{film.suffix}")
        write_film(paths[-1], film)
    return paths


def luma_hash(plane: np.ndarray[Any, Any]) -> str:
    return xxhash.xxh3_64_hexdigest(np.ascontiguousarray(plane))


def in_order(path: Path, stream: int, *, keep: bool = False) -> list[tuple[int | None, str]]:
    """The time and luma of every picture, as plain PyAV decodes the file on one thread.

    ``keep`` holds on to every picture, so that the decoder gets fresh memory for each.
    """
    found, kept = [], []
    for picture in _decoded(path, stream):
        plane = picture.planes[0]
        depth = 2 if picture.format.components[0].bits > 8 else 1
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: picture.height]
        found.append((picture.pts, luma_hash(rows[:, : picture.width * depth])))
        kept += [picture] if keep else []
    return found


def expected(timeline: ff.Timeline, path: Path) -> Callable[[int], set[str] | None]:
    """Gives what frame ``number`` may look like, by its packet; None where that is not known.

    It is not where the decode in order gives no picture at all (some decoders never recover from a
    bad packet, until they are flushed), or another one each time (some read memory they never
    wrote, when a packet is damaged in a way that they do not notice).
    """
    shown, again = (in_order(path, timeline.stream.index, keep=keep) for keep in (False, True))

    def known(number: int) -> set[str] | None:
        row = int(timeline.order[number])
        first, second = ({luma for tag, luma in some if tag == row} for some in (shown, again))
        return first if first and first == second else None

    return known


def packet_chains(path: Path, stream: int) -> list[str]:
    """A digest for each packet of all bytes from its keyframe to it."""
    chains, chain = [], ""
    with av.open(str(path), **OPENING) as container:
        packets = container.demux(next(s for s in container.streams.video if s.index == stream))
        try:
            for packet in packets:
                before = "" if packet.is_keyframe else chain
                chain = xxhash.xxh3_128_hexdigest(before.encode() + bytes(packet))
                chains += [chain] if packet.size else []
        except (IndexError, av.error.FFmpegError):
            pass  # the rest of a broken file is not there to be compared
    return chains


@functools.cache
def undamaged(film: Path) -> dict[str, str]:
    """The luma of each frame of a film, by the chain of its packet."""
    timeline = ff.probe(film, cache=False)
    batch = ff.read(timeline, frames=range(len(timeline)), format="yuv", workers=1)
    chains = packet_chains(film, timeline.stream.index)
    lumas = map(luma_hash, batch.planes[0])
    return {chains[row]: luma for row, luma in zip(timeline.order, lumas, strict=True)}


def _decoded(path: Path, stream: int) -> Iterator[Any]:
    """Pictures of a plain decode in order; the pts of each is the row of its packet."""
    with av.open(str(path), **OPENING) as container:
        video = next(s for s in container.streams.video if s.index == stream)
        context = video.codec_context
        context.thread_count = 1
        packets, row = container.demux(video), 0
        while True:
            try:
                packet = next(packets)
            except (StopIteration, IndexError, av.error.FFmpegError):
                break
            if packet.size == 0:
                continue
            packet.pts, row = row, row + 1
            try:
                yield from context.decode(packet)
            except av.error.FFmpegError:
                continue
        try:
            yield from context.decode(None)
        except av.error.FFmpegError:
            return


def check(path: Path, film: Path, seed: int) -> dict[str, Any]:
    """Checks a mutant of a film; ``wrong`` lists the frames that are wrong without a mark."""
    try:
        timeline = ff.probe(path, cache=False)
    except FewframesError as error:
        return {"outcome": type(error).__name__}
    rng = np.random.default_rng(seed)
    count = len(timeline)
    numbers = np.concatenate([rng.permutation(count)[:8], np.arange(count)[::-1][:MOST_PICTURES:5]])
    truth = expected(timeline, path)
    tracker = {"outcome": "read", **dict.fromkeys(COUNTED, 0), "wrong": []}

    def chain_of(number: int) -> str:
        chains, row = packet_chains(path, timeline.stream.index), int(timeline.order[number])
        return chains[row] if row < len(chains) else "cut off"

    for some in (numbers[:8], *numbers[8:, None]):
        for number, pts, luma in _read(timeline, some, tracker):
            lumas = truth(number)
            if lumas is None or luma in lumas:
                tracker["unknown" if lumas is None else "true"] += 1
            elif luma == undamaged(film).get(chain_of(number)):
                tracker["recovered"] += 1
            else:
                tracker["wrong"].append((number, pts))
    process = psutil.Process()
    return {**tracker, "handles": process.num_fds(), "memory_mb": process.memory_info().rss / 2**20}


def _read(
    timeline: ff.Timeline, numbers: Any, tracker: dict[str, Any]
) -> list[tuple[int, int, str]]:
    """Reads some frames; gives the unmarked ones and counts the others."""
    try:
        batch = ff.read(timeline, frames=numbers, format="yuv", allow_damaged=True, workers=1)
    except (DamagedFrameError, UnsupportedStreamError):  # a bit may change a picture's size
        if len(numbers) == 1:
            tracker["refused"] += 1
            return []
        return [row for number in numbers for row in _read(timeline, [number], tracker)]
    marked = np.zeros(len(batch), bool) if batch.is_damaged is None else batch.is_damaged
    tracker["marked"] += int(marked.sum())
    rows = zip(batch.frame_numbers.tolist(), batch.pts.tolist(), batch.planes[0], strict=True)
    return [
        (number, pts, luma_hash(luma))
        for is_bad, (number, pts, luma) in zip(marked, rows, strict=True)
        if not is_bad
    ]


def mutant(seeds: list[Path], seed: int) -> tuple[Path, str, bytes]:
    """Makes mutant number ``seed``: the film, name of the mutation, and the bytes."""
    rng = np.random.default_rng(seed)
    film, other = (seeds[int(n)] for n in rng.integers(len(seeds), size=2))
    name = list(MUTATIONS)[int(rng.integers(len(MUTATIONS)))]
    return film, name, MUTATIONS[name](film, other, rng)


def fuzz(numbers: Sequence[int], *, keep: Path | None = None) -> dict[str, Any]:
    """Checks the mutants of these numbers; gives the tally, with a line for each failure."""
    tracker: Counter[str] = Counter()
    failures: list[str] = []
    slowest, handles, memory = 0.0, set(), []
    with tempfile.TemporaryDirectory() as folder, Worker() as worker:
        seeds = make_seeds(Path(folder))
        for seed in numbers:
            film, mutation, data = mutant(seeds, seed)
            path = film.with_name(f"mutant{film.suffix}")
            path.write_bytes(data)
            started = time.monotonic()
            try:
                result = worker.call(check, path, film, seed, limit_seconds=LIMIT_SECONDS)
            except (CrashedError, TimedOutError, MemoryError) as error:
                result = {"outcome": type(error).__name__, "failure": str(error)}
            except Exception as error:  # an error that is not typed is a failure
                result = {"outcome": "untyped", "failure": f"{type(error).__name__}: {error}"}
            slowest = max(slowest, time.monotonic() - started)
            tracker[result["outcome"]] += 1
            tracker.update({name: result[name] for name in COUNTED if name in result})
            if "handles" in result:
                handles.add(result["handles"])
                memory.append(round(result["memory_mb"]))
            wrong = result.get("wrong")
            if wrong or "failure" in result:
                tracker["wrong"] += len(wrong or ())
                failures.append(
                    f"{seed} {film.name} {mutation}: {result.get('failure') or wrong[:4]}"
                )
                if keep:
                    keep.mkdir(exist_ok=True)
                    (keep / f"{seed}-{mutation}-{film.name}").write_bytes(data)
    return {
        "mutants": len(numbers),
        "first_seed": numbers[0],
        "tally": dict(sorted(tracker.items())),
        "failures": failures,
        "slowest_seconds": round(slowest, 2),
        "handles": sorted(handles),
        "memory_mb": {"early": memory[: len(memory) // 10][-1:], "last": memory[-1:]},
    }


@click.command()
@click.option("-n", "count", default=1000, show_default=True)
@click.option("--seed", "first", default=0, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the mutants that fail here.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(count: int, first: int, keep: Path | None, output: Path | None) -> None:
    """Checks mutants of small films."""
    result = fuzz(range(first, first + count), keep=keep)
    click.echo(json.dumps(result, indent=1))
    keep_result({"machine": machine(), **result}, output)
    raise SystemExit(bool(result["failures"]))


if __name__ == "__main__":
    import media_fuzzer  # workers find `check` by its module's name

    media_fuzzer.main()
