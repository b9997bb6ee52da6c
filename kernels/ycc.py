"""How do planes coded with one colour matrix look in another? No detour through RGB."""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.gpu import cuda
from fewframes.kernels.kernel import F32, F64, I32, U8, Kernel, require, require_planes
from fewframes.kernels.memory import on_host

_RED_AND_BLUE_WEIGHTS = {
    "bt601": (0.299, 0.114),  # ITU-R BT.601-7, 2.5.1
    "bt709": (0.2126, 0.0722),  # ITU-R BT.709-6, 3.2
    "bt2020": (0.2627, 0.0593),  # ITU-R BT.2020-2, table 4, non-constant luminance
    "smpte240m": (0.212, 0.087),  # SMPTE ST 240M
    "fcc": (0.30, 0.11),  # FCC 47 CFR 73.682 (a) (20)
}


def matrix_between(source: str, target: str) -> F32:
    """Coefficients from one YCbCr matrix to another, `-> [3, 3] f32`, for `ycc_matrix`.

    They map (Y, Cb - 128, Cr - 128) of full range. The names are `bt601`, `bt709`, `bt2020`,
    `smpte240m`, `fcc` and `ycgco`, whose Cg and Co stand for Cb and Cr. Only the matrix changes:
    primaries and transfer curve stay as they are.

    Raises:
        ValueError: A name is not one of the six.

    >>> matrix_between("bt709", "bt709").tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    >>> matrix_between("bt709", "bt601").round(4)
    array([[ 1.    ,  0.1016,  0.1961],
           [ 0.    ,  0.9899, -0.1107],
           [ 0.    , -0.0725,  0.9834]], dtype=float32)
    """
    _check_known("source", source)
    _check_known("target", target)
    product = _from_rgb(target) @ np.linalg.inv(_from_rgb(source))
    clean = np.round(product, 9) + 0.0  # the noise of the inverse, and minus zero
    return clean.astype(np.float32)


def _check_known(name: str, matrix: str) -> None:
    known = [*_RED_AND_BLUE_WEIGHTS, "ycgco"]
    if matrix not in known:
        raise ValueError(f"{name}={matrix!r} is not a known matrix; pass one of {', '.join(known)}")


def _from_rgb(matrix: str) -> F64:
    """RGB to (Y, Cb, Cr), `[3, 3] f64`; Cb and Cr scaled to reach half of the range either way."""
    if matrix == "ycgco":  # Rec. ITU-T H.273, 8.3, equations 58 to 60
        return np.array([[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0.0, -0.5]])
    kr, kb = _RED_AND_BLUE_WEIGHTS[matrix]
    luma = np.array([kr, 1.0 - kr - kb, kb])
    red, _, blue = np.eye(3)
    return np.stack([luma, (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)])


def rgb_from_ycc(matrix: str) -> F64:
    """(Y, Cb, Cr) to RGB, `[3, 3] f64`: Y and RGB from 0 to 1, Cb and Cr from -0.5 to 0.5.

    Raises:
        ValueError: The name is none of those that `matrix_between` knows.

    >>> rgb_from_ycc("bt601").round(3)
    array([[ 1.   ,  0.   ,  1.402],
           [ 1.   , -0.344, -0.714],
           [ 1.   ,  1.772,  0.   ]])
    """
    _check_known("matrix", matrix)
    return np.linalg.inv(_from_rgb(matrix)).round(12).astype(np.float64) + 0.0


@Kernel
def ycc_matrix(luma: U8, blue: U8, red: U8, coefficients: F32) -> tuple[U8, U8, U8]:
    """Planes of 4:2:0 YCbCr in another matrix, as three new planes of the same shapes.

    Takes `luma [h, w] u8`, `blue` and `red` `[ceil(h / 2), ceil(w / 2)] u8`, all full range, and
    `coefficients [3, 3] f32`, which map (Y, Cb - 128, Cr - 128) to the new three.
    A luma sample uses the chroma sample that covers it, without interpolation. Chroma uses chroma
    alone: grey is grey in every matrix, so Y has no part in it. Coefficients are rounded to 14
    bits after the point and results half up, then clipped to 0..255, alike on every device.

    Raises:
        TypeError: A plane or the coefficients have another form.
        ValueError: Shapes do not fit together, a coefficient is not within -100..100, or Y has a
            part in chroma.

    >>> grey, blueish = np.array([[50, 60]], np.uint8), np.array([[228]], np.uint8)
    >>> ycc_matrix(grey, blueish, blueish, matrix_between("bt709", "bt601"))
    (array([[80, 90]], dtype=uint8), array([[216]], dtype=uint8), array([[219]], dtype=uint8))
    """
    fixed = np.floor(coefficients.astype(np.float64) * 16384 + 0.5).astype(np.int32)
    h, w = luma.shape
    chroma = np.stack([blue, red]).astype(np.int32) - 128
    shift = np.tensordot(fixed[0, 1:], chroma, axes=1)
    covering = shift.repeat(2, axis=0).repeat(2, axis=1)[:h, :w]
    new_luma = fixed[0, 0] * luma.astype(np.int32) + covering
    new_chroma = np.tensordot(fixed[1:, 1:], chroma, axes=1)
    rounded = (new_luma + 8192) >> 14, *(((new_chroma + 8192) >> 14) + 128)
    y, cb, cr = (np.clip(plane, 0, 255).astype(np.uint8) for plane in rounded)
    return y, cb, cr


