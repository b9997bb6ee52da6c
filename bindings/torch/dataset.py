"""PyTorch: clips of a store as a Dataset, a resumable Sampler, and an IterableDataset.

Each clip follows from its number, each order from seed and epoch, so that a run that is stopped
goes on with the samples it would have seen, on any number of workers. Workers may be spawned or
forked; none holds more open than it reads. Importing this module needs PyTorch.
"""

# Where PyTorch is not installed, `bindings/torch` is taken for it.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset, Sampler, get_worker_info

from fewframes.arrays import F64, I64
from fewframes.training.clip_sizes import check_sizes
from fewframes.training.clips import Clip, ClipPlan, epoch_order

Sample = dict[str, Any]


def sample_of(clip: Clip, number: int) -> Sample:
    """A clip as tensors: ``past`` and ``future`` u8 ``[k, h, w, 3]``, their seconds f64."""
    return {
        "clip": number,
        "video": clip.video,
        "seconds": clip.seconds,
        "past": torch.from_numpy(clip.past.frames),
        "past_seconds": torch.from_numpy(clip.past.seconds),
        "future": torch.from_numpy(clip.future.frames),
        "future_seconds": torch.from_numpy(clip.future.seconds),
    }


class ClipDataset(Dataset[Sample]):  # type: ignore[misc]
    """The clips of a plan by number.

    Raises ValueError where the plan has no clip, or pictures of several sizes, which PyTorch cannot
    put into one batch: ``mixed_sizes=True`` allows them, for loaders that make batches by size.
    """

    def __init__(self, plan: ClipPlan, *, mixed_sizes: bool = False) -> None:
        if not mixed_sizes:
            check_sizes(plan)
        self.plan = plan

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, number: int) -> Sample:
        return sample_of(self.plan.clip(number), number)


class ClipSampler(Sampler[int]):  # type: ignore[misc]
    """The order of epochs, shared out over ``ranks`` processes; its state can be kept.

    After ``load_state_dict(sampler.state_dict())`` it goes on behind the samples that were counted
    by ``advance``; the loop that trains says how many those are, since loaders read ahead.
    """

    def __init__(
        self,
        plan: ClipPlan,
        *,
        seed: int = 0,
        weights: F64 | None = None,
        draws: int | None = None,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if not 0 <= rank < ranks:
            raise ValueError(f"rank={rank} is not one of {ranks}; pass 0 to {ranks - 1}")
        self.count, self.weights, self.draws = len(plan), weights, draws
        self.seed, self.rank, self.ranks = seed, rank, ranks
        self.epoch, self.done = 0, 0

    def order(self) -> I64:
        """The clips of this epoch that are this rank's, from its start."""
        order = epoch_order(
            self.count, seed=self.seed, epoch=self.epoch, weights=self.weights, draws=self.draws
        )
        return order[self.rank :: self.ranks]

    def __len__(self) -> int:
        return len(self.order()) - self.done

    def __iter__(self) -> Iterator[int]:
        return iter(self.order()[self.done :].tolist())

    def advance(self, samples: int) -> None:
        """Counts samples that were used."""
        self.done += samples

    def next_epoch(self) -> None:
        """Begins the next epoch."""
        self.epoch, self.done = self.epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """Where it is: plain numbers."""
        return {"seed": self.seed, "epoch": self.epoch, "done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on where another one was."""
        self.seed, self.epoch, self.done = state["seed"], state["epoch"], state["done"]


class ClipStream(IterableDataset[Sample]):  # type: ignore[misc]
    """The clips of one epoch, shared out over the loader's workers; ``start`` skips used ones.

    With one sample a batch and w workers, sample j comes from worker j mod w, so the order is the
    same for any number of workers. Sizes are as with `ClipDataset`.
    """

    def __init__(
        self,
        plan: ClipPlan,
        *,
        seed: int = 0,
        epoch: int = 0,
        start: int = 0,
        mixed_sizes: bool = False,
    ) -> None:
        if not mixed_sizes:
            check_sizes(plan)
        self.plan, self.seed, self.epoch, self.start = plan, seed, epoch, start

    def __iter__(self) -> Iterator[Sample]:
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        order = epoch_order(len(self.plan), seed=self.seed, epoch=self.epoch)[self.start :]
        for number in order[worker::workers].tolist():
            yield sample_of(self.plan.clip(number), number)
