"""Two who change one video at once, or one who is interrupted: nothing is lost, nothing is left."""

from datetime import UTC, datetime, timedelta

import pytest
from backends import HOME, is_whole, lasting
from dying_stores import Dying, Wrapped
from stored import RECIPE, put

import fewframes as ff
from fewframes.checking.verify import verify_store
from fewframes.store import catalogue, compaction, current
from fewframes.store.compaction import compact
from fewframes.store.embedding import named_embedder
from fewframes.store.gc import sweep
from fewframes.store.publish import remove_group
from fewframes.store.recipes import Recipe
from fewframes.store.removal import prune, remove_videos
from fewframes.store.resolve import resolve_store
from fewframes.store.writer import VideoWriter

KEY = HOME.rpartition("/")[2]
COLOUR = named_embedder(lambda batch: batch.mean(axis=(1, 2)), name="colour", dim=3)


class Meanwhile(Wrapped):
    """Does something once, just before or after a change of the store."""

    def __init__(self, files, name, act, *, is_before=True, when=lambda *_: True):
        super().__init__(files)
        self.name, self.act, self.is_before, self.when = name, act, is_before, when

    def __getattr__(self, name):
        real = getattr(self.files_below, name)
        if name != self.name:
            return real

        def change(*given):
            if self.act is None or not self.when(*given):
                return real(*given)
            act, self.act = self.act, None
            if self.is_before:
                act()
                return real(*given)
            answer = real(*given)
            act()
            return answer

        return change


def replace(store):
    """Publishes the film in place of what stands."""
    real = VideoWriter.__init__

    def init(self, *given, **options):
        real(self, *given, **options | {"is_repair": True})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VideoWriter, "__init__", init)
        put(store, "film")


@pytest.mark.slow
def test_of_two_repairs_at_once_one_stands_whole(where):
    put(where, "film")
    slow = Meanwhile(
        resolve_store(where), "names", lambda: replace(where), when=lambda prefix: prefix == HOME
    )
    replace(slow)
    assert is_whole(where)
    assert len(lasting(where)) == 8


@pytest.mark.slow
def test_a_removal_between_the_record_and_the_end_leaves_nothing(where):
    store = resolve_store(where)

    def remove():
        remove_group(store, "film", KEY)

    put(Meanwhile(store, "end", remove, when=lambda *_: "film" in ff.open(where)), "film")
    assert lasting(where) == ["fewframes-store.json"]


@pytest.mark.slow
def test_vectors_that_come_while_their_group_goes_go_too(where):
    put(where, "film")
    store = resolve_store(where)
    video = ff.open(where)["film"]
    act = lambda: video.embed(COLOUR)  # noqa: E731
    remove_group(
        Meanwhile(store, "delete", act, when=lambda *keys: keys[0].endswith("commit.json")),
        "film",
        KEY,
    )
    assert lasting(where) == ["fewframes-store.json"]


class Interrupted(Dying):
    """A change of the store is made or not, and then Ctrl-C comes."""

    def die(self):
        raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("is_made", [False, True])
@pytest.mark.parametrize("verb", ["put", "rm"])
def test_what_is_interrupted_leaves_nothing_behind_a_sweep(tmp_path, verb, is_made):
    for changes in range(40):
        store = resolve_store(tmp_path / str(changes))
        if verb == "rm":
            put(store, "film")
        interrupted = Interrupted(store, changes, is_made=is_made)
        try:
            put(interrupted, "film") if verb == "put" else remove_videos(interrupted, ["film"])
        except KeyboardInterrupt:
            if "fewframes-store.json" not in lasting(store):
                continue
            sweep(store)
            is_there = is_whole(store)
            assert len(lasting(store)) == (8 if is_there else 1), lasting(store)
            assert list((store.path / ".attempts").iterdir()) == []
        else:
            break
    assert 4 < changes < 39


@pytest.mark.parametrize("recipe", [RECIPE, Recipe(fps=1, size="64")])
def test_a_writer_whose_clock_was_ahead_hides_nobody(where, recipe, monkeypatch):
    class Ahead(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=1)

    with monkeypatch.context() as patch:
        patch.setattr(current, "datetime", Ahead)
        put(where, "film", digest="d0")
    put(where, "film", recipe=recipe)
    video = ff.open(where)["film"]
    assert (video.facts["source"]["digest"], video.facts["recipe"]) == ("d1", recipe.to_dict())
    prune(where)
    assert ff.open(where)["film"].commit.key == video.commit.key
    assert video.facts["created"] > datetime.now(UTC).isoformat()


@pytest.mark.slow
def test_rm_takes_what_has_no_record(where):
    put(where, "film")
    resolve_store(where).delete(f"{HOME}/commit.json")
    remove_videos(where, ["film"])
    assert lasting(where) == ["fewframes-store.json"]


@pytest.mark.slow
def test_a_compaction_that_was_overtaken_twice_starts_again(where, monkeypatch):
    put(where, "film")
    compact(where)
    store, real = resolve_store(where), catalogue.snapshot_keys
    put(where, "new")
    before = real(store)
    compact(where, whole=False)
    compact(where, whole=False)
    stale = [before]
    monkeypatch.setattr(
        compaction, "snapshot_keys", lambda files: stale.pop() if stale else real(files)
    )
    compact(where, whole=False)
    assert len(real(store)) == 1
    assert list(ff.open(where)) == ["film", "new"]


@pytest.mark.slow
def test_a_full_disk_does_not_keep_a_video_from_going(tmp_path, monkeypatch):
    import errno

    from fewframes.store import publish

    put(tmp_path / "s", "film")
    real, full = publish.announce, [True]

    def announce(*given):
        if full.pop() if full else False:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*given)

    monkeypatch.setattr(publish, "announce", announce)
    remove_videos(tmp_path / "s", ["film"])
    assert lasting(tmp_path / "s") == ["fewframes-store.json"]
    assert verify_store(tmp_path / "s") == []
