"""Kinds of sidecars: one that this version does not know is kept as well as any other."""

from backends import lasting
from embedders import looker
from stored import put

from fewframes.checking.verify import verify_store
from fewframes.store import sidecars
from fewframes.store.removal import remove_videos
from fewframes.store.staging import Staging
from fewframes.store.store import open_store


def test_a_kind_of_a_newer_version_is_listed_checked_and_removed_and_read_by_nobody(where):
    put(where, "film")
    video = open_store(where)["film"]
    video.embed(looker("one"))
    group = video.commit
    home = f"{group.home}.{'0' * 16}"
    with Staging(group.store.workspace) as staging:
        (staging.folder / "words.txt").write_bytes(b"a newer version's")
        facts = {**sidecars.facts_of(group, "words"), "language": "en"}
        sidecars.publish_sidecar(staging, group, home, facts, ["words.txt"])
    video = open_store(where)["film"]
    assert [one.kind for one in sidecars.sidecars_of(video.commit)] == ["vectors", "words"]
    assert [identity.name for identity in video.embeddings] == ["one"]
    assert [verdict.differences for verdict in verify_store(where)] == [()]
    (record,) = [one for one in sidecars.sidecars_of(video.commit) if one.kind == "words"]
    group.store.put(f"{home}/{record.commit.facts['attempt']}/words.txt", b"a newer version'S")
    assert any("words.txt" in word for one in verify_store(where) for word in one.differences)
    remove_videos(where, ["film"])
    assert not [key for key in lasting(where) if "words" in key]
