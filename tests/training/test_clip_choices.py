"""Plans of clips count what can be read, refuse at the start what fits no batch, can be split."""

import pickle

import numpy as np
import pytest
from stored import RECIPE, film, jpeg, put, table_of

import fewframes as ff
from fewframes.features.scan_result import ScanResult
from fewframes.store.writer import VideoWriter
from fewframes.training.clips import ClipPlan

FRAMES = 500
"""20 s at 25 a second; every second frame is a row."""


def put_without(store, video_id, gone, *, height=48, width=64):
    """Stores a video whose rows of some frame numbers could not be decoded."""
    timeline = film(FRAMES)
    table = table_of(timeline)
    is_there = np.ones(len(table), bool)
    for first, last in gone:
        is_there &= (table.frame_numbers < first) | (table.frame_numbers > last)
    table = table.take(np.flatnonzero(is_there))
    facts = {"reason": "some do not decode" if gone else "", "bad_ranges": gone}
    sides = {"height": height, "width": width}
    with VideoWriter(store, video_id=video_id, recipe=RECIPE, **sides) as out:
        slots = [out.append(jpeg(row, **sides)) for row in range(len(table))]
        scanned = ScanResult(timeline=timeline, table=table, slots=np.array(slots), **facts)
        out.commit(scanned, source_digest=video_id)


WINDOWS = {"past_seconds": 1, "stride_seconds": 0.5, "past_frames": 2}
FUTURE = {"future_seconds": 1, "future_frames": 2}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """The first 3 s, 8 to 12 s, and what is behind 16 s of 20 s are not indexed."""
    store = tmp_path_factory.mktemp("damaged") / "s.zarr"
    put_without(store, "case", [(0, 74), (200, 298), (400, 498)])
    put_without(store, "sound", [])
    return store


@pytest.mark.slow
@pytest.mark.parametrize("future", [{}, FUTURE])
def test_moments_that_are_not_indexed_are_not_counted(damaged, future):
    plan = ClipPlan(damaged, **WINDOWS, **future)
    for number in range(len(plan)):
        clip = plan.clip(number)
        assert len(clip.past.frames) == 2
        assert len(clip.future.frames) == future.get("future_frames", 0)
        assert clip.past.seconds[-1] >= clip.seconds - 0.081  # and no picture from before the hole
    told = [plan.anchor(number) for number in range(len(plan))]
    seconds = [second for video, second in told if video.id == "case"]
    until = 7.5 if future else 8
    whole = np.arange(1, 19 if future else 20, 0.5).tolist()
    ends = (until, 15.5 if future else 16)
    expected = [s for s in whole if 3 < s <= ends[0] or 12 <= s <= ends[1]]
    assert [s for s in seconds if s not in (8, 16)] == [s for s in expected if s not in (8, 16)]
    assert sum(video.id == "sound" for video, _ in told) == len(whole)
    assert plan.left_out[0] == len(whole) - len(seconds)


@pytest.mark.slow
def test_an_epoch_goes_through_a_damaged_video(damaged):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from fewframes.bindings.torch.loader import ClipLoader

    plan = ClipPlan(damaged, **WINDOWS, **FUTURE)
    seen = [
        n for b in ClipLoader(plan, range(len(plan)), batch_size=4, workers=0) for n in b["clip"]
    ]
    assert len(seen) == len(plan) > 40


def test_a_plan_without_a_clip_says_why(damaged):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from fewframes.bindings.torch.dataset import ClipDataset

    for windows, words in (
        ({**WINDOWS, "future_seconds": 0.01, "future_frames": 1}, "no indexed frame from"),
        ({**WINDOWS, "past_seconds": 30}, "none of 2 videos is longer than the 30 s"),
    ):
        with pytest.raises(ValueError, match=words):
            ClipDataset(ClipPlan(damaged, **windows))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    store = tmp_path_factory.mktemp("mixed") / "s.zarr"
    for name, height, width in (("a", 48, 64), ("b", 48, 64), ("tall", 96, 48), ("c", 48, 64)):
        put_without(store, name, [], height=height, width=width)
    return store


