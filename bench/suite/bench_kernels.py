"""How long does each kernel take at real sizes, and how long its NumPy reference?

Run `pytest bench/suite/bench_kernels.py --benchmark-enable`; without it every case runs once.
"""

import numpy as np
import pytest

from fewframes.kernels import KERNELS, block_means, matrix_between

RNG = np.random.default_rng(0)
BUFFER = RNG.integers(0, 256, (252, 512), np.uint8)
LUMA = BUFFER[:, :448]  # rows padded to 64 bytes, as decoders lay them out
BLUE, RED = RNG.integers(0, 256, (2, 126, 224), np.uint8)
GRID = block_means.reference(LUMA, 8)
BLUE_GRID, RED_GRID = (block_means.reference(plane, 4) for plane in (BLUE, RED))
GRIDS = np.stack([GRID, BLUE_GRID, RED_GRID, GRID])
NINE = np.stack([np.roll(GRIDS, shift, axis=1) for shift in range(9)])
HASHES = RNG.integers(0, 2**64, 5000, np.uint64)
SIGNATURES = RNG.standard_normal((5000, 432)).astype(np.float32)
SIGNATURES /= np.linalg.norm(SIGNATURES, axis=1, keepdims=True)
ALIKE = np.rint(np.clip(SIGNATURES @ SIGNATURES[::10].T, 0, 1) * 65535).astype(np.uint16)
NONE = np.empty(0, np.int64)
SLOW = ("farthest_first", "pivoted_cholesky", "representatives")

SIZES = {
    "block_means": (LUMA, 8),
    "dhash64": (GRID,),
    "farthest_first": (SIGNATURES, 16, NONE),
    "hamming64": (HASHES[:64], HASHES),
    "pivoted_cholesky": (SIGNATURES, np.ones(5000), 16, NONE),
    "representatives": (ALIKE, SIGNATURES, np.zeros(5000, np.int64), 0.0, 16, NONE),
    "exposure": (LUMA, 16, 239),
    "grid_change": (GRIDS, NINE, 4.0),
    "grid_tones": (GRIDS,),
    "luma_sweep": (LUMA, 8),
    "signature": (GRID, BLUE_GRID, RED_GRID),
    "ycc_matrix": (LUMA, BLUE, RED, matrix_between("bt709", "bt601")),
}


@pytest.mark.parametrize("body", ["cpu", "reference"])
@pytest.mark.parametrize("name", KERNELS)
def bench_kernel(benchmark, name, body):
    """One call on frames of 448 x 252, or on 5000 rows; the call that compiles is not timed."""
    kernel = KERNELS[name]
    benchmark.group = name
    call = kernel if body == "cpu" else kernel.reference
    call(*SIZES[name])
    result = benchmark.pedantic(call, SIZES[name], rounds=7, iterations=iterations(name))
    assert result is not None


def iterations(name):
    """Calls a round: many of the short ones, one of the long ones."""
    return 1 if name in SLOW else 50
