"""Frames of a store on a GPU are those in memory, and no pixel comes back unasked.

libjpeg-turbo takes the place of DALI's decoder; its pictures are put on the GPU, or on the one that
Numba's simulator plays.
"""

import numpy as np
import pytest
from on_gpu import need_gpu, to_device
from simplejpeg import decode_jpeg
from stored import indexed

from fewframes.bindings.dali import capabilities as dali_capabilities
from fewframes.bindings.dali import jpeg as dali_jpeg
from fewframes.errors import MissingBackendError
from fewframes.kernels import axis_taps, gpu, resize

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def by_libjpeg(monkeypatch):
    need_gpu()

    def decoded(pipeline, files):
        return [to_device(decode_jpeg(data, "RGB"), "cuda") for data in files]

    monkeypatch.setattr(dali_jpeg, "_decoded", decoded)
    monkeypatch.setattr(dali_jpeg, "_pipeline", lambda *_: None)
    monkeypatch.setattr(dali_capabilities, "require_here", lambda device: "2.4")
    monkeypatch.setattr(dali_capabilities, "require_gpu", lambda: None)


@pytest.fixture
def copies(monkeypatch):
    """Bytes of each copy to memory."""
    seen, kind = [], type(gpu.empty((1,), np.uint8))
    copy = kind.copy_to_host

    def weighed(array, *rest, **options):
        seen.append(array.nbytes)
        return copy(array, *rest, **options)

    monkeypatch.setattr(kind, "copy_to_host", weighed)
    return seen


@pytest.mark.parametrize("codec", ["jpeg", "raw", "zstd"])
def test_frames_lie_on_the_gpu_in_the_order_asked_for(films, tmp_path, codec, copies):
    video = indexed(films("vp9"), tmp_path, size="16", codec=codec, fps=2)
    rows = [2, 0, 2]
    batch, ours = video.read(rows=rows, device="cuda"), video.read(rows=rows)
    assert (batch.device, ours.device) == ("cuda", "cpu")
    assert batch.frames.shape == ours.frames.shape == (3, 8, 16, 3)
    assert "[3, 8, 16, 3] u8 rgb" in repr(batch)
    who = "dali 2.4 on cuda" if codec == "jpeg" else f"{codec} on cpu, copied to cuda"
    assert batch.report["decoder"] == who
    assert copies == []
    assert np.array_equal(batch.on_host().frames, ours.frames)
    assert copies == [ours.frames.nbytes]
    assert ours.on_host() is ours
    assert [frame.shape for frame in batch] == [(8, 16, 3)] * 3


def test_other_sizes_are_averaged_where_the_pictures_lie(films, tmp_path, copies):
    video = indexed(films("vp9"), tmp_path, size="16", fps=2)
    batch = video.read(rows=[1], size=(6, 9), device="cuda")
    assert copies == []
    whole = video.read(rows=[1]).frames[0]
    wanted = resize(whole, axis_taps(8, 6), axis_taps(16, 9))
    assert np.array_equal(batch.on_host().frames[0], wanted)


def test_what_needs_memory_says_so(films, tmp_path):
    batch = indexed(films("vp9"), tmp_path, size="16", fps=2).read(rows=[0], device="cuda")
    for name, call in (("jpeg()", batch.jpeg), ("to()", lambda: batch.to("openai"))):
        with pytest.raises(ValueError, match="lie on a GPU") as caught:
            call()
        assert str(caught.value) == (
            f"{name} needs frames in memory, and these lie on a GPU; call batch.on_host() first"
        )
    assert batch.on_host().jpeg()[0][6:10] == b"JFIF"
    assert batch.__dlpack_device__() == (2, 0)


def test_pytorch_takes_them_where_they_lie_or_says_that_it_cannot(films, tmp_path):
    batch = indexed(films("vp9"), tmp_path, size="16", fps=2).read(rows=[0, 1], device="cuda")
    if not can_use_a_gpu():
        with pytest.raises(MissingBackendError, match="PyTorch"):
            batch.torch()
        return
    import torch

    for tensor in (batch.torch(), torch.from_dlpack(batch)):
        assert tensor.device.type == "cuda"
        assert np.array_equal(tensor.cpu().numpy(), batch.on_host().frames)
        tensor[0, 0, 0, 0] ^= 1  # the same memory: the next one sees it


def can_use_a_gpu():
    """Whether PyTorch is there and for GPUs; the simulator's is none."""
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()
