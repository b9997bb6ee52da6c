"""Decoding on a GPU: is it right, and how fast? ``python -m fewframes.bench.gpu [FILM …]``.

Run it through ``bench/gpu_check.sh``. One row a job: frames a second, or why it was not run. Every
frame is checked before it is timed: at the same numbers, DALI's pixels must be near FFmpeg's.
Nothing here has been run on a GPU by those who wrote it.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np

import fewframes
from fewframes.bench.films import RECIPES, write_film
from fewframes.bindings import dali, ffmpeg_decode
from fewframes.bindings.dali_machine import machine_facts
from fewframes.bindings.dali_video import video_pipeline
from fewframes.choosing import Asked, refusal
from fewframes.decoding import DecodeReport, Device
from fewframes.frames import Format
from fewframes.plan import plan_frames
from fewframes.scanning import frames_at_rate, scan
from fewframes.sizes import output_size
from fewframes.timeline import Timeline

Row: TypeAlias = tuple[str, Callable[[], int]]
"""A job's name, and what runs it and gives how many frames it made."""
IN_FLIGHT = (1, 4, 7, 14)
MEAN_LEVELS = 2.0
"""Largest mean difference of RGB from FFmpeg's."""
SIZE = 448
MOST_FRAMES = 2000
GENERATED = replace(
    RECIPES["x264_pyramid"],
    frames=1500,
    size=(720, 1280),
    options={"g": "50", "bf": "3", "preset": "veryfast", "x264-params": "b-pyramid=normal"},
)


class NotRunError(Exception):
    """A job has nothing to run on; says why."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One film, and where it is decoded."""

    path: Path
    timeline: Timeline
    device: Device
    folder: Path

    @property
    def numbers(self) -> Any:  # noqa: ANN401 (I64)
        """Frames of the jobs that decode: one in ten, at most so many."""
        return np.arange(0, len(self.timeline), 10)[:MOST_FRAMES]

    def by_dali(self, slices: int, format: Format = "rgb") -> int:
        """Decodes with so many slices in flight."""
        runs, report = plan_frames(self.timeline, self.numbers).runs, DecodeReport()
        size = output_size(self.timeline.stream, SIZE)
        how = {"format": format, "size": size, "report": report}
        made = dali.decode(self.timeline, runs, device=self.device, slices=slices, **how)  # type: ignore[arg-type]
        count = sum(len(batch) for batch in made)
        if report.passed_on:
            click.echo(f"  of these by ffmpeg: {dict(report.passed_on)}")
        return count

    def by_ffmpeg(self) -> int:
        """The same frames by FFmpeg, on one thread."""
        runs, report = plan_frames(self.timeline, self.numbers).runs, DecodeReport()
        size = output_size(self.timeline.stream, SIZE)
        made = ffmpeg_decode.decode(self.timeline, runs, format="rgb", size=size, report=report)
        return sum(len(batch) for batch in made)

    def with_signals(self) -> int:
        """Decodes two frames a second and measures their signals."""
        numbers, size = frames_at_rate(self.timeline, 2.0), output_size(self.timeline.stream, SIZE)
        asked = Asked("dali", self.device)
        return len(scan(self.timeline, numbers, size=size, dedup=0.012, asked=asked)[0].numbers)

    def index(self, backend: str, device: str) -> int:
        """Indexes the film into a new store."""
        store = self.folder / f"{backend}.zarr"
        shutil.rmtree(store, ignore_errors=True)
        report = fewframes.index(self.path, store, backend=backend, device=device, workers=1)
        if report.with_status("failed"):
            raise NotRunError(report.outcomes[0].reason)
        return report.outcomes[0].rows

    def from_store(self) -> int:
        """Reads every stored row and copies it to the GPU."""
        from fewframes.kernels import gpu

        store = self.folder / "kept.zarr"
        if not store.exists():  # the first call is not timed
            fewframes.index(self.path, store, workers=1)
        video = next(iter(fewframes.open(store).values()))
        batch = video.read(rows=np.arange(len(video.table)))
        if self.device == "cuda":
            gpu.there(batch.frames)
        return len(batch)

    def whole_file(self) -> int:
        """DALI given the whole file and the same frame numbers."""
        pipeline = video_pipeline(self.device, 1)
        pipeline.feed_input("encoded", [np.fromfile(self.path, np.uint8)])
        pipeline.feed_input("frames", [self.numbers[:200].astype(np.int32)])
        (made,) = pipeline.run()
        return int(made[0].shape()[0])

    def py_nv_video_codec(self) -> int:
        """PyNvVideoCodec's simple decoder, by index."""
        _need("PyNvVideoCodec", self.device)
        codec = import_module("PyNvVideoCodec")
        made = codec.SimpleDecoder(str(self.path), output_color_type=codec.OutputColorType.RGB)
        return len(made.get_batch_frames_by_index(self.numbers[:200].tolist()))

    def torchcodec(self) -> int:
        """TorchCodec's decoder, on its CUDA device."""
        _need("torchcodec", self.device)
        from torchcodec.decoders import VideoDecoder

        made = VideoDecoder(str(self.path), device="cuda")
        return len(made.get_frames_at(self.numbers[:200].tolist()).data)

    def rows(self) -> Iterator[Row]:
        """Every job, in the order in which they are run."""
        yield "decode, ffmpeg on one core", self.by_ffmpeg
        for count in IN_FLIGHT:
            yield f"decode, {count} slices in flight", partial(self.by_dali, count)
        yield "decode + signals, 2 a second", self.with_signals
        yield "index, 2 a second", partial(self.index, "dali", self.device)
        yield "index, 2 a second, ffmpeg", partial(self.index, "ffmpeg", "cpu")
        yield "store to device", self.from_store
        yield "decode, DALI on the whole file", self.whole_file
        yield "decode, PyNvVideoCodec", self.py_nv_video_codec
        yield "decode, TorchCodec", self.torchcodec


