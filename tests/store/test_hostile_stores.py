"""Stores that somebody made to do harm, briefly; `hostile_stores.py` tries many more."""

import hostile_stores
import pytest


@pytest.mark.slow
@pytest.mark.parametrize("lies", ["in a folder", "at a URL"])
def test_no_mutated_store_reaches_outside_or_ends_in_a_traceback(tmp_path, request, lies):
    url = request.getfixturevalue("bucket") if lies == "at a URL" else ""
    count = 5 if url else 45
    seen = hostile_stores.in_process(tmp_path, 0, count, url)
    assert seen["bad"] == []
    assert seen["stores"] == count
    assert seen["memory_mb"] < 1000
    assert seen["commands"]["0"] > seen["stores"] * 5, "most commands still work"
