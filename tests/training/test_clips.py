"""Clips of a corpus for training: the same ones for the same numbers, whoever reads them."""

from pathlib import Path

import numpy as np
import pytest

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.training.clips import ClipPlan, epoch_order


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name, frames in (("a", 300), ("b", 150), ("short", 10)):
        write_film(folder / f"{name}.mp4", Film(size=(48, 64), frames=frames, options={"g": "25"}))
    ff.index([folder], folder / "store.zarr", fps=5, dedup=0)
    return folder / "store.zarr"


@pytest.fixture(scope="module")
def plan(store):
    return ClipPlan(
        store,
        past_seconds=2,
        stride_seconds=1.5,
        past_frames=4,
        future_seconds=1,
        future_frames=2,
    )


@pytest.mark.slow
def test_numbers_go_through_the_videos(plan):
    told = [plan.anchor(number) for number in range(len(plan))]
    assert [video.id for video, _ in told] == ["a.mp4"] * 6 + ["b.mp4"] * 2
    assert [second for _, second in told] == [2, 3.5, 5, 6.5, 8, 9.5, 2, 3.5]
    with pytest.raises(IndexError, match="there are 8"):
        plan.clip(8)


@pytest.mark.slow
def test_windows_lie_before_and_behind_the_anchor(plan):
    for number in range(len(plan)):
        clip = plan.clip(number)
        assert clip.past.frames.shape == (4, 48, 64, 3)
        assert clip.future.frames.shape == (2, 48, 64, 3)
        assert (clip.past.seconds <= clip.seconds).all()
        assert (clip.past.seconds >= clip.seconds - 2.2).all()
        assert (clip.future.seconds > clip.past.seconds[-1]).all()
        assert (clip.future.seconds <= clip.seconds + 1 + 1e-6).all()
        video = ff.open(plan.store)[clip.video]
        assert np.array_equal(clip.past.frames, video.read(seconds=clip.past.seconds).frames)


@pytest.mark.slow
def test_weights_follow_spans(plan):
    weights = plan.weights({"a": [(3, 5, 2.0), (5, 7, 1.0)]}, elsewhere=0.5)
    assert weights.tolist() == [0.5, 2.5, 3.5, 1.5, 0.5, 0.5, 0.5, 0.5]
    drawn = epoch_order(8, seed=3, weights=plan.weights({"b": [(3, 4, 1.0)]}), draws=50)
    assert set(drawn.tolist()) == {7}
    often = epoch_order(8, seed=0, weights=weights, draws=4000)
    share = np.bincount(often, minlength=8) / 4000
    assert np.abs(share - weights / weights.sum()).max() < 0.03
    with pytest.raises(KeyError, match="none"):
        plan.weights({"none": [(3, 4, 1.0)]})
    with pytest.raises(ValueError, match="one above 0"):
        epoch_order(8, seed=0, weights=np.zeros(8))


@pytest.mark.slow
def test_orders_differ_by_epoch_and_seed_alone():
    assert sorted(epoch_order(50, seed=1).tolist()) == list(range(50))
    assert epoch_order(50, seed=1).tolist() != epoch_order(50, seed=1, epoch=1).tolist()


@pytest.mark.slow
def test_wrong_plans_are_refused(store):
    with pytest.raises(ValueError, match="stride_seconds=0 must be more than 0"):
        ClipPlan(store, past_seconds=1, stride_seconds=0)
    with pytest.raises(ValueError, match="past_frames >= 1"):
        ClipPlan(store, past_seconds=1, stride_seconds=1, past_frames=0)


