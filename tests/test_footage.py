"""Real footage: every frame, however it is reached, is the one that ffmpeg gives in sequence."""

import numpy as np
import pytest
from oracle import luma_md5, sequential

import fewframes

WHOLE_FRAMES = 1500
"""Longer films are compared at their beginning and at random."""
CHUNK_BYTES = 200_000_000

EXCEPTIONS = {}
"""Files that differ, and why that is right."""


def chunks(numbers, stream):
    """Cuts frame numbers so that no batch of planes grows beyond `CHUNK_BYTES`."""
    step = max(1, CHUNK_BYTES // (stream.width * stream.height * 3))
    return [numbers[i : i + step] for i in range(0, len(numbers), step)]


def check(timeline, truth, numbers):
    for chunk in chunks(numbers, timeline.stream):
        batch = fewframes.read(timeline, frames=chunk, format="yuv")
        assert batch.pts.tolist() == [truth[n][0] for n in chunk]
        assert luma_md5(batch) == [truth[n][1] for n in chunk]


@pytest.mark.footage
def test_real_footage(footage, footage_file):
    if footage_file in EXCEPTIONS:
        pytest.skip(EXCEPTIONS[footage_file])
    timeline = fewframes.probe(footage / footage_file)
    truth = sequential(footage / footage_file, timeline.stream.index)
    assert timeline.pts.tolist() == [pts for pts, _ in truth]
    rng, count = np.random.default_rng(len(truth)), len(truth)
    few = rng.permutation(count)[:12]
    if count <= WHOLE_FRAMES:
        check(timeline, truth, np.arange(count))
        check(timeline, truth, np.arange(count)[:: -max(1, count // 12)])
    else:
        check(timeline, truth, np.arange(200))
        few = rng.permutation(count)[:50]
    check(timeline, truth, few)
    check(timeline, truth, np.repeat(few[:3], 2))
    for number in few[:2]:
        check(timeline, truth, np.array([number]))
