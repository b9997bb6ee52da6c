"""The jobs on pictures of benchmarks: ``python -m fewframes.bench.research.picture_jobs JOB …``.

Each runs in a process of its own and prints one JSON object.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fewframes as ff
from fewframes.features.signal_pass import SignalPass
from fewframes.media.sizes import output_size
from fewframes.store.recipes import DEDUP

WARM = 30
"""Frames that are not counted: kernels are loaded, the decoder fills its buffers."""


def signals(film: str, frames: int, side: int) -> dict[str, Any]:
    """Decodes, converts, copies and measures frames in turn; CPU microseconds a frame of each."""
    import av

    from fewframes.bindings.ffmpeg.pixels import Pixels

    stream, measure = ff.probe(film).stream, SignalPass(DEDUP)
    pixels = Pixels(stream, "jpeg", output_size(stream, side or None))
    room, clock, ticks = None, time.process_time_ns, list[list[int]]()
    with av.open(film) as container:
        container.streams.video[0].codec_context.thread_count = 1
        pictures = container.decode(video=0)
        while len(ticks) < frames + WARM:
            tick = [clock()]
            if (picture := next(pictures, None)) is None:
                break
            tick.append(clock())
            planes = [np.ascontiguousarray(plane) for plane in pixels.planes(picture)]
            tick.append(clock())
            room = np.concatenate(planes, axis=None, out=room)
            tick.append(clock())
            measure(*planes)
            ticks.append([*tick, clock()])
    spent = (np.diff(np.array(ticks[WARM:]), axis=1).mean(axis=0) / 1000).tolist()
    parts = dict(zip(("decode", "convert", "copy", "signals"), spent, strict=True))
    return {"shape": planes[0].shape, "frames": len(ticks) - WARM, **parts}


def decode_all(film: str) -> dict[str, Any]:
    """Plain PyAV on one thread: decodes every picture and throws it away."""
    import av

    with av.open(film) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return {"pictures": sum(1 for _ in container.decode(video=0))}


def shots(film: str) -> dict[str, Any]:
    """Finds shots as fewframes does, from every frame."""
    return {"starts": ff.shots(film).first_frames[1:].tolist()}


def scanned_shots(film: str, fps: float) -> dict[str, Any]:
    """The signal ``shot_start`` of a scan at a rate, without storing anything."""
    from fewframes.sampling import scan_table

    table = scan_table(ff.probe(film), fps)
    starts = table.frame_numbers[table.signals["shot_start"] > 0]
    return {"starts": starts[1:].tolist(), "rows": table.frame_numbers.tolist()}


def scenedetect(film: str, backend: str, detector: str) -> dict[str, Any]:
    """PySceneDetect with one of its detectors, everything else as it comes."""
    import scenedetect as peer

    manager = peer.SceneManager()
    manager.add_detector(getattr(peer, detector)())
    manager.detect_scenes(peer.open_video(film, backend=backend))
    starts = [start.frame_num for start, _ in manager.get_scene_list()]
    return {"starts": starts[1:]}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "signals": signals,
    "decode_all": decode_all,
    "shots": shots,
    "scanned_shots": scanned_shots,
    "scenedetect": scenedetect,
}

if __name__ == "__main__":
    values = [int(word) if word.isdigit() else word for word in sys.argv[2:]]
    sys.stdout.write(json.dumps(JOBS[sys.argv[1]](*values)))
