"""In how many bits do perceptual hashes differ?"""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import U8, U64, Kernel, require


@Kernel
def hamming64(a: U64, b: U64) -> U8:
    """Number of bits in which hashes differ, every one against every other, `-> [n, m] u8`, 0..64.

    Takes `[n] u64, [m] u64`.

    Raises:
        TypeError: An argument is not `[n] u64`.

    >>> hamming64(np.array([0, 7], np.uint64), np.array([1, 2**64 - 1], np.uint64))
    array([[ 1, 64],
           [ 2, 61]], dtype=uint8)
    """
    counts: U8 = np.bitwise_count(a[:, None] ^ b[None, :])
    return counts


@hamming64.check
def _are_hashes(a: U64, b: U64) -> None:
    require("a", a, "[n] u64")
    require("b", b, "[m] u64")


@hamming64.cpu
def _hamming64_cpu(a: U64, b: U64) -> U8:
    pairs, quads, bytes_ = (  # Warren, Hacker's Delight, 5-1: add bits in pairs, fours, bytes
        np.uint64(0x5555555555555555),
        np.uint64(0x3333333333333333),
        np.uint64(0x0F0F0F0F0F0F0F0F),
    )
    one, two, four, top = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)
    ones = np.uint64(0x0101010101010101)
    out = np.empty((len(a), len(b)), np.uint8)
    for i in range(len(a)):
        for j in range(len(b)):
            bits = a[i] ^ b[j]
            bits = bits - ((bits >> one) & pairs)
            bits = (bits & quads) + ((bits >> two) & quads)
            bits = (bits + (bits >> four)) & bytes_
            out[i, j] = (bits * ones) >> top
    return out


@hamming64.cuda
def _hamming64_cuda(a: U64, b: U64) -> gpu.DeviceArray:
    out = gpu.empty((len(a), len(b)), np.uint8)
    gpu.launch(_one_pair, out.shape, a, b, out)
    return out


def _one_pair(a: U64, b: U64, out: U8) -> None:
    j, i = cuda.grid(2)
    if i < out.shape[0] and j < out.shape[1]:
        out[i, j] = cuda.popc(a[i] ^ b[j])
