"""DALI beside FFmpeg: what does decoding take here? A generated film, decoded by both, once.

Runs only where there is a GPU that can be used. It takes some seconds, most of which starting the
GPU takes, and is remembered for DALI's version, FFmpeg's and the GPU's capability.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from fewframes.bindings import dali, ffmpeg_decode
from fewframes.bindings.ffmpeg import VERSIONS
from fewframes.decode import costs
from fewframes.decode.choosing import Machine
from fewframes.decode.costs import Costs
from fewframes.decode.decoding import Decoder, DecodeReport
from fewframes.decode.frames import FrameBatch
from fewframes.decode.plan import plan_frames
from fewframes.media.probing import probe
from fewframes.media.timeline import Timeline

FRAMES, GOP, HEIGHT, WIDTH = 240, 30, 720, 1280
ENGINES = {(8, 0): 5, (9, 0): 7}
"""Video engines by compute capability, of A100 and of H100 or H200 (NVIDIA's NVDEC tables)."""
MEGAPIXELS = HEIGHT * WIDTH / 1e6


def measured(machine: Machine) -> Costs:
    """Gives what is remembered for this machine, or measures it."""
    name = f"dali {machine.dali}, sm_{machine.capability[0]}{machine.capability[1]}, {VERSIONS}"
    known = costs.load(name)
    if known is None:
        known = _measure(ENGINES.get(machine.capability, 1))
        costs.save(name, known)
    return known


def _measure(engines: int) -> Costs:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        _write(path)
        timeline = probe(path, cache=False)
        first = _seconds(timeline, _on_gpu, GOP)
        one = _seconds(timeline, _on_gpu, GOP)
        cpu = _seconds(timeline, ffmpeg_decode.decode, FRAMES)
    samples = GOP * MEGAPIXELS
    return Costs(
        cpu=cpu / (FRAMES * MEGAPIXELS),
        gpu=one / samples,
        start=max(0.0, first - one),
        engines=engines,
    )


def _on_gpu(timeline: Timeline, runs: object, **how: object) -> Iterator[FrameBatch]:
    return dali.decode(timeline, runs, device="cuda", **how)  # type: ignore[arg-type]  # as given


def _seconds(timeline: Timeline, decode: Decoder, frames: int) -> float:
    """Time to decode the first frames, all of which are wanted at a small size."""
    runs = plan_frames(timeline, np.arange(frames)).runs
    started = time.monotonic()
    for _ in decode(timeline, runs, format="rgb", size=(72, 128), report=DecodeReport()):
        pass
    return time.monotonic() - started


def _write(path: Path) -> None:
    """H.264 of moving noise: some motion, some bits, a keyframe every `GOP` pictures."""
    rng = np.random.default_rng(0)
    texture = rng.integers(60, 200, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    texture = texture.repeat(8, axis=0).repeat(8, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": str(GOP), "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            moved = np.roll(texture, (number, 3 * number), axis=(0, 1))
            picture = av.VideoFrame.from_ndarray(moved, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
