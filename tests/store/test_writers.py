"""Writers of a store die, race, sleep and lose their server; no half video is ever seen."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from backends import HOME, is_whole, keys, lasting
from dying_stores import CHANGES, Wrapped
from stored import put, run_apart

import fewframes as ff
from fewframes.errors import StaleIndexError
from fewframes.store import object_backend as object_store
from fewframes.store import staging
from fewframes.store.backend import StoreBackend
from fewframes.store.gc import sweep
from fewframes.store.object_backend import ObjectStoreBackend
from fewframes.store.removal import remove_videos
from fewframes.store.resolve import resolve_store
from fewframes.store.writer import ensure_store

FILES = 8
"""The mark, the record and six files of the film."""


def is_record(key: str) -> bool:
    return key.endswith("commit.json")


@pytest.fixture
def a_day_later(monkeypatch):
    """A store's killed writers are known dead; on a disk that takes no time."""
    monkeypatch.setattr(object_store, "OLD_SECONDS", -1.0)


@pytest.mark.slow
def test_large_files_are_put_in_blocks_each_a_sign_of_life(bucket, monkeypatch):
    monkeypatch.setattr(object_store, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(object_store, "READ_BYTES", 100)
    signs = []
    put(bucket, "film", report_progress=lambda: signs.append(1))
    sizes = [size for size, _ in ff.open(bucket)["film"].commit.files.values()]
    assert len(signs) == 6 + sum(-(-size // 100) for size in sizes if size > 1000)
    assert is_whole(bucket)


@pytest.mark.slow
def test_nothing_is_seen_before_the_record_is_there(where):
    seen = []

    class Watched(Wrapped):
        def create(self, key, data):
            if is_record(key):
                seen.append((list(ff.open(where)), len(lasting(where))))
            return self.files_below.create(key, data)

    put(Watched(resolve_store(where)), "film")
    announced = 0 if isinstance(where, Path) else 1
    assert seen == [([], FILES - 1 + announced)]
    assert is_whole(where)


class Killed(BaseException):
    """No code of the package catches it."""


class Dying(Wrapped):
    """Changes the store so many times; the next change is not made, or its answer is lost."""

    def __init__(self, files: StoreBackend, left: int, *, is_made: bool) -> None:
        super().__init__(files)
        self.left, self.is_made = left, is_made

    def __getattr__(self, name):
        real = getattr(self.files_below, name)
        return (lambda *given: self._count(real, *given)) if name in CHANGES else real

    def _count(self, change, *given):
        self.left -= 1
        if self.left < 0 and not self.is_made:
            raise Killed
        answer = change(*given)
        if self.left < 0:
            raise Killed
        return answer


@pytest.mark.slow
@pytest.mark.parametrize("is_made", [False, True], ids=["before", "after"])
def test_a_writer_may_die_at_any_change(where, is_made, monkeypatch):
    for changes in range(100):
        dying = Dying(resolve_store(where), changes, is_made=is_made)
        try:
            put(dying, "film")
        except Killed:
            if "fewframes-store.json" in keys(where):
                is_whole(where)
            put(where, "film")
        else:
            break
        assert is_whole(where)
        with monkeypatch.context() as later:
            later.setattr(object_store, "OLD_SECONDS", -1.0)
            sweep(resolve_store(where))
        assert is_whole(where)
        assert len(lasting(where)) == FILES
        remove_videos(where, ["film"])
        assert lasting(where) == ["fewframes-store.json"]
    assert changes == 5, "announced twice, the files, the record; and the announcement goes"


KILLED = """
import os, signal, sys
from stored import put
from fewframes.store.folder import FolderStore
from fewframes.store.object_backend import ObjectStoreBackend
def killing(real):
    def create(self, key, data):
        if key.endswith('commit.json'): os.kill(os.getpid(), signal.SIGKILL)
        return real(self, key, data)
    return create
for kind in (FolderStore, ObjectStoreBackend):
    kind.create = killing(kind.create)
put(sys.argv[1], 'film')
"""


@pytest.mark.slow
def test_a_writer_killed_before_its_record_leaves_nothing_visible(where, monkeypatch):
    assert run_apart(KILLED, where).returncode == -signal.SIGKILL
    assert not is_whole(where)
    put(where, "film")
    assert is_whole(where)
    is_remote = isinstance(where, str)
    assert len(lasting(where)) == (FILES + 7 if is_remote else FILES), "a day has not passed"
    workspace = resolve_store(where).workspace
    assert list((workspace / ".attempts").iterdir()) == []
    monkeypatch.setattr(object_store, "OLD_SECONDS", -1.0)
    sweep(resolve_store(where))
    assert len(lasting(where)) == FILES
    assert is_whole(where)


def test_a_file_is_created_once(where):
    store = resolve_store(where)
    assert store.create("a/b", b"1")
    assert not store.create("a/b", b"2")
    assert store.read("a/b") == b"1"
    store.put("a/b", b"3")
    assert store.read("a/b") == b"3"
    store.delete("a/b", "a/none")
    assert store.names("a") == []


@pytest.fixture
def no_links(monkeypatch):
    """A file system that knows no hard links, such as exFAT."""

    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("no_links")
def test_where_there_are_no_links_a_file_is_created_once(tmp_path):
    store = resolve_store(tmp_path / "s")
    put(store, "film")
    assert not store.create("fewframes-store.json", b"2")
    made = []
    both_are_ready = threading.Barrier(8)

    def create():
        both_are_ready.wait()
        made.append(store.create("a/b", b"1"))

    racers = [threading.Thread(target=create) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(made) == [False] * 7 + [True]
    store.delete("a/b")
    assert is_whole(tmp_path / "s")


def test_a_server_that_overwrites_is_refused(where):
    class Careless(Wrapped):
        def create(self, key, data):
            self.files_below.put(key, data)
            return True

    with pytest.raises(ValueError, match="overwrites what is there in spite of 'If-None-Match"):
        put(Careless(resolve_store(where)), "film")


@pytest.mark.slow
def test_of_two_writers_at_once_one_wins_and_both_go_on(where):
    both_are_ready, failed = threading.Barrier(2), []

    class Meeting(Wrapped):
        def create(self, key, data):
            if is_record(key):
                both_are_ready.wait(timeout=60)
            return self.files_below.create(key, data)

    def write():
        try:
            put(Meeting(resolve_store(where)), "film")
        except BaseException as error:
            failed.append(error)

    ensure_store(where)
    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    assert is_whole(where)
    assert len(lasting(where)) == FILES, "what the loser has put is gone"


@pytest.mark.slow
def test_a_writer_that_comes_late_leaves_the_first_one_s_record(where):
    records = []

    class Late(Wrapped):
        def create(self, key, data):
            if is_record(key):
                put(self.files_below, "film")
                records.append(self.files_below.read(key))
            return self.files_below.create(key, data)

    put(Late(resolve_store(where)), "film")
    assert resolve_store(where).read(f"{HOME}/commit.json") == records[0]
    assert is_whole(where)
    assert len(lasting(where)) == FILES, "what the loser has put is gone"


@pytest.mark.slow
def test_a_video_that_is_removed_while_it_is_published_is_no_video(where):
    """Its record goes before the writer looks; the writer takes its files back and says so."""

    class Removed(Wrapped):
        def create(self, key, data):
            made = self.files_below.create(key, data)
            if is_record(key):
                self.files_below.delete(key)
            return made

    with pytest.raises(StaleIndexError, match="'film' was removed while it was indexed"):
        put(Removed(resolve_store(where)), "film")
    assert lasting(where) == ["fewframes-store.json"]


@pytest.mark.slow
def test_a_fork_is_told_to_be_spawned(bucket):
    """It would wait for ever: obstore's threads stay with the parent."""
    code = (
        "import os, sys; from fewframes.store.resolve import resolve_store\n"
        "resolve_store(sys.argv[1]).put('a', b'')\n"
        "if os.fork() == 0:\n"
        "    try: resolve_store(sys.argv[1]).read('a')\n"
        "    except OSError as error: print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    arguments = [sys.executable, "-W", "ignore", "-c", code, bucket]
    said = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    assert "cannot be reached from a fork of a process that has used obstore" in said.stdout


@pytest.mark.slow
def test_a_writer_whose_answer_was_lost_knows_its_own_record(where):
    class Deaf(Wrapped):
        def create(self, key, data):
            self.files_below.create(key, data)
            return False

    put(Deaf(resolve_store(where)), "film")
    assert is_whole(where)
    assert len(lasting(where)) == FILES


def test_a_writer_that_was_asleep_gives_up(bucket, monkeypatch):
    monkeypatch.setattr(object_store, "ASLEEP_SECONDS", -1.0)
    with pytest.raises(StaleIndexError, match=r"was not put into 's3://.*' for hours; try again"):
        put(bucket, "film")
    assert not is_whole(bucket)


@pytest.mark.slow
def test_a_writer_at_work_says_so_again(bucket, monkeypatch):
    signs = []

    class Signing(Wrapped):
        def put(self, key, data):
            signs.append(key.startswith(staging.ATTEMPTS))
            self.files_below.put(key, data)

    monkeypatch.setattr(object_store, "SIGN_SECONDS", -1.0)
    store = resolve_store(bucket)
    put(ObjectStoreBackend(Signing(store.objects)), "film")
    assert sum(signs) == 7, "once when it begins, and after each file"


@pytest.mark.slow
def test_a_wrong_clock_sweeps_nobody_s_work(bucket):
    store, seen = resolve_store(bucket), []

    class Ahead(Wrapped):
        def listed(self, prefix):
            for entry in self.files_below.listed(prefix):
                yield entry._replace(age_seconds=entry.age_seconds + 10 * 86400)

    class Watched(Wrapped):
        def create(self, key, data):
            if is_record(key):
                before = keys(bucket)
                sweep(ObjectStoreBackend(Ahead(store.objects)))
                seen.append(keys(bucket) == before)
            return self.files_below.create(key, data)

    put(Watched(store), "film")
    assert seen == [True]
    assert is_whole(bucket)


def test_what_a_killed_writer_left_on_this_machine_goes(bucket):
    home = resolve_store(bucket).workspace / ".attempts"
    home.mkdir(exist_ok=True)
    (home / ("a" * 32)).mkdir()
    ensure_store(bucket)
    assert list(home.iterdir()) == []
    assert Path(os.environ["FEWFRAMES_CACHE"]) in home.parents
