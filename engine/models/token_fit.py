"""Tokens: turns a budget of visual tokens into a number and a size of frames.

1. A frame is worth nothing where a model cannot read it: it gets ``min_tokens``, or what its
   full size costs where that is less.
2. ``prefer="frames"``: as many frames as fit at that size; what is left over makes them larger.
3. ``prefer="size"``: frames as large as the model takes them; as many as fit, but at least
   ``min_frames``, for which they are made smaller.

Models that fuse two pictures get frames that have no near neighbour twice, so a frame is counted
as a pair: whatever is chosen fits, and where frames turn out to be neighbours, has room to spare.
A processor's own limit for all frames together makes way for ``max_tokens``; one for each stays.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, Unpack

from fewframes.decode.batch import FrameBatch
from fewframes.keywords import keywords_of
from fewframes.models.runtimes import RUNTIMES, Runtime, bounded, resized, tokens
from fewframes.store.embedding import SampleOptions
from fewframes.store.video import Video

Preference = Literal["frames", "size"]
LEAST_TOKENS = 128
"""The fewest tokens that qwen-vl-utils 0.0.14 gives a picture of a video (VIDEO_MIN_TOKEN_NUM)."""
LEAST_FRAMES = 8
UNBOUNDED = 1 << 40


@dataclass(frozen=True, slots=True)
class TokenFit:
    """How many frames, and how large."""

    frames: int
    size: tuple[int, int]
    """Height and width, multiples of the model's factor: its processor leaves them as they are."""
    tokens: int
    """What they cost at most."""


def fit_tokens(
    runtime: str,
    max_tokens: int,
    *,
    size: tuple[int, int],
    available: int | None = None,
    prefer: Preference = "frames",
    min_tokens: int = LEAST_TOKENS,
    min_frames: int = LEAST_FRAMES,
) -> TokenFit:
    """Chooses number and size of frames for a model together.

    Args:
        runtime: A row of `RUNTIMES` whose tokens are counted, such as "qwen3-vl".
        max_tokens: Visual tokens that there are.
        size: Height and width of the pictures; they are enlarged only where the model does that.
        available: Frames that there are to choose from.
        prefer: Which of the two is wanted first.
        min_tokens: What a picture costs at least, so that it can be read.
        min_frames: Frames that there are at least with ``prefer="size"``.

    Raises:
        ValueError: The tokens are not enough for one legible picture, the runtime does not count
            tokens by size, or ``prefer`` is another word.

    >>> fit_tokens("qwen3-vl", 8000, size=(720, 1280))
    TokenFit(frames=62, size=(256, 480), tokens=7440)
    >>> fit_tokens("qwen3-vl", 8000, size=(720, 1280), prefer="size")
    TokenFit(frames=9, size=(704, 1280), tokens=7920)
    """
    model = _counted(runtime)
    if prefer not in ("frames", "size"):
        raise ValueError(f"prefer={prefer!r} is not known; pass 'frames' or 'size'")
    full = tokens(bounded(model, 2, UNBOUNDED) if model.shares_pixels else model, 2, *size)
    least = min(min_tokens, full)
    if not model.shares_pixels:
        least = max(least, tokens(model, 2, *_smallest(model, size)))
    if max_tokens < least or least < 1:
        raise ValueError(
            f"max_tokens={max_tokens} is less than one picture of {least} tokens, with "
            f"least_tokens={min_tokens}; pass max_tokens >= {max(1, least)}"
        )
    count = max_tokens // least
    if prefer == "size":
        count = min(count, max(min_frames, max_tokens // full))
    limits = [most for most in (available, model.max_frames) if most is not None]
    count = min([count, *limits])
    if count < 1:
        raise ValueError("available=0 leaves no frame to choose; index the film first")
    return _fit(model, count, max_tokens, size)


@keywords_of(Video.sample, without=("budget",))
def sample_within(
    video: Video,
    runtime: str,
    max_tokens: int,
    *,
    prefer: Preference = "frames",
    min_tokens: int = LEAST_TOKENS,
    **options: Unpack[SampleOptions],
) -> FrameBatch:
    """Samples as many frames as a model has tokens for, at the size that goes with it.

    ``options`` are those of `Video.sample`, without ``budget``. ``report["fit"]`` is the
    `TokenFit`. Raises as `fit_tokens` and `Video.sample` do.

    >>> import fewframes as ff
    >>> batch = sample_within(ff.open("corpus.zarr")["film"], "qwen3-vl", 400, min_tokens=16)
    >>> batch, batch.to("qwen3-vl").report["tokens"]
    (FrameBatch([20, 128, 160, 3] u8 rgb of 'film.mp4', frames 0 to 237, 0.00 s to 9.48 s), 200)
    """
    fit = fit_tokens(
        runtime,
        max_tokens,
        size=video.frame_size,
        available=len(video.slots),
        prefer=prefer,
        min_tokens=min_tokens,
    )
    chosen = video.sample(budget=fit.frames, **options)
    fit = _fit(_counted(runtime), len(chosen), max_tokens, video.frame_size)
    sized = video.read(frames=chosen.frame_numbers, size=fit.size)
    return replace(sized, scores=chosen.scores, report={**chosen.report, "fit": fit})


def _counted(runtime: str) -> Runtime:
    model = RUNTIMES.get(runtime)
    if model is None or not model.factor:
        names = ", ".join(name for name, row in RUNTIMES.items() if row.factor)
        raise ValueError(f"runtime={runtime!r} counts no tokens by size; pass one of {names}")
    return model


def _smallest(model: Runtime, size: tuple[int, int]) -> tuple[int, int]:
    """The size to which a processor enlarges small pictures of this shape."""
    scale = math.sqrt(max(1, model.pixels[0]) / (4 * size[0] * size[1]))
    tall, wide = (max(1, round(side * scale)) for side in size)
    return resized(model, 2, tall, wide)


def _fit(model: Runtime, frames: int, max_tokens: int, size: tuple[int, int]) -> TokenFit:
    """The largest size for so many frames, each counted as a pair where the model fuses."""
    pictures = 2 * frames if model.fuses else frames

    def cost(sides: tuple[int, int]) -> int:
        return -(-pictures // 2) * (sides[0] // model.factor) * (sides[1] // model.factor)

    best = resized(bounded(model, pictures, max_tokens), pictures, *size)
    if not model.shares_pixels:  # the processor must leave it as it is
        sizes = [resized(model, 2, *one) for one in (size, best, _smallest(model, size))]
        kept = [one for one in sizes if cost(one) <= max_tokens and resized(model, 2, *one) == one]
        best = max(kept, key=cost, default=best)
    return TokenFit(frames, best, cost(best))
