"""A store that somebody gives you reads, writes and removes nothing outside of it."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from click.testing import CliRunner
from hostile_mutations import reseal, sealed
from stored import RECIPE, film, home_of, place_of, put

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.checking.verify import verify_store
from fewframes.cli.main import main
from fewframes.errors import CorruptStoreError
from fewframes.indexing.range_results import Parts
from fewframes.store import shard_format as form
from fewframes.store.compaction import compact
from fewframes.store.embedding import named_embedder
from fewframes.store.gc import sweep
from fewframes.store.marker import create_store
from fewframes.store.resolve import resolve_store
from fewframes.store.untrusted import load_json

OLD = 40 * 24 * 3600


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def elsewhere(folder):
    """A folder outside, with a file in it, older than any leftovers."""
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "precious").write_bytes(b"precious")
    for path in (folder / "below" / "precious", folder / "below", folder):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - OLD))
    return folder


def swapped(path, target):
    """Puts a link where a store has something."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


@pytest.fixture
def store(tmp_path):
    put(tmp_path / "s", "film")
    compact(tmp_path / "s")
    return tmp_path / "s"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [".attempts", ".parts", "failures", "videos", "catalogue"],
)
@pytest.mark.parametrize("words", ["ls", "rm", "compact", "verify", "index"])
def test_a_store_whose_own_folder_is_a_link_is_refused(tmp_path, store, name, words):
    outside = elsewhere(tmp_path / "outside")
    swapped(store / name, outside)
    before = sorted(outside.rglob("*"))
    rest = {"rm": ["film"], "index": ["-o", store]}.get(words, [])
    write_film(tmp_path / "film.mp4", Film(frames=4))
    done = run(words, tmp_path / "film.mp4" if words == "index" else store, *rest)
    assert done.exit_code == 1
    assert f"{name} is a link" in done.output
    assert sorted(outside.rglob("*")) == before


def test_a_store_that_is_a_link_itself_is_its_user_s_choice(tmp_path, store):
    (tmp_path / "link").symlink_to(store)
    assert list(ff.open(tmp_path / "link")) == ["film"]
    put(tmp_path / "link", "other")
    assert run("rm", tmp_path / "link", "film").exit_code == 0
    assert list(ff.open(store)) == ["other"]


@pytest.mark.parametrize("leads", ["to a copy", "nowhere"])
@pytest.mark.parametrize("level", ["video", "group"])
def test_a_linked_video_or_group_is_unreadable_and_only_the_link_is_removed(
    tmp_path, store, level, leads
):
    group = home_of(store, "film")
    path = group.parent if level == "video" else group
    shutil.copytree(path, tmp_path / "outside")
    swapped(path, tmp_path / ("outside" if leads == "to a copy" else "nowhere"))
    before = sorted((tmp_path / "outside").rglob("*"))
    compact(store)
    assert run("ls", store).output.split()[:2] == ["film", "unreadable"]
    with pytest.raises(CorruptStoreError, match="is a link"):
        ff.open(store)["film"]
    assert "film" in ff.open(store)
    assert "is a link" in verify_store(store)[0].differences[0]
    kept = run("verify", store, "--repair")
    assert (kept.exit_code, path.is_symlink()) == (3, True)
    assert "film: left as it is: " in kept.output
    done = run("verify", store, "--repair", "--drop")
    assert (done.exit_code, os.path.lexists(path)) == (0, False)
    assert "film: dropped: " in done.output
    assert list(ff.open(store)) == []
    assert sorted((tmp_path / "outside").rglob("*")) == before


def test_of_a_group_whose_record_is_a_link_only_the_link_and_its_own_files_go(tmp_path, store):
    record = home_of(store, "film") / "commit.json"
    shutil.move(record, tmp_path / "outside.json")
    record.symlink_to(tmp_path / "outside.json")
    assert run("rm", store, "film").exit_code == 0
    assert not (store / "videos" / "film").exists()
    assert (tmp_path / "outside.json").exists()
    assert list(ff.open(store)) == []


def test_nothing_is_published_or_superseded_through_a_link(tmp_path, store):
    shutil.copytree(store / "videos/film", tmp_path / "outside")
    swapped(store / "videos/film", tmp_path / "outside")
    before = sorted((tmp_path / "outside").rglob("*"))
    with pytest.raises(CorruptStoreError, match="is a link"):
        put(store, "film", digest="d2")
    assert sorted((tmp_path / "outside").rglob("*")) == before
    assert run("rm", store, "film").exit_code == 0
    assert sorted((tmp_path / "outside").rglob("*")) == before