def _need(module: str, device: str) -> None:
    if device != "cuda":
        raise NotRunError("runs on a GPU alone")
    if find_spec(module) is None:
        raise NotRunError(f"{module} is not installed")


def check(bench: Bench) -> str:
    """Compares pixels and times with FFmpeg's; gives what is wrong, or nothing."""
    numbers = bench.numbers[:60]
    ours = fewframes.read(bench.timeline, frames=numbers, size=SIZE)
    found = fewframes.read(
        bench.timeline, frames=numbers, size=SIZE, backend="dali", device=bench.device
    )
    means = np.abs(ours.frames.astype(int) - found.frames).mean(axis=(1, 2, 3))
    if not np.array_equal(ours.pts, found.pts):
        return "times differ"
    worst = int(means.argmax())
    if means[worst] > MEAN_LEVELS:
        return f"frame {numbers[worst]} differs by {means[worst]:.1f} levels in the mean"
    passed_on = found.report.get("passed_on_to_ffmpeg", "")
    return f"by ffmpeg, not by DALI: {passed_on}" if passed_on else ""


def run(bench: Bench) -> bool:
    """Checks one film, then prints its table; gives whether the check was passed."""
    click.echo(f"\n{bench.timeline!r} on {bench.device}")
    wrong = check(bench)
    click.echo(f"pixels and times beside ffmpeg: {wrong or 'as they should be'}")
    for name, job in bench.rows():
        try:
            job()  # what starts once is not timed
            started = time.monotonic()
            count = job()
            words = f"{count / (time.monotonic() - started):10.1f} frames/s"
        except (NotRunError, RuntimeError, ImportError, ValueError) as error:
            words = f"not run: {str(error).splitlines()[0]}"
        click.echo(f"{name:<34} {words}")
    return not wrong


@click.command()
@click.argument("films", nargs=-1, type=click.Path(path_type=Path))
@click.option("--device", type=click.Choice(["cuda", "cpu"]), default="cuda", show_default=True)
def main(films: tuple[Path, ...], device: Device) -> None:
    """Checks and times DALI on FILMS, or on a generated one."""
    machine = machine_facts()
    if machine.missing(device):
        click.echo(f"NOT RUN: {machine.missing(device)}")
        sys.exit(3)
    click.echo(f"DALI {machine.dali}, compute capability {machine.capability}")
    with tempfile.TemporaryDirectory() as folder:
        if not films:
            recipe = GENERATED if device == "cuda" else RECIPES["vp9"]
            films = (Path(folder) / f"generated{recipe.suffix}",)
            write_film(films[0], recipe)
        is_right = True
        for number, film in enumerate(films):
            timeline = fewframes.probe(film)
            reason = refusal(timeline.stream, device, machine.capability)
            if reason:
                click.echo(f"\n{film.name}: NOT RUN: {reason}")
                continue
            own = Path(folder) / f"{number}"
            own.mkdir()
            is_right &= run(Bench(film, timeline, device, own))
    sys.exit(0 if is_right else 1)


if __name__ == "__main__":
    main()
