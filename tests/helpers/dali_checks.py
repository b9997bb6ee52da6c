"""What the tests of DALI share: is it there, and is what it gives near enough to FFmpeg's?"""

import io
import os

import av
import numpy as np
import pytest

import fewframes
from fewframes.bindings.dali import capabilities as dali_capabilities
from fewframes.bindings.dali import decode as dali_decode
from fewframes.bindings.dali import video as dali_video
from fewframes.decode.decoder import DecodeReport, decoder
from fewframes.decode.plan import plan_frames
from fewframes.features.picture_stats import BLOCKS
from fewframes.kernels import block_stats
from fewframes.kernels.taps import area_weights

RGB_MEAN, RGB_MOST = 1.2, 64
"""Levels by which RGB may differ from this package's: chroma is interpolated in another way."""
LUMA_MEAN, CHROMA_MEAN, PLANE_MOST = 0.6, 1.2, 20
"""The same for the planes that are measured and stored."""
NEAR = {
    "brightness": 0.5,
    "contrast": 0.8,
    "detail": 0.6,
    "sharpness": 1.0,
    "dark": 0.03,
    "bright": 0.03,
    "change": 0.5,
    "change_peak": 4.0,
    "changed_area": 0.06,
    "colour_change": 0.6,
    "kept_change": 0.5,
    "tone_change": 1.2,
    "similarity": 0.016,
}
"""Tolerance of each signal, on top of `SHARE` of its value."""
SHARE = 0.06
"""Hard edges between colours are softer in DALI's RGB, so changes of colour are smaller."""
ON_CPU = ["vp9", "vp8", "mjpeg"]
ON_GPU = ["vp9", "vp8", "x264_pyramid", "x264_long_gop", "x264_turned", "x265_b", "x265_open_gop"]


def need(device):
    """Skips where DALI, or a GPU, is not there; fails where it is required to be."""
    missing = dali_capabilities.machine_facts().missing(device, for_video=True)
    name = "REQUIRE_GPU" if device == "cuda" else "REQUIRE_DALI"
    if missing:
        (pytest.fail if os.environ.get(name) == "1" else pytest.skip)(missing)


def check_pixels(timeline, numbers, device="cpu", size=None):
    ours = fewframes.read(timeline, frames=numbers, size=size).frames
    theirs = fewframes.read(timeline, frames=numbers, size=size, backend="dali", device=device)
    difference = np.abs(ours.astype(int) - theirs.frames)
    assert difference.mean(axis=(1, 2, 3)).max() < RGB_MEAN
    assert difference.max() <= RGB_MOST
    assert theirs.report["decoder"].startswith("dali")
    return theirs


def index_by(film, folder, backend, device="cpu", **how):
    store = folder / f"{backend}.zarr"
    report = fewframes.index(film, store, backend=backend, device=device, workers=1, **how)
    assert report.with_status("ok"), report.outcomes
    return next(iter(fewframes.open(store).values()))


def undecided_bits(film, video):
    """Bits of each row's dhash64 that compare parts less than a level apart: rounding decides."""
    timeline, counts = fewframes.probe(film), []
    runs = plan_frames(timeline, video.table.frame_numbers).runs
    how = {"format": "jpeg", "size": video.frame_size, "report": DecodeReport()}
    for batch in decoder()(timeline, runs, **how):
        planes = [np.ascontiguousarray(plane[0]) for plane in batch.planes]
        half = min(32, max(1, round(max(planes[0].shape) / BLOCKS / 2)))
        luma = block_stats(*planes, half, 0, 255)[0][0]
        rows, columns = (
            area_weights(*sides) / sides[0] for sides in zip(luma.shape, (8, 9), strict=True)
        )
        parts = rows @ luma @ columns.T
        counts.append((np.abs(np.diff(parts, axis=1)) < 1).sum())
    return np.array(counts)


def check_index(film, folder, device="cpu", **how):
    ours = index_by(film, folder, "ffmpeg", **how)
    theirs = index_by(film, folder, "dali", device, **how)
    one, other = ours.table, theirs.table
    assert one.frame_numbers.tolist() == other.frame_numbers.tolist()
    assert one.pts.tolist() == other.pts.tolist()
    for name, near in NEAR.items():
        mine, found = one.signals[name], other.signals[name]
        np.testing.assert_allclose(found, mine, rtol=SHARE, atol=near, err_msg=name)
    bits = np.bitwise_count(one.signals["dhash64"] ^ other.signals["dhash64"])
    assert (bits <= 2 + undecided_bits(film, ours)).all()
    assert theirs.facts["decoding"]["decoder"].startswith("dali 2.")
    assert ours.facts["decoding"] == {"decoder": "ffmpeg on cpu"}
    return ours, theirs


class PyavPipeline:
    """What DALI would give for small streams, by FFmpeg in memory of the CPU: RGB by BT.601."""

    def __init__(self, device, count):
        self.device, self.count = device, count

    def start(self, streams):
        assert len(streams) <= self.count
        self.streams = streams

    def given(self):
        return [pictures_of(one) for one in self.streams]

    def release(self):
        pass


def pictures_of(one):
    """The pictures that are asked of a stream, ``[n, h, w, 3] u8``."""
    with av.open(io.BytesIO(one.data)) as container:
        stream = container.streams.video[0]
        rgb = {p.pts: p.to_ndarray(format="rgb24") for p in container.decode(stream)}
    return np.stack([rgb[rank] for rank in one.request.tolist()])


def play_gpu(monkeypatch, pipeline=PyavPipeline):
    """Lets a pipeline take the place of DALI's on a GPU, or on the CPU."""
    monkeypatch.setattr(dali_decode, "require", lambda stream, device: "2.4")
    monkeypatch.setattr(dali_video, "VideoPipeline", pipeline)
    monkeypatch.setattr(dali_decode, "frames_at_once", lambda device, size, pipelines: 4096)
