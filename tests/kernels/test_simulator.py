"""What runs on a GPU runs in Numba's simulator first, also where there is no GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ON_GPU = ("kernels/test_kernels.py", "indexing/test_on_gpu.py", "store/test_stored_on_gpu.py")


@pytest.mark.slow
@pytest.mark.parametrize("file", ON_GPU)
def test_in_the_simulator(file):
    """In another process, because Numba reads the switch once, when it is imported."""
    simulated = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "REQUIRE_GPU": "1"}
    words = ["-m", "pytest", str(TESTS / file), "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, *words],
        env=simulated,
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
