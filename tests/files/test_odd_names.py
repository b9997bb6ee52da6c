"""Films are probed, read, indexed, listed and exported whatever their names hold."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import fewframes as ff
from fewframes.checking.verify import verify_film
from fewframes.cli.main import main
from fewframes.errors import UnreadableMediaError
from fewframes.indexing.inputs import find_inputs
from fewframes.naming import quoted

NAMES = [
    "2024-01-01T10:20:30",
    "file:x",
    "concat:a|b",
    "100%d %s",
    "a#b?c=d&e",
    "two\nlines",
    "tab\there",
    "\x1b[31mred",
    'it\'s "quoted"',
    "-dash",
    "@list",
    "[1-2]*",
    "back\\slash",
    "  spaces ",
    "$(x) `y`;",
    "~home",
    "🎬 film",
    "caf\udce9",
]
"""The last one is in Latin-1, as old folders have names; Python has a surrogate for its byte."""


@pytest.fixture(scope="module")
def place(tmp_path_factory, films):
    """A folder with the same film under each name."""
    folder = tmp_path_factory.mktemp("films")
    for name in NAMES:
        os.link(films("x264_uneven"), folder / f"{name}.mp4")
    return folder


@pytest.fixture
def here(place, monkeypatch):
    """The test runs there, so that names stand alone."""
    monkeypatch.chdir(place)


@pytest.fixture(scope="module")
def store(place, tmp_path_factory):
    """All of them indexed by their bare names."""
    path = tmp_path_factory.mktemp("stores") / "s"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        films = [f"{name}.mp4" for name in NAMES]
        report = ff.index(films, path, size=64, duplicates="keep")
    assert {o.video_id: o.status for o in report.outcomes} == dict.fromkeys(films, "ok")
    return path


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_film_in_the_current_folder_is_read(here, films, name):
    whole = ff.read(films("x264_uneven"), frames=[0, 40])
    np.testing.assert_array_equal(ff.read(f"{name}.mp4", frames=[0, 40]).frames, whole.frames)
    timeline = ff.probe(f"{name}.mp4", cache=False)
    assert (timeline.source.name, len(timeline)) == (
        f"{name}.mp4",
        len(ff.probe(films("x264_uneven"))),
    )
    assert list(find_inputs([f"{name}.mp4"])) == [f"{name}.mp4"]
    said = run("probe", "--json", "--", f"{name}.mp4")
    assert json.loads(said.stdout)["file"] == f"{name}.mp4"


@pytest.mark.slow
def test_a_film_is_verified_under_any_name(here):
    assert verify_film(Path("2024-01-01T10:20:30.mp4"), seeks=3).differences == ()


@pytest.mark.slow
def test_a_folder_and_a_store_list_them(place, store):
    names = {f"{name}.mp4" for name in NAMES}
    assert set(find_inputs([place])) == set(find_inputs([f"{place}/*.mp4"])) == names
    videos = ff.open(store)
    assert set(videos) == names
    assert all(videos[name].facts["source"]["name"] == f"{name}.mp4" for name in NAMES)
    listed = [json.loads(line)["id"] for line in run("ls", "--json", store).stdout.splitlines()]
    assert listed == list(videos)
    assert run("verify", store, "--film", place).exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8:strict", "utf-8:surrogateescape"])
def test_a_list_has_a_line_a_video_and_its_bytes(store, encoding):
    command = [sys.executable, "-m", "fewframes", "ls", str(store)]
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, check=True, env=env)
    lines = done.stdout.splitlines()
    assert len(lines) == len(NAMES)
    ids = {line.rsplit(b"  ", 5)[0] for line in lines}
    quoted = {b"$'two\\nlines.mp4'", b"$'\\x1b[31mred.mp4'", b"$'tab\\there.mp4'"}
    assert quoted | {b"caf\xe9.mp4", "🎬 film.mp4".encode(), b"back\\slash.mp4"} <= ids
    assert os.fsencode("2024-01-01T10:20:30.mp4") in ids


@pytest.mark.slow
def test_ids_that_are_shown_can_be_pasted(store):
    """What a list shows goes through a shell, and names the video that was meant."""
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("bash is not installed")
    for name in ("two\nlines", "\x1b[31mred", "tab\there", "it's\x07", "-dash"):
        script = f"printf %s {quoted(name)}" if name != "-dash" else f"printf %s -- {name}"
        done = subprocess.run([shell, "-c", script], capture_output=True, check=True)
        assert done.stdout.removeprefix(b"--") == name.encode()
    for name in ("two\nlines", "two\nlines.mp4"):
        said = run("info", store, "--json", "--", name).stdout
        assert json.loads(said)["id"] == "two\nlines.mp4"


@pytest.mark.slow
def test_a_name_that_looks_like_an_option_is_explained(store):
    said = run("info", store, "-dash")
    assert said.exit_code == 2
    assert "An id or a file whose name begins with '-' goes behind '--'." in said.output
    assert json.loads(run("info", store, "--json", "--", "-dash").stdout)["id"] == "-dash.mp4"


@pytest.mark.slow
@pytest.mark.parametrize("command", [["probe"], ["sample"], ["verify"], ["index", "-o", "s"]])
@pytest.mark.parametrize("name", ["\x1b[2Jgone", "a\nError: b", "turn\u202e4pm", "c1\x9b31m"])
def test_no_command_gives_a_terminal_what_a_name_holds(tmp_path, monkeypatch, command, name):
    monkeypatch.chdir(tmp_path)
    Path(f"{name}.mp4").write_text("this is no film\n" * 9)
    (tmp_path / "list\x1b[2J.csv").write_text("path\nnone.mp4\n")
    words = [[*command, f"{name}.mp4"], [*command, "-o", "s", "@list\x1b[2J.csv"]]
    for arguments in words[: 1 + (command[0] == "index")]:
        said = run(*arguments)
        assert said.exit_code == 1
        assert not set("\x1b\x9b\u202e") & set(said.output)
        assert all(not line.startswith("Error: b") for line in said.output.splitlines())


@pytest.mark.slow
def test_progress_and_errors_are_a_line_each(here, tmp_path):
    (tmp_path / "no\nfilm.mp4").write_text("this is no film\n" * 9)
    said = run("index", tmp_path, "two\nlines.mp4", "-o", tmp_path / "s", "--size", 64)
    lines = said.output.splitlines()
    assert (said.exit_code, len(lines)) == (3, 4)
    assert lines[2].startswith("failed: $'no\\nfilm.mp4': 'no\\nfilm.mp4' is not a video")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jpeg", "webdataset", "mp4", "lerobot"])
def test_they_are_exported_into_a_folder_with_a_colon(store, tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    said = run("export", store, "--to", "out:1", "--format", form, "--", *NAMES)
    assert (said.exit_code, said.output) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["2024:01", "s\udce9"])
def test_a_store_may_be_called_anything(place, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    films = find_inputs([place / "-dash.mp4", place / "back\\slash.mp4"])
    more = ("--range-seconds", 0.01, "--duplicates", "keep")
    assert run("index", *films.values(), "-o", name, *more).exit_code == 0
    assert run("compact", name).output == "2 videos\n"
    assert list(ff.open(name)) == ["-dash.mp4", "back\\slash.mp4"]
    assert len(ff.open(name)["-dash"].read(frames=[0])) == 1
    assert run("ls", name, "--parquet", f"{name}.parquet").exit_code == 0
    with Path(f"{name}.parquet").open("rb") as file:
        assert pq.read_table(file).num_rows == 2
    assert (run("verify", name).exit_code, run("rm", name, "--", "-dash").exit_code) == (0, 0)


@pytest.mark.slow
def test_videos_are_removed_by_any_name(films, tmp_path, place):
    odd = ["two\nlines", "caf\udce9", "2024-01-01T10:20:30"]
    films = [place / f"{name}.mp4" for name in odd]
    ff.index(films, tmp_path / "s", size=64, duplicates="keep")
    assert run("rm", tmp_path / "s", "--", *odd).exit_code == 0
    assert list(ff.open(tmp_path / "s")) == []


@pytest.mark.slow
def test_what_is_called_like_a_list_is_a_film(here):
    assert list(find_inputs(["@list.mp4"])) == ["@list.mp4"]
    with pytest.raises(UnreadableMediaError, match="list 'none' does not exist"):
        find_inputs(["@none"])
