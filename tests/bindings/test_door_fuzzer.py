"""A short run of the door fuzzer; ``python tests/soak/door_fuzzer.py -n 10000`` is a long one."""

from importlib.util import find_spec

import pytest

REQUESTS = 300


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(
    find_spec("mcp") is None, reason="the MCP SDK is not installed; pip install 'fewframes[mcp]'"
)
def test_no_request_gets_a_wrong_frame_a_path_or_a_fault():
    from door_fuzzer import fuzz

    result = fuzz(REQUESTS, seed=1)
    assert result["failures"] == []
    tracker = result["tally"]
    for door in ("mcp", "vllm"):
        assert tracker[f"{door} valid answered"] > REQUESTS / 20
        assert tracker[f"{door} hostile refused"] > REQUESTS / 20
    assert tracker["stdio valid answered"] > 5
    assert tracker["log lines"] > REQUESTS / 20
