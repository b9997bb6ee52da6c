"""fewframes verify: it sees a change of one bit, and says nothing of what is whole."""

import json

import av
import numpy as np
import pytest
import xxhash
from click.testing import CliRunner

import fewframes as ff
from fewframes.bench.research.films import RECIPES, Film, write_film
from fewframes.checking.verify import verify_film, verify_store
from fewframes.cli.main import main

pytestmark = pytest.mark.slow

FILM = Film(frames=75, size=(144, 256), options={"g": "25"})


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "films").mkdir()
    write_film(tmp_path / "films" / "a.mp4", FILM)
    write_film(tmp_path / "films" / "b.mkv", Film(frames=50, suffix=".mkv"))
    ff.index(tmp_path / "films", tmp_path / "s.zarr", size=64, dedup=0)
    return tmp_path


@pytest.mark.parametrize(
    "recipe", ["x264_10bit", "x264_turned", "x264_odd_444", "vp9", "mpeg4_avi"]
)
def test_luma_xxh64_is_that_of_the_decoded_plane(films, tmp_path, recipe):
    ff.index(films(recipe), tmp_path / "s.zarr", size=64, fps=5)
    table = ff.open(tmp_path / "s.zarr")[recipe].table
    with av.open(str(films(recipe))) as container:
        planes = [picture.to_ndarray() for picture in container.decode(video=0)]
    height, width = RECIPES[recipe].size
    lumas = [p[0] if p.ndim == 3 else p[:height, :width] for p in planes]
    expected = [xxhash.xxh64_intdigest(np.ascontiguousarray(luma).data) for luma in lumas]
    given = table.signals["luma_xxh64"].tolist()
    assert given == [expected[number] for number in table.frame_numbers]


def test_a_sound_film_and_store_are_as_they_should_be(corpus):
    assert verify_film(corpus / "films" / "a.mp4").differences == ()
    verdicts = verify_store(corpus / "s.zarr", [corpus / "films"])
    assert [(v.video, v.compared, v.differences) for v in verdicts] == [
        ("a.mp4", 6, ()),
        ("b.mkv", 4, ()),
    ]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_flipped_bit_in_any_file_of_a_store_is_found(corpus, share):
    for file in sorted((corpus / "s.zarr" / "videos").rglob("*")):
        if not file.is_file():
            continue
        whole = file.read_bytes()
        data = bytearray(whole)
        data[int(len(data) * share)] ^= 1
        file.write_bytes(data)
        assert any(v.differences for v in verify_store(corpus / "s.zarr")), file.name
        file.write_bytes(whole)
    assert not any(v.differences for v in verify_store(corpus / "s.zarr"))


def test_another_film_of_the_same_name_is_found(corpus):
    write_film(corpus / "films" / "a.mp4", Film(frames=75, size=(144, 256), options={"crf": "35"}))
    said = CliRunner().invoke(
        main, ["verify", str(corpus / "s.zarr"), "--film", str(corpus / "films"), "--json"]
    )
    assert said.exit_code == 3
    first, second = map(json.loads, said.output.splitlines())
    (words,) = first["differences"]
    assert "'a.mp4' is another film than the one that was indexed as 'a.mp4'" in words
    assert second["differences"] == []


def test_a_shorter_film_is_found(corpus):
    write_film(corpus / "films" / "b.mkv", Film(frames=20, suffix=".mkv"))
    verdicts = verify_store(corpus / "s.zarr", [corpus / "films"])
    assert "'b.mkv' is another film" in verdicts[1].differences[0]


def test_what_is_no_film_is_one_sentence(tmp_path):
    (tmp_path / "notes.mp4").write_text("no film")
    said = CliRunner().invoke(main, ["verify", str(tmp_path / "notes.mp4")])
    assert said.exit_code == 1
    assert said.output.count("\n") == 1


def test_a_video_whose_film_is_not_given_is_said_not_to_be_compared(corpus):
    store = corpus / "s.zarr"
    given = verify_store(store, [corpus / "films" / "a.mp4"])
    verdicts = {verdict.video: verdict for verdict in given}
    assert verdicts["a.mp4"].notes == ()
    assert "not compared" in verdicts["b.mkv"].notes[0]
    assert all(not verdict.notes for verdict in verify_store(store))
