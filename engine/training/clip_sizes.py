"""Do the frames of clips have one size, as a batch needs it? And which clips go together?"""

from collections.abc import Iterable, Iterator

import numpy as np

from fewframes.training.clips import ClipPlan

MOST_NAMED = 3
"""Videos of a size that a sentence names."""


def sizes_of(
    plan: ClipPlan, numbers: Iterable[int] | None = None
) -> dict[tuple[int, int], list[str]]:
    """Gives the videos of clips (default: of all) by the height and width of their frames.

    Raises IndexError for the number of a clip that there is not.
    """
    if numbers is None:
        at = np.flatnonzero(np.diff(plan.ends, prepend=0))
    else:
        request = np.fromiter(numbers, np.int64)
        for number in request[(request < 0) | (request >= len(plan))][:1].tolist():
            plan.anchor(number)
        at = np.unique(np.searchsorted(plan.ends, request, side="right"))
    found: dict[tuple[int, int], list[str]] = {}
    for video in (plan.videos[one] for one in at.tolist()):
        found.setdefault(plan.size_of(video), []).append(video.id)
    return found


def check_sizes(plan: ClipPlan, numbers: Iterable[int] | None = None) -> None:
    """Refuses clips (default: all) whose frames have several sizes, and a plan without a clip.

    Raises ValueError, which names videos of each size, or says why there is no clip.
    """
    if not len(plan):
        raise ValueError(_why_empty(plan))
    sizes = sizes_of(plan, numbers)
    if len(sizes) > 1:
        often_first = sorted(sizes, key=lambda size: (-len(sizes[size]), size))
        words = "; ".join(f"{h}x{w}: {_some(sizes[h, w])}" for h, w in often_first[:4])
        raise ValueError(
            f"clips have pictures of {len(sizes)} sizes ({words}); make the plan with "
            "size=(height, width), which all are brought to, such as (224, 224), or with videos= "
            "of one size, or batch by shape (by_shape=True)"
        )


class BatchesByShape:
    """Batches of clips of one size each, in the order in which they are full.

    What is left of each size at the end is a smaller batch, or with ``drop_last`` none.
    """

    def __init__(
        self, plan: ClipPlan, numbers: Iterable[int], batch_size: int, *, drop_last: bool = False
    ) -> None:
        self.plan, self.numbers = plan, numbers
        self.batch_size, self.drop_last = batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        waiting: dict[tuple[int, int], list[int]] = {}
        for number in self.numbers:
            some = waiting.setdefault(self.plan.size_of(self.plan.anchor(number)[0]), [])
            some.append(number)
            if len(some) == self.batch_size:
                yield some.copy()
                some.clear()
        if not self.drop_last:
            yield from (some for some in waiting.values() if some)

    def __len__(self) -> int:
        sizes = np.array([self.plan.size_of(video) for video in self.plan.videos])
        shapes = np.unique(sizes, axis=0, return_inverse=True)[1].reshape(-1)
        at = np.searchsorted(self.plan.ends, np.fromiter(self.numbers, np.int64), side="right")
        counts = np.bincount(shapes[at])
        rounded = counts // self.batch_size if self.drop_last else -(-counts // self.batch_size)
        return int(rounded.sum())


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(repr, names[:MOST_NAMED])) + more


def _why_empty(plan: ClipPlan) -> str:
    if any(plan.left_out):
        at = int(np.argmax(plan.left_out))
        return (
            f"none of the {sum(plan.left_out)} moments of {len(plan.videos)} videos can be read: "
            f"there is no indexed frame from the moment on, for {plan.future_seconds:g} s, or none "
            f"at it (most are of {plan.videos[at].id!r}); index at a higher rate, or pass a longer "
            "future_seconds"
        )
    both = plan.past_seconds + plan.future_seconds
    return (
        f"none of {len(plan.videos)} videos is longer than the {both:g} s of past and future; pass "
        "shorter ones"
    )
