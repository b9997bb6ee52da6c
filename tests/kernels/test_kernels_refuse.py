"""Kernels refuse misuse in words: name, value, rule, cure."""

import numpy as np
import pytest

import fewframes.kernels as kernels


class OnGpu:
    """Looks like an array on a GPU."""

    __cuda_array_interface__ = None


TONES = np.zeros((4, 256), np.float32)
U8, F32 = np.zeros((4, 6), np.uint8), np.zeros((4, 6), np.float32)
NONE, U16 = np.empty(0, np.int64), np.zeros((4, 6), np.uint16)
REFUSED = [
    (
        lambda: kernels.Kernel(np.trace)(OnGpu()),
        TypeError,
        "trace has no GPU body; got an array on a GPU; copy it with cupy.asnumpy(...)",
    ),
    (
        lambda: kernels.block_stats(F32, U8, U8, 4, 16, 239),
        TypeError,
        "luma must be [h, w] u8, got [4, 6] float32; pass a 2-D array of uint8",
    ),
    (
        lambda: kernels.block_stats([1, 2], U8, U8, 4, 16, 239),
        TypeError,
        "luma must be [h, w] u8, got list; pass a 2-D array of uint8",
    ),
    (
        lambda: kernels.block_stats(U8, U8, U8, 4, 16, 239),
        ValueError,
        "luma is [4, 6], blue [4, 6], red [4, 6]; pass 4:2:0 chroma planes [2, 3]",
    ),
    (
        lambda: kernels.rgb_to_ycc.batch(U8[None]),
        TypeError,
        "rgb_to_ycc.batch takes pictures on a GPU, where the kernel has a body for many; "
        "call it once a picture",
    ),
    (
        lambda: kernels.resize_plan((4, 6), rotation=45),
        ValueError,
        "rotation=45 is no quarter turn; pass 0, 90, 180 or 270",
    ),
    (
        lambda: kernels.resize_plan((4, 6), corner=(0, -1)),
        ValueError,
        "corner=(0, -1) is outside of the picture; pass a row and column >= 0",
    ),
    (
        lambda: kernels.count_different(U8[..., None], U8[:2, :, None]),
        ValueError,
        "one is [4, 6, 1] and other [2, 6, 1]; pass pictures of one shape",
    ),
    (
        lambda: kernels.block_means(U8, block=0),
        ValueError,
        "block=0 cannot tile a plane; pass block from 1 to 4096",
    ),
    (
        lambda: kernels.block_stats(U8, U8[:2, :3], U8[:2, :3], 33, 16, 239),
        ValueError,
        "half=33 cannot tile a picture; pass half from 1 to 32",
    ),
    (
        lambda: kernels.grid_descriptors(F32[None], TONES),
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
        lambda: kernels.block_stats(U8, U8[:2, :3], U8[:2, :3], 4, 16, 256),
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
        lambda: kernels.residual(F32, F32, F32, np.array([[4]] * 4)),
        ValueError,
        "alike names rows 4 to 4; pass rows 0 to 3 of low and high, or -1",
    ),
    (
        lambda: kernels.smallest(F32, np.array([[0, 7]] * 4), 2),
        ValueError,
        "skipped names columns 0 to 7; pass first <= end, within 0 and 6",
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
