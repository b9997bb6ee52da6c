"""How long do the kernels take on a GPU? One line of JSON a kernel: beside the CPU's body.

Kernels of pictures are given 64 of 1080p in one call, or of the size at which they work in an
index; those of rows 100,000 of 432 values. On the CPU a few pictures, or fewer rows, are timed, and
said so. Times are medians of `TRIES` after one call that is not timed; the GPU is waited for.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import click
import numpy as np

import fewframes.kernels as kernels
from fewframes.kernels import gpu

TRIES = 5
Case: TypeAlias = tuple[str, str, tuple[Any, ...]]
"""A kernel's name, what it is given in words, and its arguments in memory."""


def pictures(count: int, height: int, width: int) -> Iterator[Case]:
    """Kernels that take many pictures at once."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (count, height, width, 3), np.uint8)
    luma, words = np.ascontiguousarray(rgb[..., 0]), f"{count} x {height} x {width}"
    half = np.ascontiguousarray(luma[:, ::2, ::2])
    small = max(8, height * 448 // width // 2 * 2), 448
    plan = kernels.resize_plan((height, width), small if width > small[1] else (height, width))
    yield "resize_rgb", words, (rgb, plan)
    yield "rgb_to_ycc", words, (rgb,)
    yield "block_stats", words, (luma, half, half, 8, 16, 239)


def rows(count: int, width: int, picks: int) -> Iterator[Case]:
    """Kernels that pick among rows."""
    rng = np.random.default_rng(1)
    points = rng.standard_normal((count, width)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    none, words = np.empty(0, np.int64), f"{count} x {width}, {picks} picks"
    yield "farthest_first", words, (points, picks, none, np.ones(count))
    yield "pivoted_cholesky", words, (points, np.ones(count), picks, none)
    alike, bonus = rng.integers(0, 65536, (count, 512), np.uint16), np.zeros(count, np.int64)
    words = f"{count} x 512 anchors, {picks} picks"
    yield "representatives", words, (alike, points, bonus, 0.0, picks, none)


def milliseconds(call: Callable[[], Any]) -> float:
    """The median time of a call."""
    call()
    taken = []
    for _ in range(TRIES):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return round(statistics.median(taken) * 1e3, 3)


def on_gpu(name: str, arguments: tuple[Any, ...]) -> float:
    """A kernel's time there, arguments already there."""
    kernel = kernels.KERNELS[name]
    moved = [gpu.to_device(one) if isinstance(one, np.ndarray) else one for one in arguments]
    call = kernel.batch if kernel.pictures else kernel

    def once() -> None:
        call(*moved)
        gpu.finish()

    return milliseconds(once)


def in_memory(name: str, arguments: tuple[Any, ...], share: int) -> tuple[float, str]:
    """The CPU body's time for the whole, from a part of it, and what the part was."""
    kernel = kernels.KERNELS[name]
    if kernel.pictures:
        one = [value[0] for value in arguments[: kernel.pictures]]
        rest = arguments[kernel.pictures :]
        count = len(arguments[0])
        return milliseconds(lambda: kernel(*one, *rest)) * count, f"1 of {count}, times {count}"
    part = [
        value[::share] if isinstance(value, np.ndarray) and len(value) else value
        for value in arguments
    ]
    return milliseconds(lambda: kernel(*part)) * share, f"every {share}th row, times {share}"


@click.command()
@click.option("--small", is_flag=True, help="Small arrays: does it run?")
def main(*, small: bool) -> None:
    """Times every kernel that has a body for a GPU."""
    shape, many = ((2, 16, 32), (40, 8, 3)) if small else ((64, 1080, 1920), (100_000, 432, 64))
    for name, words, arguments in (*pictures(*shape), *rows(*many)):
        if gpu.is_simulated() and "cuda" not in kernels.KERNELS[name].bodies:
            skipped = {"kernel": name, "not run": "CuPy needs a GPU"}
            print(json.dumps(skipped), flush=True)  # noqa: T201 (its only output)
            continue
        there = on_gpu(name, arguments)
        here, part = in_memory(name, arguments, 1 if small else 10)
        facts = {"kernel": name, "of": words, "gpu_ms": there, "cpu_ms": here, "cpu_part": part}
        print(json.dumps(facts), flush=True)  # noqa: T201 (its only output)


if __name__ == "__main__":
    main()
