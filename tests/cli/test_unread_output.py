"""A reader that closes the pipe, such as ``head``, ends a command without a word."""

import os
import subprocess
import sys

import pytest
from stored import put

pytestmark = pytest.mark.slow

STATUS = 141


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "s"
    for name in ("a", "b"):
        put(path, name)
    return path


def run_unread(*arguments, both=False):
    """Runs a command whose output nobody reads: its first line meets a closed pipe."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "fewframes", *map(str, arguments)]
    errors = subprocess.STDOUT if both else subprocess.PIPE
    try:
        return subprocess.run(command, stdout=writer, stderr=errors, check=False)
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    "words", [["ls"], ["ls", "--json"], ["ls", "--where", "rows > 1"], ["verify"]]
)
def test_lists_of_a_store_end_quietly(store, words):
    done = run_unread(words[0], store, *words[1:])
    assert (done.returncode, done.stderr) == (STATUS, b"")


def test_facts_of_a_video_end_quietly(store):
    done = run_unread("info", store, "a")
    assert (done.returncode, done.stderr) == (STATUS, b"")


@pytest.mark.parametrize("words", [["policies"], ["policies", "--json"]])
def test_policies_end_quietly(words):
    done = run_unread(*words)
    assert (done.returncode, done.stderr) == (STATUS, b"")


@pytest.mark.parametrize(
    "words", [["probe"], ["probe", "--json"], ["sample", "-k", "2"], ["verify"]]
)
def test_facts_of_a_film_end_quietly(films, words):
    done = run_unread(*words, films("x264_uneven"))
    assert (done.returncode, done.stderr) == (STATUS, b"")


def test_help_ends_quietly():
    done = run_unread("--help")
    assert done.returncode != 0
    assert done.stderr == b""


def test_a_run_that_nobody_follows_ends(films, tmp_path):
    done = run_unread("index", films("x264_uneven"), "-o", tmp_path / "s", both=True)
    assert done.returncode == STATUS


def test_output_that_is_read_to_its_end_is_a_success(store):
    command = [sys.executable, "-m", "fewframes", "ls", str(store)]
    done = subprocess.run(command, capture_output=True, check=True)
    assert (len(done.stdout.splitlines()), done.stderr) == (2, b"")
