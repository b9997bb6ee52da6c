"""A store by URL: what a folder promises, kept in an S3-compatible server on this machine."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from stored import RECIPE, picture_of_row, put

import fewframes as ff
from fewframes import uploading
from fewframes.cli import main
from fewframes.errors import (
    CorruptStoreError,
    FewframesError,
    MissingBackendError,
    UnreachableStoreError,
)
from fewframes.exporting import export_videos
from fewframes.layout import create_store
from fewframes.objects import Objects, store_at
from fewframes.recipes import Recipe
from fewframes.removing import remove_videos
from fewframes.shards import WASTE
from fewframes.store import open_store
from fewframes.verifying import verify_store

pytest.importorskip("obstore", reason="obstore is not installed; pip install 'fewframes[s3]'")
KEY = RECIPE.key("d1")


class Wrapped:
    """Passes everything on; a test overrides what it disturbs."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def __getattr__(self, name):
        return getattr(self.objects, name)


def keys(objects: Objects) -> list[str]:
    return sorted(entry.key for entry in objects.listed(""))


def is_whole(url: str, rows: int = 20) -> bool:
    """Whether the film of `put` is there, every picture as it was; False where it is not there."""
    store = ff.open(url)
    if "film" not in store:
        assert list(store) == []
        assert len(store) == 0
        return False
    assert list(store) == ["film"]
    pixels = store["film"].read(rows=range(rows)).frames
    for row in range(rows):
        np.testing.assert_array_equal(pixels[row], picture_of_row(row))
    assert [verdict.differences for verdict in verify_store(store_at(url))] == [()]
    return True


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
    asked = np.random.default_rng(1).integers(0, len(here.slots), 40)
    for workers in (None, 1):
        for size in (None, 32):
            wish = {"rows": asked, "size": size, "workers": workers}
            np.testing.assert_array_equal(there.read(**wish).frames, here.read(**wish).frames)
    assert there.encoded(asked) == here.encoded(asked)
    np.testing.assert_array_equal(there.sample(budget=7).frames, here.sample(budget=7).frames)
    sent = pickle.loads(pickle.dumps(there))
    np.testing.assert_array_equal(sent.read(rows=[3]).frames, here.read(rows=[3]).frames)
    assert [v.differences for v in verify_store(store_at(bucket), [film])] == [()]
    again = ff.index(film, bucket, **options)
    assert [outcome.status for outcome in again.outcomes] == ["done"]
    assert list(ff.open(bucket).lines()) == [
        row | {"created": there.facts["created"]} for row in ff.open(tmp_path / "disk").lines()
    ]


