"""A store by URL whose server is away or whose bytes are damaged: an error names what is wrong."""

import pytest
from backends import KEY, is_whole, place_of
from dying_stores import Wrapped
from stored import RECIPE, put

import fewframes as ff
from fewframes.checking.verify import verify_store
from fewframes.errors import (
    CorruptStoreError,
    UnreachableStoreError,
)
from fewframes.store.object_backend import ObjectStoreBackend
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import resolve_store

pytestmark = pytest.mark.slow

pytest.importorskip("obstore", reason="obstore is not installed; pip install 'fewframes[s3]'")


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
    assert [v.differences for v in verify_store(resolve_store(bucket))] == [(), ()]


def test_a_server_that_goes_away_while_a_film_is_put_fails_that_film(bucket, films):
    class Leaving(Wrapped):
        def put(self, key, data):
            if key.endswith("frames.parquet"):
                raise UnreachableStoreError("the server has gone")
            self.files_below.put(key, data)

    with pytest.raises(UnreachableStoreError):
        put(ObjectStoreBackend(Leaving(resolve_store(bucket).objects)), "film")
    assert not is_whole(bucket)
    put(resolve_store(bucket), "film")
    assert is_whole(bucket)


def test_damage_is_an_error_that_names_it(where):
    store = resolve_store(where)
    put(store, "film")
    shard = f"{place_of(store)}/frames/c/0/0/0/0"
    data = store.read(shard)
    broken = bytearray(data)
    broken[100] ^= 1
    store.put(shard, bytes(broken))
    video = ff.open(where)["film"]
    with pytest.raises(CorruptStoreError, match=rf"^film/{KEY}/frames/c/.*: the picture in slot 0"):
        video.read(rows=[0])
    assert len(video.read(rows=[5, 9])) == 2
    (verdict,) = verify_store(store)
    assert verdict.differences == ("frames/c/0/0/0/0 of video 'film' is damaged",)
    for wrong in (data[:-1], data[: len(data) // 2], b""):
        store.put(shard, wrong)
        with pytest.raises(CorruptStoreError, match=r"its index has a wrong checksum"):
            ff.open(where)["film"].read(rows=[0])
    store.put(shard, data)
    video = ff.open(where)["film"]
    video.read(rows=[0])
    store.put(shard, data[: len(data) // 2])  # cut while it is open
    with pytest.raises(CorruptStoreError, match=r"slot \d+ is damaged|it ends too early"):
        video.read(rows=[19])
    store.delete(shard)
    with pytest.raises(CorruptStoreError, match=r"frames/c/0/0/0/0 cannot be used"):
        ff.open(where)["film"].read(rows=[0])
    assert "is missing" in verify_store(store)[0].differences[0]


def test_a_damaged_record_is_seen_and_replaced(where):
    store = resolve_store(where)
    put(store, "film")
    record = f"videos/film/{KEY}/commit.json"
    store.put(record, store.read(record).replace(b'"rows": 20', b'"rows": 21'))
    with pytest.raises(CorruptStoreError, match=f"film/{KEY}/commit.json is damaged"):
        ff.open(where)["film"]
    assert [row["status"] for row in ff.open(where).lines()] == ["unreadable"]
    put(store, "film")
    assert is_whole(where), "a whole group takes the place of a damaged one"


def test_another_version_of_the_film_takes_the_place_of_the_old_one(where):
    store = resolve_store(where)
    put(store, "film", digest="old")
    put(store, "film", recipe=Recipe(fps=5.0, size="64"))
    old = ff.open(where)["film"]
    put(store, "film", digest="d1")
    groups = {RECIPE.key("d1"), Recipe(fps=5.0, size="64").key("d1")}
    assert set(store.names("videos/film")) == groups
    assert ff.open(where)["film"].facts["recipe"] == RECIPE.to_dict()
    assert len(old.read(rows=[0])) == 1  # of the other recipe
    assert not store.names(".attempts")
