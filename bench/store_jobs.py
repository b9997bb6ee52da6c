"""Random reads of stored pictures, a reader a process: ``python -m fewframes.bench.store_jobs``.

Each case opens what `fewframes.bench.store` has laid out and gives a function from slots to pixels.
Every one ends with the pixels in one array ``[k, h, w, 3] u8``.
"""

import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import click
import numpy as np

from fewframes.arrays import I64, U8

FRAMES = 64
"""Pictures a call."""
MOST_SECONDS = 3.0
"""CPU time after which a case makes no further call, but for the first and one more."""
Read: TypeAlias = Callable[[I64], U8]


def place_of(folder: Path, codec: str) -> Path:
    """Gives the folder of the array of a codec."""
    return next((folder / codec / "videos").glob("*/*/*/frames"))


def room(size: list[int]) -> U8:
    """Makes a batch that calls write into, its memory touched."""
    return np.zeros((FRAMES, *size, 3), np.uint8)


class Floor:
    """The least a reader has to do: files that stay open, known places, one batch."""

    def __init__(self, folder: Path, codec: str) -> None:
        facts = json.loads((folder / "facts.json").read_text())
        self.places: list[list[int]] = facts["places"][codec]
        self.out = room(facts["size"])
        shards = sorted(place_of(folder, codec).glob("c/*/0/0/0"), key=lambda p: int(p.parts[-4]))
        self.files = [os.open(path, os.O_RDONLY) for path in shards]

    def jpeg(self, slots: I64) -> U8:
        """One pread and one decode a picture, without a checksum."""
        from simplejpeg import decode_jpeg

        for at, slot in enumerate(slots.tolist()):
            shard, offset, size = self.places[slot]
            decode_jpeg(os.pread(self.files[shard], size, offset), "RGB", buffer=self.out[at])
        return self.out

    def zstd(self, slots: I64) -> U8:
        """One pread and one decompression a picture, without a checksum."""
        from numcodecs.zstd import decompress

        for at, slot in enumerate(slots.tolist()):
            shard, offset, size = self.places[slot]
            decompress(os.pread(self.files[shard], size, offset), self.out[at])
        return self.out

    def raw(self, slots: I64) -> U8:
        """One pread a picture, put into the batch, without a checksum."""
        for at, slot in enumerate(slots.tolist()):
            shard, offset, size = self.places[slot]
            data = os.pread(self.files[shard], size, offset)
            self.out[at] = np.frombuffer(data, np.uint8).reshape(self.out.shape[1:])
        return self.out

    def raw_in_place(self, slots: I64) -> U8:
        """One preadv a picture, straight into the batch, without a checksum."""
        for at, slot in enumerate(slots.tolist()):
            shard, offset, _ = self.places[slot]
            os.preadv(self.files[shard], [self.out[at].data.cast("B")], offset)
        return self.out


def ours(folder: Path, codec: str, *, workers: int | None = 1, side: int = 0) -> Read:
    """`ShardReader` into one batch."""
    from fewframes.kernels import resize
    from fewframes.store.shard_reader import ShardReader

    if side:
        resize.expect(math.inf)  # the compiled body: what is measured is no start of a process
    reader = ShardReader(place_of(folder, codec))
    size = (side, side) if side else None
    out = room([side, side] if side else list(reader.shape[1:3]))
    return lambda slots: reader.read(slots, size=size, out=out, workers=workers)


def video(folder: Path, codec: str) -> Read:
    """`Video.read` of rows, on one thread, into an array of its own."""
    import fewframes as ff

    (film,) = ff.open(folder / codec).values()
    return lambda rows: film.read(rows=rows, workers=1).frames


def stock_zarr(folder: Path, codec: str, *, codec_class: str = "", is_fused: bool = False) -> Read:
    """Stock zarr-python, by ``oindex``; fused and without reading gaps, where it can."""
    import zarr

    if codec_class:
        zarr.config.set({"codecs.imagecodecs_jpeg": codec_class})
    if is_fused:
        path = "zarr.core.codec_pipeline.FusedCodecPipeline"
        zarr.config.set({"codec_pipeline.path": path, "array.sharding_coalesce_max_gap_bytes": 0})
    array = zarr.open_array(place_of(folder, codec), mode="r")
    return lambda slots: np.asarray(array.oindex[slots])


def tensorstore(folder: Path, codec: str) -> Read:
    """TensorStore without a cache of pictures."""
    import tensorstore as ts

    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(place_of(folder, codec))}}
    array = ts.open(spec, open=True, read=True).result()
    return lambda slots: np.asarray(array.oindex[slots].read().result())


def lance(folder: Path, _codec: str) -> Read:
    """Lance: ``take`` from a column of JPEG files, decoded into one batch."""
    import lance
    from simplejpeg import decode_jpeg

    facts = json.loads((folder / "facts.json").read_text())
    table, out = lance.dataset(str(folder / "pictures.lance")), room(facts["size"])

    def read(slots: I64) -> U8:
        column = table.take(slots, columns=["jpeg"])["jpeg"]
        for at, data in enumerate(column):
            decode_jpeg(np.frombuffer(data.as_buffer(), np.uint8), "RGB", buffer=out[at])
        return out

    return read


