"""Which frames would vLLM's video loaders for GLM, Molmo, Pangu and others have shown? To the bit.

As `fewframes.selection.runtimes`, which has vLLM's default loader and those for Qwen. Names are
those of vLLM's registry; ``nemotron_vl`` and ``pynvvideocodec`` sample as the default loader does,
so they have no row. What a loader repeats to fill up a pair of frames is part of the answer.

The budget is the loader's own limit on frames where it has one; where it has none, it is said below
what stands for it. Rates are 2 frames a second (embedding_gemma2: 1) unless given.
"""

import math
from collections.abc import Sequence

import numpy as np

from fewframes.arrays import I64
from fewframes.features.table import FilmFacts
from fewframes.selection.runtimes import EVEN, LOADER_FPS, LOADER_MOST_FPS, need_rate, refuse
from fewframes.times import Bounds

GLM46V_RATES = ((30, 3.0), (300, 1.0), (2400, 0.5))
"""GLM-4.6V: up to so many seconds, so many frames a second; longer films count as the longest."""
GLM_MOST_FRAMES, CLEF_MOST_FRAMES = 640, 768
GEMMA_FPS, GEMMA_MOST_FPS, GEMMA_MOST_FRAMES = 1.0, 60.0, 128


def opencv_dynamic(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as vLLM's loader for GLM-4V does: at a rate, or evenly where the film is too long.

    The budget stands for upstream's longest duration, times the rate (by default 300 s and 2).

    >>> opencv_dynamic(FilmFacts(100, 25.0), budget=600, fps=None, span=None).tolist()
    [0, 13, 25, 38, 50, 63, 75, 88]
    """
    rate = LOADER_FPS if fps is None else fps
    most_seconds, seconds = budget / rate, _seconds(film)
    count = int(most_seconds * rate)
    if seconds <= most_seconds:
        times = [i * film.fps / rate for i in range(math.floor(seconds * rate))]
    elif count >= film.frames:
        return np.arange(film.frames)
    else:
        times = (np.linspace(0, seconds, count, endpoint=True) * film.fps).tolist()
    numbers = {min(film.frames - 1, math.ceil(time)) for time in times}
    return np.array(sorted(numbers), np.int64)


def glm46v(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as vLLM's loader for GLM-4.6V does, at a rate that hangs on the film's length.

    The budget stands for upstream's constant of 640 frames, and never raises it.

    >>> glm46v(FilmFacts(100, 25.0), budget=6, fps=None, span=None).tolist()
    [0, 19, 39, 59, 79, 99]
    """
    seconds = _seconds(film)
    counted = min(seconds, GLM46V_RATES[-1][0])
    rate = next(rate for longest, rate in GLM46V_RATES if counted <= longest)
    count = min(int(counted * rate * EVEN), budget, GLM_MOST_FRAMES)
    if film.frames < count:
        numbers = _even_numbers(0, film.frames - 1, count)
    else:
        frame_seconds = 1 / film.fps if film.fps > 0 else 0.0
        steps = {"frame_seconds": frame_seconds, "step": 1 / (EVEN * rate), "end": int(seconds)}
        numbers = _walk(film.frames, **steps)
    return _paired(_spread(numbers, count=count, frames=film.frames))


def glm5next(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as vLLM's loader for GLM-5.3-Flash does.

    >>> glm5next(FilmFacts(100, 25.0), budget=2048, fps=None, span=None).tolist()
    [0, 14, 28, 42, 56, 70, 84, 99]
    """
    rate, seconds = LOADER_FPS if fps is None else fps, _seconds(film)
    count = min(int(seconds * rate), budget)
    need_rate("vllm", film)
    if film.frames < count:
        numbers = [math.floor(i * film.frames / count) for i in range(count)]
    else:
        steps = {"frame_seconds": 1 / film.fps, "step": 1 / (EVEN * rate), "end": int(seconds)}
        numbers = _walk(film.frames, **steps)
    return _paired(_spread(numbers, count=count, frames=film.frames))


def glmga(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as vLLM's loader for GLM-GA does, up to 640 frames.

    >>> glmga(FilmFacts(100, 25.0), budget=640, fps=None, span=None).tolist()
    [0, 10, 21, 32, 42, 53, 64, 75]
    """
    rate = min(LOADER_FPS if fps is None else fps, LOADER_MOST_FPS)
    need_rate("vllm", film)
    seconds = _seconds(film)
    count = min(int(seconds * rate), budget, GLM_MOST_FRAMES, film.frames)
    step = 1 / rate
    numbers = _walk(film.frames, frame_seconds=1 / film.fps, step=step, end=seconds - step)
    return _paired(_spread(numbers, count=count, frames=film.frames))


def molmo2(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as vLLM's loader for Molmo2 does in its mode ``uniform_last_frame``.

    ``fps`` is upstream's ``max_fps``, 2 by default.

    >>> molmo2(FilmFacts(100, 25.0), budget=384, fps=None, span=None).tolist()
    [0, 12, 25, 38, 50, 62, 75, 88, 99]
    """
    rate, last = LOADER_FPS if fps is None else fps, film.frames - 1
    if film.frames <= 2:
        return np.arange(film.frames)
    if _seconds(film) > (budget - 1) / rate:
        return np.linspace(0, last, min(budget, film.frames)).astype(np.int64)
    need_rate("vllm", film)
    places = np.arange(0.0, last, film.fps / rate)
    if np.round(places[-1]) != last:
        places = np.append(places, last)
    if len(places) > budget:
        refuse("vllm", "AssertionError", film, f"{len(places)} frames, more than the budget")
    return np.round(places).astype(np.int64)


def openpangu(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as vLLM's loader for openPangu does; on short films it repeats frames.

    >>> openpangu(FilmFacts(100, 25.0), budget=4, fps=None, span=None).tolist()
    [0, 33, 66, 99]
    """
    rate = LOADER_FPS if fps is None else fps
    seconds = (film.frames - 1) / film.fps if film.fps > 0 else 0.0
    count, at_rate = budget, int(seconds * rate) + 1
    if budget >= at_rate:
        count, seconds = at_rate, min(seconds, (at_rate - 1) / rate)
    times = np.linspace(0, seconds, count).tolist()
    return np.array([min(film.frames - 1, round(time * film.fps)) for time in times], np.int64)


def embedding_gemma2(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as vLLM's loader for EmbeddingGemma 2 does, up to 128 frames.

    >>> embedding_gemma2(FilmFacts(100, 25.0), budget=32, fps=None, span=None).tolist()
    [0, 25, 50, 75]
    """
    rate, seconds = GEMMA_FPS if fps is None else fps, _seconds(film)
    if rate > GEMMA_MOST_FPS or budget > GEMMA_MOST_FRAMES:
        limits = f"{rate:g} a second and {budget} frames, more than 60 and 128"
        refuse("vllm", "ValueError", film, limits)
    if not seconds:
        if film.frames <= budget:
            return np.arange(film.frames)
        return np.linspace(0, film.frames - 1, budget, dtype=np.int64)
    count = max(1, int(seconds * rate))
    order = np.arange(count) if count <= budget else np.linspace(0, count - 1, budget, dtype=int)
    return np.minimum(film.frames - 1, (order * (film.fps / rate)).astype(np.int64))


def clef_omni(film: FilmFacts, *, budget: int, fps: float | None, span: Bounds) -> I64:
    """Samples as vLLM's loader for Clef-Omni does: the first frame of each step of time.

    The budget stands for upstream's constant of 768 frames, and never raises it; a film that
    needs more is refused.

    >>> clef_omni(FilmFacts(60, 25.0), budget=768, fps=None, span=None).tolist()
    [0, 13, 25, 38, 50, 50]
    """
    need_rate("vllm", film, error="ValueError")
    step, most = film.fps / (LOADER_FPS if fps is None else fps), min(budget, CLEF_MOST_FRAMES)
    numbers: list[int] = []
    while (number := math.ceil(len(numbers) * step - 1e-6)) < film.frames:
        numbers.append(number)
        if len(numbers) > most:
            refuse("vllm", "ValueError", film, f"more than {most} frames")
    return _paired(numbers)


def _seconds(film: FilmFacts) -> float:
    """The length of a film as vLLM's decoders say it; 0 where there is no rate."""
    return film.frames / film.fps if film.fps > 0 else 0.0


def _walk(frames: int, *, frame_seconds: float, step: float, end: float) -> list[int]:
    """The frames that reach the next step of time, at most one step a frame, up to an end."""
    numbers, due = [], 0.0
    for number in range(frames):
        if number * frame_seconds >= due:
            due += step
            numbers.append(number)
            if due >= end:
                break
    return numbers


def _spread(numbers: Sequence[int], *, count: int, frames: int) -> list[int]:
    """What was found, or evenly spaced frames where it is another number; each once."""
    if len(numbers) < count:
        first, last = (numbers[0], numbers[-1]) if numbers else (0, max(frames - 1, 0))
        numbers = _even_numbers(first, last, count)
    elif len(numbers) > count:
        numbers = _even_numbers(0, frames - 1, count)
    return list(dict.fromkeys(numbers))


def _even_numbers(first: int, last: int, count: int) -> list[int]:
    numbers: list[int] = np.linspace(first, last, count, dtype=np.int64).tolist()
    return numbers


def _paired(numbers: list[int]) -> I64:
    """Repeats the last frame of an odd number of frames."""
    return np.array(numbers + numbers[-1:] if len(numbers) % EVEN else numbers, np.int64)
