"""The jobs that benchmarks run, each in a process: ``python -m fewframes.bench.jobs JOB …``.

Every job prints one JSON object. A peer runs in the fastest setting its documentation gives.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fewframes.arrays import I64


def spread(count: int, budget: int) -> I64:
    """Gives ``budget`` frame numbers, evenly spaced over a film of ``count`` frames."""
    return np.linspace(0, count - 1, budget).round().astype(np.int64)


def ours(film: str, count: int, budget: int) -> dict[str, Any]:
    """Reads with fewframes on one thread, at its first sight of the film."""
    os.environ["FEWFRAMES_CACHE"] = "off"
    return ours_again(film, count, budget)


def ours_again(film: str, count: int, budget: int) -> dict[str, Any]:
    """Reads with fewframes on one thread, with the film's timeline remembered."""
    import fewframes as ff

    batch = ff.read(film, frames=spread(count, budget), workers=1)
    return {"shape": batch.frames.shape, **batch.report}


def ours_parallel(film: str, count: int, budget: int) -> dict[str, Any]:
    """Reads with fewframes as it comes, one thread a core, at its first sight of the film."""
    import fewframes as ff

    os.environ["FEWFRAMES_CACHE"] = "off"
    batch = ff.read(film, frames=spread(count, budget))
    return {"shape": batch.frames.shape, **batch.report}


def decord2(film: str, count: int, budget: int, threads: int) -> dict[str, Any]:
    """decord2's batch reader."""
    import decord

    reader = decord.VideoReader(film, num_threads=threads)
    return {"shape": reader.get_batch(spread(count, budget).tolist()).asnumpy().shape}


def opencv(film: str, count: int, budget: int, threads: int) -> dict[str, Any]:
    """OpenCV: seek, read, to RGB; ``threads=0`` is its default."""
    import cv2

    options = [cv2.CAP_PROP_N_THREADS, threads] if threads else []
    capture, frames = cv2.VideoCapture(film, cv2.CAP_FFMPEG, options), []
    for number in spread(count, budget).tolist():
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        is_there, frame = capture.read()
        if is_there:
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    return {"shape": [len(frames), *frames[0].shape]}


def torchcodec(film: str, count: int, budget: int) -> dict[str, Any]:
    """TorchCodec's batch reader, exact mode."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(film, dimension_order="NHWC", seek_mode="exact")
    return {"shape": list(decoder.get_frames_at(spread(count, budget).tolist()).data.shape)}


def index(film: str, store: str, fps: float) -> dict[str, Any]:
    """Runs fewframes' command line, as a user would, at its first sight of the film."""
    import shutil

    from fewframes.cli import main

    os.environ["FEWFRAMES_CACHE"] = "off"

    shutil.rmtree(store, ignore_errors=True)
    main.main(["index", film, "-o", store, "--fps", str(fps), "--quiet"], standalone_mode=False)
    return {}


def plan_alone(film: str, fps: float) -> dict[str, Any]:
    """Plain PyAV: demuxes once, decodes the pictures of the same plan, throws them away."""
    import av

    fed = np.load(_plan_file(film, fps))
    with av.open(film) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        pictures = shown = 0
        for row, packet in enumerate(container.demux(stream)):
            if packet.size and not fed[row]:
                continue
            pictures += packet.size > 0
            shown += len(stream.codec_context.decode(packet if packet.size else None))
    return {"pictures": pictures, "shown": shown}


def write_plan(film: str, fps: float) -> int:
    """Leaves the plan of a scan where `plan_alone` finds it; gives its pictures."""
    import fewframes as ff
    from fewframes.plan import plan_frames
    from fewframes.scanning import frames_at_rate

    timeline = ff.probe(film)
    plan = plan_frames(timeline, frames_at_rate(timeline, fps))
    fed = np.zeros(len(timeline.packets), bool)
    for run in plan.runs:
        fed[run.feed] = True
    np.save(_plan_file(film, fps), fed)
    return plan.pictures


def _plan_file(film: str, fps: float) -> Path:
    import tempfile

    return Path(tempfile.gettempdir()) / f"fewframes-plan-{Path(film).stem}-{fps:g}.npy"


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "ours": ours,
    "ours_again": ours_again,
    "ours_parallel": ours_parallel,
    "decord2": decord2,
    "opencv": opencv,
    "torchcodec": torchcodec,
    "index": index,
    "plan_alone": plan_alone,
}

if __name__ == "__main__":
    arguments = [float(a) if "." in a and a[0].isdigit() else a for a in sys.argv[2:]]
    values = [int(a) if isinstance(a, str) and a.isdigit() else a for a in arguments]
    sys.stdout.write(json.dumps(JOBS[sys.argv[1]](*values)))