@pytest.mark.slow
def test_several_sizes_are_refused_before_the_first_batch(mixed, monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from fewframes.bindings.torch.dataset import ClipDataset, ClipSampler, ClipStream
    from fewframes.bindings.torch.loader import ClipLoader

    plan = ClipPlan(mixed, **WINDOWS)
    monkeypatch.setattr(ClipPlan, "clip", None)  # nothing is read
    words = r"2 sizes \(48x64: 'a', 'b', 'c'; 96x48: 'tall'\).*size=\(height, width\).*by_shape"
    for begin in (ClipDataset, ClipStream, lambda p: ClipLoader(p, ClipSampler(p), batch_size=2)):
        with pytest.raises(ValueError, match=words):
            begin(plan)
    few = range(int(plan.ends[1]))  # of "a" and "b" alone
    ClipLoader(plan, few, batch_size=2)
    ClipLoader(plan, ClipSampler(plan, weights=plan.weights({"a": [(0, 9, 1.0)]})), batch_size=2)
    ClipLoader(plan, ClipSampler(plan), batch_size=1)
    ClipDataset(plan, mixed_sizes=True)
    ClipDataset(ClipPlan(mixed, size=(32, 32), **WINDOWS))


@pytest.mark.slow
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_by_shape_have_one_size_each_and_all_clips_once(mixed, drop_last):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from fewframes.bindings.torch.dataset import ClipSampler
    from fewframes.bindings.torch.loader import ClipLoader

    plan = ClipPlan(mixed, **{**WINDOWS, "stride_seconds": 4})
    request = {"batch_size": 3, "workers": 0, "by_shape": True, "drop_last": drop_last}
    loader = ClipLoader(plan, ClipSampler(plan, seed=2), **request)
    batches = list(loader)
    assert len(loader) == len(batches)
    for batch in batches:
        tall = [video == "tall" for video in batch["video"]]
        assert len(set(tall)) == 1
        assert batch["past"].shape[2:4] == ((96, 48) if tall[0] else (48, 64))
        for number, past in zip(batch["clip"].tolist(), batch["past"], strict=True):
            assert np.array_equal(past.numpy(), plan.clip(number).past.frames)
    seen = sorted(number for batch in batches for number in batch["clip"].tolist())
    if drop_last:
        assert all(len(batch["clip"]) == 3 for batch in batches)
        assert len(set(seen)) == len(seen) > len(plan) - 6
    else:
        assert seen == list(range(len(plan)))


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    store = tmp_path_factory.mktemp("many") / "s.zarr"
    for number in range(20):
        put(store, f"day {number % 3}/case_{number:02}", digest=str(number))
    return store


def ids_of(store, videos):
    windows = {"past_seconds": 0.2, "stride_seconds": 0.4}
    return [video.id for video in ClipPlan(store, videos=videos, **windows).videos]


@pytest.mark.slow
def test_videos_are_named_or_listed_in_a_file(many, tmp_path):
    everything = list(ff.open(many))
    assert ids_of(many, None) == everything
    few = [everything[3], everything[1]]
    assert ids_of(many, few) == sorted(few)
    split = tmp_path / "train.txt"
    split.write_text("# the first fold\n" + "\n".join(few) + "\n\n")
    assert ids_of(many, split) == ids_of(many, str(split)) == sorted(few)
    with pytest.raises(KeyError, match="no video 'day 9/case'"):
        ids_of(many, ["day 9/case"])
    for wrong, words in (
        ([few[0], few[0]], "2 times"),
        ([], "chooses none of the 20"),
        (0, "is no share"),
        ((0.5, 1.5), "is no share"),
        (1e-9, "chooses none"),
    ):
        with pytest.raises(ValueError, match=words):
            ids_of(many, wrong)
    with pytest.raises(FileNotFoundError):
        ids_of(many, tmp_path / "none.txt")


@pytest.mark.slow
def test_shares_do_not_overlap_and_stay_when_videos_are_added(many, tmp_path):
    train, rest = ids_of(many, 0.7), ids_of(many, (0.7, 1.0))
    assert sorted(train + rest) == list(ff.open(many))
    assert 8 <= len(train) <= 19
    assert set(ids_of(many, 0.3)) <= set(train)
    for name in train[:3]:
        digest = ff.open(many)[name].facts["source"]["digest"]
        put(tmp_path / "s.zarr", f"renamed/{name}", digest=digest)
    for number in range(20, 40):
        put(tmp_path / "s.zarr", f"new_{number}", digest=str(number))
    grown = set(ids_of(tmp_path / "s.zarr", 0.7))
    assert {f"renamed/{name}" for name in train[:3]} <= grown
    assert 3 < len(grown) < 23
    assert train == [  # the hash is for good
        name for name in ff.open(many) if name in train
    ]


def test_the_hash_of_a_share_is_for_good():
    from fewframes.training.clip_videos import place_of

    assert place_of("day 1/case_07") == pytest.approx(0.5, abs=0.5)
    assert round(place_of("case_07"), 6) == 0.781035


@pytest.mark.slow
def test_an_opened_store_does_as_well_as_its_path(many):
    windows = {"past_seconds": 0.2, "stride_seconds": 0.4, "past_frames": 2}
    by_path, opened = ClipPlan(many, **windows), ClipPlan(ff.open(many), **windows)
    assert len(by_path) == len(opened) > 20
    again = pickle.loads(pickle.dumps(opened))
    for plan in (opened, again):
        assert np.array_equal(plan.clip(7).past.frames, by_path.clip(7).past.frames)
