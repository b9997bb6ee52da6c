"""Commands one after the other, briefly; `tests/soak/sequences.py` gives many."""

import pytest
import sequences
from places import new_bucket

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("place", ["folder", "url"])
def test_each_id_has_the_recording_that_a_dictionary_says(place, request, tmp_path):
    bucket = ""
    if place == "url":
        request.getfixturevalue("server")
        bucket = new_bucket()
    result = sequences.sequences(sequences.Trial(tmp_path, bucket), 12, seed=7)
    assert result["faults"] == []
    assert {"index", "rm", "rm recipe", "prune", "merge", "killed"} <= set(result["commands"])
