"""What comes next? ``python examples/anticipate.py STORE``.

Each clip has the frames up to a moment and those behind it, as models that anticipate train on.
Here the guess is that nothing moves; its error says at which moments there is something to learn.
"""

import argparse
from pathlib import Path

import numpy as np

from fewframes.training import ClipPlan


def errors(
    store: Path, *, past_seconds: float = 2, future_seconds: float = 2
) -> list[tuple[str, float, float]]:
    """For each moment: video, second, and how far the future is from the last frame seen."""
    plan = ClipPlan(
        store,
        past_seconds=past_seconds,
        stride_seconds=1,
        past_frames=4,
        future_seconds=future_seconds,
        future_frames=2,
        size=64,
    )
    found = []
    for number in range(len(plan)):
        clip = plan.clip(number)
        guess, true = clip.past.frames[-1].astype(float), clip.future.frames[-1]
        found.append((clip.video, clip.seconds, float(np.abs(guess - true).mean())))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    for video, second, error in sorted(errors(parser.parse_args().store), key=lambda row: -row[2]):
        print(f"{error:6.2f} behind {second:.1f} s of {video}")
