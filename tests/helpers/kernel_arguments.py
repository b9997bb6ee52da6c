"""What kernels may be given, as Hypothesis strategies: one row for each kernel in ARGUMENTS."""

import os

import numpy as np
from hypothesis import strategies as st

import fewframes.kernels as kernels

IN_SIMULATOR = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
"""Numba plays a GPU, a Python thread for each of its threads: small arrays, few examples."""
SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 6 if IN_SIMULATOR else 40)
HEIGHTS = SIDES | st.just(40)
ROWS = (  # tiles are of 64 rows
    st.integers(0, 7)
    if IN_SIMULATOR
    else st.integers(0, 30) | st.sampled_from([63, 64, 65, 128, 300])
)
LEVELS = st.integers(0, 255)
LAYOUTS = ["packed", "view"]
MATRICES = ["bt601", "bt709", "bt2020", "smpte240m", "fcc"]


def laid_out(array, layout):
    """The same values, either packed or as a read-only view of a wider buffer."""
    if layout == "packed":
        return array
    wider = np.full((array.shape[0], array.shape[1] + 3, *array.shape[2:]), 77, array.dtype)
    wider[:, : array.shape[1]] = array
    wider.flags.writeable = False
    return wider[:, : array.shape[1]]


def same(got, wanted):
    """Equal in type, shape and values: whole numbers to the bit, others to 1e-5."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
    if wanted.dtype.kind == "f":
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_array_equal(got, wanted)


@st.composite
def planes(draw, count=1):
    """Planes of noise at any contrast, `count` of one shape and layout."""
    rng = np.random.default_rng(draw(SEEDS))
    shape, layout = (draw(HEIGHTS), draw(SIDES)), draw(st.sampled_from(LAYOUTS))
    contrast = draw(st.sampled_from([1, 2, 256]))
    return [
        laid_out(rng.integers(256 - contrast, 256, shape, np.uint8), layout) for _ in range(count)
    ]


@st.composite
def pictures(draw):
    """Planes of a 4:2:0 picture, of noise at any contrast."""
    (luma,) = draw(planes())
    rng, layout = np.random.default_rng(draw(SEEDS)), "packed" if luma.flags.writeable else "view"
    chroma = [
        laid_out(rng.integers(0, 256, [-(-side // 2) for side in luma.shape], np.uint8), layout)
        for _ in range(2)
    ]
    return [luma, *chroma]


@st.composite
def grids(draw, count=1):
    """Grids as `block_means` makes them, flat ones among them."""
    rng = np.random.default_rng(draw(SEEDS))
    layout, contrast = draw(st.sampled_from(LAYOUTS)), draw(st.sampled_from([1, 256]))
    shape = draw(SIDES), draw(SIDES)
    tile = draw(st.sampled_from([1, 25, 64]))
    made = []
    for _ in range(count):
        levels = 100 + rng.integers(0, contrast, shape) * tile // 2 / tile
        made.append(laid_out(levels.astype(np.float32), layout))
    return made


@st.composite
def points_to_pick(draw):
    """Rows with copies, not-a-numbers and infinities; some of them taken already."""
    rng = np.random.default_rng(draw(SEEDS))
    n, d = draw(ROWS), draw(st.integers(0, 20))
    points = rng.standard_normal((n, d)).astype(np.float32)
    points = points.round(draw(st.sampled_from([0, 6])))
    if n > 3 and draw(st.booleans()):
        points[n // 2 :] = points[0]
        points[0:1] = np.nan
        points[1:2, ::2] = np.inf
    chosen = rng.permutation(n)[: draw(st.integers(0, n))]
    pull = rng.choice([0.5, 1.0, 2.0], n if draw(st.booleans()) else 0)
    return [laid_out(points, "packed"), draw(st.integers(0, n - len(chosen))), chosen, pull]


@st.composite
def rows_to_span(draw):
    """Rows with copies, of any rank and length; some of them taken already."""
    points, _, chosen, _ = draw(points_to_pick())
    n = len(points)
    points = np.column_stack([points, points.sum(axis=1), np.arange(n) % 2]).astype(np.float32)
    weights = np.random.default_rng(n).choice([0.5, 1.0, 2.0], n)
    return [points, weights, draw(st.integers(0, n)), chosen]


@st.composite
def rows_to_represent(draw):
    """Similarities of rows and anchors, with ties; some rows taken already."""
    rng = np.random.default_rng(draw(SEEDS))
    n, a, d = draw(ROWS), draw(st.integers(0, 20)), draw(st.integers(1, 9))
    alike = rng.integers(0, draw(st.sampled_from([1, 3, 65536])), (n, a)).astype(np.uint16)
    unit = rng.standard_normal((n, d)).astype(np.float32)
    bonus = rng.integers(0, draw(st.sampled_from([1, 3, 10**9])), n)
    chosen = rng.permutation(n)[: draw(st.integers(0, n))]
    count = draw(st.integers(0, n - len(chosen)))
    return [alike, unit, bonus, draw(st.sampled_from([0.0, 5.0, 1e6])), count, chosen]


@st.composite
def pictures_to_compare(draw):
    """A picture of a few grids, and others of its shape, none or some of them alike."""
    count, others = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    drawn = np.stack(draw(grids(count * (others + 1))))
    first, *rest = np.split(drawn, others + 1)
    return [first, np.stack(rest) if rest else first[None][:0], draw(st.sampled_from([0.0, 4.0]))]


@st.composite
def pictures_in_a_row(draw):
    """A picture, the one before it, and at least one kept one."""
    count, others = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    drawn = np.stack(draw(grids(count * (others + 1))))
    if draw(st.booleans()):
        drawn[-count:] = drawn[:count]  # the last kept one returns
    first, *rest = np.split(drawn, others + 1)
    return [first, np.stack(rest), draw(st.sampled_from([0.0, 4.0]))]


@st.composite
def four_grids(draw):
    """The four grids of a picture, and the tones of another."""
    rng = np.random.default_rng(draw(SEEDS))
    tones = np.sort(rng.random((4, 256)), axis=1).astype(np.float32)
    return [np.stack(draw(grids(4))), tones]


@st.composite
def planes_to_recode(draw):
    luma, blue, red = draw(pictures())
    names = st.sampled_from([*MATRICES, "ycgco"])
    return [luma, blue, red, kernels.matrix_between(draw(names), draw(names))]


@st.composite
def planes_to_colour(draw):
    """Planes of any layout, depth and padding, and a plan to any size."""
    rng = np.random.default_rng(draw(SEEDS))
    sides = st.integers(1, 12) if IN_SIMULATOR else SIDES
    size, other = (draw(sides), draw(sides)), (draw(sides), draw(sides))
    target = draw(st.sampled_from([size, other]))
    steps = draw(st.sampled_from([(2, 2), (1, 2), (2, 1), (1, 4), (4, 4), (1, 1), (0, 0)]))
    bits, layout = draw(st.sampled_from([8, 8, 9, 10, 12, 16])), draw(st.sampled_from(LAYOUTS))
    dtype = np.uint8 if bits == 8 else np.uint16
    chroma = tuple(
        -(-cells // step) if step else 1 for cells, step in zip(size, steps, strict=True)
    )
    made = [
        laid_out(rng.integers(0, 2**bits, shape, dtype), layout) for shape in (size, chroma, chroma)
    ]
    plan = kernels.rgb_plan(
        size,
        target,
        steps=steps,
        siting=draw(st.sampled_from(["left", "center", "topleft"])),
        matrix=draw(st.sampled_from([*MATRICES, "ycgco"])),
        is_full=draw(st.booleans()),
        bits=bits,
    )
    return [*made, plan]


@st.composite
def pictures_to_resize(draw):
    """A picture of one to four channels, and the weights to any size."""
    rng = np.random.default_rng(draw(SEEDS))
    sizes, layout = [draw(SIDES) for _ in range(4)], draw(st.sampled_from(LAYOUTS))
    contrast = draw(st.sampled_from([1, 256]))
    shape = (sizes[0], sizes[1], draw(st.sampled_from([1, 3, 4])))
    pixels = laid_out(rng.integers(256 - contrast, 256, shape, np.uint8), layout)
    return [pixels, kernels.axis_taps(sizes[0], sizes[2]), kernels.axis_taps(sizes[1], sizes[3])]


@st.composite
def pixels(draw):
    """RGB of noise, `[h, w, 3]`, packed."""
    rng = np.random.default_rng(draw(SEEDS))
    contrast = draw(st.sampled_from([1, 2, 256]))
    return rng.integers(256 - contrast, 256, (draw(SIDES), draw(SIDES), 3), np.uint8)


@st.composite
def pixels_to_resize(draw):
    """RGB, and a plan of some of it to any size and turn, and from any matrix to any other."""
    rgb = draw(pixels())
    target = draw(st.sampled_from([None, (draw(SIDES), draw(SIDES))]))
    one, other = (draw(st.sampled_from(MATRICES)) for _ in range(2))
    turn = {
        "rotation": draw(st.sampled_from([0, 90, 180, 270])),
        "is_mirrored": draw(st.booleans()),
    }
    corner = tuple(draw(st.integers(0, side - 1)) for side in rgb.shape[:2])
    size = tuple(side - first for side, first in zip(rgb.shape, corner, strict=False))
    turn["corner"] = corner
    plan = kernels.resize_plan(size, target, taken_for=one, matrix=other, **turn)
    return [rgb, plan]


@st.composite
def pixels_to_compare(draw):
    """Two pictures of one shape, that differ in none, some or all samples."""
    one = draw(pixels())
    limit = draw(st.sampled_from([1, 2, 256]))
    noise = np.random.default_rng(draw(SEEDS)).integers(0, limit, one.shape, np.uint8)
    return [one, one ^ noise]


@st.composite
def pictures_to_explain(draw):
    """Cells, bounds, and which pictures are alike: none, some, or one many times."""
    rng = np.random.default_rng(draw(SEEDS))
    n, m, d, k = draw(SIDES), draw(SIDES), draw(SIDES), draw(st.integers(0, 6))
    cells, low = (rng.normal(0, 9, (rows, d)).astype(np.float32).round(1) for rows in (n, m))
    high = low + rng.choice(np.array([0, 1, 8], np.float32), (m, d))
    return [cells, low, high, rng.integers(-1, m, (n, k))]


@st.composite
def rows_to_search(draw):
    """Values with many ties, and a stretch of each row, which may be none or all of it."""
    rng, n, m = np.random.default_rng(draw(SEEDS)), draw(SIDES), draw(SIDES)
    values = rng.integers(0, draw(st.sampled_from([2, 9, 10**6])), (n, m)).astype(np.float32)
    return [values, np.sort(rng.integers(0, m + 1, (n, 2)), axis=1), draw(st.integers(1, 9))]


@st.composite
def surfaces(draw):
    """A surface of NV12 or P016, its height, and how many bits of a sample count."""
    rng, bits = np.random.default_rng(draw(SEEDS)), draw(st.sampled_from([8, 10, 12, 16]))
    height, width, size = draw(SIDES), 2 * draw(SIDES), 8 if bits == 8 else 16
    shape, layout = (height + -(-height // 2), width), draw(st.sampled_from(LAYOUTS))
    samples = rng.integers(0, 1 << size, shape, np.uint8 if size == 8 else np.uint16)
    return [laid_out(samples, layout), height, bits]


ARGUMENTS = {
    "block_means": st.tuples(planes(), st.integers(1, 45)).map(lambda drawn: [*drawn[0], drawn[1]]),
    "count_different": pixels_to_compare(),
    "farthest_first": points_to_pick(),
    "grid_change": pictures_to_compare(),
    "grid_descriptors": four_grids(),
    "nearest_change": pictures_in_a_row(),
    "block_stats": st.tuples(pictures(), st.integers(1, 32), LEVELS, LEVELS).map(
        lambda drawn: [*drawn[0], *drawn[1:]]
    ),
    "planes_to_rgb": planes_to_colour(),
    "pivoted_cholesky": rows_to_span(),
    "representatives": rows_to_represent(),
    "resize": pictures_to_resize(),
    "resize_rgb": pixels_to_resize(),
    "rgb_to_ycc": pixels().map(lambda rgb: [rgb]),
    "smallest": rows_to_search(),
    "surface_planes": surfaces(),
    "residual": pictures_to_explain(),
    "ycc_matrix": planes_to_recode(),
}
