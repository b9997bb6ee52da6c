"""A short run of the media fuzzer; ``make fuzz N=10000`` is a long one."""

from media_fuzzer import fuzz

MUTANTS = 200


def test_no_mutant_gives_a_wrong_frame_a_crash_or_a_hang():
    result = fuzz(MUTANTS)
    assert result["failures"] == []
    assert len(result["handles"]) == 1
    assert result["tally"]["read"] > MUTANTS / 2
    assert result["tally"]["true"] > result["tally"]["marked"]
