"""A catalogue that people query: the same rows for SQL, Arrow, Parquet and JSON."""

import builtins
import json

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from stored import RECIPE, put

import fewframes as ff
from fewframes.bindings import duckdb_where
from fewframes.cli.main import main
from fewframes.errors import MissingBackendError
from fewframes.indexing.quarantine import Quarantine
from fewframes.store.catalogue_rows import COLUMNS
from fewframes.store.compaction import compact
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import resolve_store
from fewframes.store.results import Outcome, Status

STRANGE = "ward 3/caf\udce9"


def four_videos(where, held_in):
    """Makes a store of four videos, whose rows come from notes, from a snapshot, or from both."""
    put(where, "b", frames=10)
    put(where, STRANGE)
    if held_in == "both":
        compact(where)
    put(where, "a", frames=80, reason="2 of 40 do not decode", bad_ranges=[[3, 5]])
    put(where, "c", recipe=Recipe(fps=None, size="64", quality=80))
    if held_in == "snapshot":
        compact(where)
    return where


@pytest.fixture(params=["notes", "snapshot", "both"])
def store(request, tmp_path):
    return four_videos(tmp_path / "s", request.param)


@pytest.fixture(params=["notes", "snapshot", "both"])
def anywhere(request, where):
    return four_videos(where, request.param)


def run(*words) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("rows > 10", ["a", "c", r"ward 3/caf\xe9"]),
        ("status = 'damaged' and bad_ranges = 1 and reason like '%of 40%'", ["a"]),
        ("recipe_fps is null and recipe_quality = 80", ["c"]),
        ("len(keys) = 1 and film_bytes / duration_seconds < 1 or id = 'b'", ["b"]),
        ("created < '2000'", []),
    ],
)
def test_a_condition_picks_videos(anywhere, condition, ids):
    pytest.importorskip("duckdb", reason="DuckDB is not installed; pip install 'fewframes[sql]'")
    assert ff.open(anywhere).to_table(condition)["id"].to_pylist() == ids
    said = [
        json.loads(line)["id"]
        for line in run("ls", anywhere, "--where", condition, "--json").split("\n")[:-1]
    ]
    assert said == ids
    assert run("ls", anywhere, "--where", condition).count("\n") == len(ids)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("rowz > 1", 'Referenced column "rowz" not found'),
        ("rows >", "syntax error"),
    ],
)
def test_what_is_no_condition_is_one_sentence(store, condition, words):
    pytest.importorskip("duckdb", reason="DuckDB is not installed; pip install 'fewframes[sql]'")
    done = CliRunner().invoke(main, ["ls", str(store), "--where", condition])
    assert done.exit_code == 1
    assert f"--where {condition!r} is no condition in SQL on the columns id, keys" in done.output
    assert words in done.output
    assert "Traceback" not in done.output


READS = [
    "id in (select * from read_csv('{0}'))",
    "id in (select content from read_text('{0}'))",
    "id in (select content::varchar from read_blob('{0}'))",
    "id in (select file from glob('/*'))",
    "id in (select column0 from '{0}')",
    "id in (select * from read_csv('http://127.0.0.1:9/a.csv'))",
]
"""Conditions that ask for what is not in the table."""
ACTS = [
    "1=1; attach '{0}.db'",
    "1=1; copy (select 1) to '{0}.out'",
    "1=1) ; copy (select 1) to '{0}.out'; select (1",
    "1=1; set enable_external_access=true",
    "1=1; load httpfs",
    "id in (select id from private)",
]
"""Conditions that are to do something, or to read a variable of the program."""


@pytest.mark.slow
@pytest.mark.parametrize("condition", READS)
def test_a_condition_reads_no_file(store, tmp_path, condition):
    pytest.importorskip("duckdb", reason="DuckDB is not installed; pip install 'fewframes[sql]'")
    (tmp_path / "private.csv").write_text("a\nb\n")
    done = CliRunner().invoke(main, ["ls", str(store), "--where", condition.format("private.csv")])
    assert done.exit_code == 1
    assert "asks for more than the table; a condition reads its columns alone" in done.output


