"""The jobs of `gpu.py`: what is decoded, measured, indexed and read, by whom."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import click
import numpy as np

import fewframes
from fewframes.arrays import I64
from fewframes.bindings.dali import decode as dali_decode
from fewframes.bindings.dali.video import video_pipeline
from fewframes.bindings.ffmpeg import decode as ffmpeg_decode
from fewframes.decode.backend_choice import DecoderRequest
from fewframes.decode.batch import Format
from fewframes.decode.decoder import DecodeReport, Device, Event
from fewframes.decode.plan import plan_frames
from fewframes.features.scan import frames_at_rate, scan
from fewframes.media.sizes import output_size
from fewframes.media.timeline import Timeline

Row: TypeAlias = tuple[str, Callable[[], int]]
"""A job's name, and what runs it and gives how many frames it made."""
IN_FLIGHT = (1, 7, 14, 28, 56)
SIZE = 448
MOST_FRAMES = 2000
INDEX, INDEX_FFMPEG, INDEX_AUTO = (
    f"index, 2 a second, {who}" for who in ("dali", "ffmpeg", "auto")
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
    def numbers(self) -> I64:
        """Frames of the jobs that decode: one in ten, at most so many."""
        return np.arange(0, len(self.timeline), 10)[:MOST_FRAMES]

    def by_dali(self, slices: int, format: Format = "rgb") -> int:
        """Decodes with so many slices in flight; on a GPU the pictures stay there."""
        runs, report = plan_frames(self.timeline, self.numbers).runs, DecodeReport()
        size = output_size(self.timeline.stream, SIZE)
        made = dali_decode.decode(
            self.timeline,
            runs,
            format=format,
            size=size,
            report=report,
            device=self.device,
            slices=slices,
        )
        count = sum(len(batch) for batch in made)
        if fallbacks := report.entries(Event.FALLBACK):
            click.echo(f"  of these by ffmpeg: {fallbacks}")
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
        request = DecoderRequest("dali", self.device)
        return len(scan(self.timeline, numbers, size=size, dedup=0.012, request=request)[0].numbers)

    def index(self, backend: str | None, device: str) -> int:
        """Indexes the film into a new store."""
        store = self.folder / f"{backend}-{device}.zarr"
        shutil.rmtree(store, ignore_errors=True)
        report = fewframes.index(self.path, store, backend=backend, device=device, workers=1)
        if report.with_status("failed"):
            raise NotRunError(report.outcomes[0].reason)
        return report.outcomes[0].rows

    def from_store(self, codec: str, device: str) -> int:
        """Reads every stored row; on a GPU the frames stay there."""
        store = self.folder / f"{codec}.zarr"
        if not store.exists():  # the first call is not timed
            fewframes.index(self.path, store, workers=1, codec=codec)
        video = next(iter(fewframes.open(store).values()))
        by_dali = "dali" if codec == "jpeg" and self.device == device else None
        batch = video.read(rows=np.arange(len(video.slots)), backend=by_dali, device=device)
        if batch.device != device:
            raise RuntimeError(f"frames are on {batch.device}, not on {device}")
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
        yield INDEX, partial(self.index, "dali", self.device)
        yield INDEX_FFMPEG, partial(self.index, "ffmpeg", "cpu")
        yield INDEX_AUTO, partial(self.index, None, "auto")
        for codec in ("jpeg", "raw"):
            yield f"store of {codec} to {self.device}", partial(self.from_store, codec, self.device)
        yield "store of jpeg to memory", partial(self.from_store, "jpeg", "cpu")
        yield "decode, DALI on the whole file", self.whole_file
        yield "decode, PyNvVideoCodec", self.py_nv_video_codec
        yield "decode, TorchCodec", self.torchcodec


def _need(module: str, device: str) -> None:
    if device != "cuda":
        raise NotRunError("runs on a GPU alone")
    if find_spec(module) is None:
        raise NotRunError(f"{module} is not installed")
