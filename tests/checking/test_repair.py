"""What verify, its repair, and rm promise."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from stored import put

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.checking.results import CATALOGUE
from fewframes.checking.verify import verify_store
from fewframes.cli.main import main
from fewframes.errors import CorruptStoreError
from fewframes.store.compaction import compact
from fewframes.store.journal import journal_entries
from fewframes.store.manifest import read_commit, write_commit
from fewframes.store.recipes import Recipe


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "films").mkdir()
    write_film(tmp_path / "films" / "a.mp4", Film(frames=75, options={"g": "25"}))
    write_film(tmp_path / "films" / "b.mkv", Film(frames=50, suffix=".mkv"))
    ff.index(tmp_path / "films", tmp_path / "s.zarr", size=64, dedup=0)
    return tmp_path


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def only_group(corpus, name):
    (group,) = (corpus / "s.zarr" / "videos" / name).iterdir()
    return group


def contents(group):
    files = sorted(path for path in group.rglob("*") if path.is_file())
    return {path.relative_to(group).as_posix(): path.read_bytes() for path in files}


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["frames/c/0/0/0/0", "frames.parquet", "commit.json"])
def test_what_is_broken_is_indexed_again_from_its_film(corpus, file):
    group = only_group(corpus, "a")
    before = contents(group)
    flip(group / file)
    words = ["verify", corpus / "s.zarr", "--film", corpus / "films"]
    assert run(*words).exit_code == 3
    done = run(*words, "--repair")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == "a: indexed again from 'a.mp4'"
    assert run(*words).exit_code == 0
    after = contents(group)
    changed = [name for name in before if before[name] != after[name]]
    assert changed == ["commit.json", "zarr.json"]


@pytest.mark.slow
def test_without_a_film_only_drop_removes(corpus):
    flip(only_group(corpus, "a") / "frames.parquet")
    done = run("verify", corpus / "s.zarr", "--repair", "--json")
    assert done.exit_code == 3
    assert json.loads(done.output.splitlines()[-1]) == {
        "video": "a",
        "is_repaired": False,
        "words": "left as it is: no film of this id is given; pass it as --film",
    }
    assert only_group(corpus, "a").exists()
    assert run("verify", corpus / "s.zarr", "--repair", "--drop").exit_code == 0
    assert list(ff.open(corpus / "s.zarr")) == ["b"]
    assert run("verify", corpus / "s.zarr", "--drop").exit_code == 2
    assert run("verify", corpus / "films" / "a.mp4", "--repair").exit_code == 2


@pytest.mark.slow
def test_a_film_that_cannot_be_read_leaves_the_broken_group_where_it_is(corpus):
    group = only_group(corpus, "a")
    flip(group / "frames.parquet")
    (corpus / "films" / "a.mp4").write_text("no film any more")
    done = run("verify", corpus / "s.zarr", "--film", corpus / "films", "--repair")
    assert done.exit_code == 3
    assert "left as it is: 'a.mp4' is another film" in done.output
    assert group.exists()
    assert list(ff.open(corpus / "s.zarr")) == ["a", "b"]


def test_every_group_of_a_video_is_verified(tmp_path):
    group = put(tmp_path / "s", "film")
    put(tmp_path / "s", "film", recipe=Recipe(fps=1, size="64"))
    flip(group / "frames.parquet")
    (verdict,) = verify_store(tmp_path / "s")
    assert verdict.differences == ("frames.parquet of video 'film' is damaged",)


def test_numbers_that_do_not_agree_are_found(tmp_path):
    group = put(tmp_path / "s", "film")
    table = pq.read_table(group / "frames.parquet")
    pq.write_table(table.slice(0, 18), group / "frames.parquet")
    shutil.rmtree(group / "signatures")
    facts, files = read_commit(group).facts, read_commit(group).files
    written = dict.fromkeys(path for path in files if not path.startswith("signatures"))
    write_commit(group, facts, written)
    (verdict,) = verify_store(tmp_path / "s")
    words = "frames.parquet of video 'film' has 18 rows, but 20 were published"
    assert verdict.differences == (words,)
    counts = facts["counts"] | {"rows": 18}
    write_commit(group, facts | {"counts": counts}, written)
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


def test_rm_leaves_nothing_of_a_video(tmp_path):
    store = tmp_path / "s"
    for name in ("keep", "secret patient", "other"):
        put(store, name)
    put(store, "secret patient", recipe=Recipe(fps=1, size="64"))
    compact(store)
    flip(next((store / "videos" / "other").iterdir()) / "commit.json")
    done = run("rm", store, "secret patient", "nobody")
    assert (done.exit_code, len(ff.open(store))) == (1, 3)
    assert "no video 'nobody'" in done.output
    assert run("rm", store, "secret patient", "other").exit_code == 0
    assert list(ff.open(store)) == ["keep"]
    assert journal_entries(store) == []
    for path in store.rglob("*"):
        assert "secret" not in path.name
        assert path.is_dir() or b"secret" not in path.read_bytes()
    assert run("compact", store).output == "1 videos\n"
    assert run("compact", tmp_path).exit_code == 1


def test_a_video_that_is_called_as_the_catalogue_is_shown_is_repaired_like_any_other(tmp_path):
    group = put(tmp_path / "s", CATALOGUE)
    flip(group / "frames.parquet")
    (verdict,) = verify_store(tmp_path / "s")
    assert not verdict.is_catalogue
    done = run("verify", tmp_path / "s", "--repair", "--drop")
    assert done.output.splitlines()[-1].startswith(f"{CATALOGUE}: dropped: ")
    assert not group.exists()
