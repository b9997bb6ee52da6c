"""More of what was annotated: ``python examples/moments.py STORE SPANS.json``.

SPANS.json has for each video its moments, ``{"case_07": [[start, end, weight], …]}`` in seconds.
Clips are drawn by these weights, a few from elsewhere; and frames of one film are sampled by them.
"""

import argparse
import json
from pathlib import Path

import fewframes as ff
from fewframes.agents import scores_in
from fewframes.training import ClipPlan, Spans, epoch_order


def clips_by_moments(
    store: Path, spans: Spans, *, draws: int = 64, elsewhere: float = 0.1, seed: int = 0
) -> list[tuple[str, float]]:
    """Draws clips by the weights of their anchors; gives each one's video and second."""
    plan = ClipPlan(store, past_seconds=2, stride_seconds=0.5, past_frames=4)
    weights = plan.weights(spans, elsewhere=elsewhere)
    order = epoch_order(len(plan), seed=seed, weights=weights, draws=draws)
    anchors = [plan.anchor(number) for number in order.tolist()]
    return [(video.id, second) for video, second in anchors]


def frames_by_moments(store: Path, video: str, spans: Spans, *, budget: int = 16) -> ff.FrameBatch:
    """Samples a film by the weights of its moments: the more weight, the more frames."""
    film = ff.open(store)[video]
    weights = scores_in(film, spans[video])
    return film.sample(budget=budget, policy="cdf", relevance=weights, coverage=0.25)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("spans", type=Path)
    chosen = parser.parse_args()
    spans = json.loads(chosen.spans.read_text())
    for video, second in clips_by_moments(chosen.store, spans)[:16]:
        print(f"clip before {second:.1f} s of {video}")
    for video in spans:
        print(video, frames_by_moments(chosen.store, video, spans).seconds.round(2).tolist())