@pytest.mark.slow
@pytest.mark.parametrize("condition", ACTS)
def test_a_condition_does_nothing(store, tmp_path, condition):
    pytest.importorskip("duckdb", reason="DuckDB is not installed; pip install 'fewframes[sql]'")
    private = ff.open(store).to_table()
    assert len(private) == 4
    with pytest.raises(ValueError, match="is no condition in SQL"):
        ff.open(store).to_table(condition.format(tmp_path / "new"))
    assert not list(tmp_path.glob("new*"))


def test_the_settings_of_a_condition_are_locked():
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    with duckdb.connect(config=duckdb_where.SHUT) as connection:
        for change in ("enable_external_access=true", "memory_limit='9TB'", "threads=9"):
            with pytest.raises(duckdb.Error, match=r"locked|while database is running"):
                connection.execute(f"set {change}")


@pytest.mark.slow
def test_a_condition_has_so_much_time(store, monkeypatch):
    pytest.importorskip("duckdb", reason="DuckDB is not installed; pip install 'fewframes[sql]'")
    monkeypatch.setattr(duckdb_where, "LIMIT_SECONDS", 0.3)
    condition = "(select sum(a.range * b.range) from range(9000000) a, range(9000000) b) > rows"
    done = CliRunner().invoke(main, ["ls", str(store), "--where", condition])
    assert done.exit_code == 1
    assert "takes more than 0.3 s; ask for less" in done.output


def test_a_parquet_file_is_written_over_no_link_of_another(store, tmp_path):
    """What lies in the folder under a name that could be guessed is left alone."""
    (tmp_path / "kept").write_text("mine")
    (tmp_path / ".videos.parquet.partial").symlink_to(tmp_path / "kept")
    run("ls", store, "--parquet", tmp_path / "videos.parquet")
    assert (tmp_path / "kept").read_text() == "mine"
    assert (tmp_path / ".videos.parquet.partial").is_symlink()


def test_without_duckdb_a_condition_says_what_to_install(store, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **options):
        if name == "duckdb":
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingBackendError, match=r"pip install 'fewframes\[sql\]'"):
        ff.open(store).to_table("rows > 1")
    assert len(ff.open(store).to_table()) == 4


def test_json_and_parquet_have_all_columns_of_every_video(anywhere, tmp_path):
    run("ls", anywhere, "--parquet", tmp_path / "videos.parquet")
    table = pq.read_table(tmp_path / "videos.parquet")
    assert table.column_names == list(COLUMNS)
    assert [path.name for path in tmp_path.iterdir()].count("videos.parquet") == 1
    rows = {row["id"]: row for row in table.to_pylist()}
    for line in run("ls", anywhere, "--json").splitlines():
        said = json.loads(line)
        known = rows[
            said["id"].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        ]
        assert {name: said[name] for name in COLUMNS if name not in ("id", "duration_seconds")} == {
            name: known[name] for name in COLUMNS if name not in ("id", "duration_seconds")
        }
        assert said["size"] == f"{known['height']}x{known['width']}"


@pytest.mark.slow
def test_films_that_failed_twice_are_rows_until_they_are_indexed(where, tmp_path):
    (tmp_path / "film.mp4").write_bytes(bytes(123))
    put(where, "a", recipe=RECIPE)
    quarantine = Quarantine(resolve_store(where), RECIPE, (60.0, 1 << 30))
    for name in ("a", "hangs"):
        failed = Outcome(name, Status.FAILED, "no sign for 60 s")
        quarantine.note(failed, tmp_path / "film.mp4", is_avoided=True)
    store = ff.open(where)
    (row,) = store.to_table("status = 'failed'").to_pylist()
    assert (row["id"], row["reason"], row["film_bytes"]) == ("hangs", "no sign for 60 s", 123)
    assert (row["recipe_fps"], row["rows"], row["keys"]) == (RECIPE.fps, None, [])
    assert store.to_table()["id"].to_pylist() == ["a", "hangs"]
    assert list(store) == ["a"]
    said = run("ls", where).splitlines()[1]
    assert said == "hangs  failed  None  None  None  None  no sign for 60 s"
