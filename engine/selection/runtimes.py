"""Which frames would another runtime have shown its model? Its sampler's arithmetic, to the bit.

A sampler sees the number of frames and the mean rate of a film, no pictures and no true times. It
gives frame numbers, in order, which may repeat or be fewer or more than the budget, as upstream's.

1. Without ``fps``, the budget is upstream's number of frames (``nframes``, ``num_frames``).
2. With ``fps``, upstream samples at that rate, and the budget is its most frames
   (``max_frames``). vLLM's loaders for Qwen always do, at 2 frames a second by default.
3. Where upstream raises, these raise ValueError with the name of upstream's error in its text.

Where upstream computes with PyTorch's f32 ranges, so do `torch_arange` and `torch_linspace`, as
PyTorch 2.13 runs them on x86-64 CPUs. On other machines upstream itself may differ by a frame.
"""

import math
from fractions import Fraction
from typing import NoReturn

import numpy as np

from fewframes.arrays import F32, F64, I64
from fewframes.features.table import FilmFacts
from fewframes.times import Bounds

EVEN = 2
"""Qwen's frames come in pairs."""
MIN_FRAMES = 4
"""What Qwen's samplers raise a rate's number of frames to."""
LOADER_FPS = 2.0
"""The rate of vLLM's loaders for Qwen, unless another is given."""
LOADER_MOST_FPS, LOADER_MOST_FRAMES = 30.0, 768
"""The limits of vLLM's loaders for Qwen; what is asked beyond them is cut."""
UNKNOWN_FPS = 24.0
"""The rate that vLLM's loader for Qwen3-VL takes for that of a film that has none."""


