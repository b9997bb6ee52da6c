"""Writers of a store by URL die, race, sleep and lose their server; no half video is ever seen."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from objects_by_url import KEY, Wrapped, is_whole, keys
from stored import put, run_apart

import fewframes as ff
from fewframes.errors import (
    FewframesError,
)
from fewframes.store import object_writer
from fewframes.store.object_store import ObjectStore, resolve_store
from fewframes.store.removal import remove_videos

pytest.importorskip("obstore", reason="obstore is not installed; pip install 'fewframes[s3]'")


@pytest.mark.slow
def test_large_files_are_put_in_blocks_each_a_sign_of_life(bucket, monkeypatch):
    monkeypatch.setattr(object_writer, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(object_writer, "BLOCK_BYTES", 100)
    signs = []
    put(resolve_store(bucket), "film", report_progress=lambda: signs.append(1))
    sizes = [size for size, _ in ff.open(bucket)["film"].commit.files.values()]
    assert len(signs) == 6 + sum(-(-size // 100) for size in sizes if size > 1000)
    assert is_whole(bucket)


@pytest.mark.slow
def test_nothing_is_seen_before_the_record_is_put(bucket):
    seen = []

    class Watched(Wrapped):
        def create(self, key, data):
            if key.endswith("commit.json"):
                seen.append((list(ff.open(bucket)), len(keys(self.objects))))
            return self.objects.create(key, data)

    put(Watched(resolve_store(bucket)), "film")
    assert seen == [([], 8)]  # the mark, six files and the announcement
    assert is_whole(bucket)


class Killed(BaseException):
    """No code of the package catches it."""


class Dying(Wrapped):
    """Makes so many requests that change something; the next is not made, or its answer lost."""

    def __init__(self, objects: ObjectStore, left: int, *, is_made: bool) -> None:
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


@pytest.mark.slow
@pytest.mark.parametrize("is_made", [False, True], ids=["before", "after"])
def test_a_writer_may_die_at_any_request(bucket, is_made, monkeypatch):
    for requests in range(100):
        dying = Dying(resolve_store(bucket), requests, is_made=is_made)
        try:
            put(dying, "film")
        except Killed:
            if "fewframes-store.json" in keys(dying.objects):
                is_whole(bucket)
            put(resolve_store(bucket), "film")
        else:
            break
        assert is_whole(bucket)
        monkeypatch.setattr(object_writer, "OLD_SECONDS", -1.0)  # a day later
        object_writer.sweep_remote(resolve_store(bucket))
        monkeypatch.undo()
        assert is_whole(bucket)
        assert len(keys(resolve_store(bucket))) == 8
        remove_videos(resolve_store(bucket), ["film"])
        assert keys(resolve_store(bucket)) == ["fewframes-store.json"]
    assert requests == 9, "the announcement, six files, the record; and the announcement goes"


@pytest.mark.slow
def test_a_writer_killed_before_its_commit_leaves_nothing_visible(bucket, monkeypatch):
    code = (
        "import os, signal, sys\n"
        "from stored import put; from fewframes.store.object_store import resolve_store\n"
        "from fewframes.bindings.obstore import ObstoreBackend\n"
        "real = ObstoreBackend.create\n"
        "def create(self, key, data):\n"
        "    if key.endswith('commit.json'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(self, key, data)\n"
        "ObstoreBackend.create = create\n"
        "put(resolve_store(sys.argv[1]), 'film')\n"
    )
    assert run_apart(code, bucket).returncode == -signal.SIGKILL
    objects = resolve_store(bucket)
    assert len(keys(objects)) == 8
    assert not is_whole(bucket)
    put(objects, "film")
    assert is_whole(bucket)
    assert len(keys(objects)) == 15, "a day has not passed"
    assert list((Path(os.environ["FEWFRAMES_CACHE"]) / "uploads/.attempts").iterdir()) == []
    monkeypatch.setattr(object_writer, "OLD_SECONDS", -1.0)
    object_writer.sweep_remote(objects)
    assert len(keys(objects)) == 8
    assert is_whole(bucket)


def test_an_object_is_created_once(bucket):
    objects = resolve_store(bucket)
    assert objects.create("a", b"1")
    assert not objects.create("a", b"2")
    assert objects.get("a") == b"1"


def test_a_server_that_overwrites_is_refused(bucket):
    class Careless(Wrapped):
        def create(self, key, data):
            self.objects.put(key, data)
            return True

    with pytest.raises(ValueError, match="overwrites what is there in spite of 'If-None-Match"):
        put(Careless(resolve_store(bucket)), "film")


@pytest.mark.slow
def test_of_two_writers_at_once_one_wins_and_both_go_on(bucket):
    both_are_ready, failed = threading.Barrier(2), []

    class Meeting(Wrapped):
        def create(self, key, data):
            if key.endswith("commit.json"):
                both_are_ready.wait(timeout=60)
            return self.objects.create(key, data)

    def write():
        try:
            put(Meeting(resolve_store(bucket)), "film")
        except BaseException as error:
            failed.append(error)

    object_writer.ensure_store(resolve_store(bucket))
    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    assert is_whole(bucket)
    assert len(keys(resolve_store(bucket))) == 8, "what the loser has put is gone"


@pytest.mark.slow
def test_a_writer_that_comes_late_leaves_the_first_one_s_record(bucket):
    records = []

    class Late(Wrapped):
        def create(self, key, data):
            if key.endswith("commit.json"):
                put(self.objects, "film")
                records.append(self.objects.get(key))
            return self.objects.create(key, data)

    put(Late(resolve_store(bucket)), "film")
    assert resolve_store(bucket).get(f"videos/film/{KEY}/commit.json") == records[0]
    assert is_whole(bucket)
    assert len(keys(resolve_store(bucket))) == 8, "what the loser has put is gone"


@pytest.mark.slow
def test_a_fork_is_told_to_be_spawned(bucket):
    """It would wait for ever: obstore's threads stay with the parent."""
    code = (
        "import os, sys; from fewframes.store.object_store import resolve_store\n"
        "resolve_store(sys.argv[1]).put('a', b'')\n"
        "if os.fork() == 0:\n"
        "    try: resolve_store(sys.argv[1]).get('a')\n"
        "    except OSError as error: print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    arguments = [sys.executable, "-W", "ignore", "-c", code, bucket]
    said = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    assert "cannot be reached from a fork of a process that has used obstore" in said.stdout


@pytest.mark.slow
def test_a_writer_whose_answer_was_lost_knows_its_own_record(bucket):
    class Deaf(Wrapped):
        def create(self, key, data):
            self.objects.create(key, data)
            return False

    put(Deaf(resolve_store(bucket)), "film")
    assert is_whole(bucket)
    assert len(keys(resolve_store(bucket))) == 8


def test_a_writer_that_was_asleep_gives_up(bucket, monkeypatch):
    monkeypatch.setattr(object_writer, "ASLEEP_SECONDS", -1.0)
    with pytest.raises(FewframesError, match="'film' was not put for hours; index it again"):
        put(resolve_store(bucket), "film")
    assert not is_whole(bucket)


@pytest.mark.slow
def test_a_wrong_clock_sweeps_nobody_s_work(bucket):
    objects, seen = resolve_store(bucket), []

    class Ahead(Wrapped):
        def listed(self, prefix):
            for entry in self.objects.listed(prefix):
                yield entry._replace(age_seconds=entry.age_seconds + 10 * 86400)

    class Watched(Wrapped):
        def create(self, key, data):
            if key.endswith("commit.json"):
                before = keys(objects)
                object_writer.sweep_remote(Ahead(objects))
                seen.append(keys(objects) == before)
            return self.objects.create(key, data)

    put(Watched(objects), "film")
    assert seen == [True]
    assert is_whole(bucket)
