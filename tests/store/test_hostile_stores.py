"""Stores that somebody made to do harm, briefly; `hostile_stores.py` tries many more."""

import hostile_stores
import pytest


@pytest.mark.slow
def test_no_mutated_store_reaches_outside_or_ends_in_a_traceback(tmp_path):
    seen = hostile_stores.in_process(tmp_path, 0, 42)
    assert seen["bad"] == []
    assert seen["stores"] == 42
    assert seen["memory_mb"] < 1000
    assert seen["commands"]["0"] > seen["stores"] * 5, "most commands still work"