@pytest.mark.parametrize(
    "name",
    ["commit.json", "frames", "frames/c", "frames/c/0", "frames/c/0/0/0/0", "frames.parquet",
     "frames/zarr.json", "signatures", "signatures/c/0/0", ""],
)  # fmt: skip
def test_nothing_of_a_group_is_read_through_a_link(tmp_path, store, name):
    path = (
        home_of(store, "film") / name if name == "commit.json" else place_of(store, "film") / name
    )
    shutil.move(path, tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    with pytest.raises(CorruptStoreError):
        read_all_of(store)
    assert verify_store(store)[0].differences


def read_all_of(store):
    video = ff.open(store)["film"]
    return video.table, video.read(rows=[0])


def test_a_linked_sidecar_is_refused(tmp_path, store):
    video = ff.open(store)["film"]
    video.embed(named_embedder(lambda batch: batch.mean(axis=(1, 2)), name="colour", dim=3))
    (sidecar,) = (store / "videos" / "film").glob("*.*")
    shutil.move(sidecar, tmp_path / "outside")
    sidecar.symlink_to(tmp_path / "outside")
    with pytest.raises(CorruptStoreError, match="is a link"):
        video.vectors("colour")
    assert "is a link" in verify_store(store)[0].differences[0]


def test_old_parts_are_swept_and_nothing_that_a_link_leads_to(tmp_path):
    create_store(tmp_path / "s")
    outside = elsewhere(tmp_path / "outside")
    old, new = (tmp_path / "s/.parts/film" / name for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "0000-00.arrow").touch()
    os.utime(old, (1, 1))
    (tmp_path / "s/.parts/linked").symlink_to(outside)
    sweep(resolve_store(tmp_path / "s"))
    assert (new.exists(), old.exists()) == (True, False)
    assert (outside / "below" / "precious").exists()
    swapped(tmp_path / "s/.parts", outside.parent / "outside")
    sweep(resolve_store(tmp_path / "s"))
    assert (outside / "below" / "precious").exists()
    with pytest.raises(CorruptStoreError, match="is a link"):
        Parts.of(tmp_path / "s", "film", RECIPE, film(4).source, [np.arange(3)])


@pytest.mark.parametrize("path", ["/etc/passwd", "../other", "a/../../b", "..", ".", "", "a//b"])
def test_a_record_names_files_below_its_group_only(store, path):
    group = home_of(store, "film")
    record = json.loads((group / "commit.json").read_bytes())
    record["files"][0]["path"] = path
    (group / "commit.json").write_bytes(sealed(record))
    with pytest.raises(CorruptStoreError, match="is none below it"):
        ff.open(store)["film"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "value"),
    [("time_base", "1/0"), ("time_base", None), ("counts", {}), ("counts", None), ("id", 5),
     ("start_pts", 1e308), ("frame_size", [10**9, 10**9]), ("frame_size", [64.0, 48]),
     ("recipe", {"format_version": "1"}), ("recipe", []), ("source", {}), ("stream", {"codec": 1}),
     ("bad_ranges", [[1]]), ("damage", [1]), ("status", "fine"), ("notes", "x"),
     ("created", ["a"]), ("end_pts", 10**40), ("attempt", "../../x")],
)  # fmt: skip
def test_a_bad_record_is_one_unreadable_row(store, at, value):
    put(store, "sound")
    group = home_of(store, "film")
    record = json.loads((group / "commit.json").read_bytes()) | {at: value}
    (group / "commit.json").write_bytes(sealed(record))
    assert list_of(store) == [("film", "unreadable"), ("sound", "ok")]
    with pytest.raises(CorruptStoreError, match=f"{at}|{at}[.]"):
        ff.open(store)["film"]


@pytest.mark.parametrize("at", ["id", "time_base", "counts", "recipe", "stream", "damage", "files"])
def test_a_record_that_lacks_a_fact_is_one_unreadable_row(store, at):
    put(store, "sound")
    group = home_of(store, "film")
    record = json.loads((group / "commit.json").read_bytes())
    del record[at]
    (group / "commit.json").write_bytes(sealed(record))
    assert list_of(store) == [("film", "unreadable"), ("sound", "ok")]


@pytest.mark.parametrize("text", ['{"a": NaN}', "[" * 100_000, "9" * 5000, '{"id": ["x"]}', "\xff"])
def test_json_of_any_kind_ends_no_list(store, text):
    put(store, "sound")
    group = home_of(store, "film")
    (group / "commit.json").write_text(text)
    (store / "failures").mkdir()
    (store / "failures" / "bad").write_text(text)
    assert list_of(store) == [("film", "unreadable"), ("sound", "ok"), ("bad", "unreadable")]
    assert run("ls", store, "--json").exit_code == 0
    assert [row["status"] for row in ff.open(store).failures()] == ["unreadable"]


def list_of(store):
    compact(store)
    done = run("ls", store)
    assert done.exit_code == 0, done.output
    return [tuple(line.split()[:2]) for line in done.output.splitlines()]


def test_how_deep_json_may_be():
    assert load_json(b"[" * 100 + b"]" * 100)
    assert load_json(b'{"a": [' + b"{}, [[]], " * 1000 + b"1]}")
    for deep in (b"[" * 101 + b"]" * 101, b'[[{}], {"a": ' * 60 + b"1" + b"}]" * 60):
        with pytest.raises(ValueError, match="nested too deeply"):
            load_json(deep)


