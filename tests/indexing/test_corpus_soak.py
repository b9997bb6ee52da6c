"""A short soak of an indexing run; ``make soak`` runs a long one."""

import corpus_soak
import pytest


@pytest.mark.slow
def test_of_sound_and_hostile_films_each_gets_what_it_deserves(tmp_path):
    seen = corpus_soak.soak(tmp_path, 20, clips=[], every=3)
    assert seen["broken"].keys() >= {"crashes", "empty", "huge", "text", "hangs", "flip_bits"}
    assert seen["processes_left"] == 0
