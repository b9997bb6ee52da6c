"""Every kernel gives on every device what its NumPy reference says, and refuses misuse."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from kernel_arguments import ARGUMENTS, IN_SIMULATOR, LAYOUTS

import fewframes.kernels as kernels
from fewframes.kernels import KERNELS, gpu
from fewframes.signals import SignalPass

EXAMPLES = {"cpu": 60, "light": 60, "cuda": 12 if IN_SIMULATOR else 60}
BODIES = [
    pytest.param(name, body, marks=[pytest.mark.gpu] if body == "cuda" else [], id=f"{name}-{body}")
    for name, kernel in KERNELS.items()
    for body in kernel.bodies
]


def to_device(value, body):
    """Arrays where the body wants them; plans and numbers as they are."""
    is_moved = body == "cuda" and isinstance(value, np.ndarray)
    return gpu.numba_cuda().to_device(np.ascontiguousarray(value)) if is_moved else value


def to_host(value):
    return value.copy_to_host() if hasattr(value, "copy_to_host") else value


def need_gpu():
    """Skips where there is neither a GPU nor the simulator; fails there under REQUIRE_GPU=1."""
    if not gpu.numba_cuda().is_available():
        outcome = pytest.fail if os.environ.get("REQUIRE_GPU") == "1" else pytest.skip
        outcome("no CUDA GPU here; without one, `make sim` runs these bodies in the simulator")


@pytest.mark.parametrize(("name", "body"), BODIES)
def test_kernel_gives_what_its_reference_says(name, body):
    import numba  # noqa: F401 (the light body runs until it is there)

    kernel = KERNELS[name]
    if body == "cuda":
        need_gpu()

    @settings(
        derandomize=True,
        deadline=None,
        max_examples=EXAMPLES[body],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(ARGUMENTS[name])
    def agrees(arguments):
        call = kernel.lightly if body == "light" else kernel
        got, wanted = call(*(to_device(a, body) for a in arguments)), kernel.reference(*arguments)
        several = isinstance(wanted, tuple)
        assert isinstance(got, tuple) == several
        for one, other in zip(*((got, wanted) if several else ([got], [wanted])), strict=True):
            assert type(to_host(one)) is type(other)
            same(to_host(one), other)

    agrees()


def test_gpu_bodies_agree_in_the_simulator():
    """In another process, because Numba reads the switch once, when it is imported."""
    simulated = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "REQUIRE_GPU": "1"}
    words = ["-m", "pytest", str(Path(__file__)), "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, *words],
        env=simulated,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    with_gpu = sum("cuda" in kernel.bodies for kernel in KERNELS.values())
    assert f"{with_gpu + 1} passed" in done.stdout


@pytest.mark.gpu
def test_signals_of_planes_on_a_gpu_are_those_of_planes_in_memory():
    need_gpu()
    rng, here, there = np.random.default_rng(6), SignalPass(), SignalPass()
    first, second = rng.integers(0, 256, (2, 12, 10), np.uint8)
    for luma in (first, second, second, first):
        planes = [luma, luma[::2, ::2].copy(), luma[1::2, ::2].copy()]
        wanted, got = here(*planes), there(*(to_device(plane, "cuda") for plane in planes))
        assert got.repeats == wanted.repeats
        same(got.signature, wanted.signature)
        assert got.values.keys() == wanted.values.keys()
        for name, value in wanted.values.items():
            assert got.values[name] == pytest.approx(value, rel=1e-5, abs=1e-5), name
    assert [got.repeats, here.fed] == [0, 4]
    assert gpu.is_on_gpu(there.grids)


def same(got, wanted):
    """Equal in type, shape and values: whole numbers to the bit, others to 1e-5."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
    if wanted.dtype.kind == "f":
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("is_writeable", [True, False])
def test_planes_in_every_layout_give_the_same(layout, is_writeable):
    planes, given_planes = [], []
    for shape in ((17, 23), (9, 12), (9, 12)):
        plane = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
        buffer = np.full((shape[0], 32), 9, np.uint8)
        buffer[:, : shape[1]] = plane
        planes.append(plane)
        given_planes.append(buffer[:, : shape[1]] if layout == "view" else plane.copy())
        given_planes[-1].flags.writeable = is_writeable
    for got, wanted in zip(
        kernels.picture_sweep(*given_planes, 4, 16, 239),
        kernels.picture_sweep.reference(*planes, 4, 16, 239),
        strict=True,
    ):
        same(got, wanted)


