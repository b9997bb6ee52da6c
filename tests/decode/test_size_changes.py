"""A film that changes its size in mid-stream: no picture is squashed or called damaged."""

import av
import numpy as np
import pytest
from turning_films import EACH, FILMS, HALF, LANDSCAPE, PORTRAIT, write

import fewframes
from fewframes.checking.verify import verify_film
from fewframes.errors import DamagedFrameError
from fewframes.media.sizes import fitted_box


@pytest.fixture(params=["libvpx", "libvpx-vp9", "libx264", "mjpeg"])
def turning(request, tmp_path):
    return write(tmp_path / f"film{FILMS[request.param][0]}", request.param, [LANDSCAPE, PORTRAIT])


def extent(rgb):
    """Height and width of what is not black."""
    lit = rgb.max(axis=-1) > 40
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)


def disc(rgb):
    """Height and width of the white disc."""
    lit = rgb.min(axis=-1) > 180
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)


@pytest.mark.slow
@pytest.mark.parametrize("size", [None, 160, (120, 120)])
def test_a_picture_of_another_shape_is_fitted_with_borders(turning, size):
    batch = fewframes.read(turning, frames=range(2 * EACH), size=size)
    height, width = batch.frames.shape[1:3]
    assert extent(batch.frames[0]) == (height, width)
    for number in range(EACH, 2 * EACH):
        tall, narrow = extent(batch.frames[number])
        assert tall == height
        assert abs(narrow - width * (180 / 320) ** 2) <= 2
    ratio = 1.0 if size != (120, 120) else 320 / 180
    for rgb in batch.frames:
        tall, broad = disc(rgb)
        assert abs(tall - broad * ratio) <= 3  # squashed as the caller asked, and no more
    said = f"{EACH} frames are of another size (180x320) and were fitted with borders"
    assert batch.report["fitted"] == said


def test_a_frame_read_alone_is_the_frame_of_the_whole(turning):
    whole = fewframes.read(turning, frames=range(2 * EACH))
    for number in (0, EACH - 1, EACH, 2 * EACH - 1):
        alone = fewframes.read(turning, frames=[number])
        np.testing.assert_array_equal(alone.frames[0], whole.frames[number])


def test_planes_are_as_decoded_and_two_sizes_are_no_batch(turning):
    portrait = fewframes.read(turning, frames=[EACH], format="yuv")
    with av.open(str(turning)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(video=0)]
    assert [plane.shape[1:] for plane in portrait.planes] == [(320, 180), (160, 90), (160, 90)]
    np.testing.assert_array_equal(portrait.planes[0][0], frames[EACH][:320])
    with pytest.raises(ValueError, match=r"320x180.*180x320.*read them apart") as said:
        fewframes.read(turning, frames=[0, EACH], format="yuv", workers=1)
    assert not isinstance(said.value, DamagedFrameError)


@pytest.mark.slow
def test_the_index_keeps_shapes_and_says_so(turning, tmp_path):
    report = fewframes.index(turning, tmp_path / "s.zarr", fps=None, size=160, dedup=0, workers=1)
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.reason, outcome.rows) == ("ok", "", 2 * EACH)
    assert f"{EACH} frames are of another size (180x320)" in outcome.notes
    video = fewframes.open(tmp_path / "s.zarr")[turning.stem]
    assert "180x320" in video.facts["decoding"]["fitted"]
    rgb = video.read(rows=[EACH]).frames[0]
    assert abs(extent(rgb)[1] - 160 * (180 / 320) ** 2) <= 4
    read = fewframes.read(turning, frames=[EACH], size=160).frames[0]
    assert np.abs(rgb.astype(int) - read).mean() < 4
    assert verify_film(turning).differences == ()
    assert video.facts["notes"] == [outcome.notes]


@pytest.mark.slow
def test_shots_of_a_film_that_changes_its_size_are_found(turning):
    shots = fewframes.shots(turning)
    assert shots.frame_count == 2 * EACH
    assert len(shots) >= 1


@pytest.mark.slow
def test_a_long_film_that_changes_its_size_is_indexed_in_one_go(tmp_path):
    film = write(tmp_path / "film.mkv", "mjpeg", [LANDSCAPE, PORTRAIT, LANDSCAPE])
    stores = []
    for name, seconds in (("cut", 1e-6), ("whole", 1e9)):
        how = {"fps": None, "size": 160, "dedup": 0, "workers": 2, "range_seconds": seconds}
        report = fewframes.index(film, tmp_path / name, **how)
        assert "180x320" in report.outcomes[0].notes
        stores.append(fewframes.open(tmp_path / name)["film"])
    hashes = [video.table.signals["picture_xxh64"].tolist() for video in stores]
    assert hashes[0] == hashes[1]


def test_a_smaller_picture_of_the_same_shape_is_scaled_and_said(tmp_path):
    film = write(tmp_path / "film.mkv", "mjpeg", [LANDSCAPE, HALF])
    batch = fewframes.read(film, frames=range(2 * EACH))
    assert extent(batch.frames[EACH]) == LANDSCAPE
    assert "(160x90) and were scaled" in batch.report["fitted"]


@pytest.mark.parametrize("picture_size", [(320, 180), (1, 999), (999, 1), (7, 5), (480, 640)])
@pytest.mark.parametrize("target", [(180, 320), (1, 1), (35, 67), (2, 2)])
def test_a_box_lies_inside_centred_and_keeps_the_aspect(picture_size, target):
    top, left, height, width = fitted_box(picture_size, (180, 320), target)
    assert 1 <= height <= target[0]
    assert 1 <= width <= target[1]
    assert abs(2 * top + height - target[0]) <= 3
    assert abs(2 * left + width - target[1]) <= 3
    assert height >= target[0] - 1 or width >= target[1] - 1
