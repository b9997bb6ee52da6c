"""What verify, its repair, and rm promise."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
from backends import keys, lasting, place_of
from click.testing import CliRunner
from embedders import looker
from stored import put

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.checking.results import CATALOGUE
from fewframes.checking.verify import verify_store
from fewframes.cli.main import main
from fewframes.errors import CorruptStoreError
from fewframes.store.compaction import compact
from fewframes.store.journal import journal_names
from fewframes.store.manifest import commit_bytes
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import resolve_store


@pytest.fixture
def films(tmp_path):
    (tmp_path / "films").mkdir()
    write_film(tmp_path / "films" / "a.mp4", Film(frames=75, options={"g": "25"}))
    write_film(tmp_path / "films" / "b.mkv", Film(frames=50, suffix=".mkv"))
    return tmp_path / "films"


@pytest.fixture
def corpus(films, where):
    """A store of two films."""
    ff.index(films, where, size=64, dedup=0)
    return resolve_store(where)


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def home_of(store, video_id):
    (key,) = store.names(f"videos/{video_id}")
    return f"videos/{video_id}/{key}"


def key_of(store, video_id, file):
    home = home_of(store, video_id)
    return f"{home if file == 'commit.json' else place_of(store, home)}/{file}"


def contents(store, video_id):
    """The files of a video's only group, by their path below it."""
    home = home_of(store, video_id)
    files = [*ff.open(store)[video_id].commit.files, "commit.json"]
    assert len(store.names(home)) == 2, "the record, and the files of one attempt"
    return {file: store.read(key_of(store, video_id, file)) for file in files}