@ycc_matrix.check
def _fit_together(luma: U8, blue: U8, red: U8, coefficients: F32) -> None:
    require_planes(luma, blue, red)
    require("coefficients", coefficients, "[3, 3] f32")
    coefficients = on_host(coefficients)
    if coefficients.shape != (3, 3) or not (np.abs(coefficients) <= 100).all():
        raise ValueError(
            f"coefficients={coefficients.tolist()} must be [3, 3] within -100..100; "
            "take them from matrix_between"
        )
    if coefficients[1:, 0].any():
        raise ValueError(
            f"coefficients[1:, 0]={coefficients[1:, 0].tolist()} would colour grey by its luma; "
            "pass 0, as matrix_between does"
        )


@ycc_matrix.cpu
def _ycc_matrix_cpu(luma: U8, blue: U8, red: U8, coefficients: F32) -> tuple[U8, U8, U8]:
    fixed = np.floor(coefficients.astype(np.float64) * 16384 + 0.5).astype(np.int32)
    half, grey, low, high = np.int32(8192), np.int32(128), np.int32(0), np.int32(255)
    middle = half + (grey << 14)
    h, w = luma.shape
    rows, cols = blue.shape
    new_luma = np.empty((h, w), np.uint8)
    new_blue, new_red = np.empty((rows, cols), np.uint8), np.empty((rows, cols), np.uint8)
    shift = np.empty(2 * cols, np.int32)
    for row in range(rows):
        for col in range(cols):
            cb, cr = np.int32(blue[row, col] - grey), np.int32(red[row, col] - grey)
            shift[2 * col] = fixed[0, 1] * cb + fixed[0, 2] * cr + half
            shift[2 * col + 1] = shift[2 * col]
            cb_new = np.int32(fixed[1, 1] * cb + fixed[1, 2] * cr + middle) >> 14
            cr_new = np.int32(fixed[2, 1] * cb + fixed[2, 2] * cr + middle) >> 14
            new_blue[row, col] = min(max(np.int32(cb_new), low), high)
            new_red[row, col] = min(max(np.int32(cr_new), low), high)
        for y in range(2 * row, min(h, 2 * row + 2)):
            for x in range(w):
                level = np.int32(fixed[0, 0] * luma[y, x] + shift[x]) >> 14
                new_luma[y, x] = min(max(np.int32(level), low), high)
    return new_luma, new_blue, new_red


@ycc_matrix.cuda
def _ycc_matrix_cuda(
    luma: U8, blue: U8, red: U8, coefficients: F32
) -> tuple[gpu.DeviceArray, gpu.DeviceArray, gpu.DeviceArray]:
    exact = on_host(coefficients).astype(np.float64) * 16384
    fixed = gpu.to_device(np.floor(exact + 0.5).astype(np.int32))
    out = [gpu.empty(plane.shape, np.uint8) for plane in (luma, blue, red)]
    gpu.launch(_one_chroma_sample, blue.shape, luma, blue, red, fixed, *out)
    return out[0], out[1], out[2]


def _one_chroma_sample(
    luma: U8, blue: U8, red: U8, fixed: I32, new_luma: U8, new_blue: U8, new_red: U8
) -> None:
    col, row = cuda.grid(2)
    if row >= blue.shape[0] or col >= blue.shape[1]:
        return
    low, high, half = np.int64(0), np.int64(255), np.int64(8192)
    cb, cr = np.int64(blue[row, col]) - 128, np.int64(red[row, col]) - 128
    level = ((fixed[1, 1] * cb + fixed[1, 2] * cr + half) >> 14) + 128
    new_blue[row, col] = min(max(level, low), high)
    level = ((fixed[2, 1] * cb + fixed[2, 2] * cr + half) >> 14) + 128
    new_red[row, col] = min(max(level, low), high)
    shift = fixed[0, 1] * cb + fixed[0, 2] * cr + half
    for y in range(2 * row, min(luma.shape[0], 2 * row + 2)):
        for x in range(2 * col, min(luma.shape[1], 2 * col + 2)):
            level = (fixed[0, 0] * np.int64(luma[y, x]) + shift) >> 14
            new_luma[y, x] = min(max(level, low), high)