@pytest.mark.parametrize("least", [0, 255])
def test_the_largest_sums_of_a_sweep_fit(least):
    board = np.full((64 * 9 + 3, 64 * 2 + 5), 255, np.uint8)
    board[::2, ::2] = board[1::2, 1::2] = least
    chroma = np.full((290, 67), 255, np.uint8)
    for half in (1, 32):
        got = kernels.picture_sweep(board, chroma, chroma, half, 255, 0)
        wanted = kernels.picture_sweep.reference(board, chroma, chroma, half, 255, 0)
        np.testing.assert_array_equal(got[0], wanted[0])
        np.testing.assert_array_equal(got[1], wanted[1])
    assert got[1].tolist() == [0 if least else 1020, 1, 1]


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1), (2, 9), (9, 2)])
def test_planes_without_interior_are_not_sharp_and_still_have_a_grid(shape):
    plane, half = np.full(shape, 200, np.uint8), [-(-side // 2) for side in shape]
    chroma = np.full(half, 90, np.uint8)
    (means, spreads, blue, red), tells = kernels.picture_sweep(plane, chroma, chroma, 2, 16, 200)
    assert not spreads.any()
    assert tells.tolist() == [0.0, 0.0, float(plane.size > 0)]
    same(means, kernels.block_means(plane, 4))
    same(blue, kernels.block_means(chroma, 2))
    same(red, blue)
    grid = kernels.block_means(plane, block=4)
    assert grid.shape == (-(-shape[0] // 4), -(-shape[1] // 4))
    same(grid, kernels.block_means.reference(plane, block=4))


def test_importing_the_kernels_does_not_import_numba():
    code = "import sys, fewframes.kernels; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_are_picked_once_each_even_when_all_are_alike():
    points = np.ones((6, 3), np.float32)
    rows, gaps = kernels.farthest_first(points, 4, np.array([1]))
    assert rows.tolist() == [0, 2, 3, 4]
    assert gaps.tolist() == [0, 0, 0, 0]


def test_rows_with_nan_count_as_zero_and_are_picked_once():
    points = np.array([[3, 4], [np.nan, np.nan], [0, 0], [np.nan, 4]], np.float32)
    rows, gaps = kernels.farthest_first(points, 3, np.array([1]))
    assert rows.tolist() == [0, 3, 2]
    assert gaps.tolist() == [5, 3, 0]


def test_the_first_of_all_picks_is_far_from_the_mean_and_gaps_never_grow():
    points = np.random.default_rng(5).standard_normal((40, 4)).astype(np.float32)
    points[17] = 50
    rows, gaps = kernels.farthest_first(points, 40, np.empty(0, np.int64))
    assert rows[0] == 17
    assert gaps[0] == np.inf
    assert sorted(rows.tolist()) == list(range(40))
    assert (np.diff(gaps[1:]) <= 0).all()


def test_the_volume_of_the_rows_picked_is_the_greedy_one():
    points = np.random.default_rng(3).standard_normal((25, 6)).astype(np.float32)
    rows, lengths = kernels.pivoted_cholesky(points, np.ones(25), 25, NONE)
    assert len(rows) == 6  # the rank
    picked = []
    for row, length in zip(rows.tolist(), lengths, strict=True):
        volumes = [np.linalg.det(gram(points[[*picked, i]])) for i in range(25)]
        assert row == np.argmax(volumes)
        before = np.linalg.det(gram(points[picked])) if picked else 1.0
        assert length**2 == pytest.approx(max(volumes) / before, rel=1e-4)
        picked.append(row)


def gram(rows):
    return rows.astype(np.float64) @ rows.astype(np.float64).T


def test_a_row_represents_by_what_it_adds():
    alike = np.array([[60, 0, 0], [50, 50, 0], [0, 0, 9]], np.uint16)
    unit, none = np.eye(3, dtype=np.float32), np.zeros(3, np.int64)
    rows, values = kernels.representatives(alike, unit, none, 0.0, 3, NONE)
    assert rows.tolist() == [1, 0, 2]
    assert values.tolist() == [100, 10, 9]
    assert kernels.representatives(alike, unit, np.array([0, 0, 99]), 0.0, 1, NONE)[0] == [2]
    tied = np.array([[7, 0], [3, 7], [0, 7]], np.uint16)  # row 1 falls from 10 to 7, as row 2 is
    rows, _ = kernels.representatives(tied, unit, none, 0.0, 2, np.array([0]))
    assert rows.tolist() == [1, 2]
    late = np.array([[0, 7], [7, 0], [3, 7]], np.uint16)  # so does row 2; row 0 comes before it
    rows, _ = kernels.representatives(late, unit, none, 0.0, 2, np.array([1]))
    assert rows.tolist() == [0, 2]
    copies = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    penalised, _ = kernels.representatives(alike, copies, none, 20.0, 2, np.array([1]))
    assert penalised.tolist() == [2, 0]


def test_a_tie_between_tiles_goes_to_the_lowest_row():
    line = np.zeros((200, 1), np.float32)
    line[[30, 150]], line[[70, 190]] = 5, -4
    rows, gaps = kernels.farthest_first(line, 4, np.array([0]))
    assert rows.tolist() == [30, 70, 1, 2]
    assert gaps.tolist() == [5, 4, 0, 0]
    plane = np.zeros((200, 2), np.float32)
    plane[10], plane[70], plane[100] = (0, 4), (5, 4), (9, 0)  # of row 70, (0, 4) is left
    rows, _ = kernels.pivoted_cholesky(plane, np.ones(200), 3, NONE)
    assert rows.tolist() == [100, 10]


def test_the_hash_of_a_flat_grid_has_no_bit_whatever_its_level():
    for level in np.linspace(0, 255, 40, dtype=np.float32):
        assert kernels.grid_look(np.full((4, 13, 31), level), TONES)[3] == 0


def test_the_hash_tells_a_rise_from_a_fall():
    ramp = np.tile(np.arange(9, dtype=np.float32), (4, 8, 1))
    assert kernels.grid_look(ramp, TONES)[3] == 2**64 - 1
    assert kernels.grid_look(ramp[:, :, ::-1], TONES)[3] == 0


def test_tones_move_as_far_as_the_levels_and_not_with_their_places():
    rng = np.random.default_rng(4)
    grids = rng.integers(20, 200, (4, 6, 8)).astype(np.float32)
    before = kernels.grid_look(grids, TONES)[1]
    assert kernels.grid_look(grids[:, ::-1], before)[0][:, 2].tolist() == [0.0] * 4
    assert kernels.grid_look(grids + 7, before)[0][:, 2] == pytest.approx([7.0] * 4, rel=1e-5)


def test_the_signature_sees_colour_and_keeps_the_empty_picture_zero():
    grey, colour = np.full((4, 5, 7), 128, np.float32), np.zeros((4, 1, 1), np.float32)
    blue, red = colour.copy(), colour.copy()
    blue[2], red[3] = 9, 9
    assert not kernels.grid_look(grey, TONES)[2].any()
    bluish, reddish = (kernels.grid_look(grey + part, TONES)[2] for part in (blue, red))
    assert np.linalg.norm(bluish) == pytest.approx(1, abs=1e-6)
    assert bluish @ reddish == 0


def test_the_signature_sees_a_change_of_hue_within_the_red():
    rng = np.random.default_rng(2)
    luma = (120 + 16 * rng.standard_normal((32, 56))).astype(np.float32)
    blue, red = np.full((32, 56), 110, np.float32), np.full((32, 56), 175, np.float32)
    flushed = red.copy()
    flushed[10:20, 20:36] += 12
    noisy = luma + rng.standard_normal(luma.shape).astype(np.float32)
    look, hue, noise, cold = (
        kernels.grid_look(np.stack([planes[0], planes[0], *planes[1:]]), TONES)[2]
        for planes in (
            (luma, blue, red),
            (luma, blue, flushed),
            (noisy, blue, red),
            (luma, red, blue),
        )
    )
    assert 1 - look @ hue > 0.01  # centred on neutral grey, it was 0.002
    assert 1 - look @ hue > 50 * (1 - look @ noise)
    assert look @ cold < 0.5


def test_changes_that_cancel_within_a_window_are_noise_and_others_are_not():
    still = np.full((1, 1, 2, 2), 50, np.float32)
    noise, event = np.array([[[[8, 8], [-8, -8]]], [[[8, 8], [8, 8]]]], np.float32) + 50
    assert kernels.grid_change(noise, still, 6.0).ravel().tolist() == [8, 8, 0, 1]
    assert kernels.grid_change(event, still, 6.0).ravel().tolist() == [8, 8, 8, 1]


def test_recoding_to_another_matrix_and_back_keeps_the_picture():
    rng = np.random.default_rng(8)
    luma, blue, red = (
        rng.integers(100, 156, shape, np.uint8) for shape in ((9, 11), (5, 6), (5, 6))
    )
    there = kernels.ycc_matrix(luma, blue, red, kernels.matrix_between("bt709", "bt601"))
    back = kernels.ycc_matrix(*there, kernels.matrix_between("bt601", "bt709"))
    for plane, original in zip(back, (luma, blue, red), strict=True):
        assert np.abs(plane.astype(int) - original).max() <= 1


def test_primary_colours_land_where_the_target_matrix_puts_them():
    # pure red in full-range BT.709 and BT.601: Y = 255 Kr, Cb and Cr from their definitions
    luma, blue, red = (np.array([[level]], np.uint8) for level in (54, 99, 255))
    y, cb, cr = kernels.ycc_matrix(luma, blue, red, kernels.matrix_between("bt709", "bt601"))
    assert [int(y[0, 0]), int(cb[0, 0]), int(cr[0, 0])] == pytest.approx([76, 85, 255], abs=1)


def test_the_nearest_picture_is_the_one_whose_worst_grid_is_best():
    now, others = np.zeros((2, 4, 4), np.float32), np.zeros((4, 2, 4, 4), np.float32)
    others[0], others[1, 0], others[2, 0] = 50, 3, 9
    others[1, 1, 1, 1], others[2, 1, 1, 1], others[3] = 40, 10, 30  # a cell counts half
    _, (row, local, least) = kernels.nearest_change(now, others, 6.0)
    assert (row, local, least) == (1, 9, 3)
    others[3] = others[2]
    assert kernels.nearest_change(now, others, 6.0)[1][0] == 1


class OnGpu:
    """Looks like an array on a GPU."""

    __cuda_array_interface__ = None


TONES = np.zeros((4, 256), np.float32)
U8, F32 = np.zeros((4, 6), np.uint8), np.zeros((4, 6), np.float32)
NONE, U16 = np.empty(0, np.int64), np.zeros((4, 6), np.uint16)
REFUSED = [
    (
        lambda: kernels.Kernel(gram)(OnGpu()),
        TypeError,
        "gram has no GPU body; got an array on a GPU; copy it with cupy.asnumpy(...)",
    ),
    (
        lambda: kernels.picture_sweep(F32, U8, U8, 4, 16, 239),
        TypeError,
        "luma must be [h, w] u8, got [4, 6] float32; pass a 2-D array of uint8",
    ),
    (
        lambda: kernels.picture_sweep([1, 2], U8, U8, 4, 16, 239),
        TypeError,
        "luma must be [h, w] u8, got list; pass a 2-D array of uint8",
    ),
    (
        lambda: kernels.picture_sweep(U8, U8, U8, 4, 16, 239),
        ValueError,
        "luma is [4, 6], blue [4, 6], red [4, 6]; pass 4:2:0 chroma planes [2, 3]",
    ),
    (
        lambda: kernels.block_means(U8, block=0),
        ValueError,
        "block=0 cannot tile a plane; pass block from 1 to 4096",
    ),
    (
        lambda: kernels.picture_sweep(U8, U8[:2, :3], U8[:2, :3], 33, 16, 239),
        ValueError,
        "half=33 cannot tile a picture; pass half from 1 to 32",
    ),
    (
        lambda: kernels.grid_look(F32[None], TONES),
        ValueError,
        "grids is [1, 4, 6] and before [4, 256]; "
        "pass four grids with at least one cell, and tones [4, 256]",
    ),
    (
        lambda: kernels.nearest_change(F32[None], F32[None, None], 1.0),
        ValueError,
        "grids is [1, 4, 6] and others [1, 1, 4, 6]; "
        "pass grids of one shape with at least one cell, of at least two others",
    ),
    (
        lambda: kernels.picture_sweep(U8, U8[:2, :3], U8[:2, :3], 4, 16, 256),
        ValueError,
        "bright=256 is no level of a sample; pass 0 to 255",
    ),
    (
        lambda: kernels.grid_change(F32[None], F32[None, None, :2], 1.0),
        ValueError,
        "grids is [1, 4, 6] and references [1, 1, 2, 6]; "
        "pass grids of one shape with at least one cell",
    ),
    (
        lambda: kernels.unexplained(F32, F32, F32, np.array([[4]] * 4)),
        ValueError,
        "alike names rows 4 to 4; pass rows 0 to 3 of low and high, or -1",
    ),
    (
        lambda: kernels.farthest_first(F32, 4, np.array([2])),
        ValueError,
        "count=4 rows cannot be picked: 4 rows, 1 already chosen; pass count from 0 to 3",
    ),
    (
        lambda: kernels.farthest_first(F32, 1, np.array([4])),
        ValueError,
        "chosen has rows from 4 to 4, but signatures has 4 rows; pass row numbers from 0 to 3",
    ),
    (
        lambda: kernels.farthest_first(F32, 1, NONE, np.ones(3)),
        ValueError,
        "pull has 3 factors, the smallest 1.0, for 4 rows; pass one positive number a row",
    ),
    (
        lambda: kernels.pivoted_cholesky(F32, np.ones(4), 5, NONE),
        ValueError,
        "count=5 rows cannot be picked of 4; pass count from 0 to 4",
    ),
    (
        lambda: kernels.pivoted_cholesky(F32, np.zeros(4), 2, NONE),
        ValueError,
        "weights has 4 values, the smallest 0.0, for 4 rows; pass one positive number a row",
    ),
    (
        lambda: kernels.representatives(U16, F32, np.zeros(4, np.int64), -1.0, 1, NONE),
        ValueError,
        "penalty=-1.0 is not a weight; pass a number of 0 or more",
    ),
    (
        lambda: kernels.representatives(U16, F32, np.zeros(3, np.int64), 0.0, 1, NONE),
        ValueError,
        "alike has 4 rows, unit 4, bonus 3; pass one length",
    ),
    (
        lambda: kernels.ycc_matrix(U8, U8, U8, np.eye(3, dtype=np.float32)),
        ValueError,
        "luma is [4, 6], blue [4, 6], red [4, 6]; pass 4:2:0 chroma planes [2, 3]",
    ),
    (
        lambda: kernels.ycc_matrix(U8, U8[:2, :3], U8[:2, :3], np.ones((3, 3), np.float32)),
        ValueError,
        "coefficients[1:, 0]=[1.0, 1.0] would colour grey by its luma; "
        "pass 0, as matrix_between does",
    ),
    (
        lambda: kernels.matrix_between("bt601", "rgb"),
        ValueError,
        "target='rgb' is not a known matrix; pass one of bt601, bt709, bt2020, smpte240m, fcc, "
        "ycgco",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED)
def test_misuse_is_refused_with_the_rule_and_the_cure(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text


def test_the_reference_refuses_what_the_kernel_refuses():
    with pytest.raises(ValueError, match="count=9 rows cannot be picked"):
        kernels.farthest_first.reference(F32, 9, NONE)