def test_commands_take_a_url(films, bucket, tmp_path):
    film = str(films("x264_uneven"))

    def run(*words: str) -> str:
        done = CliRunner().invoke(main, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    run("index", film, "-o", bucket, "--size", "64", "--quiet")
    assert run("ls", bucket).startswith("x264_uneven  ok")
    assert "x264_uneven" in run("info", bucket)
    assert len(run("sample", bucket, "-k", "3").splitlines()) == 4
    assert "as it should be" in run("verify", bucket, "--film", film)
    run("export", bucket, "x264_uneven", "--to", str(tmp_path / "out"), "--format", "jpeg")
    run("rm", bucket, "x264_uneven")
    assert run("ls", bucket) == ""
    assert keys(store_at(bucket)) == ["fewframes-store.json"]


@pytest.mark.parametrize("words", [["compact"], ["embed", "--model", "m"], ["verify", "--repair"]])
def test_commands_for_stores_on_disk_say_so(words):
    done = CliRunner().invoke(main, [words[0], "s3://bucket/corpus", *words[1:]])
    assert done.exit_code == 2
    assert f"{words[0]} works on a store on disk, not on 's3://bucket/corpus'" in done.output


def test_embedding_by_url_is_refused(bucket):
    put(store_at(bucket), "film")
    video = ff.open(bucket)["film"]
    for call in (lambda: video.embeddings, lambda: video.vectors("any")):
        with pytest.raises(ValueError, match="'film' lies in an object store, and this needs a st"):
            call()


def test_large_files_are_put_in_blocks_each_a_sign_of_life(bucket, monkeypatch):
    monkeypatch.setattr(uploading, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(uploading, "BLOCK_BYTES", 100)
    signs = []
    put(store_at(bucket), "film", tell=lambda: signs.append(1))
    sizes = [size for size, _ in ff.open(bucket)["film"].commit.files.values()]
    assert len(signs) == 6 + sum(-(-size // 100) for size in sizes if size > 1000)
    assert is_whole(bucket)


def test_nothing_is_seen_before_the_record_is_put(bucket):
    seen = []

    class Watched(Wrapped):
        def create(self, key, data):
            if key.endswith("commit.json"):
                seen.append((list(ff.open(bucket)), len(keys(self.objects))))
            return self.objects.create(key, data)

    put(Watched(store_at(bucket)), "film")
    assert seen == [([], 8)]  # the mark, six files and the announcement
    assert is_whole(bucket)


class Killed(BaseException):
    """No code of the package catches it."""


class Dying(Wrapped):
    """Makes so many requests that change something; the next is not made, or its answer lost."""

    def __init__(self, objects: Objects, left: int, *, is_made: bool) -> None:
        super().__init__(objects)
        self.left, self.is_made = left, is_made

    def _count(self, request, *arguments):
        self.left -= 1
        if self.left < 0 and not self.is_made:
            raise Killed
        answer = request(*arguments)
        if self.left < 0:
            raise Killed
        return answer

    def put(self, *arguments):
        return self._count(self.objects.put, *arguments)

    def create(self, *arguments):
        return self._count(self.objects.create, *arguments)

    def delete(self, *arguments):
        return self._count(self.objects.delete, *arguments)


@pytest.mark.parametrize("is_made", [False, True], ids=["before", "after"])
def test_a_writer_may_die_at_any_request(bucket, is_made, monkeypatch):
    for requests in range(100):
        dying = Dying(store_at(bucket), requests, is_made=is_made)
        try:
            put(dying, "film")
        except Killed:
            if "fewframes-store.json" in keys(dying.objects):
                is_whole(bucket)
            put(store_at(bucket), "film")
        else:
            break
        assert is_whole(bucket)
        monkeypatch.setattr(uploading, "OLD_SECONDS", -1.0)  # a day later
        uploading.sweep_remote(store_at(bucket))
        monkeypatch.undo()
        assert is_whole(bucket)
        assert len(keys(store_at(bucket))) == 8
        remove_videos(store_at(bucket), ["film"])
        assert keys(store_at(bucket)) == ["fewframes-store.json"]
    assert requests == 9, "the announcement, six files, the record; and the announcement goes"


def test_a_writer_killed_before_its_commit_leaves_nothing_visible(bucket, monkeypatch):
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[2])\n"
        "from stored import put; from fewframes.objects import store_at\n"
        "from fewframes.bindings.obstore import Bucket\n"
        "real = Bucket.create\n"
        "def create(self, key, data):\n"
        "    if key.endswith('commit.json'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(self, key, data)\n"
        "Bucket.create = create\n"
        "put(store_at(sys.argv[1]), 'film')\n"
    )
    arguments = [sys.executable, "-c", code, bucket, str(Path(__file__).parent)]
    assert subprocess.run(arguments).returncode == -signal.SIGKILL
    objects = store_at(bucket)
    assert len(keys(objects)) == 8
    assert not is_whole(bucket)
    put(objects, "film")
    assert is_whole(bucket)
    assert len(keys(objects)) == 15, "a day has not passed"
    assert list((Path(os.environ["FEWFRAMES_CACHE"]) / "uploads/.attempts").iterdir()) == []
    monkeypatch.setattr(uploading, "OLD_SECONDS", -1.0)
    uploading.sweep_remote(objects)
    assert len(keys(objects)) == 8
    assert is_whole(bucket)


def test_an_object_is_created_once(bucket):
    objects = store_at(bucket)
    assert objects.create("a", b"1")
    assert not objects.create("a", b"2")
    assert objects.get("a") == b"1"


def test_a_server_that_overwrites_is_refused(bucket):
    class Careless(Wrapped):
        def create(self, key, data):
            self.objects.put(key, data)
            return True

    with pytest.raises(ValueError, match="overwrites what is there in spite of 'If-None-Match"):
        put(Careless(store_at(bucket)), "film")


def test_of_two_writers_at_once_one_wins_and_both_go_on(bucket):
    both_are_ready, failed = threading.Barrier(2), []

    class Meeting(Wrapped):
        def create(self, key, data):
            if key.endswith("commit.json"):
                both_are_ready.wait(timeout=60)
            return self.objects.create(key, data)

    def write():
        try:
            put(Meeting(store_at(bucket)), "film")
        except BaseException as error:
            failed.append(error)

    uploading.prepare(store_at(bucket))
    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    assert is_whole(bucket)
    assert len(keys(store_at(bucket))) == 8, "what the loser has put is gone"


def test_a_writer_that_comes_late_leaves_the_first_one_s_record(bucket):
    records = []

    class Late(Wrapped):
        def create(self, key, data):
            if key.endswith("commit.json"):
                put(self.objects, "film")
                records.append(self.objects.get(key))
            return self.objects.create(key, data)

    put(Late(store_at(bucket)), "film")
    assert store_at(bucket).get(f"videos/film/{KEY}/commit.json") == records[0]
    assert is_whole(bucket)
    assert len(keys(store_at(bucket))) == 8, "what the loser has put is gone"


def test_a_fork_is_told_to_be_spawned(bucket):
    """It would wait for ever: obstore's threads stay with the parent."""
    code = (
        "import os, sys; from fewframes.objects import store_at\n"
        "store_at(sys.argv[1]).put('a', b'')\n"
        "if os.fork() == 0:\n"
        "    try: store_at(sys.argv[1]).get('a')\n"
        "    except OSError as error: print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    arguments = [sys.executable, "-W", "ignore", "-c", code, bucket]
    said = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    assert "cannot be reached from a fork of a process that has used obstore" in said.stdout


def test_a_writer_whose_answer_was_lost_knows_its_own_record(bucket):
    class Deaf(Wrapped):
        def create(self, key, data):
            self.objects.create(key, data)
            return False

    put(Deaf(store_at(bucket)), "film")
    assert is_whole(bucket)
    assert len(keys(store_at(bucket))) == 8


def test_a_writer_that_was_asleep_gives_up(bucket, monkeypatch):
    monkeypatch.setattr(uploading, "ASLEEP_SECONDS", -1.0)
    with pytest.raises(FewframesError, match="'film' was not put for hours; index it again"):
        put(store_at(bucket), "film")
    assert not is_whole(bucket)


def test_a_wrong_clock_sweeps_nobody_s_work(bucket):
    objects, seen = store_at(bucket), []

    class Ahead(Wrapped):
        def listed(self, prefix):
            for entry in self.objects.listed(prefix):
                yield entry._replace(age_seconds=entry.age_seconds + 10 * 86400)

    class Watched(Wrapped):
        def create(self, key, data):
            if key.endswith("commit.json"):
                before = keys(objects)
                uploading.sweep_remote(Ahead(objects))
                seen.append(keys(objects) == before)
            return self.objects.create(key, data)

    put(Watched(objects), "film")
    assert seen == [True]
    assert is_whole(bucket)


def test_a_server_that_is_away_is_named_and_a_later_run_goes_on(films, server, bucket):
    first, second = films("x264_uneven"), films("vp9")
    ff.index(first, bucket, size=64, workers=1)
    store = ff.open(bucket)
    video, port = store["x264_uneven"], server.get_host_and_port()[1]
    server.stop()
    try:
        for call in (
            lambda: ff.open(bucket),
            lambda: list(store),
            lambda: store["x264_uneven"],
            lambda: video.read(rows=[0]),
            lambda: ff.index([first, second], bucket, size=64, workers=1),
        ):
            with pytest.raises(UnreachableStoreError, match="corpus' cannot be reached: "):
                call()
    finally:
        server._port = port
        server.start()
    report = ff.index([first, second], bucket, size=64, workers=1)
    assert sorted(outcome.status for outcome in report.outcomes) == ["done", "ok"]
    assert len(video.read(rows=[0])) == 1
    assert [v.differences for v in verify_store(store_at(bucket))] == [(), ()]


def test_a_server_that_goes_away_while_a_film_is_put_fails_that_film(bucket, films):
    class Leaving(Wrapped):
        def put(self, key, data):
            if key.endswith("frames.parquet"):
                raise UnreachableStoreError("the server has gone")
            self.objects.put(key, data)

    with pytest.raises(UnreachableStoreError):
        put(Leaving(store_at(bucket)), "film")
    assert not is_whole(bucket)
    put(store_at(bucket), "film")
    assert is_whole(bucket)


def attempt_of(objects: Objects) -> str:
    """The prefix of the files of the film."""
    (attempt,) = set(objects.names(f"videos/film/{KEY}")) - {"commit.json"}
    return f"videos/film/{KEY}/{attempt}"


def test_damage_is_an_error_that_names_it(bucket):
    objects = store_at(bucket)
    put(objects, "film")
    shard = f"{attempt_of(objects)}/frames/c/0/0/0/0"
    data = objects.get(shard)
    broken = bytearray(data)
    broken[100] ^= 1
    objects.put(shard, bytes(broken))
    video = ff.open(bucket)["film"]
    with pytest.raises(CorruptStoreError, match=rf"^film/{KEY}/frames/c/.*: the picture in slot 0"):
        video.read(rows=[0])
    assert len(video.read(rows=[5, 9])) == 2
    (verdict,) = verify_store(objects)
    assert verdict.differences == ("frames/c/0/0/0/0 of video 'film' is damaged",)
    for wrong in (data[:-1], data[: len(data) // 2], b""):
        objects.put(shard, wrong)
        with pytest.raises(CorruptStoreError, match=r"its index has a wrong checksum"):
            ff.open(bucket)["film"].read(rows=[0])
    objects.put(shard, data)
    video = ff.open(bucket)["film"]
    video.read(rows=[0])
    objects.put(shard, data[: len(data) // 2])  # cut while it is open
    with pytest.raises(CorruptStoreError, match=r"slot \d+ is damaged|it ends too early"):
        video.read(rows=[19])
    objects.delete([shard])
    with pytest.raises(CorruptStoreError, match=r"frames/c/0/0/0/0 cannot be used"):
        ff.open(bucket)["film"].read(rows=[0])
    assert "is missing" in verify_store(objects)[0].differences[0]


def test_a_damaged_record_is_seen_and_can_be_removed(bucket):
    objects = store_at(bucket)
    put(objects, "film")
    record = f"videos/film/{KEY}/commit.json"
    objects.put(record, objects.get(record).replace(b'"rows": 20', b'"rows": 21'))
    with pytest.raises(CorruptStoreError, match=f"film/{KEY}/commit.json is damaged"):
        ff.open(bucket)["film"]
    assert [row["status"] for row in ff.open(bucket).lines()] == ["unreadable"]
    with pytest.raises(CorruptStoreError, match="'fewframes rm' the video and index it again"):
        put(objects, "film")
    remove_videos(objects, ["film"])
    put(objects, "film")
    assert is_whole(bucket)


def test_another_version_of_the_film_takes_the_place_of_the_old_one(bucket):
    objects = store_at(bucket)
    put(objects, "film", digest="old")
    put(objects, "film", recipe=Recipe(fps=5.0, size="64"))
    old = ff.open(bucket)["film"]
    put(objects, "film", digest="d1")
    groups = {RECIPE.key("d1"), Recipe(fps=5.0, size="64").key("d1")}
    assert set(objects.names("videos/film")) == groups
    assert ff.open(bucket)["film"].facts["recipe"] == RECIPE.to_dict()
    assert len(old.read(rows=[0])) == 1  # of the other recipe
    assert not objects.names(".attempts")


def test_a_store_that_was_copied_up_is_read(bucket, tmp_path):
    disk, objects = tmp_path / "disk", store_at(bucket)
    put(disk, "film")
    for file in disk.rglob("*"):
        if file.is_file():
            objects.put(file.relative_to(disk).as_posix(), file.read_bytes())
    assert is_whole(bucket)
    remove_videos(objects, ["film"])
    assert not [key for key in keys(objects) if key.startswith("videos")]


def test_reading_asks_for_what_it_needs(bucket):
    put(store_at(bucket), "film", frames=900)  # 450 rows, 300 pictures, two shards

    class Counted(Wrapped):
        tails, spans = 0, []

        def tail(self, *a):
            self.tails += 1
            return self.objects.tail(*a)

        def ranges(self, key, spans):
            self.spans += spans
            return self.objects.ranges(key, spans)

    counted = Counted(store_at(bucket))
    video = open_store(counted)["film"]
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


def test_an_export_reads_by_url(bucket, tmp_path):
    put(store_at(bucket), "film")
    export_videos([ff.open(bucket)["film"]], tmp_path / "out", form="jpeg")
    assert len(list((tmp_path / "out/film").glob("*.jpg"))) == 14


def test_what_is_no_store_is_refused(bucket):
    with pytest.raises(FileNotFoundError, match=r"corpus' is not a store \(it has no fewframes-st"):
        ff.open(bucket)
    store_at(bucket).put("holiday.mp4", b"")
    with pytest.raises(ValueError, match=r"is no store and holds other objects \('holiday.mp4'\)"):
        put(store_at(bucket), "film")
    with pytest.raises(UnreachableStoreError, match="names a bucket that does not exist; make it"):
        ff.open("s3://nowhere-to-be-found/corpus")
    with pytest.raises(ValueError, match="'nope://a/b' is no URL of an object store"):
        ff.open("nope://a/b")
    with pytest.raises(ValueError, match="is no object store; pass the path of a folder"):
        ff.open("file:///tmp/corpus")
    with pytest.raises(ValueError, match="was a URL before it was made a Path; pass it as text"):
        ff.open(Path("s3://bucket/corpus"))
    uploading.prepare(store_at(f"{bucket}/new"))
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
