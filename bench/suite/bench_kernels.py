"""How long does each kernel take at real sizes, and how long its NumPy reference?

Run `pytest bench/suite/bench_kernels.py --benchmark-enable`; without it every case runs once.
"""

import numba  # noqa: F401 (kernels may run a light body until it is there)
import numpy as np
import pytest
from av import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from fewframes.kernels import (
    KERNELS,
    axis_taps,
    block_means,
    matrix_between,
    planes_to_rgb,
    resize_plan,
    rgb_plan,
)

RNG = np.random.default_rng(0)
BUFFER = RNG.integers(0, 256, (252, 512), np.uint8)
LUMA = BUFFER[:, :448]  # rows padded to 64 bytes, as decoders lay them out
BLUE, RED = RNG.integers(0, 256, (2, 126, 224), np.uint8)
PIXELS = RNG.integers(0, 256, (126, 224, 3), np.uint8)
RGB = RNG.integers(0, 256, (252, 448, 3), np.uint8)
GRID = block_means.reference(LUMA, 8)
BLUE_GRID, RED_GRID = (block_means.reference(plane, 4) for plane in (BLUE, RED))
GRIDS = np.stack([GRID, GRID, BLUE_GRID, RED_GRID])
NINE = np.stack([np.roll(GRIDS, shift, axis=1) for shift in range(9)])
SIGNATURES = RNG.standard_normal((5000, 432)).astype(np.float32)
SIGNATURES /= np.linalg.norm(SIGNATURES, axis=1, keepdims=True)
ALIKE = np.rint(np.clip(SIGNATURES @ SIGNATURES[::10].T, 0, 1) * 65535).astype(np.uint16)
CELLS = RNG.normal(0, 20, (500, 1344)).astype(np.float32)
DISTANCES = RNG.uniform(0, 2, (512, 4096)).astype(np.float32)
NEAREST = RNG.integers(0, 500, (500, 40))
NONE = np.empty(0, np.int64)
SLOW = ("farthest_first", "pivoted_cholesky", "representatives")

SIZES = {
    "block_means": (LUMA, 8),
    "count_different": (RGB, RGB.copy()),
    "farthest_first": (SIGNATURES, 16, NONE),
    "pivoted_cholesky": (SIGNATURES, np.ones(5000), 16, NONE),
    "representatives": (ALIKE, SIGNATURES, np.zeros(5000, np.int64), 0.0, 16, NONE),
    "resize": (PIXELS, axis_taps(126, 84), axis_taps(224, 150)),
    "grid_change": (GRIDS, NINE, 4.0),
    "grid_descriptors": (GRIDS, np.zeros((4, 256), np.float32)),
    "nearest_change": (GRIDS, NINE, 6.0),
    "block_stats": (LUMA, BLUE, RED, 4, 16, 239),
    "planes_to_rgb": (BUFFER, BLUE, RED, rgb_plan((252, 448))),
    "resize_rgb": (RGB, resize_plan((252, 448), (126, 224))),
    "rgb_to_ycc": (RGB,),
    "smallest": (DISTANCES, np.zeros((len(DISTANCES), 2), np.int64), 40),
    "surface_planes": (RNG.integers(0, 256, (378, 448), np.uint8), 252, 8),
    "residual": (CELLS, CELLS - 1, CELLS + 1, NEAREST),
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


HD = (720, 1280)
ACCURATE = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
HD_PLANES = [RNG.integers(16, 236, shape, np.uint8) for shape in (HD, (360, 640), (360, 640))]


@pytest.mark.parametrize("who", ["numba", "numpy", "swscale", "swscale accurate"])
@pytest.mark.parametrize("target", [HD, (252, 448)], ids=["full", "448x252"])
def bench_colour(benchmark, target, who):
    """A picture of 1280 x 720, 4:2:0, to RGB; swscale averages by area, as `Pixels` calls it."""
    benchmark.group = f"RGB {target[1]}x{target[0]} of 1280x720"
    plan = rgb_plan(HD, target)
    calls = {
        "numba": lambda: planes_to_rgb(*HD_PLANES, plan),
        "numpy": lambda: planes_to_rgb.in_numpy(*HD_PLANES, plan),
        "swscale": swscale(target, Interpolation.AREA),
        "swscale accurate": swscale(target, Interpolation.AREA | ACCURATE),
    }
    calls[who]()
    benchmark.pedantic(calls[who], rounds=7, iterations=20)


def swscale(target, flags):
    """The same by FFmpeg's scaler; its default takes the nearest chroma sample at full size."""
    picture = VideoFrame.from_ndarray(
        np.concatenate([plane.ravel() for plane in HD_PLANES]).reshape(1080, 1280), "yuv420p"
    )
    scaler = VideoReformatter()
    return lambda: scaler.reformat(
        picture,
        width=target[1],
        height=target[0],
        format="rgb24",
        interpolation=flags,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
