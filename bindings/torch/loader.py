"""ClipLoader: batches of clips from worker processes, decoded into memory that is used again.

1. Buffers of shared memory are made once. A request names clips, and a buffer that is free.
2. A worker decodes the clips straight into it; only ids and times go through a pipe.
3. A buffer is free again when nothing refers to the tensors of its batch any more. A loop that
   keeps batches gets new memory for the next ones, as PyTorch's own loaders always do: fresh pages
   of shared memory take longer than decoding the pictures that go there.

Importing this module needs PyTorch.
"""

# Where PyTorch is not installed, `bindings/torch` is taken for it.
# pyright: reportAttributeAccessIssue=false

import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset

from fewframes.bindings.torch.dataset import ClipSampler
from fewframes.training.clip_sizes import BatchesByShape, check_sizes
from fewframes.training.clips import ClipPlan

NEW = -1
"""In place of a buffer: none was free."""


class _Request(NamedTuple):
    """What a worker is asked for."""

    buffer: int
    numbers: list[int]


class _Read(NamedTuple):
    """What a worker says of a batch."""

    buffer: int
    memory: torch.Tensor | None
    """The pixels, where no buffer was free."""
    size: tuple[int, int]
    columns: dict[str, Any]
    """What the batch has beside the pixels: the ids of videos, and arrays."""


class _Reader(Dataset[_Read]):  # type: ignore[misc]
    """Reads whole batches, in a worker."""

    def __init__(self, plan: ClipPlan, buffers: list[torch.Tensor]) -> None:
        self.plan, self.buffers = plan, buffers

    def __getitems__(self, request: _Request) -> _Read:
        plan, numbers = self.plan, request.numbers
        size = plan.size_of(plan.anchor(numbers[0])[0])
        memory = None
        if request.buffer == NEW:
            memory = torch.empty(len(numbers) * _clip_bytes(plan, size), dtype=torch.uint8)
        pixels = self.buffers[request.buffer] if memory is None else memory
        targets = zip(*_windows(pixels.numpy(), plan, len(numbers), size), strict=True)
        clips = [plan.clip(number, out=out) for number, out in zip(numbers, targets, strict=True)]
        columns = {
            "clip": np.array(numbers),
            "video": [clip.video for clip in clips],
            "seconds": np.array([clip.seconds for clip in clips]),
            "past_seconds": np.stack([clip.past.seconds for clip in clips]),
            "future_seconds": np.stack([clip.future.seconds for clip in clips]),
        }
        return _Read(request.buffer, memory, size, columns)


