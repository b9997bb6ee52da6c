"""Are two pictures the same, sample for sample?"""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import I64, U8, Kernel, require
from fewframes.kernels.memory import on_host


@Kernel
def count_different(one: U8, other: U8) -> int:
    """Counts the samples in which two pictures `[h, w, c] u8` differ.

    Raises:
        TypeError: They are not `[h, w, c] u8`.
        ValueError: They differ in shape.

    >>> count_different(np.zeros((2, 2, 1), np.uint8), np.eye(2, dtype=np.uint8)[..., None])
    2
    """
    return int(np.count_nonzero(one != other))


@count_different.check
def _are_of_one_shape(one: U8, other: U8) -> None:
    require("one", one, "[h, w, c] u8")
    require("other", other, "[h, w, c] u8")
    if tuple(one.shape) != tuple(other.shape):
        raise ValueError(
            f"one is {list(one.shape)} and other {list(other.shape)}; pass pictures of one shape"
        )


@count_different.cpu
def _count_unlike_cpu(one: U8, other: U8) -> int:
    count = 0
    for y in range(one.shape[0]):
        for x in range(one.shape[1]):
            for channel in range(one.shape[2]):
                count += one[y, x, channel] != other[y, x, channel]
    return count


count_different.numpy(count_different.__wrapped__)


@count_different.cuda
def _count_unlike_cuda(one: U8, other: U8) -> int:
    count = gpu.to_device(np.zeros(1, np.int64))
    gpu.launch(_one_place, (one.shape[0], one.shape[1]), one, other, count)
    return int(on_host(count)[0])


def _one_place(one: U8, other: U8, count: I64) -> None:
    column, row = cuda.grid(2)
    if row < one.shape[0] and column < one.shape[1]:
        for channel in range(one.shape[2]):
            if one[row, column, channel] != other[row, column, channel]:
                cuda.atomic.add(count, 0, np.int64(1))
