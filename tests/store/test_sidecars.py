"""What embedding a stored video promises: once, whole, of this very group, or not at all."""

import json
import multiprocessing
import pickle
import signal

import numpy as np
import pytest
import zarr
from backends import lasting
from embedders import DIM, looker, looks
from hostile_mutations import sealed
from stored import KILLED_AT_A_STEP, picture_of_row, put, run_apart

from fewframes.checking.verify import verify_store
from fewframes.errors import CorruptStoreError, StaleIndexError
from fewframes.selection.selection import select
from fewframes.store import sidecars, vectors
from fewframes.store.embedding import Identity, named_embedder
from fewframes.store.removal import remove_videos
from fewframes.store.resolve import resolve_store
from fewframes.store.staging import ATTEMPTS
from fewframes.store.store import open_store
from fewframes.store.vectors import identity_in


def expected(rows, *, plus=0):
    values = looks(np.stack([picture_of_row(row) for row in rows])) + plus
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1)


@pytest.fixture
def video(where):
    put(where, "film")
    return open_store(where)["film"]


def names(where):
    """The groups and sidecars of the film."""
    return resolve_store(where).names("videos/film")


def sidecar_of(video):
    """The record of the only sidecar of a video."""
    (home,) = sidecars.sidecar_homes(video.commit)
    return sidecars.sidecar_at(video.commit, home).commit


def work(where):
    """What lies about of unfinished work, but for locks that nobody holds."""
    store = resolve_store(where)
    return [
        *[path for path in (store.workspace / ATTEMPTS).iterdir() if path.is_dir()],
        *(store.names(ATTEMPTS) if store.is_remote else []),
    ]


def test_each_picture_is_embedded_once_in_batches(video):
    batches, told = [], []

    def frames(batch):
        batches.append(len(batch))
        return looks(batch)

    made = video.embed(looker(frames=frames), batch=4, progress=lambda *now: told.append(now))
    assert made == sum(batches) == 14  # of 20 rows, 6 repeat a picture
    assert batches == [4, 4, 4, 2]
    assert told == [(4, 14), (8, 14), (12, 14), (14, 14)]
    assert video.embed(looker(frames=frames)) == 0
    assert len(batches) == 4
    np.testing.assert_allclose(video.vectors(looker()), expected(range(20)), atol=2e-3)
    assert video.vectors("looks").dtype == np.float32


def test_a_picture_without_any_value_keeps_the_zero_vector(video):
    video.embed(looker(frames=lambda batch: np.zeros((len(batch), DIM))))
    assert not video.vectors("looks").any()


@pytest.mark.parametrize("where", ["folder"], indirect=True)
@pytest.mark.parametrize("chunk", [1, 5, 14, 100])
def test_plain_zarr_reads_the_vectors(video, monkeypatch, chunk):
    monkeypatch.setattr(vectors, "CHUNK_ROWS", chunk)
    video.embed(looker(), batch=3)
    group = zarr.open_group(sidecar_of(video).folder, mode="r")
    assert group.attrs["fewframes"]["model"] == {"name": "looks", "revision": "1", "dim": DIM}
    np.testing.assert_array_equal(group["vectors"][:][video.slots], video.vectors("looks"))
    np.testing.assert_allclose(np.linalg.norm(video.vectors("looks"), axis=1).max(), 1, atol=1e-6)


def test_the_group_stays_as_it_was(video, where):
    store = resolve_store(where)
    before = {key: store.read(key) for key in lasting(where)}
    video.embed(looker())
    assert {key: store.read(key) for key in before} == before
    assert list(open_store(where)) == ["film"]
    assert work(where) == []


def test_models_are_told_apart_by_name_revision_and_length(video):
    video.embed(looker())
    video.embed(looker(revision="2", frames=lambda batch: looks(batch)[:, ::-1]))
    video.embed(looker("other"))
    identities = [("looks", "1", DIM), ("looks", "2", DIM), ("other", "1", DIM)]
    assert video.embeddings == tuple(Identity(*identity) for identity in identities)
    first, second = video.vectors(looker()), video.vectors(looker(revision="2"))
    np.testing.assert_array_equal(first[:, ::-1], second)
    with pytest.raises(ValueError, match=r"has 2 sets of vectors of 'looks' .*pass the embedder"):
        video.vectors("looks")
    with pytest.raises(ValueError, match=r"has no sets of vectors of 'clip' .*make them with"):
        video.vectors("clip")


