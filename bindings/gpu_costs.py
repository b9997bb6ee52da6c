"""What a machine has to decode with, and what decoding takes there: by DALI, and by NVDEC.

A generated film is decoded by them and by FFmpeg:

1. A few pictures of one slice, twice: what the first time takes longer is the start.
2. A few pictures and a whole slice: what more pictures take is an engine's time for a picture, and
   what is left of the few is added to the start.
3. By DALI all slices: how many engines' work is done side by side, at most as many as there are.
   By PyNvVideoCodec, whose decoders are kept for a film, it is as many as there are.

Where FFmpeg has decoded a part of it there are no costs. Runs only where there is a GPU that can be
used. It takes some seconds, most of which starting the GPU takes, and is remembered for the
library's version, FFmpeg's and the GPU's capability.
"""

import tempfile
import time
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from fewframes.bindings.dali import capabilities as dali_capabilities
from fewframes.bindings.ffmpeg import decode as ffmpeg_decode
from fewframes.bindings.ffmpeg.demux import VERSIONS
from fewframes.bindings.ffmpeg.priming import VideoPacket
from fewframes.bindings.nvcodec import capabilities as nvcodec_capabilities
from fewframes.bindings.nvcodec import engines as nvcodec_engines
from fewframes.decode import costs
from fewframes.decode.backend_choice import Capabilities, EngineLimits
from fewframes.decode.costs import Costs
from fewframes.decode.decoder import DECODERS, Decoder, DecodeReport, Event
from fewframes.decode.plan import plan_frames
from fewframes.files.probing import probe
from fewframes.media.timeline import StreamInfo, Timeline
from fewframes.plugins import load

GOP, SLICES, FEW, HEIGHT, WIDTH = 120, 8, 12, 720, 1280
FRAMES = GOP * SLICES
"""The same slice many times."""
BY_FFMPEG = 2 * GOP
TRIES = 3
"""A warm time is the least of so many."""
HOW: dict[str, dict[str, int]] = {"dali": {"is_compared": False}, "nvdec": {"decoders": 1}}
"""Options of a decoder that is measured: nothing is compared with FFmpeg's, or one engine works."""
MEGAPIXELS = HEIGHT * WIDTH / 1e6


class NotMeasuredError(Exception):
    """There are no costs; says why."""


def dali_with_costs() -> Capabilities:
    """The facts of DALI, with what decoding takes here; measured where that is not known yet.

    Without a GPU, DALI is not even looked for: importing it takes 0.7 s.
    """
    no_gpu = dali_capabilities.gpu_facts()[1]
    bare = Capabilities(no_gpu=no_gpu, no_video="" if no_gpu else nvcodec_engines.missing())
    if bare.no_decoding:
        return bare
    machine = dali_capabilities.machine_facts()
    if machine.no_dali:
        return machine
    found = of_dali(machine)
    if isinstance(found, str):
        return replace(machine, no_costs=found)
    return replace(machine, costs=found)


def with_nvdec(machine: Capabilities, stream: StreamInfo, *, measures: bool) -> Capabilities:
    """What is known of a machine, and whether its video engines take a stream.

    With ``measures``, also what that takes here, which is measured where it is not known yet.
    """
    version, missing = nvcodec_capabilities.facts()
    reason = missing or nvcodec_capabilities.refusal(stream)
    found: Costs | str = ""
    if measures and not reason:
        name = _name(f"nvdec {version}", dali_capabilities.gpu_facts()[0])
        found = _remembered(name, "nvdec", nvcodec_capabilities.engines_of(stream))
    known = None if isinstance(found, str) else found
    return replace(machine, nvdec=version, no_nvdec=reason, nvdec_costs=known)


def of_dali(machine: Capabilities) -> Costs | str:
    """What DALI takes, remembered or measured once a process.

    Or why that is not known, where it does not decode everything that it is given.
    """
    engines = machine.engines.get(("h264", 8), EngineLimits(is_taken=True)).engines
    who = f"dali {machine.dali} in slices, {engines} engines"
    return _remembered(_name(who, machine.capability), "dali", max(1, engines))


