"""Films that failed are rows of a store until they are indexed or removed."""

import json

import pytest
from click.testing import CliRunner
from stored import put

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.cli.main import main


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def films(tmp_path):
    (tmp_path / "films").mkdir()
    write_film(tmp_path / "films/sound.mp4", Film(frames=10))
    (tmp_path / "films/junk.mp4").write_bytes(b"no film at all")
    return tmp_path / "films"


@pytest.mark.slow
def test_a_film_that_cannot_be_read_is_a_row_until_it_is_indexed(films, where):
    assert ff.index(films, where, size=64, workers=1).exit_status == 3
    store = ff.open(where)
    (row,) = store.failures()
    assert (row["id"], row["status"], row["keys"]) == ("junk.mp4", "failed", [])
    assert row["created"].startswith("20")
    said = run("ls", where, "--failed").output
    assert said.splitlines() == [f"junk.mp4  failed  None  None  None  None  {row['reason']}"]
    assert [line.split()[0] for line in run("ls", where).output.splitlines()] == [
        "sound.mp4",
        "junk.mp4",
    ]
    assert json.loads(run("ls", where, "--failed", "--json").output)["id"] == "junk.mp4"
    assert store.to_table(failed=True)["id"].to_pylist() == ["junk.mp4"]
    assert store.to_table()["id"].to_pylist() == ["junk.mp4", "sound.mp4"]
    again = ff.index(films, where, size=64, workers=1)
    assert [outcome.status for outcome in again.outcomes] == ["failed", "done"], "it is tried again"
    write_film(films / "junk.mp4", Film(frames=11))
    assert ff.index(films, where, size=64, workers=1).exit_status == 0
    assert store.failures() == []


@pytest.mark.slow
def test_a_failed_film_can_be_removed(films, where):
    ff.index(films, where, size=64, workers=1)
    assert run("rm", where, "junk").exit_code == 0
    assert ff.open(where).failures() == []
    done = CliRunner().invoke(main, ["rm", str(where), "junk"])
    assert done.exit_code == 1
    assert "no video 'junk'" in done.output


@pytest.mark.slow
def test_a_failure_under_another_recipe_stays(films, where):
    ff.index(films, where, size=64, workers=1)
    put(where, "junk.mp4")
    (row,) = ff.open(where).failures()
    assert row["recipe_size"] == "64"
    assert "junk" in ff.open(where)


@pytest.mark.slow
def test_a_film_that_strict_refuses_is_a_row_and_what_is_stored_is_none(films, where):
    path = films / "sound.mp4"
    packets = ff.probe(path).packets
    data = bytearray(path.read_bytes())
    start, size = int(packets.position[5]), int(packets.size_bytes[5])
    data[start + 5 : start + size] = bytes(size - 5)
    path.write_bytes(data)
    films, strict = [path], {"strict": True, "allow_all_failed": True}
    assert ff.index(films, where, size=64, fps=None, workers=1, **strict).exit_status == 1
    assert [row["id"] for row in ff.open(where).failures()] == ["sound.mp4"]
    assert ff.index(films, where, size=64, fps=None, workers=1).exit_status == 3
    assert ff.open(where).failures() == []
    assert ff.index(films, where, size=64, fps=None, workers=1, **strict).exit_status == 1
    assert ff.open(where).failures() == [], "it is in the store"
