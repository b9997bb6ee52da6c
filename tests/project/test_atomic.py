"""A file that is written in one step: whole or not there, and never through what lies there."""

import os
from pathlib import Path

import pytest

from fewframes.atomic import write_atomic


def test_an_error_leaves_what_was_there_and_no_draft(tmp_path):
    file = tmp_path / "a"
    write_atomic(file, b"before")

    def half(out):
        out.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomic(file, half)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert file.read_bytes() == b"before"


@pytest.mark.parametrize("lies", ["a file", "a link"])
def test_a_draft_that_is_there_is_neither_written_nor_removed(tmp_path, lies):
    draft, kept = tmp_path / "draft", tmp_path / "kept"
    kept.write_bytes(b"mine")
    draft.hardlink_to(kept) if lies == "a file" else draft.symlink_to(kept)
    with pytest.raises(FileExistsError):
        write_atomic(tmp_path / "a", b"new", draft=draft)
    assert (draft.read_bytes(), kept.read_bytes()) == (b"mine", b"mine")
    assert not (tmp_path / "a").exists()


def test_permissions_follow_the_umask_and_the_mode(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "shared", b"x")
        write_atomic(tmp_path / "private", b"x", mode=0o600)
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("shared", "private")]
    assert modes == [0o640, 0o600]


@pytest.mark.parametrize("is_durable", [True, False])
def test_bytes_are_on_the_disk_before_the_name_and_the_name_after(
    tmp_path, monkeypatch, is_durable
):
    steps, fsync, replace = [], os.fsync, Path.replace

    def flushed(handle):
        place = Path(f"/proc/self/fd/{handle}").readlink()
        steps.append((place.name, place.stat().st_size if place.is_file() else None))
        fsync(handle)

    def moved(self, to):
        steps.append("named")
        return replace(self, to)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", moved)
    draft = tmp_path / "draft"
    write_atomic(tmp_path / "a", lambda out: out.write(b"abc"), draft=draft, is_durable=is_durable)
    durable = [("draft", 3), "named", (tmp_path.name, None)]
    assert steps == (durable if is_durable else ["named"])