def flip(store, key):
    data = bytearray(store.read(key))
    data[len(data) // 2] ^= 1
    store.put(key, bytes(data))


@pytest.mark.slow
@pytest.mark.parametrize("file", ["frames/c/0/0/0/0", "frames.parquet", "commit.json"])
def test_what_is_broken_is_indexed_again_from_its_film(corpus, where, films, file):
    before = contents(corpus, "a.mp4")
    flip(corpus, key_of(corpus, "a.mp4", file))
    words = ["verify", where, "--film", films]
    assert run(*words).exit_code == 3
    done = run(*words, "--repair")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == "a.mp4: indexed again from 'a.mp4'"
    assert run(*words).exit_code == 0
    after = contents(corpus, "a.mp4")
    changed = [name for name in before if before[name] != after[name]]
    assert sorted(changed) == ["commit.json", "zarr.json"]


@pytest.mark.slow
def test_vectors_of_a_broken_group_are_made_again_after_it(corpus, where, films):
    ff.open(where)["a"].embed(looker())
    group = ff.open(where)["a"].commit
    flip(corpus, f"{place_of(corpus, group.home)}/frames.parquet")
    assert run("verify", where, "--film", films, "--repair").exit_code == 0
    assert run("verify", where).exit_code == 0
    assert ff.open(where)["a"].embeddings == ()
    assert ff.open(where)["a"].embed(looker())


@pytest.mark.slow
def test_without_a_film_only_drop_removes(corpus, where, films):
    flip(corpus, key_of(corpus, "a.mp4", "frames.parquet"))
    done = run("verify", where, "--repair", "--json")
    assert done.exit_code == 3
    assert json.loads(done.output.splitlines()[-1]) == {
        "video": "a.mp4",
        "is_repaired": False,
        "words": "left as it is: no film of this id is given; pass it as --film",
    }
    assert home_of(corpus, "a.mp4")
    assert run("verify", where, "--repair", "--drop").exit_code == 0
    assert list(ff.open(where)) == ["b.mkv"]
    assert corpus.names("videos") == ["b.mkv"]
    assert run("verify", where, "--drop").exit_code == 2
    assert run("verify", films / "a.mp4", "--repair").exit_code == 2


@pytest.mark.slow
def test_a_film_that_cannot_be_read_leaves_the_broken_group_where_it_is(corpus, where, films):
    table = key_of(corpus, "a.mp4", "frames.parquet")
    flip(corpus, table)
    (films / "a.mp4").write_text("no film any more")
    done = run("verify", where, "--film", films, "--repair")
    assert done.exit_code == 3
    assert "left as it is: 'a.mp4' is another film" in done.output
    assert corpus.read(table)
    assert list(ff.open(where)) == ["a.mp4", "b.mkv"]


def test_every_group_of_a_video_is_verified(where):
    store, group = resolve_store(where), put(where, "film")
    put(where, "film", recipe=Recipe(fps=1, size="64"))
    flip(store, f"{place_of(store, group.home)}/frames.parquet")
    (verdict,) = verify_store(where)
    assert verdict.differences == ("frames.parquet of video 'film' is damaged",)


def test_numbers_that_do_not_agree_are_found(tmp_path):
    commit = put(tmp_path / "s", "film")
    table = pq.read_table(commit.folder / "frames.parquet")
    pq.write_table(table.slice(0, 18), commit.folder / "frames.parquet")
    shutil.rmtree(commit.folder / "signatures")
    written = dict.fromkeys(path for path in commit.files if not path.startswith("signatures"))
    record = tmp_path / "s" / commit.home / "commit.json"
    record.write_bytes(commit_bytes(commit.folder, commit.facts, written))
    (verdict,) = verify_store(tmp_path / "s")
    words = "frames.parquet of video 'film' has 18 rows, but 20 were published"
    assert verdict.differences == (words,)
    counts = commit.facts["counts"] | {"rows": 18}
    record.write_bytes(commit_bytes(commit.folder, commit.facts | {"counts": counts}, written))
    (verdict,) = verify_store(tmp_path / "s")
    assert verdict.differences == ("the rows of 'film' use 12 of 14 pictures",)


def test_a_group_below_another_name_is_an_error(tmp_path):
    put(tmp_path / "s", "a")
    shutil.copytree(tmp_path / "s/videos/a", tmp_path / "s/videos/b")
    with pytest.raises(CorruptStoreError, match="of video 'b' holds video 'a'"):
        ff.open(tmp_path / "s")["b"]
    assert "holds video 'a'" in verify_store(tmp_path / "s")[1].differences[0]


def test_a_catalogue_that_lies_is_found_and_made_anew(tmp_path):
    store = tmp_path / "s"
    for name in "abc":
        put(store, name)
    compact(store)
    shutil.rmtree(store / "videos" / "a")
    shutil.rmtree(store / "videos" / "c")
    put(tmp_path / "other", "d")
    put(tmp_path / "other", "c", reason="another one")
    shutil.copytree(tmp_path / "other/videos", store / "videos", dirs_exist_ok=True)
    (*_, verdict) = verify_store(store)
    assert verdict.video == "(catalogue)"
    assert verdict.differences == (
        "video 'a' is listed, but it is not there",
        "video 'c' is listed with other facts than it has",
        "video 'd' is there, but it is not listed",
    )
    assert run("verify", store, "--repair").output.splitlines()[-1].endswith("of 3 videos")
    assert run("verify", store).exit_code == 0
    assert list(ff.open(store)) == ["b", "c", "d"]


def test_rm_leaves_nothing_of_a_video(where):
    for name in ("keep", "secret patient", "other"):
        put(where, name)
    put(where, "secret patient", recipe=Recipe(fps=1, size="64"))
    compact(where)
    store = resolve_store(where)
    flip(store, key_of(store, "other", "commit.json"))
    done = run("rm", where, "secret patient", "nobody")
    assert (done.exit_code, len(ff.open(where))) == (1, 3)
    assert "no video 'nobody'" in done.output
    assert run("rm", where, "secret patient", "other").exit_code == 0
    assert list(ff.open(where)) == ["keep"]
    assert journal_names(store) == []
    for key in keys(where):
        assert "secret" not in key
        assert b"secret" not in store.read(key)
    if not store.is_remote:
        assert not [path for path in store.path.rglob("*") if "secret" in path.name]
    assert run("compact", where).output == "1 videos\n"


def test_what_is_no_store_is_not_compacted(tmp_path):
    assert run("compact", tmp_path).exit_code == 1


def test_a_video_that_is_called_as_the_catalogue_is_shown_is_repaired_like_any_other(where):
    store, group = resolve_store(where), put(where, CATALOGUE)
    flip(store, f"{place_of(store, group.home)}/frames.parquet")
    (verdict,) = verify_store(where)
    assert not verdict.is_catalogue
    done = run("verify", where, "--repair", "--drop")
    assert done.output.splitlines()[-1].startswith(f"{CATALOGUE}: dropped: ")
    assert lasting(where) == ["fewframes-store.json"]
