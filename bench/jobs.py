"""The jobs that benchmarks run, each in a process: ``python -m fewframes.bench.jobs JOB …``.

Every job prints one JSON object. A peer runs in the fastest setting its documentation gives.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def read(film: str, numbers: str, name: str, thumbnails: str = "") -> dict[str, Any]:
    """Reads the frames whose numbers are in a file, by a row of `READERS`, one after the other.

    With ``thumbnails``, their thumbnails go into that file, to be judged.
    """
    from fewframes.bench.correctness import thumbnail
    from fewframes.bench.readers import READERS

    setting, count, kept = READERS[name], 0, []
    for picture in setting.reader(film, np.load(numbers), setting.threads):
        count += 1
        if thumbnails:
            kept.append(thumbnail(picture))
    if thumbnails:
        np.save(thumbnails, np.stack(kept) if kept else np.empty((0, 18, 32, 3), np.float32))
    return {"frames": count}


def index(film: str, store: str, fps: float) -> dict[str, Any]:
    """Runs fewframes' command line, as a user would, at its first sight of the film."""
    import shutil

    from fewframes.cli.main import main

    os.environ["FEWFRAMES_CACHE"] = "off"

    shutil.rmtree(store, ignore_errors=True)
    main.main(["index", film, "-o", store, "--fps", str(fps), "--quiet"], standalone_mode=False)
    return {}


def plan_alone(film: str, plan: str) -> dict[str, Any]:
    """Plain PyAV: demuxes once, decodes the pictures of the same plan, throws them away."""
    import av

    fed = np.load(plan)
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


def write_plan(film: str, fps: float, file: Path) -> int:
    """Writes the plan of a scan for `plan_alone`; gives its pictures."""
    import fewframes as ff
    from fewframes.decode.plan import plan_frames
    from fewframes.features.scan import frames_at_rate

    timeline = ff.probe(film)
    plan = plan_frames(timeline, frames_at_rate(timeline, fps))
    fed = np.zeros(len(timeline.packets), bool)
    for run in plan.runs:
        fed[run.feed] = True
    np.save(file, fed)
    return plan.pictures


def choose(store: str, budget: int) -> dict[str, Any]:
    """Times `select` on the one video of a store: CPU milliseconds by policy, medians of five."""
    import time
    from statistics import median

    import fewframes as ff
    from fewframes.bench.evaluation import policies_for

    (video,) = ff.open(store).values()
    costs = {}
    for policy in policies_for(video.table, is_scored=False):
        ff.select(video.table, budget=4, policy=policy)  # loads the compiled kernels
        taken = []
        for _ in range(5):
            started = time.process_time()
            ff.select(video.table, budget=budget, policy=policy)
            taken.append(1000 * (time.process_time() - started))
        costs[policy] = round(median(taken), 3)
    return {"rows": len(video.table), "cpu_ms": costs}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "read": read,
    "index": index,
    "plan_alone": plan_alone,
    "choose": choose,
}

if __name__ == "__main__":
    arguments = [float(a) if re.fullmatch(r"[0-9]+\.[0-9]+", a) else a for a in sys.argv[2:]]
    values = [int(a) if isinstance(a, str) and a.isdigit() else a for a in arguments]
    sys.stdout.write(json.dumps(JOBS[sys.argv[1]](*values)))
