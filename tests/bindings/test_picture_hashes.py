"""picture_xxh64 is of every plane, so that verify sees a wrong colour wherever it comes from."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import xxhash
from click.testing import CliRunner
from pixel_films import write_raw_film

import fewframes
from fewframes.bench.research.films import Film, write_film
from fewframes.bindings.ffmpeg import pixels as ffmpeg_pixels
from fewframes.checking import verify
from fewframes.checking.verify import verify_film, verify_store
from fewframes.cli.main import main
from fewframes.features.signals import SIGNALS
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.store.recipes import Recipe

RECIPE = Recipe(fps=None, size="64", dedup=0)
ROW_BYTES = {
    "yuv420p": (67, 34, 34),
    "yuv422p10le": (134, 68, 68),
    "yuva444p": (67, 67, 67, 67),
    "nv12": (67, 68),
    "uyvy422": (136,),
    "bgr24": (201,),
    "gbrp12le": (134, 134, 134),
    "gray16be": (134,),
    "ya8": (134,),
    "monow": (9,),
    "pal8": (67, 1024),
}
"""Bytes of samples in a row of each plane of a picture 67 wide; a palette is one row."""


@dataclass
class Wrong:
    """A decoder that gives other chroma, and the same luma, where a frame is read after a seek."""

    is_sought: bool = False

    def decode(self, timeline, runs, **how):
        self.is_sought = len(runs) == 1 and len(runs[0].requested) == 1 and runs[0].feed[0] > 0
        yield from verifying_decoder(timeline, runs, **how)

    def hashes(self, picture, scaler):
        if self.is_sought:
            np.frombuffer(memoryview(picture.planes[1]), np.uint8)[0] ^= 1
        return picture_hashes(picture, scaler)


verifying_decoder, picture_hashes = verify.decoder(), ffmpeg_pixels.picture_hashes


@pytest.fixture
def film(tmp_path):
    write_film(tmp_path / "a.mp4", Film(frames=75, options={"g": "25"}))
    return tmp_path / "a.mp4"


@pytest.fixture
def wrong(monkeypatch):
    """Makes decoding after a seek wrong; to be called after the film was indexed."""

    def now():
        decoder = Wrong()
        monkeypatch.setattr(verify, "decoder", lambda: decoder.decode)
        monkeypatch.setattr(ffmpeg_pixels, "picture_hashes", decoder.hashes)

    return now


@pytest.mark.parametrize("name", ROW_BYTES)
def test_picture_xxh64_is_of_all_planes_as_decoded(tmp_path, name):
    path = tmp_path / "a.nut"
    assert write_raw_film(path, name, (35, 67))
    index_film(FilmTask(path, tmp_path / "s.zarr", "a", RECIPE))
    with av.open(str(path)) as container:
        expected = []
        for picture in container.decode(video=0):
            samples = b""
            for plane, width in zip(picture.planes, ROW_BYTES[name], strict=True):
                rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)
                samples += np.ascontiguousarray(rows[:, :width]).tobytes()
            expected.append(xxhash.xxh64_intdigest(samples))
    table = fewframes.open(tmp_path / "s.zarr")["a"].table
    assert table.signals["picture_xxh64"].tolist() == expected
    assert verify_store(tmp_path / "s.zarr", [path])[0].differences == ()


@pytest.mark.slow
def test_verify_of_a_file_sees_other_chroma_after_a_seek(film, wrong):
    assert verify_film(film, seeks=5).differences == ()
    wrong()
    verdict = verify_film(film, seeks=5)
    assert verdict.compared == 5
    assert [line.split("(")[0] for line in verdict.differences] == [
        f"frame {number} " for number in (37, 56, 74)
    ]  # frames 0 and 18 are in the first GOP, which no seek comes before
    assert verdict.differences[0].endswith("is another picture when it is reached by seeking")


@pytest.mark.slow
def test_verify_of_a_store_reads_in_sequence_and_after_seeks(film, wrong, tmp_path):
    index_film(FilmTask(film, tmp_path / "s.zarr", "a.mp4", RECIPE))
    assert verify_store(tmp_path / "s.zarr", [film])[0].differences == ()
    wrong()
    differences = verify_store(tmp_path / "s.zarr", [film])[0].differences
    assert len(differences) > 20
    assert all("by seeking" in line for line in differences)


@pytest.mark.slow
def test_verify_of_a_store_sees_other_chroma_in_sequence(film, tmp_path, monkeypatch):
    index_film(FilmTask(film, tmp_path / "s.zarr", "a.mp4", RECIPE))

    def other(picture, scaler):
        np.frombuffer(memoryview(picture.planes[2]), np.uint8)[0] ^= 1
        return picture_hashes(picture, scaler)

    monkeypatch.setattr(ffmpeg_pixels, "picture_hashes", other)
    differences = verify_store(tmp_path / "s.zarr", [film])[0].differences
    assert len(differences) == 75
    assert differences[0] == "frame 0 (0.000 s) of 'a.mp4' decodes to another picture"


@pytest.mark.slow
def test_a_frame_that_no_longer_decodes_has_changed(film, tmp_path):
    index_film(FilmTask(film, tmp_path / "s.zarr", "a.mp4", RECIPE))
    packets = fewframes.probe(film).packets
    data = bytearray(film.read_bytes())
    at, size = int(packets.position[30]), int(packets.size_bytes[30])
    data[at + 8 : at + size] = bytes(size - 8)
    film.write_bytes(data)
    differences = verify_store(tmp_path / "s.zarr", [film])[0].differences
    assert any(line.endswith("of 'a.mp4' no longer decodes") for line in differences)
    assert not any(line.startswith("frame 3 ") for line in differences)


@pytest.mark.slow
def test_a_store_without_the_column_opens_lists_reads_and_verifies(film, tmp_path, monkeypatch):
    store = tmp_path / "s.zarr"
    with monkeypatch.context() as patch:
        patch.delitem(SIGNALS, "picture_xxh64")
        index_film(FilmTask(film, store, "a.mp4", RECIPE))
    video = fewframes.open(store)["a"]
    assert "picture_xxh64" not in video.table.signals
    assert video.read(rows=[0]).frames.shape[0] == 1
    assert len(video.sample(budget=8)) == 8
    assert CliRunner().invoke(main, ["ls", str(store)]).exit_code == 0
    (verdict,) = verify_store(store, [film])
    assert (verdict.compared, verdict.differences) == (75, ())
    monkeypatch.setattr(verify, "other_film", lambda *_: "")
    write_film(film, Film(frames=75, options={"g": "25", "crf": "35"}))
    assert len(verify_store(store, [film])[0].differences) == 75


@pytest.mark.slow
def test_cases_whose_seeks_lose_colours_are_told_apart():
    """Whatever a decoder makes of these, `verify` and a plain comparison agree on it."""
    folder = Path(__file__).parents[2] / "../shared/cases"
    if not folder.is_dir():
        pytest.skip("no folder ../shared/cases")
    for name in ("h264_chroma.mkv", "pal8.avi", "uyvy.avi", "nv12.mkv", "crop.mkv"):
        path = (folder / name).resolve()
        every = fewframes.read(path, frames=range(len(fewframes.probe(path)))).frames
        alone = [fewframes.read(path, frames=[n]).frames[0] for n in range(len(every))]
        is_exact = all(np.array_equal(a, b) for a, b in zip(alone, every, strict=True))
        assert (verify_film(path).differences == ()) == is_exact, name
