"""A short run of the media fuzzer; ``make fuzz N=10000`` is a long one."""

import pytest
from media_fuzzer import fuzz

MUTANTS = 200
ONCE_WRONG = (100811, 101375, 101645, 102118, 102931, 103625, 103945, 104311, 104335)
ONCE_WRONG += (105923, 106134, 107572, 107829, 108521, 109369, 200526, 204080, 500453)
ONCE_WRONG += (8200347,)
"""Mutants that have found a mistake: tables of Motion JPEG and headers and padding of MPEG-4 that
came from before the keyframe; AV1 keyframes that a decode in order refuses, and what is garbled
behind them; start codes where H.264 should have lengths; a VP8 packet that ends before its picture
does."""


@pytest.mark.slow
def test_no_mutant_gives_a_wrong_frame_a_crash_or_a_hang():
    result = fuzz((*range(MUTANTS), *ONCE_WRONG))
    assert result["failures"] == []
    assert len(result["handles"]) == 1
    assert result["tally"]["read"] > MUTANTS / 2
    assert result["tally"]["true"] > result["tally"]["marked"]