@pytest.mark.slow
@pytest.mark.parametrize("context", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_loaders_give_what_the_numbers_say_and_go_on_where_they_stopped(plan, context):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch.utils.data import DataLoader

    from fewframes.bindings.torch.dataset import ClipDataset, ClipSampler, ClipStream

    def seen(sampler, workers):
        loader = DataLoader(
            ClipDataset(plan),
            batch_size=2,
            sampler=sampler,
            num_workers=workers,
            multiprocessing_context=context if workers else None,
        )
        return [(batch["clip"].tolist(), int(batch["past"].sum())) for batch in loader]

    whole = seen(ClipSampler(plan, seed=5), 2)
    assert whole == seen(ClipSampler(plan, seed=5), 0)
    first = ClipSampler(plan, seed=5)
    first.advance(4)
    rest = ClipSampler(plan)
    rest.load_state_dict(first.state_dict())
    assert seen(rest, 2) == whole[2:]
    halves = [list(ClipSampler(plan, seed=5, rank=rank, ranks=2)) for rank in (0, 1)]
    assert sorted(halves[0] + halves[1]) == list(range(8))
    stream = DataLoader(
        ClipStream(plan, seed=5, start=3),
        batch_size=None,
        num_workers=2,
        multiprocessing_context=context,
    )
    assert [sample["clip"] for sample in stream] == epoch_order(8, seed=5)[3:].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("context", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_loader_gives_the_clips_and_goes_on_where_it_stopped(plan, context, workers):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch.utils.data import DataLoader

    from fewframes.bindings.torch.dataset import ClipDataset, ClipSampler
    from fewframes.bindings.torch.loader import ClipLoader

    def loader(sampler):
        return ClipLoader(plan, sampler, batch_size=3, workers=workers, context=context)

    def told(batch):
        plain = {key: value for key, value in batch.items() if key != "video"}
        return {key: (value.dtype, value.tolist()) for key, value in plain.items()}, batch["video"]

    theirs = DataLoader(ClipDataset(plan), sampler=ClipSampler(plan, seed=5), batch_size=3)
    whole = [told(batch) for batch in loader(ClipSampler(plan, seed=5))]
    assert whole == [told(batch) for batch in theirs]
    first = ClipSampler(plan, seed=5)
    first.advance(3)
    rest = ClipSampler(plan)
    rest.load_state_dict(first.state_dict())
    assert [told(batch) for batch in loader(rest)] == whole[1:]


@pytest.mark.slow
def test_memory_is_used_again_and_never_under_a_batch_that_is_kept(plan):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from fewframes.bindings.torch.loader import ClipLoader

    numbers = list(range(8)) * 4
    loader = ClipLoader(plan, numbers, batch_size=1)
    for batch in loader:
        assert batch["past"].shape == (1, 4, 48, 64, 3)
    assert loader.new_memory == 0
    kept = [batch["past"][:, 1:] for batch in loader]  # parts of batches hold on to them, too
    assert loader.new_memory == len(numbers) - 7
    for number, past in zip(numbers, kept, strict=True):
        assert np.array_equal(past[0].numpy(), plan.clip(number).past.frames[1:])


@pytest.mark.slow
def test_pictures_of_several_sizes_need_a_size(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from fewframes.bindings.torch.loader import ClipLoader

    for name, size in (("wide", (48, 96)), ("tall", (96, 48))):
        write_film(tmp_path / f"{name}.mp4", Film(size=size, frames=150, options={"g": "25"}))
    ff.index([tmp_path], tmp_path / "store.zarr", fps=5)
    wishes = {"past_seconds": 2, "stride_seconds": 3, "past_frames": 2}
    mixed = ClipPlan(tmp_path / "store.zarr", **wishes)
    with pytest.raises(ValueError, match="size=\\(height, width\\)"):
        list(ClipLoader(mixed, range(len(mixed)), batch_size=len(mixed), workers=0))
    even = ClipPlan(tmp_path / "store.zarr", size=(32, 40), **wishes)
    (batch,) = ClipLoader(even, range(len(even)), batch_size=len(even), workers=0)
    assert batch["past"].shape == (len(even), 2, 32, 40, 3)
    blind = ClipPlan(tmp_path / "store.zarr", future_seconds=0.01, future_frames=1, **wishes)
    with pytest.raises(ValueError, match="no indexed frame from"):
        list(ClipLoader(blind, [0], batch_size=1, workers=0))
    with pytest.raises(ValueError, match="must be at least 1, 0 and 1"):
        ClipLoader(even, [0], batch_size=0)


@pytest.mark.slow
def test_a_plan_can_be_sent(plan):
    import pickle

    again = pickle.loads(pickle.dumps(plan))
    assert np.array_equal(again.clip(3).past.frames, plan.clip(3).past.frames)
    assert isinstance(again.store, Path)
