"""A GPU beside FFmpeg: what does decoding take here? A generated film, decoded by both, once.

Runs only where there is a GPU that can be used. It takes some seconds, most of which starting the
GPU takes, and is remembered for the library's version, FFmpeg's and the GPU's capability.
"""

import tempfile
import time
from functools import partial
from pathlib import Path

import av
import numpy as np

from fewframes.bindings import ffmpeg_decode
from fewframes.bindings.ffmpeg import VERSIONS
from fewframes.decode import costs
from fewframes.decode.costs import Costs
from fewframes.decode.decoding import Decoder, DecodeReport
from fewframes.decode.plan import plan_frames
from fewframes.media.probing import probe
from fewframes.media.timeline import Timeline

FRAMES, GOP, HEIGHT, WIDTH = 240, 30, 720, 1280
ENGINES = {(8, 0): 5, (9, 0): 7}
"""Video engines by compute capability, of A100 and of H100 or H200 (NVIDIA's NVDEC tables)."""
MEGAPIXELS = HEIGHT * WIDTH / 1e6


def of_dali(version: str, capability: tuple[int, int]) -> Costs:
    """What DALI takes, remembered or measured."""
    from fewframes.bindings import dali

    decode = partial(dali.decode, device="cuda", slices=1)
    return measured(f"dali {version}", decode, capability, ENGINES.get(capability, 1))


def of_nvdec(version: str, capability: tuple[int, int], engines: int) -> Costs:
    """What PyNvVideoCodec takes, remembered or measured."""
    from fewframes.bindings import nvdec

    return measured(f"nvdec {version}", partial(nvdec.decode, decoders=1), capability, engines)


def measured(who: str, decode: Decoder, capability: tuple[int, int], engines: int) -> Costs:
    """Gives what is remembered for this machine, or measures it; ``decode`` uses one engine."""
    name = f"{who}, sm_{capability[0]}{capability[1]}, {VERSIONS}"
    known = costs.load(name)
    if known is None:
        known = _measure(decode, engines)
        costs.save(name, known)
    return known


def _measure(decode: Decoder, engines: int) -> Costs:
    """What a film takes but for its first slice is decoding; what that takes more is a start."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        _write(path)
        timeline = probe(path, cache=False)
        first = _seconds(timeline, decode, GOP)
        one = _seconds(timeline, decode, GOP)
        whole = _seconds(timeline, decode, FRAMES)
        cpu = _seconds(timeline, ffmpeg_decode.decode, FRAMES)
    gpu = max(0.0, whole - one) / ((FRAMES - GOP) * MEGAPIXELS)
    return Costs(
        cpu=cpu / (FRAMES * MEGAPIXELS),
        gpu=gpu,
        start=max(0.0, first - gpu * GOP * MEGAPIXELS),
        engines=engines,
    )


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
