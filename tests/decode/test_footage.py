"""Real footage: every frame, however it is reached, is the one that ffmpeg gives in sequence."""

import numpy as np
import pytest

import fewframes
from fewframes.bench.research.oracle import luma_md5, sequential
from fewframes.decode.decoder import DecodeReport, Event, decoder
from fewframes.decode.plan import plan_frames

WHOLE_FRAMES, WHOLE_SAMPLES = 1500, 250_000_000
"""Films of more frames or luma samples are compared at their beginning and at random."""

EXCEPTIONS = {
    "opencv_tree_cinepak.avi": "Cinepak decodes to RGB: the decoder gives no luma to compare",
}
"""Files that cannot be compared, and why."""


def check_in_sequence(timeline, truth, count):
    """Compares the first frames as the decoder gives them, in bounded memory."""
    runs, report = plan_frames(timeline, np.arange(count)).runs, DecodeReport()
    given = {}
    for batch in decoder()(timeline, runs, format="yuv", size=None, report=report):
        given |= dict(zip(batch.pts.tolist(), luma_md5(batch), strict=True))
    assert given == dict(truth[:count])
    assert (report[Event.PREVIOUS_KEYFRAME], report[Event.FROM_START]) == (0, 0)
    assert (report.missing, report.anomalies) == ([], [])


def check(timeline, truth, numbers):
    batch = fewframes.read(timeline, frames=numbers, format="yuv")
    assert batch.pts.tolist() == [truth[n][0] for n in numbers]
    assert luma_md5(batch) == [truth[n][1] for n in numbers]


@pytest.mark.slow
@pytest.mark.footage
def test_real_footage(footage, footage_file):
    if footage_file in EXCEPTIONS:
        pytest.skip(EXCEPTIONS[footage_file])
    timeline = fewframes.probe(footage / footage_file)
    truth = sequential(footage / footage_file, timeline.stream.index)
    assert timeline.pts.tolist() == [pts for pts, _ in truth]
    count, rng = len(truth), np.random.default_rng(len(truth))
    samples = count * timeline.stream.width * timeline.stream.height
    is_long = count > WHOLE_FRAMES or samples > WHOLE_SAMPLES
    check_in_sequence(timeline, truth, min(count, 100) if is_long else count)
    few = rng.permutation(count)[: 50 if count > WHOLE_FRAMES else 12]
    strided_backward = np.arange(count)[:: -max(1, count // 8)]
    check(timeline, truth, np.concatenate([few, few[:3], strided_backward]))
    check(timeline, truth, few[:1])
