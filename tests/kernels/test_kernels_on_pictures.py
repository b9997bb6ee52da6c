"""Kernels that look at pictures see what people would call it."""

import numpy as np
import pytest
from kernel_arguments import LAYOUTS, same

import fewframes.kernels as kernels

TONES = np.zeros((4, 256), np.float32)


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
        kernels.block_stats(*given_planes, 4, 16, 239),
        kernels.block_stats.reference(*planes, 4, 16, 239),
        strict=True,
    ):
        same(got, wanted)


@pytest.mark.parametrize("body", ["cpu", "reference"])
def test_sharpness_and_shares_read_the_rows_that_the_page_names(body):
    measure = kernels.block_stats.reference if body == "reference" else kernels.block_stats
    chroma = np.full((16, 4), 128, np.uint8)
    sharp, dark = [], []
    for row in range(1, 31):
        luma = np.full((32, 8), 100, np.uint8)
        luma[row, ::2], luma[row, 1::2] = 90, 110  # its neighbours' responses are half as large
        sharp.append(measure(luma, chroma, chroma, 4, 16, 239)[1][0])
        luma[row] = 0
        dark.append(measure(luma, chroma, chroma, 4, 16, 239)[1][1])
    loudest = [row for row, level in enumerate(sharp, 1) if level == max(sharp)]
    assert loudest == [1, 9, 17, 25]
    assert [row for row, share in enumerate(dark, 1) if share] == [8, 16, 24]


@pytest.mark.parametrize("least", [0, 255])
def test_the_largest_sums_of_a_sweep_fit(least):
    board = np.full((64 * 9 + 3, 64 * 2 + 5), 255, np.uint8)
    board[::2, ::2] = board[1::2, 1::2] = least
    chroma = np.full((290, 67), 255, np.uint8)
    for half in (1, 32):
        got = kernels.block_stats(board, chroma, chroma, half, 255, 0)
        wanted = kernels.block_stats.reference(board, chroma, chroma, half, 255, 0)
        np.testing.assert_array_equal(got[0], wanted[0])
        np.testing.assert_array_equal(got[1], wanted[1])
    assert got[1].tolist() == [0 if least else 1020, 1, 1]


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1), (2, 9), (9, 2)])
def test_planes_without_interior_are_not_sharp_and_still_have_a_grid(shape):
    plane, half = np.full(shape, 200, np.uint8), [-(-side // 2) for side in shape]
    chroma = np.full(half, 90, np.uint8)
    (means, spreads, blue, red), scalars = kernels.block_stats(plane, chroma, chroma, 2, 16, 200)
    assert not spreads.any()
    assert scalars.tolist() == [0.0, 0.0, float(plane.size > 0)]
    same(means, kernels.block_means(plane, 4))
    same(blue, kernels.block_means(chroma, 2))
    same(red, blue)
    grid = kernels.block_means(plane, block=4)
    assert grid.shape == (-(-shape[0] // 4), -(-shape[1] // 4))
    same(grid, kernels.block_means.reference(plane, block=4))


def test_the_hash_of_a_flat_grid_has_no_bit_whatever_its_level():
    for level in np.linspace(0, 255, 40, dtype=np.float32):
        assert kernels.grid_descriptors(np.full((4, 13, 31), level), TONES)[3] == 0


def test_the_hash_tells_a_rise_from_a_fall():
    ramp = np.tile(np.arange(9, dtype=np.float32), (4, 8, 1))
    assert kernels.grid_descriptors(ramp, TONES)[3] == 2**64 - 1
    assert kernels.grid_descriptors(ramp[:, :, ::-1], TONES)[3] == 0


def test_tones_move_as_far_as_the_levels_and_not_with_their_places():
    rng = np.random.default_rng(4)
    grids = rng.integers(20, 200, (4, 6, 8)).astype(np.float32)
    before = kernels.grid_descriptors(grids, TONES)[1]
    assert kernels.grid_descriptors(grids[:, ::-1], before)[0][:, 2].tolist() == [0.0] * 4
    assert kernels.grid_descriptors(grids + 7, before)[0][:, 2] == pytest.approx(
        [7.0] * 4, rel=1e-5
    )


def test_the_signature_sees_colour_and_keeps_the_empty_picture_zero():
    grey, colour = np.full((4, 5, 7), 128, np.float32), np.zeros((4, 1, 1), np.float32)
    blue, red = colour.copy(), colour.copy()
    blue[2], red[3] = 9, 9
    assert not kernels.grid_descriptors(grey, TONES)[2].any()
    bluish, reddish = (kernels.grid_descriptors(grey + part, TONES)[2] for part in (blue, red))
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
        kernels.grid_descriptors(np.stack([planes[0], planes[0], *planes[1:]]), TONES)[2]
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


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_plan_with_a_corner_is_of_a_part_of_the_picture(rotation, is_mirrored):
    pixels = np.random.default_rng(1).integers(0, 256, (12, 16, 3), np.uint8)
    turn = {"rotation": rotation, "is_mirrored": is_mirrored}
    for corner in ((0, 0), (2, 0), (0, 3), (5, 7)):
        part = np.ascontiguousarray(pixels[corner[0] :, corner[1] :][:7, :9])
        for target in (None, (4, 5), (11, 8)):
            plan = kernels.resize_plan((7, 9), target, corner=corner, **turn)
            wanted = kernels.resize_rgb(part, kernels.resize_plan((7, 9), target, **turn))
            same(kernels.resize_rgb(pixels, plan), wanted)
            same(kernels.resize_rgb.reference(pixels, plan), wanted)


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_plan_mirrors_and_then_turns_clockwise(rotation, is_mirrored):
    pixels = np.random.default_rng(1).integers(0, 256, (7, 9, 3), np.uint8)
    for target in (None, (4, 5), (11, 8)):
        upright = kernels.resize_rgb(pixels, kernels.resize_plan((7, 9), target))
        upright = upright[:, ::-1] if is_mirrored else upright
        plan = kernels.resize_plan((7, 9), target, rotation=rotation, is_mirrored=is_mirrored)
        wanted = np.rot90(upright, k=-rotation // 90)
        same(kernels.resize_rgb(pixels, plan), np.ascontiguousarray(wanted))