IMAGECODECS = "imagecodecs.zarr.Jpeg"
CASES: dict[str, tuple[str, Callable[[Path], Read]]] = {
    "jpeg: pread + simplejpeg": ("jpeg", lambda f: Floor(f, "jpeg").jpeg),
    "jpeg: fewframes": ("jpeg", lambda f: ours(f, "jpeg")),
    "jpeg: fewframes, a thread a core": ("jpeg", lambda f: ours(f, "jpeg", workers=None)),
    "jpeg: fewframes Video.read": ("jpeg", lambda f: video(f, "jpeg")),
    "jpeg: fewframes 224x224": ("jpeg", lambda f: ours(f, "jpeg", side=224)),
    "jpeg: fewframes 112x112": ("jpeg", lambda f: ours(f, "jpeg", side=112)),
    "jpeg: fewframes 56x56": ("jpeg", lambda f: ours(f, "jpeg", side=56)),
    "jpeg: fewframes 150x150": ("jpeg", lambda f: ours(f, "jpeg", side=150)),
    "jpeg: zarr, our codec": ("jpeg", lambda f: stock_zarr(f, "jpeg")),
    "jpeg: zarr fused, our codec": ("jpeg", lambda f: stock_zarr(f, "jpeg", is_fused=True)),
    "jpeg: zarr, imagecodecs": ("jpeg", lambda f: stock_zarr(f, "jpeg", codec_class=IMAGECODECS)),
    "jpeg: zarr fused, imagecodecs": (
        "jpeg",
        lambda f: stock_zarr(f, "jpeg", codec_class=IMAGECODECS, is_fused=True),
    ),
    "jpeg: lance + simplejpeg": ("jpeg", lambda f: lance(f, "jpeg")),
    "raw: preadv in place": ("raw", lambda f: Floor(f, "raw").raw_in_place),
    "raw: pread": ("raw", lambda f: Floor(f, "raw").raw),
    "raw: fewframes": ("raw", lambda f: ours(f, "raw")),
    "raw: zarr": ("raw", lambda f: stock_zarr(f, "raw")),
    "raw: zarr fused": ("raw", lambda f: stock_zarr(f, "raw", is_fused=True)),
    "raw: tensorstore": ("raw", lambda f: tensorstore(f, "raw")),
    "zstd: pread + zstd": ("zstd", lambda f: Floor(f, "zstd").zstd),
    "zstd: fewframes": ("zstd", lambda f: ours(f, "zstd")),
    "zstd: zarr": ("zstd", lambda f: stock_zarr(f, "zstd")),
    "zstd: zarr fused": ("zstd", lambda f: stock_zarr(f, "zstd", is_fused=True)),
    "zstd: tensorstore": ("zstd", lambda f: tensorstore(f, "zstd")),
}
"""Codec and opener of each case; the first of a codec, or `FLOORS`, is what others stand beside."""
FLOORS = {"jpeg": "jpeg: pread + simplejpeg", "raw": "raw: pread", "zstd": "zstd: pread + zstd"}


def read(case: str, folder: Path, calls: int) -> dict[str, Any]:
    """Runs a case: a first call, then up to ``calls`` more, each with other random slots."""
    count = json.loads((folder / "facts.json").read_text())["count"]
    chance = np.random.default_rng(7)
    started = time.process_time()
    call = CASES[case][1](folder)
    spent: list[tuple[float, float]] = []
    for _ in range(calls + 1):
        slots = chance.choice(count, FRAMES, replace=False)
        clocks = time.process_time(), time.perf_counter()
        pixels = call(slots)
        spent.append((time.process_time() - clocks[0], time.perf_counter() - clocks[1]))
        if len(spent) == 1:
            first = time.process_time() - started
        elif time.process_time() - started > MOST_SECONDS:
            break
    cpu, wall = (median(times) * 1000 for times in zip(*spent[1:], strict=True))
    small = pixels[:, ::16, ::16].astype(np.int64)
    said = {"cpu_ms": cpu, "wall_ms": wall, "opening_and_first_cpu_ms": first * 1000}
    return {**said, "pixels": [list(pixels.shape), int(small.sum())]}


def write(case: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Encodes the planes that lie ready, and where the case says so writes them as a shard."""
    from tempfile import TemporaryDirectory

    from fewframes.store.codecs import Jpeg
    from fewframes.store.shard_writer import ShardWriter

    planes = [np.load(folder / f"plane{number}.npy") for number in range(3)]
    size, codec, spent = (len(planes[0][0]), planes[0].shape[2]), Jpeg(), list[float]()
    for _ in range(rounds + 1):
        with TemporaryDirectory(dir=folder) as place:
            started = time.process_time()
            writer = ShardWriter(Path(place) / "frames", *size, codec)
            for picture in zip(*planes, strict=True):
                data = codec.encode(picture)
                if case == "encode and write":
                    writer.append(data)
            if case == "encode and write":
                writer.close()
            spent.append(time.process_time() - started)
    return {"cpu_ms": median(spent[1:]) * 1000 / len(planes[0])}


if __name__ == "__main__":
    job, case, folder, count = sys.argv[1:]
    click.echo(json.dumps({"read": read, "write": write}[job](case, Path(folder), int(count))))
