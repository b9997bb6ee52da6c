"""Clips in a training loop that can be stopped: ``python examples/train_on_clips.py STORE``.

Each sample has a window before a moment and one behind it. The loop keeps its state after every
batch; started again, it goes on with the samples that it had not seen. Needs PyTorch.
"""

import argparse
import json
from pathlib import Path

from fewframes.training import ClipLoader, ClipPlan, ClipSampler


def train(store: Path, state: Path, *, batches: int, workers: int = 2) -> list[list[int]]:
    """Goes over some batches; gives the numbers of their clips."""
    plan = ClipPlan(
        store,
        past_seconds=2,
        stride_seconds=1,
        past_frames=4,
        future_seconds=1,
        future_frames=2,
        size=112,
    )
    sampler, seen = ClipSampler(plan, seed=0), []
    if state.exists():
        sampler.load_state_dict(json.loads(state.read_text()))
    loader = ClipLoader(plan, sampler, batch_size=4, workers=workers)
    for batch, _ in zip(loader, range(batches), strict=False):
        seen.append(batch["clip"].tolist())  # here a model would learn
        sampler.advance(len(batch["clip"]))
        state.write_text(json.dumps(sampler.state_dict()))
    return seen


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--state", type=Path, default=Path("train-state.json"))
    parser.add_argument("--batches", type=int, default=4)
    chosen = parser.parse_args()
    for numbers in train(chosen.store, chosen.state, batches=chosen.batches):
        print("clips", numbers)