def test_a_question_is_a_text_a_picture_or_a_vector(video):
    video.embed(looker())
    vectors = expected(range(20))
    red = video.relevance("red", embedder=looker())
    np.testing.assert_allclose(red, vectors[:, 0], atol=2e-3)
    np.testing.assert_array_equal(red, video.relevance(np.eye(DIM)[0] * 9, embedder="looks"))
    alike = video.relevance(picture_of_row(4), embedder=looker())
    np.testing.assert_allclose(alike, vectors @ vectors[4], atol=2e-3)
    assert alike.argmax() == 4
    assert alike.dtype == np.float64


@pytest.mark.parametrize("policy", ["query", "adaptive", "facility", "dpp", "cdf", "aks"])
def test_a_question_scores_the_frames_of_a_sample(video, policy):
    video.embed(looker())
    for words in ("red", "green"):
        batch = video.sample(budget=5, policy=policy, query=words, embedder=looker())
        scores = video.relevance(words, embedder=looker())
        chosen = select(video.table, budget=5, policy=policy, relevance=scores)
        np.testing.assert_array_equal(batch.frame_numbers, chosen.frame_numbers)
        np.testing.assert_array_equal(batch.scores, chosen.scores)


def test_vectors_take_the_place_of_signatures(video):
    video.embed(looker())
    batch = video.sample(budget=4, policy="kcenter", features="looks")
    vectors = expected(range(20))
    away = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1)
    assert video.table.frame_numbers[away.argmax()] in batch.frame_numbers
    assert "novelty" in video.sample(budget=4, features="looks").report["reasons"]
    other = video.sample(budget=4, policy="kcenter")
    assert batch.frame_numbers.tolist() != other.frame_numbers.tolist()


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"query": "red"}, r"query needs embedder=…"),
        ({"embedder": "looks"}, r"query needs embedder=…"),
        ({"query": "red", "embedder": "looks"}, r"embedder='looks' is a name, but .*pass the emb"),
        ({"query": "red", "embedder": looker(), "relevance": "sharpness"}, r"pass one of the two"),
        ({"query": np.zeros(5), "embedder": "looks"}, r"vector of 6 floats, got \[5\] float64"),
        ({"query": np.full(6, np.nan), "embedder": "looks"}, r"must be finite"),
        ({"query": "red", "embedder": looker(), "policy": "uniform"}, r"not read relevance"),
        ({"query": "red", "embedder": looker("clip")}, r"has no sets of vectors of 'clip'"),
        ({"features": "looks", "policy": "cdf"}, r"policy='cdf' does not read features; leave"),
        ({"features": "clip"}, r"has no sets of vectors of 'clip' \(there: 'looks'"),
    ],
)
def test_misuse_names_value_rule_and_cure(video, wish, message):
    video.embed(looker())
    with pytest.raises(ValueError, match=message):
        video.sample(budget=2, **wish)


def test_an_embedder_of_pictures_says_that_it_knows_no_text(video):
    mute = named_embedder(looks, name="looks", dim=DIM)
    video.embed(mute)
    with pytest.raises(ValueError, match=r"'looks' knows pictures only, but the query is .*'red'"):
        video.relevance("red", embedder=mute)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (lambda batch: looks(batch)[:, :3], r"'looks' gave \[5, 3\], where \[5, 6\] was due"),
        (lambda batch: looks(batch)[:1], r"gave \[1, 6\], where \[5, 6\]"),
        (lambda batch: looks(batch) * np.nan, r"values that are not finite"),
    ],
)
def test_an_embedder_is_held_to_what_it_says(video, where, frames, message):
    with pytest.raises(ValueError, match=message):
        video.embed(looker(frames=frames), batch=5)
    assert video.embeddings == ()
    assert work(where) == []
    with pytest.raises(ValueError, match=r"batch=0 embeds nothing"):
        video.embed(looker(), batch=0)
    with pytest.raises(ValueError, match=r"needs a name, a revision and dim >= 1, got ''"):
        video.embed(looker(""))


