"""Stored JPEGs that DALI decodes on the CPU are those this package decodes."""

import numpy as np
import pytest
from dali_checks import need
from stored import indexed

from fewframes.bindings.dali import capabilities as dali_capabilities
from fewframes.errors import CorruptStoreError, MissingBackendError
from fewframes.kernels import axis_taps, resize
from fewframes.store.frame_reader import check_asked
from fewframes.store.shard_reader import ShardReader


@pytest.fixture
def video(films, tmp_path):
    need("cpu")
    return indexed(films("vp9"), tmp_path, size="160", fps=None)


@pytest.mark.slow
def test_every_level_is_the_same_at_the_stored_size(video):
    rows = [5, 0, 71, 5, *range(70)]  # more than one run of the pipeline, some twice
    ours, theirs = video.read(rows=rows), video.read(rows=rows, backend="dali")
    assert np.array_equal(ours.frames, theirs.frames)
    assert ours.frame_numbers.tolist() == theirs.frame_numbers.tolist()
    assert theirs.report["decoder"] == f"dali {dali_capabilities.machine_facts().dali} on cpu"
    assert theirs.device == "cpu"


@pytest.mark.slow
@pytest.mark.parametrize("size", [80, 40, (33, 50), (100, 170)])
def test_other_sizes_are_averaged_from_the_whole_picture(video, size):
    got, whole = video.read(rows=[0, 40], size=size, backend="dali"), video.read(rows=[0, 40])
    sides = [axis_taps(*sides) for sides in zip((90, 160), got.frames.shape[1:3], strict=True)]
    for one, other in zip(got, whole, strict=True):
        assert np.array_equal(one, resize(other, *sides))


def test_no_rows_are_no_frames(video):
    assert video.read(rows=[], backend="dali").frames.shape == (0, 90, 160, 3)


def test_what_is_no_picture_of_the_store_is_refused(video, monkeypatch):
    first, small = video.encoded([0])[0], video.read(rows=[0], size=80).jpeg()[0]
    for data, says in ((first[:40], "DALI cannot decode"), (small, r"is \[44, 80, 3\], not")):
        monkeypatch.setattr(ShardReader, "encoded", lambda self, slots, data=data: [data])
        with pytest.raises(CorruptStoreError, match=says):
            video.read(rows=[0], backend="dali")
    monkeypatch.undo()
    assert len(video.read(rows=[0], backend="dali")) == 1  # a new pipeline


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("ffmpeg", "cpu", "jpeg", None), "backend='ffmpeg' decodes films, and these are stored"),
        (("dali", "cpu", "raw", None), "backend='dali' decodes JPEGs, and these pictures are raw"),
        (("dali", "cpu", "jpeg", np.empty(1)), "out= is in memory and filled by the default"),
        ((None, "tpu", "jpeg", None), "device='tpu' is not known"),
    ],
)
def test_what_does_not_go_together_is_an_error(asked, says):
    with pytest.raises(ValueError, match=says):
        check_asked(*asked)


@pytest.mark.parametrize("codec", ["jpeg", "raw"])
def test_without_a_gpu_the_error_says_so(films, tmp_path, codec):
    if not dali_capabilities.gpu_facts()[1]:
        pytest.skip("there is a GPU here")
    video = indexed(films("vp9"), tmp_path, size="16", codec=codec)
    with pytest.raises(MissingBackendError, match=r"cannot be used: .*(GPU|driver|DALI)"):
        video.read(rows=[0], device="cuda")
