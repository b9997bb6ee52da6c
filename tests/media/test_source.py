"""A film is a regular file: anything else is refused in one sentence, and no pipe is waited for."""

import os
import signal
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

import fewframes as ff
from fewframes.checking.verify import verify_film
from fewframes.cli.main import main
from fewframes.errors import UnreadableMediaError
from fewframes.indexing.inputs import find_inputs
from fewframes.store.marker import create_store

RETRY_SECONDS = 60
CALLS = {
    "probe": lambda path, _: ff.probe(path),
    "read": lambda path, _: ff.read(path, frames=[0]),
    "sample": lambda path, _: ff.sample(path, budget=2),
    "shots": lambda path, _: ff.shots(path),
    "verify_film": lambda path, _: verify_film(Path(path)),
    "index": lambda path, store: ff.index(path, store),
    "read_a_timeline": lambda path, _: read_what_was_replaced(Path(path)),
}
COMMANDS = {
    "probe": ["probe"],
    "sample": ["sample"],
    "verify": ["verify"],
    "index": ["index", "-o", "new store"],
    "forecast": ["index", "--dry-run", "-o", "new store"],
    "films_of_a_store": ["verify", "store", "--film"],
}


def read_what_was_replaced(path):
    """Reads a timeline whose film has become something else."""
    from fewframes.bindings.ffmpeg.opening import open_container

    with open_container(path):
        pass


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """A folder with a pipe and a socket, in which the test runs for a minute at most."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.mp4")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("socket.mp4")
    Path("device.mp4").symlink_to("/dev/null")
    create_store(tmp_path / "store")
    before = signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(RETRY_SECONDS)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _too_late(*_):
    raise TimeoutError("it waits at the pipe")


KINDS = {
    "pipe.mp4": "'pipe.mp4' is a pipe: a film .* needs a regular file; save it as one",
    "socket.mp4": "'socket.mp4' is a socket: a film .* needs a regular file",
    "device.mp4": "'device.mp4' is a device: a film .* needs a regular file",
    "-": "'-' does not exist, and standard input is not read: a film .* needs a regular file",
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("call", CALLS)
def test_calls_need_a_regular_file(odd, call, name):
    with pytest.raises(UnreadableMediaError, match=KINDS[name]):
        CALLS[call](name, odd / "new store")


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_need_a_regular_file(odd, command, name):
    result = CliRunner().invoke(main, [*COMMANDS[command], name])
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith(f"Error: {KINDS[name].split(':')[0]}")
    assert not (odd / "new store").exists()


def test_a_pipe_in_a_folder_is_passed_over(odd):
    (odd / "a.mp4").touch()
    assert list(find_inputs([odd])) == ["a.mp4"]


def test_what_a_search_passes_over_is_said_and_counted(odd, caplog):
    (odd / "a.mp4").touch()
    for name in ("one.mkv", "two.mkv"):
        (odd / name).symlink_to("/nowhere")
    Path("notes.txt").symlink_to("/nowhere")
    assert list(find_inputs([odd])) == ["a.mp4"]
    (line,) = caplog.messages
    assert line.startswith(f"passed over below {str(odd)!r}: 1 device ('")
    assert f"2 links that lead nowhere ('{odd}/one.mkv' …)" in line
    assert f"1 pipe ('{odd}/pipe.mp4')" in line
    assert f"1 socket ('{odd}/socket.mp4')" in line


def test_a_folder_that_may_not_be_read_is_said(tmp_path, caplog, monkeypatch):
    real = os.scandir

    def scandir(folder):
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    (tmp_path / "locked").mkdir()
    (tmp_path / "a.mp4").touch()
    monkeypatch.setattr(os, "scandir", scandir)
    assert list(find_inputs([tmp_path])) == ["a.mp4"]
    assert f"1 folder that may not be read ('{tmp_path}/locked')" in caplog.messages[0]


@pytest.mark.slow
@pytest.mark.parametrize("log", ["plain", "json"])
def test_a_run_says_what_its_search_has_passed_over(odd, films, log):
    (odd / "a.mp4").symlink_to(films("x264_uneven"))
    said = CliRunner().invoke(main, ["index", ".", "-o", "new store", "--size", "64", "--log", log])
    assert said.exit_code == 0
    (line,) = [line for line in said.output.splitlines() if "passed over below" in line]
    assert line.startswith("note: " if log == "plain" else '{"event": "note", "words": "passed')


def test_a_regular_file_may_be_called_like_standard_input(odd, films):
    Path("-").symlink_to(films("x264_uneven"))
    assert len(ff.read("-", frames=[0])) == 1
