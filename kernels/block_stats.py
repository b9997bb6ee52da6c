"""How bright, how coloured and how rich in detail is each block of a picture, and how sharp is it?

One sweep over the rows of all three planes answers everything that needs samples.
"""

import numpy as np

from fewframes.kernels import gpu
from fewframes.kernels.block_stats_gpu import STEP, block_stats_gpu
from fewframes.kernels.grid import tile_sums
from fewframes.kernels.kernel import F32, F64, I64, U8, U16, U32, U64, Kernel, require_planes


@Kernel
def block_stats(luma: U8, blue: U8, red: U8, half: int, dark: int, bright: int) -> tuple[F32, F64]:
    """Measures a 4:2:0 picture, `-> (grids [4, rows, cols] f32, scalars [3] f64)`.

    Takes `luma [h, w] u8`, `blue` (Cb) and `red` (Cr) `[ceil(h / 2), ceil(w / 2)] u8`, cut into
    tiles of 2 half x 2 half luma samples, which are half x half chroma samples; a tile on the lower
    or right edge has the samples it covers. The grids, in levels, are
    1. the mean of luma, as `block_means` gives it;
    2. the standard deviation of luma within the tile, 0 where it is flat;
    3. and 4. the means of blue and red.
    The scalars are
    1. the sharpness: the mean absolute response of the Laplacian (four times a sample minus its
       four neighbours) over the inner samples of luma's rows 1, 9, 17, … (every `STEP`-th),
       0..1020; 0 where the picture has no inner sample;
    2. and 3. the shares of samples <= `dark` and >= `bright` in luma's rows 0, 8, 16, …, 0..1.

    The Laplacian's variance is the usual focus measure (Pech-Pacheco et al., "Diatom autofocusing
    in brightfield microscopy", ICPR 2000). The mean absolute value ranks alike, is a sum of whole
    numbers, and does not let a few specular highlights decide. All sums are whole numbers, so every
    device gives the same bits. An empty picture has empty grids and scalars of 0.

    Raises:
        TypeError: A plane is not `[h, w] u8`.
        ValueError: The planes do not fit together, `half` is not from 1 to 32, which is what 16
            bits can add up, or a level is not from 0 to 255.

    >>> luma, grey = np.array([[1, 3], [5, 7]], np.uint8), np.array([[128]], np.uint8)
    >>> grids, scalars = block_stats(luma, grey, grey, half=1, dark=1, bright=2)
    >>> [round(level, 3) for level in grids.ravel().tolist()], scalars.tolist()
    ([4.0, 2.236, 128.0, 128.0], [0.0, 0.5, 0.5])
    """
    wide = luma.astype(np.int64)
    sums, squares, counts = (tile_sums(part, 2 * half) for part in (wide, wide**2, wide**0))
    spread = np.sqrt(counts * squares - sums * sums) / counts
    chroma = [tile_sums(plane, half) / tile_sums(plane**0, half) for plane in (blue, red)]
    sharpness = 0.0
    if min(luma.shape) > 2:
        around = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
        sharpness = float(np.abs(4 * wide[1:-1, 1:-1] - around)[::STEP].mean())
    rows = luma[::STEP]
    tails = [np.count_nonzero(rows <= dark), np.count_nonzero(rows >= bright)]
    shares = [count / max(1, rows.size) for count in tails]
    grids = np.stack([sums / counts, spread, *chroma]).astype(np.float32)
    return grids, np.array([sharpness, *shares])


@block_stats.check
def _fit_together(luma: U8, blue: U8, red: U8, half: int, dark: int, bright: int) -> None:
    require_planes(luma, blue, red)
    if not 1 <= half <= 32:
        raise ValueError(f"half={half} cannot tile a picture; pass half from 1 to 32")
    for name, level in (("dark", dark), ("bright", bright)):
        if not 0 <= level <= 255:
            raise ValueError(f"{name}={level} is no level of a sample; pass 0 to 255")