@pytest.mark.slow
def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting(store):
    home, place = home_of(store, "film"), place_of(store, "film")
    for name in (home / "commit.json", place / "frames.parquet", place / "frames/c/0/0/0/0"):
        name.rename(home / "kept")
        os.mkfifo(name)
        code = "import sys, fewframes as ff; ff.open(sys.argv[1])['film'].read(rows=[0])"
        words = [sys.executable, "-c", code, str(store)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        assert "CorruptStoreError" in done.stderr
        name.unlink()
        (home / "kept").rename(name)


@pytest.mark.slow
@pytest.mark.parametrize("lies", ["a pipe", "a file", "a link"])
def test_what_lies_in_place_of_a_folder_to_be_removed_goes_itself(store, tmp_path, lies):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine.txt").touch()
    place = store / ".parts" / next((store / "videos").iterdir()).name
    place.parent.mkdir(exist_ok=True)
    {
        "a pipe": os.mkfifo,
        "a file": lambda path: path.touch(),
        "a link": lambda path: path.symlink_to(tmp_path / "kept"),
    }[lies](place)
    words = [sys.executable, "-m", "fewframes", "rm", str(store), "film"]
    subprocess.run(words, capture_output=True, timeout=120, check=True)
    assert not os.path.lexists(place)
    assert (tmp_path / "kept" / "mine.txt").exists()


def bloated(store, rows):
    """A table of so many rows that are all alike, in a small file, with right digests; gives it."""
    file = place_of(store, "film") / "frames.parquet"
    table = pq.read_table(file)
    zeros = np.zeros(1 << 18, np.int8)
    part = pa.table({name: pa.array(zeros).cast(table[name].type) for name in table.column_names})
    with (
        file.open("wb") as out,
        pq.ParquetWriter(out, part.schema, compression="zstd") as writer,
    ):
        for _ in range(rows >> 18):
            writer.write_table(part)
    reseal(home_of(store, "film"))
    return file


@pytest.mark.parametrize(("name", "kind"), [("sharpness", pa.float64()), ("dhash64", pa.int64())])
def test_a_signal_of_another_type_is_refused(store, name, kind):
    file = place_of(store, "film") / "frames.parquet"
    table = pq.read_table(file)
    at = table.column_names.index(name)
    column = pa.array([1] * len(table)).cast(kind)
    with file.open("wb") as out:
        pq.write_table(table.set_column(at, name, column), out)
    reseal(home_of(store, "film"))
    with pytest.raises(CorruptStoreError, match=f"has {kind} in column '{name}', not "):
        ff.open(store)["film"].table  # noqa: B018 (it is read here)


@pytest.mark.slow
@pytest.mark.parametrize("says_so", [False, True])
def test_a_small_file_of_many_rows_takes_no_memory(store, says_so):
    group, file = home_of(store, "film"), bloated(store, 1 << 22)
    if says_so:
        record = json.loads((group / "commit.json").read_bytes())
        record["counts"] |= {"rows": 1 << 22, "frames": 1 << 22}
        (group / "commit.json").write_bytes(sealed(record))
    assert file.stat().st_size < 1 << 20
    pool = pa.default_memory_pool()
    before = pool.max_memory()
    with pytest.raises(CorruptStoreError, match="more than real rows do" if says_so else "20 were"):
        ff.open(store)["film"].read(rows=[0])
    assert pool.max_memory() - before < 64 << 20


def test_an_index_that_points_anywhere_is_refused():
    index = form.empty_index()
    for offset, size in ((1 << 62, 1 << 62), (0, 1 << 63), (5000, 10), (0, 3), (0, 999_999)):
        index[0] = (offset, size)
        with pytest.raises(ValueError, match=r"points out|more than"):
            form.decode_index(form.encode_index(index), shard_bytes=5000, most_bytes=4000)


@pytest.mark.parametrize(
    "shape", [[1 << 40, 48, 64, 3], [14, 1 << 20, 1 << 20, 3], [14.0, 48, 64, 3]]
)
def test_huge_and_odd_shapes_are_refused(store, shape):
    file = place_of(store, "film") / "frames/zarr.json"
    facts = json.loads(file.read_bytes())
    facts["shape"] = shape
    facts["chunk_grid"]["configuration"]["chunk_shape"][1:3] = shape[1:3]
    inner = facts["codecs"][0]["configuration"]
    inner["chunk_shape"][1:3] = shape[1:3]
    file.write_text(json.dumps(facts))
    reseal(home_of(store, "film"))
    with pytest.raises(CorruptStoreError):
        ff.open(store)["film"].read(rows=[0])


def test_a_compressed_catalogue_is_not_unpacked(store):
    (file,) = (store / "catalogue").glob("snapshot-*.arrows")
    table = pa.ipc.open_stream(file.read_bytes()[:-16]).read_all()
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(pa.concat_tables([table] * 5000).combine_chunks())
    data = sink.getvalue().to_pybytes()
    file.unlink()
    data += xxhash.xxh3_128_digest(data)
    (store / "catalogue" / "snapshot-0000000009.arrows").write_bytes(data)
    with pytest.raises(CorruptStoreError, match="run 'fewframes compact'"):
        len(ff.open(store))
    assert compact(store) == 1
    assert list(ff.open(store)) == ["film"]
