"""A store by URL: what a folder promises, kept in an S3-compatible server on this machine."""

import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from backends import is_whole, keys, lasting
from click.testing import CliRunner
from dying_stores import Wrapped
from stored import picture_of_row, put

import fewframes as ff
from fewframes.checking.verify import verify_store
from fewframes.cli.main import main
from fewframes.errors import (
    MissingBackendError,
    UnreachableStoreError,
)
from fewframes.store.dataset_export import export_videos
from fewframes.store.marker import create_store
from fewframes.store.object_backend import ObjectStoreBackend
from fewframes.store.removal import remove_videos
from fewframes.store.resolve import resolve_store
from fewframes.store.shard_reader import WASTE
from fewframes.store.store import open_store

pytest.importorskip("obstore", reason="obstore is not installed; pip install 'fewframes[s3]'")


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["jpeg", "zstd", "raw"])
def test_a_film_indexed_by_url_reads_as_from_disk(films, bucket, tmp_path, codec):
    film, options = films("x264_uneven"), {"fps": None, "size": 64, "codec": codec, "workers": 1}
    ff.index(film, tmp_path / "disk", **options)
    assert ff.index(film, bucket, **options).exit_status == 0
    there, here = ff.open(bucket)["x264_uneven"], ff.open(tmp_path / "disk")["x264_uneven"]
    for name in ("frame_numbers", "pts", "is_keyframe", "signatures", "slots"):
        np.testing.assert_array_equal(getattr(there.table, name), getattr(here.table, name))
    for name, values in here.table.signals.items():
        np.testing.assert_array_equal(there.table.signals[name], values)
    request = np.random.default_rng(1).integers(0, len(here.slots), 40)
    for workers in (None, 1):
        for size in (None, 32):
            wish = {"rows": request, "size": size, "workers": workers}
            np.testing.assert_array_equal(there.read(**wish).frames, here.read(**wish).frames)
    assert there.encoded(request) == here.encoded(request)
    np.testing.assert_array_equal(there.sample(budget=7).frames, here.sample(budget=7).frames)
    sent = pickle.loads(pickle.dumps(there))
    np.testing.assert_array_equal(sent.read(rows=[3]).frames, here.read(rows=[3]).frames)
    assert [v.differences for v in verify_store(resolve_store(bucket), [film])] == [()]
    again = ff.index(film, bucket, **options)
    assert [outcome.status for outcome in again.outcomes] == ["done"]
    assert list(ff.open(bucket).lines()) == [
        row | {"created": there.facts["created"]} for row in ff.open(tmp_path / "disk").lines()
    ]


@pytest.mark.slow
def test_commands_take_a_url(films, bucket, tmp_path):
    film = str(films("x264_uneven"))

    def run(*words: str) -> str:
        done = CliRunner().invoke(main, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    run("index", film, "-o", bucket, "--size", "64", "--quiet")
    assert run("ls", bucket).startswith("x264_uneven.mp4  ok")
    assert "x264_uneven" in run("info", bucket)
    assert len(run("sample", bucket, "-k", "3").splitlines()) == 4
    assert "as it should be" in run("verify", bucket, "--film", film)
    run("export", bucket, "x264_uneven", "--to", str(tmp_path / "out"), "--format", "jpeg")
    run("rm", bucket, "x264_uneven")
    assert run("ls", bucket) == ""
    assert lasting(bucket) == ["fewframes-store.json"]


@pytest.mark.slow
def test_a_store_that_was_copied_is_the_same(where, bucket, tmp_path):
    """From a disk to a URL, and from there to a disk, file by file."""
    other = f"{bucket}/copy" if isinstance(where, Path) else tmp_path / "copy"
    there, here = resolve_store(where), resolve_store(other)
    put(there, "film")
    for key in keys(there):
        here.put(key, there.read(key))
    assert is_whole(other)
    remove_videos(other, ["film"])
    assert lasting(other) == ["fewframes-store.json"]


@pytest.mark.slow
def test_reading_asks_for_what_it_needs(bucket):
    put(bucket, "film", frames=900)  # 450 rows, 300 pictures, two shards

    class Counted(Wrapped):
        tails, spans = 0, []

        def tail(self, *a):
            self.tails += 1
            return self.files_below.tail(*a)

        def ranges(self, key, spans):
            self.spans += spans
            return self.files_below.ranges(key, spans)

    counted = Counted(resolve_store(bucket).objects)
    video = open_store(ObjectStoreBackend(counted))["film"]
    few = np.random.default_rng(2).integers(0, 450, 24)
    pixels = video.read(rows=few).frames
    for row, picture in zip(few.tolist(), pixels, strict=True):
        np.testing.assert_array_equal(picture, picture_of_row(row))
    wanted = sum(len(data) + 4 for data in set(video.encoded(few)))
    assert counted.tails == 2, "the index of each shard, once"
    counted.spans.clear()
    video.read(rows=few)
    assert counted.tails == 2
    assert sum(length for _, length in counted.spans) <= wanted * (1 + WASTE)
    counted.spans.clear()
    video.read(rows=range(450), workers=1)
    assert len(counted.spans) == 2 * -(-sum(n for _, n in counted.spans) // (2 << 20))


@pytest.mark.slow
def test_an_export_reads_by_url(bucket, tmp_path):
    put(resolve_store(bucket), "film")
    export_videos([ff.open(bucket)["film"]], tmp_path / "out", form="jpeg")
    assert len(list((tmp_path / "out/film").glob("*.jpg"))) == 14


@pytest.mark.slow
def test_what_is_no_store_is_refused(bucket):
    with pytest.raises(FileNotFoundError, match=r"corpus' is not a store \(it has no fewframes-st"):
        ff.open(bucket)
    resolve_store(bucket).put("holiday.mp4", b"")
    with pytest.raises(ValueError, match=r"is no store and holds other files \('holiday.mp4'\)"):
        put(resolve_store(bucket), "film")
    with pytest.raises(UnreachableStoreError, match="names a bucket that does not exist; make it"):
        ff.open("s3://nowhere-to-be-found/corpus")
    with pytest.raises(ValueError, match="'nope://a/b' is no URL of an object store"):
        ff.open("nope://a/b")
    with pytest.raises(ValueError, match="is no object store; pass the path of a folder"):
        ff.open("file:///tmp/corpus")
    with pytest.raises(ValueError, match="was a URL before it was made a Path; pass it as text"):
        ff.open(Path("s3://bucket/corpus"))
    create_store(f"{bucket}/new")
    with pytest.raises(KeyError, match="no video 'x' in 's3://"):
        ff.open(f"{bucket}/new")["x"]


def test_a_missing_library_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    with pytest.raises(MissingBackendError, match=r"obstore, which is not installed; pip install "):
        ff.open("s3://bucket-without-library/corpus")


def test_a_store_on_disk_needs_no_library(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "obstore", None)
    create_store(tmp_path / "s")
    put(tmp_path / "s", "film")
    assert len(ff.open(tmp_path / "s")) == 1
    shutil.rmtree(tmp_path / "s")
