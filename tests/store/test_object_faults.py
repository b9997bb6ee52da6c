"""A store by URL whose server is away or whose bytes are damaged: an error names what is wrong."""

import pytest
from objects_by_url import KEY, Wrapped, attempt_of, is_whole
from stored import RECIPE, put

import fewframes as ff
from fewframes.checking.verify import verify_store
from fewframes.errors import (
    CorruptStoreError,
    UnreachableStoreError,
)
from fewframes.store.object_store import resolve_store
from fewframes.store.recipes import Recipe
from fewframes.store.removal import remove_videos

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
            self.objects.put(key, data)

    with pytest.raises(UnreachableStoreError):
        put(Leaving(resolve_store(bucket)), "film")
    assert not is_whole(bucket)
    put(resolve_store(bucket), "film")
    assert is_whole(bucket)


def test_damage_is_an_error_that_names_it(bucket):
    objects = resolve_store(bucket)
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
    objects = resolve_store(bucket)
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
    objects = resolve_store(bucket)
    put(objects, "film", digest="old")
    put(objects, "film", recipe=Recipe(fps=5.0, size="64"))
    old = ff.open(bucket)["film"]
    put(objects, "film", digest="d1")
    groups = {RECIPE.key("d1"), Recipe(fps=5.0, size="64").key("d1")}
    assert set(objects.names("videos/film")) == groups
    assert ff.open(bucket)["film"].facts["recipe"] == RECIPE.to_dict()
    assert len(old.read(rows=[0])) == 1  # of the other recipe
    assert not objects.names(".attempts")
