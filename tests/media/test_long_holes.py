"""What is promised of a film with a hole of years: it costs what its frames cost, not its years."""

import resource
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from stored import HEIGHT, RECIPE, WIDTH, film, jpeg

from fewframes.features import scan
from fewframes.features.scan import frames_at_rate
from fewframes.features.scan_result import ScanResult
from fewframes.features.table import FilmFacts, FrameTable
from fewframes.selection.policies import policies
from fewframes.selection.selection import select
from fewframes.store.writer import VideoWriter
from fewframes.training.clips import ClipPlan, epoch_order

YEARS = 47 * 365 * 86400
BEFORE, FRAMES = 12, 50
REFUSES = ("runtime:vllm_clef_omni",)
"""It raises where upstream does: on films of so low a mean rate."""


def timeline_at(pts, time_base):
    timeline = film(len(pts))
    stream = replace(timeline.stream, time_base=time_base)
    return replace(timeline, stream=stream, pts=np.array(pts, np.int64), duration_pts=1)


@pytest.fixture(scope="module")
def holed():
    """Frames at 25 a second, of which all but twelve come 47 years later."""
    pts = [40 * k + YEARS * 1000 * (k >= BEFORE) for k in range(FRAMES)]
    return timeline_at(pts, Fraction(1, 1000))


@pytest.fixture
def little_memory():
    """Allows a GiB more than the process has: a number a second of the hole takes ten."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + (1 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def by_the_formula(timeline, fps):
    times = np.arange(0, timeline.seconds[-1] + 1e-9, 1 / fps)
    return np.unique(timeline.frame_at(times))


@pytest.mark.slow
def test_the_frames_at_a_rate_are_those_on_screen_at_each_step(monkeypatch):
    monkeypatch.setattr(scan, "GRID_TIMES_A_FRAME", 0)  # so that each film is taken for holed
    random = np.random.default_rng(6)
    for _ in range(1000):
        base = random.choice([25, 30, 1000, 90000, 12800])
        steps = random.integers(1, random.choice([2, 5, 100, 4000]), random.integers(1, 60))
        steps[random.random(len(steps)) < 0.05] *= 50
        time_base = Fraction(int(random.choice([1, 1001])), int(base))
        timeline = timeline_at(np.cumsum(steps), time_base)
        rates = [0.1, 1, 2, 3, 12.5, 25, 29.97, 60, random.uniform(0.01, 40), 1 / float(time_base)]
        fps = float(random.choice(rates))
        if timeline.seconds[-1] * fps < 100_000:
            expected = by_the_formula(timeline, fps).tolist()
            assert frames_at_rate(timeline, fps).tolist() == expected, (timeline.seconds, fps)


def test_every_frame_of_a_holed_film_is_found_by_its_rate(holed, little_memory):
    assert frames_at_rate(holed, 25).tolist() == list(range(FRAMES))
    assert frames_at_rate(holed, 1000).tolist() == list(range(FRAMES))
    numbers = frames_at_rate(holed, 5).tolist()
    assert numbers[:3] == [0, 5, 10]
    assert all(4 <= step <= 6 for step in np.diff(numbers[3:]))
    assert frames_at_rate(holed, 1e-9).tolist() == [0, BEFORE - 1]


@pytest.mark.slow
@pytest.mark.parametrize("policy", [name for name in policies() if name not in REFUSES])
def test_every_policy_chooses_from_it(holed, little_memory, policy):
    rows = np.arange(FRAMES)
    random = np.random.default_rng(0)
    looks = random.normal(size=(FRAMES, 8)).astype(np.float32)
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    names = ("shot_start", "change", "sharpness", "brightness", "contrast", "detail", "tone_change")
    signals = {name: random.random(FRAMES).astype(np.float32) for name in names}
    signals["repeats"] = np.full(FRAMES, -1, np.int32)
    times = (holed.pts, holed.time_base, holed.start_pts, holed.is_keyframe)
    whole = FilmFacts(FRAMES, holed.frame_rate)
    table = FrameTable(rows, *times, signals, looks, slots=rows.astype(np.int32), film=whole)
    more = {"fps": 2.0} if policy == "fps" else {}
    more |= {"anchor_seconds": 0.2} if policy == "multiscale" else {}
    assert 0 < len(select(table, budget=8, policy=policy, **more)) <= FRAMES


def test_clips_are_where_frames_are(holed, little_memory, tmp_path):
    times = (holed.pts, holed.time_base, holed.start_pts, holed.is_keyframe)
    table = FrameTable(np.arange(FRAMES), *times)
    with VideoWriter(tmp_path, video_id="film", recipe=RECIPE, height=HEIGHT, width=WIDTH) as out:
        slots = [out.append(jpeg(row)) for row in range(FRAMES)]
        scanned = ScanResult(timeline=holed, table=table, slots=np.array(slots))
        out.commit(scanned, source_digest="d1")
    plan = ClipPlan(tmp_path, past_seconds=0.2, stride_seconds=0.1, past_frames=3)
    assert 10 < len(plan) < 40
    anchors = [plan.anchor(number)[1] for number in range(len(plan))]
    assert anchors == sorted(set(anchors))
    assert [time for time in anchors if time < 1] == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6])
    for number in range(len(plan)):
        clip = plan.clip(number)
        assert clip.seconds - 0.2 - 1e-6 <= clip.past.seconds[-1] <= clip.seconds + 1e-6
    weights = plan.weights({"film": [(0, 1, 2.0)]})
    assert weights.tolist() == [2.0 if time < 1 else 0.0 for time in anchors]
    assert len(epoch_order(len(plan), seed=0)) == len(plan)