@block_stats.cpu
def _block_stats_cpu(
    luma: U8, blue: U8, red: U8, half: int, dark: int, bright: int
) -> tuple[F32, F64]:
    (h, w), (ch, cw) = luma.shape, blue.shape
    rows, cols, is_odd = -(-ch // half), -(-cw // half), h % 2 + w % 2 > 0
    grids, tiles = np.empty((4, rows, cols), np.float32), np.empty((4, cols), np.int64)
    sums, blues, reds = np.empty(cw, np.uint16), np.empty(cw, np.uint16), np.empty(cw, np.uint16)
    products, words = np.zeros(cw + 1, np.uint32), np.zeros(cw + 1, np.uint64)
    edges, darks, brights = np.zeros(w, np.uint16), np.zeros(w, np.uint8), np.zeros(w, np.uint8)
    limits = np.array([dark, bright], np.uint8)
    counts, even = np.zeros(3, np.int64), np.empty((2 * half if is_odd else 0, 2 * cw), np.uint8)
    for row in range(rows):
        top, bottom = 2 * half * row, min(h, 2 * half * (row + 1))
        if is_odd:
            _add_pairs(_evened(luma[top:bottom], even), sums, products[1:])
        else:
            _add_pairs(np.ascontiguousarray(luma[top:bottom]), sums, products[1:])
        _tally(luma, top, bottom, limits, edges, darks, brights)
        if row % 8 == 7 or row == rows - 1:  # 64 responses are what 16 bits can add up
            counts += np.array([_drained(edges), _drained(darks), _drained(brights)])
        height, top, bottom = bottom - top, half * row, min(ch, half * (row + 1))
        _add(blue, top, bottom, blues)
        _add(red, top, bottom, reds)
        for x in range(cw):
            chroma = (np.uint64(blues[x]) << np.uint64(20)) + (np.uint64(reds[x]) << np.uint64(38))
            words[x + 1] = np.uint64(sums[x]) + chroma  # luma in 20 bits, blue in 18, red
        _total(words, products, half, tiles)
        _mean(tiles[0], height, 2 * half, w, grids[0, row])
        _spread(tiles[0], tiles[1], height, 2 * half, w, grids[1, row])
        _mean(tiles[2], bottom - top, half, cw, grids[2, row])
        _mean(tiles[3], bottom - top, half, cw, grids[3, row])
    return grids, _tells(counts, h, w)


@block_stats.helper
def _evened(rows: U8, room: U8) -> U8:
    """The same rows with an even number of rows and columns, what is added being 0."""
    (h, w), even = rows.shape, room[: len(rows) + len(rows) % 2]
    even[-1], even[:, -1] = 0, 0
    for y in range(h):
        for x in range(w):
            even[y, x] = rows[y, x]
    return even


@block_stats.helper
def _add_pairs(rows: U8, sums: U16, products: U32) -> None:
    """Adds up samples, and what each makes times its complement to 255, by pairs of columns.

    Both together tell the squares, as a * a = 255 * a - a * (255 - a), and four such products fit
    16 bits, which four squares do not. A pair is read as one number of 16 bits, because to widen
    single samples costs more than to add them up. Numbers of rows and columns are even.
    """
    sums[:], products[:] = 0, 0
    pairs, low, eight = rows.view(np.uint16), np.uint16(255), np.uint16(8)
    for y in range(0, len(pairs), 2):
        first, second = pairs[y], pairs[y + 1]
        for x in range(len(sums)):
            a, b = np.uint16(first[x] & low), np.uint16(first[x] >> eight)
            c, d = np.uint16(second[x] & low), np.uint16(second[x] >> eight)
            sums[x] += np.uint16(np.uint16(a + b) + np.uint16(c + d))
            above = np.uint16(np.uint16(a * np.uint16(a ^ low)) + np.uint16(b * np.uint16(b ^ low)))
            below = np.uint16(np.uint16(c * np.uint16(c ^ low)) + np.uint16(d * np.uint16(d ^ low)))
            products[x] += np.uint32(np.uint16(above + below))


@block_stats.helper
def _add(plane: U8, top: int, bottom: int, sums: U16) -> None:
    """Adds up rows by column, so that sums fill vector registers."""
    sums[:] = 0
    for y in range(top, bottom):
        for x in range(len(sums)):
            sums[x] += np.uint16(plane[y, x])


@block_stats.helper
def _tally(
    plane: U8, top: int, bottom: int, limits: U8, edges: U16, darks: U8, brights: U8
) -> None:
    """Adds up by column what tells of the Laplacian, the first response in the first, and tails."""
    for y in range(top + (1 - top) % STEP, min(bottom, len(plane) - 1), STEP):
        here, above, below = plane[y], plane[y - 1], plane[y + 1]
        for x in range(len(edges) - 2):
            around = np.int64(above[x + 1]) + below[x + 1] + here[x] + here[x + 2]
            response = np.int16(4 * np.int64(here[x + 1]) - around)
            edges[x] += np.uint16(max(response, np.int16(-response)))
    dark, bright = limits
    for y in range(top + -top % STEP, bottom, STEP):
        here = plane[y]
        for x in range(len(darks)):
            darks[x] += np.uint8(here[x] <= dark)
            brights[x] += np.uint8(here[x] >= bright)


@block_stats.helper
def _drained(line: U8 | U16) -> np.int64:
    total = np.uint32(0)
    for x in range(len(line)):
        total += np.uint32(line[x])
    line[:] = 0
    return np.int64(total)


@block_stats.helper
def _total(words: U64, products: U32, side: int, tiles: I64) -> None:
    """Sums over tiles, by running sums; these may overflow, their differences do not."""
    word, product, n = np.uint64(0), np.uint32(0), len(words) - 1
    for x in range(1, n + 1):
        word += words[x]
        product += products[x]
        words[x], products[x] = word, product
    for col in range(tiles.shape[1]):
        left, right = col * side, min(n, (col + 1) * side)
        word = words[right] - words[left]
        tiles[0, col] = np.int64(word & np.uint64(0xFFFFF))
        tiles[1, col] = np.int64(np.uint32(products[right] - products[left]))
        tiles[2, col] = np.int64((word >> np.uint64(20)) & np.uint64(0x3FFFF))
        tiles[3, col] = np.int64(word >> np.uint64(38))


@block_stats.helper
def _mean(sums: I64, height: int, side: int, width: int, means: F32) -> None:
    """Means of a line of tiles; `true_divide` asks no questions and so fills vector registers."""
    for col in range(len(sums)):
        size = np.float64(height * min(side, width - col * side))
        means[col] = np.true_divide(np.float64(sums[col]), size)


@block_stats.helper
def _spread(sums: I64, products: I64, height: int, side: int, width: int, spreads: F32) -> None:
    for col in range(len(sums)):
        size, total = height * min(side, width - col * side), sums[col]
        variance = np.float64(size * (255 * total - products[col]) - total * total)
        spreads[col] = np.true_divide(np.sqrt(variance), np.float64(size))


@block_stats.helper
def _tells(counts: I64, h: int, w: int) -> F64:
    inside, sampled = (h + STEP - 3) // STEP * max(0, w - 2), max(1, (h + STEP - 1) // STEP * w)
    shares: F64 = counts / np.array([max(1, inside), sampled, sampled])
    return shares


@block_stats.cuda_each(3)
def _block_stats_cuda(
    luma: U8, blue: U8, red: U8, half: int, dark: int, bright: int
) -> tuple[gpu.DeviceArray, F64]:
    """Two launches, whatever the number of pictures; the grids stay on the GPU."""
    grids, counts = block_stats_gpu(luma, blue, red, half, dark, bright)
    return grids, _tells(counts, luma.shape[1], luma.shape[2])