def test_a_flipped_bit_is_seen_and_mended_by_embedding_again(video, where):
    video.embed(looker())
    store, record = resolve_store(where), sidecar_of(video)
    for file in ["commit.json", *record.files]:
        fresh = open_store(where)["film"]
        home = sidecar_of(fresh).home
        attempt = "" if file == "commit.json" else f"{sidecar_of(fresh).facts['attempt']}/"
        key = f"{home}/{attempt}{file}"
        whole = store.read(key)
        for share in (0.0, 0.3, 0.99):
            data = bytearray(whole)
            data[int(len(data) * share)] ^= 1
            store.put(key, bytes(data))
            (verdict,) = verify_store(where)
            assert verdict.differences, file
        store.delete(key)
        is_seen = bool(verify_store(where)[0].differences)
        assert is_seen == (file != "commit.json"), "without a record there are no vectors"
        assert fresh.embed(looker()) == 14
        assert verify_store(where)[0].differences == ()
        np.testing.assert_allclose(fresh.vectors(looker()), expected(range(20)), atol=2e-3)
        assert len(store.names(home)) == 2, "the record, and one attempt's files"


def test_damaged_vectors_are_an_error_when_they_are_read(video, where):
    video.embed(looker())
    store, record = resolve_store(where), sidecar_of(video)
    key = f"{record.home}/{record.facts['attempt']}/vectors/c/0/0"
    store.put(key, store.read(key)[:-1] + b"?")
    with pytest.raises(CorruptStoreError, match=r"vectors/c/0/0 of video 'film' is damaged"):
        open_store(where)["film"].relevance("red", embedder=looker())


def test_sidecars_go_with_their_group(video, where):
    video.embed(looker())
    assert len(names(where)) == 2
    put(where, "film", frames=30, digest="another source")
    assert len(names(where)) == 1
    assert open_store(where)["film"].embeddings == ()


def test_sidecars_go_with_their_video(video, where):
    video.embed(looker())
    video.embed(looker("other"))
    remove_videos(where, ["film"])
    assert lasting(where) == ["fewframes-store.json"]


def test_vectors_of_an_earlier_group_are_as_not_there(video, where):
    video.embed(looker())
    store, record = resolve_store(where), f"{video.commit.home}/commit.json"
    store.put(record, store.read(record).replace(b'"status"', b'"statu5"'))
    put(where, "film")  # takes the place of the damaged group, under the same key
    fresh = open_store(where)["film"]
    assert fresh.embeddings == ()
    assert verify_store(where)[0].differences == ()
    assert len(names(where)) == 1, "they went when the group was replaced"
    assert fresh.embed(looker()) == 14
    stale = sidecar_of(fresh)
    stale.facts["group"]["created"] = "2001-01-01"
    assert not sidecars.Sidecar(stale).belongs_to(fresh.commit)


def test_a_video_that_is_replaced_meanwhile_gets_no_vectors(video, where):
    def replacing(batch):
        put(where, "film", frames=30, digest="another source")
        return looks(batch)

    with pytest.raises(StaleIndexError, match="'film' was replaced while it was embedded"):
        video.embed(looker(frames=replacing), batch=20)
    assert len(names(where)) == 1


def test_a_video_that_is_removed_meanwhile_gets_no_vectors(video, where):
    def removing(batch):
        remove_videos(where, ["film"])
        return looks(batch)

    with pytest.raises(StaleIndexError, match="'film' was replaced while it was embedded"):
        video.embed(looker(frames=removing), batch=20)
    assert lasting(where) == ["fewframes-store.json"]


def test_vectors_that_are_of_an_earlier_group_are_named_and_made_again(video, where):
    """A killed writer may leave them: the record was replaced, and they were not removed yet."""
    video.embed(looker())
    store, record = resolve_store(where), f"{video.commit.home}/commit.json"
    facts = json.loads(store.read(record)) | {"created": "2001-01-01T00:00:00.000000+00:00"}
    store.put(record, sealed(facts))
    (words,) = verify_store(where)[0].differences
    assert "are of an earlier group of video 'film'; embed it again" in words
    fresh = open_store(where)["film"]
    assert fresh.embeddings == ()
    assert fresh.embed(looker()) == 14
    assert verify_store(where)[0].differences == ()


