"""What is damaged, stale or unreadable is so for every command, in one sentence."""

import os
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import fewframes as ff
from fewframes.bench.research.films import RECIPES, write_film
from fewframes.bench.research.matrix_films import cells
from fewframes.checking.verify import verify_film
from fewframes.cli.main import main
from fewframes.errors import DamagedFrameError, StaleIndexError, UnreadableMediaError
from fewframes.indexing.options import FilmTask
from fewframes.indexing.tasks import execute
from fewframes.media.headers import Headers
from fewframes.store.recipes import Recipe


@pytest.fixture
def flipped(films, tmp_path):
    """A film with wrong bytes in a reference picture of its second group."""
    data = bytearray(films("x264_mkv").read_bytes())
    packets = ff.probe(films("x264_mkv")).packets
    row = int(np.flatnonzero(packets.is_random_access)[1]) + 1
    start, size = int(packets.position[row]), int(packets.size_bytes[row])
    for at in range(start + size // 3, start + size, 7):
        data[at] ^= 0x55
    path = tmp_path / "flipped.mkv"
    path.write_bytes(data)
    return path


@pytest.mark.slow
def test_all_agree_on_what_is_damaged(flipped, tmp_path):
    assert ff.probe(flipped, verify=True).damage
    assert verify_film(flipped, seeks=3).differences
    outcome = execute(FilmTask(flipped, tmp_path / "store", "a", Recipe(fps=None)))
    assert outcome.status == "damaged"
    with pytest.raises(DamagedFrameError):
        ff.read(flipped, frames=range(len(ff.probe(flipped))))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["x264_pyramid", "x265_open_gop", "mpeg4_avi", "vp9"])
def test_all_agree_that_a_sound_film_is_sound(films, recipe, tmp_path):
    film = films(recipe)
    timeline = ff.probe(film, verify=True)
    assert (timeline.damage, len(timeline.undecodable), timeline.state) == ((), 0, "verified")
    assert verify_film(film, seeks=3).differences == ()
    assert execute(FilmTask(film, tmp_path / "store", "a", Recipe())).status == "ok"


@pytest.mark.slow
def test_a_timeline_of_a_file_that_was_replaced_is_stale(films, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(films("x264_pyramid").read_bytes())
    timeline = ff.probe(path)
    path.write_bytes(films("x264_no_b").read_bytes())
    with pytest.raises(StaleIndexError, match=r"'film\.mp4' is another file"):
        ff.read(timeline, frames=[0])


def test_a_timeline_of_a_file_of_the_same_size_and_another_time_is_stale(films, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(films("x264_pyramid").read_bytes())
    timeline = ff.probe(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(StaleIndexError):
        ff.read(timeline, frames=[0])


@pytest.mark.slow
def test_an_encrypted_film_is_called_so(tmp_path):
    path = tmp_path / "secret.mp4"
    scheme = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "0" * 32}
    write_film(path, replace(RECIPES["x264_no_b"], muxing={**scheme, "encryption_kid": "1" * 32}))
    check_refused(path, "is encrypted")


@pytest.mark.slow
def test_a_stream_without_parameter_sets_is_refused_in_a_sentence(films, tmp_path):
    """Of an MPEG-TS film, what comes behind its only group's first picture."""
    packets = ff.probe(films("x264_ts")).packets
    second = int(packets.position[1]) // 188 * 188
    data = films("x264_ts").read_bytes()
    end = int(packets.position[int(np.flatnonzero(packets.is_random_access)[1])]) // 188 * 188
    path = tmp_path / "tail.ts"
    path.write_bytes(data[: 3 * 188] + data[second:end])
    check_refused(path, "decodes no picture")


def check_refused(path, words):
    """Every command and call says the same sentence."""
    with pytest.raises(UnreadableMediaError, match=words) as refused:
        ff.probe(path)
    assert "\n" not in str(refused.value)
    calls = (
        ["probe", str(path)],
        ["sample", str(path)],
        ["verify", str(path)],
        ["index", str(path), "-o", str(path.with_suffix(".zarr"))],
    )
    for call in calls:
        done = CliRunner().invoke(main, call)
        assert done.exit_code in (1, 3), call
        assert words in done.output.replace("\n", " "), call
        assert "Traceback" not in done.output


def test_what_only_a_seek_has_spoilt_is_not_marked(tmp_path):
    """A start further back undoes it: here the new parameter sets are kept from the decoder."""
    cell = next(one for one in cells() if one.name == "h264.mkv.changed_coder")
    path = tmp_path / "film.mkv"
    path.write_bytes(cell.bytes())
    timeline = ff.probe(path)
    assert len(timeline.headers) > 1
    batch = ff.read(replace(timeline, headers=(Headers(),)), frames=[30], format="yuv")
    assert batch.is_damaged is None
    assert batch.report["previous_keyframe"] + batch.report["from_start"] > 0
    right = ff.read(timeline, frames=[30], format="yuv")
    assert right.report["from_start"] == 0
    assert all(map(np.array_equal, batch.planes, right.planes))
