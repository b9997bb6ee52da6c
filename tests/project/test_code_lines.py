"""Counting code lines: docstrings, comments and blank lines are none, in the tree or in git."""

import json
import subprocess

import pytest
from click.testing import CliRunner

from fewframes.bench.research.code_lines import code_lines, main

SOURCE = '''"""A page.

Of two paragraphs.
"""

import os  # a comment beside code

# a comment
SIZE = (
    3,

    4,  # blank lines within a bracket are none
)
"""What a name holds."""


class Film:
    """One line."""

    frames: int
    """A field's."""

    def words(self) -> str:
        """Says."""
        return """a text
that is code"""
'''


def test_only_lines_with_code_count():
    assert code_lines(SOURCE) == 10
    assert code_lines("") == 0
    assert code_lines('"""Only words."""\n') == 0


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *names, "-C", tmp_path, *words], check=True, capture_output=True)

    git("init")
    (tmp_path / "engine" / "part").mkdir(parents=True)
    (tmp_path / "engine" / "part" / "a.py").write_text(SOURCE)
    (tmp_path / "engine" / "notes.txt").write_text("no code")
    git("add", ".")
    git("commit", "-m", "first")
    (tmp_path / "engine" / "part" / "a.py").write_text("ONE = 1\n")
    return tmp_path


def test_a_revision_is_counted_without_its_checkout(repository):
    def count(*words):
        done = CliRunner().invoke(main, ["engine", "--root", str(repository), "--json", *words])
        assert done.exit_code == 0, done.output
        return json.loads(done.output)["total"]

    assert count() == 1
    assert count("--at", "HEAD") == 10
    assert (repository / "engine" / "part" / "a.py").read_text() == "ONE = 1\n"


def test_a_revision_that_is_not_there_is_refused(repository):
    done = CliRunner().invoke(main, ["engine", "--root", str(repository), "--at", "nothing"])
    assert done.exit_code == 1
    assert "nothing" in done.output