def qwen_vl_utils(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as qwen-vl-utils 0.0.14 does with torchcodec or decord.

    ``span`` is its ``video_start`` and ``video_end``.

    >>> qwen_vl_utils(FilmFacts(100, 25.0), budget=5, fps=None, span=None).tolist()
    [0, 33, 66, 99]
    """
    upstream = "qwen-vl-utils"
    first, last = _frame_range(film, span=span)
    frames = last - first + 1
    if fps is None:
        count = round(budget / EVEN) * EVEN
    else:
        most = math.floor(budget / EVEN) * EVEN
        requested = min(max(frames / film.fps * fps, MIN_FRAMES), most, frames)
        count = math.floor(requested / EVEN) * EVEN
    if not EVEN <= count <= frames:
        refuse(upstream, "ValueError", film, f"{count} frames, not {EVEN} to {frames}")
    return np.rint(torch_linspace(first, last, count)).astype(np.int64)


def transformers_qwen2_vl(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as the video processor of Qwen2-VL and Qwen2.5-VL in transformers 5.23 does.

    >>> transformers_qwen2_vl(FilmFacts(100, 25.0), budget=4, fps=None, span=None).tolist()
    [0, 25, 50, 75]
    """
    upstream = "transformers"
    if fps is None:
        count = round(budget / EVEN) * EVEN
    else:
        count = _even_at_rate(upstream, film, budget=budget, fps=fps)
    if count > film.frames:
        refuse(upstream, "ValueError", film, f"{count} frames")
    if not count:
        refuse(upstream, "ZeroDivisionError", film, "no frame")
    return torch_arange(0, film.frames, film.frames / count).astype(np.int64)


def transformers_qwen3_vl(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as the video processor of Qwen3-VL in transformers 5.23 does.

    Asked for more frames than there are, it repeats some.

    >>> transformers_qwen3_vl(FilmFacts(4, 25.0), budget=5, fps=None, span=None).tolist()
    [0, 1, 2, 2, 3]
    """
    count = budget
    if fps is not None:
        count = _count_at_rate("transformers", film, budget=budget, fps=fps)
    return np.linspace(0, film.frames - 1, count).round().astype(np.int64)


def transformers_internvl(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as the video processor of InternVL in transformers 5.23 does: middles of segments.

    >>> transformers_internvl(FilmFacts(100, 25.0), budget=4, fps=None, span=None).tolist()
    [12, 37, 62, 87]
    """
    if budget > film.frames:
        refuse("transformers", "ValueError", film, f"{budget} frames")
    step = film.frames / budget
    return torch_arange(step / 2, film.frames, step).astype(np.int64)


def vllm(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as the default video loader of vLLM 0.33 does: the fewer of budget and rate.

    >>> vllm(FilmFacts(100, 25.0), budget=8, fps=1.0, span=None).tolist()
    [0, 33, 66, 99]
    """
    count = min(budget, film.frames)
    if fps is not None and fps > 0:
        seconds = film.frames / film.fps if film.fps > 0 else 0.0
        count = min(count, math.floor(seconds * fps))
    return np.linspace(0, film.frames - 1, max(1, count), dtype=np.int64)


def vllm_qwen2_vl(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as the video loader for Qwen2-VL of vLLM 0.33 does; its rate is 2 unless given.

    >>> vllm_qwen2_vl(FilmFacts(100, 25.0), budget=768, fps=None, span=None).tolist()
    [0, 12, 25, 37, 50, 62, 75, 87]
    """
    need_rate("vllm", film, error="ValueError")
    rate, most = _loader_limits(budget=budget, fps=fps)
    count = _even_at_rate("vllm", film, budget=most, fps=rate)
    if not count:
        refuse("vllm", "ZeroDivisionError", film, "no frame")
    numbers = torch_arange(0, film.frames, film.frames / count).astype(np.int64)
    return np.minimum(numbers, film.frames - 1)


def vllm_qwen3_vl(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as the video loader for Qwen3-VL of vLLM 0.33 does; its rate is 2 unless given.

    >>> vllm_qwen3_vl(FilmFacts(100, 25.0), budget=768, fps=None, span=None).tolist()
    [0, 14, 28, 42, 57, 71, 85, 99]
    """
    rate, most = _loader_limits(budget=budget, fps=fps)
    film = film if film.fps > 0 else FilmFacts(film.frames, UNKNOWN_FPS)
    count = _count_at_rate("vllm", film, budget=most, fps=rate)
    return np.linspace(0, film.frames - 1, count).round().astype(np.int64)


def torch_arange(start: float, end: float, step: float) -> F32:
    """Computes ``torch.arange`` of floats as an AVX2 CPU does, ``[n] f32``.

    Sixteen values at a time, each eight from an f32 base by steps in f64; the last n mod 16 from
    the start. The last value may round up to ``end``.

    >>> torch_arange(0, 451, 451 / 226)[-3:].tolist()
    [445.01327..., 447.0088..., 449.0044...]
    """
    n = max(0, math.ceil((end - start) / step))
    values = _fused(start, step, np.arange(n)).astype(np.float32)
    tiled = n - n % 16
    bases = values[:tiled:8].astype(np.float64).tolist()
    lanes = [_fused(base, step, np.arange(8)) for base in bases]
    if lanes:
        values[:tiled] = np.concatenate(lanes)
    return values


def torch_linspace(start: int, end: int, count: int) -> F32:
    """Computes ``torch.linspace`` on a CPU: from both ends, each value rounded once, ``[n] f32``.

    >>> torch_linspace(0, 9, 4).tolist()
    [0.0, 3.0, 6.0, 9.0]
    """
    low, high = np.float32(start), np.float32(end)
    step = np.float64((high - low) / np.float32(max(count - 1, 1)))
    order = np.arange(count)
    from_low = np.float64(low) + step * order
    from_high = np.float64(high) - step * (count - 1 - order)
    return np.where(order < max(count // 2, 1), from_low, from_high).astype(np.float32)


def refuse(upstream: str, error: str, film: FilmFacts, requested: str) -> NoReturn:
    """Raises ValueError where upstream would raise an error, which the text names.

    >>> refuse("vllm", "ValueError", FilmFacts(3, 25.0), "4 frames")
    Traceback (most recent call last):
    ValueError: vllm would raise ValueError: it comes to 4 frames, and the film has 3 frames ...
    """
    raise ValueError(
        f"{upstream} would raise {error}: it comes to {requested}, and the film has {film.frames} "
        f"frames at {film.fps:g} a second; pass another budget, fps or span"
    )


def need_rate(upstream: str, film: FilmFacts, *, error: str = "ZeroDivisionError") -> None:
    """Refuses a film of no rate, as upstream does.

    >>> need_rate("vllm", FilmFacts(3, 0.0))
    Traceback (most recent call last):
    ValueError: vllm would raise ZeroDivisionError: it comes to a rate of a film that has none, ...
    """
    if film.fps <= 0:
        refuse(upstream, error, film, "a rate of a film that has none")


def _fused(start: float, step: float, order: I64) -> F64:
    """Computes start + step * i, rounded once: a fused multiply-add, on machines without one."""
    exact_start, exact_step = Fraction(start), Fraction(step)
    return np.array([float(exact_start + exact_step * i) for i in order.tolist()], np.float64)


def _frame_range(film: FilmFacts, *, span: Bounds) -> tuple[int, int]:
    """First and last frame of a span, as qwen-vl-utils rounds it."""
    if film.frames <= 0 or film.fps <= 0:
        refuse("qwen-vl-utils", "ValueError", film, "a film without frames or rate")
    start, end = span or (None, None)
    if start is None and end is None:
        return 0, film.frames - 1
    seconds = film.frames / film.fps
    first, last = 0, film.frames - 1
    if start is not None:
        first = math.ceil(max(0.0, min(start, seconds)) * film.fps)
    if end is not None:
        last = min(math.floor(max(0.0, min(end, seconds)) * film.fps), last)
    if first >= last:
        refuse("qwen-vl-utils", "ValueError", film, f"frames {first} to {last}")
    return first, last


def _loader_limits(*, budget: int, fps: float | None) -> tuple[float, int]:
    """The rate and the most frames that vLLM's loaders for Qwen work with."""
    rate = LOADER_FPS if fps is None else fps
    return min(rate, LOADER_MOST_FPS), min(budget, LOADER_MOST_FRAMES)


def _even_at_rate(upstream: str, film: FilmFacts, *, budget: int, fps: float) -> int:
    """Number of frames at a rate: at least 4, at most the budget, even, in that order."""
    need_rate(upstream, film)
    most = math.floor(min(budget, film.frames) / EVEN) * EVEN
    requested = min(max(film.frames / film.fps * fps, MIN_FRAMES), most, film.frames)
    return math.floor(requested / EVEN) * EVEN


def _count_at_rate(upstream: str, film: FilmFacts, *, budget: int, fps: float) -> int:
    """Number of frames at a rate: at least 4, at most the budget and the film."""
    need_rate(upstream, film)
    return min(max(int(film.frames / film.fps * fps), MIN_FRAMES), budget, film.frames)