class ClipLoader:
    """Goes over the clips of a plan in batches, as often as it is asked.

    A batch is a dict as PyTorch's own loader makes it of a `ClipDataset`: ``clip`` i64 ``[b]``,
    ``video`` (a list of ids), ``seconds`` f64 ``[b]``, ``past`` and ``future`` u8
    ``[b, k, h, w, 3]``, ``past_seconds`` and ``future_seconds`` f64 ``[b, k]``. Two workers give
    the frames of two processes that do nothing but read (`fewframes.bench.research.loaders`).

    Pictures of a batch have one size. That of all clips is checked before anything is read, or
    with ``by_shape`` each batch is of clips of one size.

    Raises:
        ValueError: ``batch_size`` or ``workers`` is too small, the plan has no clip, or its
            pictures have several sizes and batches are not made by shape.
    """

    def __init__(
        self,
        plan: ClipPlan,
        sampler: Iterable[int],
        *,
        batch_size: int,
        workers: int = 2,
        drop_last: bool = False,
        prefetch: int = 2,
        context: str = "spawn",
        by_shape: bool = False,
    ) -> None:
        """Takes what PyTorch's loader takes.

        Args:
            plan: Which clips there are.
            sampler: Their order, such as a `ClipSampler`, or numbers.
            batch_size: Clips in a batch.
            workers: Processes that read; 0 reads in this one.
            drop_last: Whether a last batch that is not full is left out.
            prefetch: Batches that each worker reads ahead.
            context: How processes are started: "spawn", "forkserver" or "fork".
            by_shape: Whether each batch is of clips whose pictures have one size, for plans with
                several; the order is the sampler's within a size.
        """
        if batch_size < 1 or workers < 0 or prefetch < 1:
            raise ValueError(
                f"batch_size={batch_size}, workers={workers} and prefetch={prefetch} must be at "
                "least 1, 0 and 1"
            )
        if not by_shape and batch_size > 1:
            check_sizes(plan, _numbers_of(sampler))
        elif not len(plan):
            check_sizes(plan)
        self.plan, self.workers = plan, workers
        self.batches: BatchSampler | BatchesByShape = (
            BatchesByShape(plan, sampler, batch_size, drop_last=drop_last)
            if by_shape
            else BatchSampler(sampler, batch_size, drop_last)
        )
        self.new_memory = 0
        """Batches of the last pass that no buffer was free for."""
        self._options: dict[str, Any] = {"num_workers": workers}
        if workers:
            self._options |= {"prefetch_factor": prefetch, "multiprocessing_context": context}
        self._buffers = max(1, workers * prefetch) + 3  # one in use, one just let go, one kept
        self._batch_size = batch_size

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.new_memory = 0
        sizes = [self.plan.size_of(video) for video in self.plan.videos]
        each = self._batch_size * max((_clip_bytes(self.plan, size) for size in sizes), default=0)
        buffers = [torch.zeros(each, dtype=torch.uint8) for _ in range(self._buffers)]
        for buffer in buffers if self.workers else ():
            buffer.share_memory_()
        free = list(range(len(buffers)))
        # PyTorch's annotations know batches of samples; these are requests for whole batches
        whole: dict[str, Any] = {"batch_sampler": self._requests(free), "collate_fn": _as_it_is}
        loaded = DataLoader(_Reader(self.plan, buffers), **whole, **self._options)
        for read in loaded:
            yield self._batch(read, buffers, free)

    def _requests(self, free: list[int]) -> Iterator[_Request]:
        """The requests of one pass; each takes a buffer when it is handed out."""
        workers = max(1, self.workers)
        for turn, numbers in enumerate(self.batches):
            # PyTorch asks workers in turn; each had better get the buffers that it knows
            known = [buffer for buffer in free if buffer % workers == turn % workers]
            buffer = (known or free or [NEW])[-1]
            if buffer == NEW:
                self.new_memory += 1
            else:
                free.remove(buffer)
            yield _Request(buffer, numbers)

    def _batch(self, read: _Read, buffers: list[torch.Tensor], free: list[int]) -> dict[str, Any]:
        if read.memory is None:
            array = buffers[read.buffer].numpy()[:]
            weakref.finalize(array, free.append, read.buffer).atexit = False
        else:
            array = read.memory.numpy()
        count = len(read.columns["video"])
        past, future = _windows(torch.from_numpy(array), self.plan, count, read.size)
        arrays = {
            name: values if name == "video" else torch.from_numpy(values)
            for name, values in read.columns.items()
        }
        return {**arrays, "past": past, "future": future}


def _numbers_of(sampler: Iterable[int]) -> Iterable[int] | None:
    """The clips that a sampler may give, where it says so; None for all of the plan."""
    if isinstance(sampler, ClipSampler) and sampler.weights is not None:
        drawn: list[int] = np.flatnonzero(sampler.weights).tolist()
        return drawn
    return sampler if isinstance(sampler, Sequence) else None


def _as_it_is(read: _Read) -> _Read:
    """A batch is whole when a worker has read it."""
    return read


def _clip_bytes(plan: ClipPlan, size: tuple[int, int]) -> int:
    return (plan.past_frames + plan.future_frames) * size[0] * size[1] * 3


def _windows(pixels: Any, plan: ClipPlan, count: int, size: tuple[int, int]) -> tuple[Any, Any]:  # noqa: ANN401
    """Cuts a buffer ``[bytes] u8`` into past and future, ``[b, k, h, w, 3]`` each."""
    frame = size[0] * size[1] * 3
    middle = count * plan.past_frames * frame
    end = middle + count * plan.future_frames * frame
    past = pixels[:middle].reshape(count, plan.past_frames, *size, 3)
    return past, pixels[middle:end].reshape(count, plan.future_frames, *size, 3)