def _name(who: str, capability: tuple[int, int]) -> str:
    return f"{who}, sm_{capability[0]}{capability[1]}, {VERSIONS}"


@cache
def _remembered(name: str, who: str, engines: int) -> Costs | str:
    """The costs of this name, or why there are none."""
    known = costs.load(name)
    if known is None:
        try:
            known = _measure(who, engines)
        except NotMeasuredError as error:
            return str(error)
        costs.save(name, known)
    return known


def _measure(who: str, engines: int) -> Costs:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        _write(path)
        timeline = probe(path, cache=False)
        decode = partial(load(DECODERS[who].decode), device="cuda", **HOW[who])
        first = _seconds(timeline, decode, FEW)
        few, one = (_least(timeline, decode, count) for count in (FEW, GOP))
        every = _least(timeline, decode, FRAMES) if who == "dali" else None
        cpu = _seconds(timeline, ffmpeg_decode.decode, BY_FFMPEG)
    return fitted(first, few, one, every, cpu=cpu, engines=engines)


def fitted(
    first: float, few: float, one: float, every: float | None, *, cpu: float, engines: int
) -> Costs:
    """Costs from five times: few pictures cold and warm, one slice, all of them, two by FFmpeg.

    Where it was not measured how long all take, every engine is taken to do its part.

    >>> costs = fitted(2.62, 0.5 + 0.12, 0.5 + 1.2, 0.5 + 2.4, cpu=2.4, engines=7)
    >>> round(costs.start, 3), round(costs.gpu * MEGAPIXELS, 3), round(costs.engines, 3)
    (2.5, 0.01, 4.0)
    """
    picture = max(one - few, 1e-9) / (GOP - FEW)
    rest = max(0.0, few - FEW * picture)
    side_by_side: float = engines
    if every is not None:
        side_by_side = FRAMES * picture / max(every - rest, 1e-9)
    return Costs(
        cpu=cpu / (BY_FFMPEG * MEGAPIXELS),
        gpu=picture / MEGAPIXELS,
        start=max(0.0, first - few) + rest,
        engines=min(max(side_by_side, 1.0), engines),
    )


def _least(timeline: Timeline, decode: Decoder, frames: int) -> float:
    return min(_seconds(timeline, decode, frames) for _ in range(TRIES))


def _seconds(timeline: Timeline, decode: Decoder, frames: int) -> float:
    """Time to decode the first frames, all of which are wanted at a small size."""
    runs, report = plan_frames(timeline, np.arange(frames)).runs, DecodeReport()
    started = time.monotonic()
    for _ in decode(timeline, runs, format="rgb", size=(72, 128), report=report):
        pass
    taken = time.monotonic() - started
    if fallbacks := report.entries(Event.FALLBACK):
        reasons = "; ".join(sorted(fallbacks))
        raise NotMeasuredError(f"pictures were left to FFmpeg when it was measured here: {reasons}")
    return taken


def _write(path: Path) -> None:
    """H.264 of moving noise: some motion, some bits; one group of pictures several times over."""
    rng = np.random.default_rng(0)
    texture = rng.integers(60, 200, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    texture = texture.repeat(8, axis=0).repeat(8, axis=1)
    options = {"g": str(GOP), "bf": "2", "preset": "veryfast", "x264-params": "scenecut=0"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        packets = []
        for number in range(GOP):
            moved = np.roll(texture, (number, 3 * number), axis=(0, 1))
            packets += stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24"))
        packets += stream.encode(None)
        for at in range(SLICES):
            for packet in packets:
                container.mux(_shifted(packet, stream, at * GOP))


def _shifted(packet: VideoPacket, stream: VideoStream, frames: int) -> VideoPacket:
    """A copy of a packet that is shown so many frames later."""
    copy: VideoPacket = av.Packet(bytes(packet))  # type: ignore[assignment]  # is made so below
    copy.time_base, copy.is_keyframe, copy.stream = packet.time_base, packet.is_keyframe, stream
    ticks = round(frames / (stream.codec_context.framerate * packet.time_base))
    copy.pts, copy.dts = (packet.pts or 0) + ticks, (packet.dts or 0) + ticks
    return copy