@pytest.mark.parametrize("going", ["embedded", "indexed", "removed"])
def test_vectors_whose_group_is_gone_are_removed(video, where, going):
    """A killed writer may leave them: it has not seen that the group went."""
    video.embed(looker())
    store, record = resolve_store(where), sidecar_of(video)
    home, files = "videos/film/0123456789abcdef.0123456789abcdef", record.facts["attempt"]
    for path in ("commit.json", *(f"{files}/{path}" for path in record.files)):
        store.put(f"{home}/{path}", store.read(f"{record.home}/{path}"))
    assert video.embeddings == (identity_in(sidecars.Sidecar(record)),)
    if going == "embedded":
        video.embed(looker("other"))
        assert len(video.embeddings) == 2
    elif going == "indexed":
        put(where, "film", digest="another source")
    else:
        remove_videos(where, ["film"])
    assert not [key for key in lasting(where) if key.startswith(home)]


def test_a_store_embeds_what_it_can(where):
    for name in ("a", "b", "c"):
        last = put(where, name)
    resolve_store(where).put(f"{last.home}/{last.facts['attempt']}/frames/c/0/0/0/0", b"")
    store, told = open_store(where), set()
    store["a"].embed(looker())
    outcomes = store.embed(looker(), progress=lambda name, done, total: told.add(name))
    assert [(o.video_id, o.status) for o in outcomes] == [
        ("a", "done"),
        ("b", "ok"),
        ("c", "failed"),
    ]
    assert told == {"b"}
    assert "cannot be used" in outcomes[2].reason
    assert (outcomes[1].rows, outcomes[1].stored) == (20, 14)


def test_a_video_with_vectors_can_be_sent_to_another_process(video):
    video.embed(looker())
    before = video.vectors("looks")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(video)).vectors("looks"), before)


def embed_in_process(store, ready, plus):
    ready.wait()
    open_store(store)["film"].embed(looker(frames=lambda batch: looks(batch) + plus), batch=1)


@pytest.mark.slow
def test_of_two_processes_one_wins(video, where):
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(2)
    racers = [spawn.Process(target=embed_in_process, args=(where, ready, at)) for at in (0, 50)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert len(names(where)) == 2
    assert work(where) == []
    assert verify_store(where)[0].differences == ()
    won = [
        np.allclose(video.vectors("looks"), expected(range(20), plus=plus), atol=2e-3)
        for plus in (0, 50)
    ]
    assert sorted(won) == [False, True]


KILLED = f"""{KILLED_AT_A_STEP}
from embedders import looker
from fewframes.store.store import open_store
os.fsync = count(os.fsync)
os.link = count(os.link)
for name in ("rename", "replace", "mkdir", "write_bytes", "write_text"):
    setattr(pathlib.Path, name, count(getattr(pathlib.Path, name)))
open_store(store)["film"].embed(looker())
"""


STEPS = 33
"""Calls of `mkdir`, `write_…`, `fsync`, `rename`, `replace` and `link` that one sidecar takes."""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["folder"], indirect=True)
@pytest.mark.parametrize("steps", [0, 2, 4, 6, 11, 13, 14, 22, 23, 29, STEPS - 2, STEPS - 1, STEPS])
def test_a_kill_leaves_whole_sidecars_or_none(video, where, steps):
    done = run_apart(KILLED, where, steps)
    assert done.returncode == (0 if steps == STEPS else -signal.SIGKILL), done.stderr
    is_there = steps >= STEPS - 1  # its folder is flushed after the record has its name
    assert len(video.embeddings) == is_there
    assert verify_store(where)[0].differences == ()
    assert video.embed(looker()) == (0 if is_there else 14)
    np.testing.assert_allclose(video.vectors(looker()), expected(range(20)), atol=2e-3)
    put(where, "other")
    assert work(where) == []
